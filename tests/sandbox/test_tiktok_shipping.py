"""Shipping by the API: who may ship what, and how (T 2.3, 3.5, 4.1, 4.2)."""

from typing import Any

import pytest

from tests.sandbox.shipping_calls import (
    GHN,
    UPS,
    F,
    lines_of,
    mark,
    own,
    package_of,
    self_shipment,
    states,
)
from tests.sandbox.tiktok_caller import US, VN, Caller, meet
from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.world import Line

# Mark as shipped (US, UK)


def test_a_seller_tells_the_tracking_number_and_the_order_awaits_collection():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001", "SKU-002"])
        assert "packages" not in caller.world.order(order_id)
        told = await caller.data("POST", f"{F}/orders/{order_id}/packages", body=own())
        order = caller.world.order(order_id)
        assert told["order_line_item_ids"] == lines_of(caller, order_id)
        assert order["status"] == "AWAITING_COLLECTION"
        assert order["tracking_number"] == "1Z999AA10123456784"
        assert order["packages"] == [{"id": told["package_id"]}]
        assert order["rts_time"] <= order["rts_sla_time"]
        for line in order["line_items"]:
            assert line["display_status"] == "AWAITING_COLLECTION"
            assert (line["package_id"], line["package_status"]) == (told["package_id"], "PROCESSING")
            assert (line["shipping_provider_id"], line["shipping_provider_name"]) == (UPS, "UPS")
        shipped = caller.world.truth_of(order_id).shipped
        assert {one.tracking for one in shipped.values()} == {"1Z999AA10123456784"}

    meet(test)


def test_units_shipped_one_by_one_leave_the_order_partially_shipping():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", [Line("SKU-001", 3)])
        first, *others = lines_of(caller, order_id)
        body = {**own("TRACK0001"), "order_line_item_ids": [first]}
        assert await mark(caller, order_id, body) == 0
        order = caller.world.order(order_id)
        assert order["status"] == "PARTIALLY_SHIPPING"
        assert order["split_or_combine_tag"] == "SPLIT"
        assert states(caller, order_id) == ["AWAITING_COLLECTION", "AWAITING_SHIPMENT", "AWAITING_SHIPMENT"]
        assert await mark(caller, order_id, own("TRACK0002")) == 0
        order = caller.world.order(order_id)
        assert order["status"] == "AWAITING_COLLECTION"
        assert [line["tracking_number"] for line in order["line_items"]] == ["TRACK0001"] + ["TRACK0002"] * 2
        assert len(order["packages"]) == 2
        assert others

    meet(test)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"status": Status.unpaid}, 21042057),
        ({"status": Status.on_hold}, 21011044),
        ({"status": Status.cancelled}, 21011041),
        ({"status": Status.awaiting_collection}, 21011020),
        ({"status": Status.delivered}, 21011020),
        ({"by_tiktok_warehouse": True}, 21008025),
        ({"by_seller": False}, 21011003),
    ],
)
def test_what_is_not_the_sellers_to_ship_is_refused(options: dict[str, Any], code: int):
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"], **options)
        before = caller.world.order(order_id)
        assert await mark(caller, order_id, own()) == code
        assert caller.world.order(order_id) == before

    meet(test)


def test_marking_as_shipped_is_for_some_markets_and_for_own_orders_only():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("vn", ["SKU-001"])
        assert await mark(caller, order_id, own(provider=GHN), shop=VN) == 21008106
        assert await mark(caller, order_id, own(), shop=US) == 21008111
        assert await mark(caller, "576000000000000001", own()) == 21008111

    meet(test)


def test_nothing_is_shipped_while_the_buyer_asks_to_cancel():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"])
        cancel_id = caller.world.request_cancellation(order_id)
        assert await mark(caller, order_id, own()) == 21011007
        caller.world.withdraw_cancellation(cancel_id)
        assert await mark(caller, order_id, own()) == 0

    meet(test)


@pytest.mark.parametrize(
    "body", [own("no blanks please"), own("AB1"), own(provider="123"), own(provider=GHN)], ids=str
)
def test_numbers_and_carriers_that_tiktok_cannot_recognise_are_refused(body: dict[str, Any]):
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"])
        assert await mark(caller, order_id, body) == 21011022

    meet(test)


@pytest.mark.parametrize("missing", ["tracking_number", "shipping_provider_id"])
def test_number_and_carrier_are_both_needed(missing: str):
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"])
        body = {name: value for name, value in own().items() if name != missing}
        assert await caller.refusal("POST", f"{F}/orders/{order_id}/packages", body=body) == (400, 36009004)

    meet(test)


def test_a_number_that_is_known_late_is_accepted_a_quarter_of_an_hour_later():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"])
        assert await mark(caller, order_id, own()) == 21011022
        caller.world.advance(900)
        assert await mark(caller, order_id, own()) == 0

    meet(test, mix=Mix.plain(recognised_late=1.0))


def test_one_number_serves_orders_of_one_recipient_up_to_twenty():
    async def test(caller: Caller) -> None:
        world = caller.world
        first = world.place_order("us", ["SKU-001"])
        address = world.facts(first).address
        same = [world.place_order("us", ["SKU-001"], address=address) for _ in range(20)]
        assert await mark(caller, first, own()) == 0
        assert [await mark(caller, order_id, own()) for order_id in same] == [0] * 19 + [21011026]
        moved = {**address, "address_line1": "2 Elsewhere Road"}
        other = world.place_order("us", ["SKU-001"], address=moved)
        assert await mark(caller, other, own()) == 21011025

    meet(test)


def test_lines_have_to_be_open_units_of_the_order():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", [Line("SKU-001", 3)])
        other = caller.world.place_order("us", ["SKU-001"])
        first, second, third = lines_of(caller, order_id)
        caller.world.cancel_line(order_id, third)

        async def ship(*line_ids: str) -> int:
            return await mark(caller, order_id, {**own(), "order_line_item_ids": list(line_ids)})

        assert await ship(first, *lines_of(caller, other)) == 21011029
        assert await ship(first, third) == 21011041
        assert await ship(first) == 0
        assert await ship(first, second) == 21011020
        assert await ship(second) == 0
        assert await ship() == 21011020
        assert states(caller, order_id)[2] == "CANCELLED"
        assert third not in caller.world.truth_of(order_id).shipped

    meet(test)


def test_of_several_packages_the_lines_have_to_be_named():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", [Line("SKU-001", 2)])
        first, second = lines_of(caller, order_id)
        groups = [{"id": "1", "order_line_item_ids": [first]}, {"id": "2", "order_line_item_ids": [second]}]
        await caller.data("POST", f"{F}/orders/{order_id}/split", body={"splittable_groups": groups})
        assert await mark(caller, order_id, own()) == 21011048
        assert await mark(caller, order_id, {**own(), "order_line_item_ids": [second]}) == 0

    meet(test)


def test_a_number_of_mere_digits_comes_with_a_warning():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"])
        told = await caller.data("POST", f"{F}/orders/{order_id}/packages", body=own("123456789012"))
        assert "more than one provider" in told["warning"]["message"]

    meet(test)


# Labels (US, UK)


def test_the_staff_buys_a_label_where_tiktok_ships():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("uk", [Line("SKU-001", 2)], by_seller=False)
        first, second = lines_of(caller, order_id)
        tracking = caller.world.buy_label(order_id, [first])
        order = caller.world.order(order_id)
        assert (order["status"], order["tracking_number"]) == ("PARTIALLY_SHIPPING", tracking)
        assert caller.world.buy_label(order_id) != tracking
        assert caller.world.order(order_id)["status"] == "AWAITING_COLLECTION"
        assert set(caller.world.truth_of(order_id).shipped) == {first, second}
        with pytest.raises(ValueError, match="already shipped"):
            caller.world.buy_label(order_id)

    meet(test)


@pytest.mark.parametrize("status", [Status.on_hold, Status.cancelled])
def test_no_label_for_an_order_that_cannot_be_shipped(status: Status):
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"], by_seller=False, status=status)
        with pytest.raises(ValueError, match=r"hold|cancelled"):
            caller.world.buy_label(order_id)

    meet(test)


def test_no_label_where_the_seller_ships_or_the_market_knows_none():
    async def test(caller: Caller) -> None:
        for shop, by_seller in (("us", True), ("vn", False)):
            order_id = caller.world.place_order(shop, ["SKU-001"], by_seller=by_seller)
            with pytest.raises(ValueError, match="takes no label"):
                caller.world.buy_label(order_id)

    meet(test)


# Ship package (Vietnam)


def test_in_vietnam_the_package_is_there_before_it_is_shipped():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("vn", ["SKU-001"])
        package_id = package_of(caller, order_id)
        (line,) = caller.world.order(order_id)["line_items"]
        assert (line["package_id"], line["package_status"]) == (package_id, "TO_FULFILL")
        path = f"{F}/packages/{package_id}/ship"
        assert await caller.data("POST", path, body=self_shipment(), shop=VN) == {}
        order = caller.world.order(order_id)
        assert (order["status"], order["tracking_number"]) == ("AWAITING_COLLECTION", "GHN0000000001")
        assert await caller.code("POST", path, body=self_shipment(), shop=VN) == 21011020

    meet(test)


def test_tiktoks_carrier_takes_a_package_at_a_slot_or_at_a_drop_off():
    async def test(caller: Caller) -> None:
        orders = [caller.world.place_order("vn", ["SKU-001"], by_seller=False) for _ in range(2)]
        first, second = (package_of(caller, order_id) for order_id in orders)
        offered = await caller.data("GET", f"{F}/packages/{first}/handover_time_slots", shop=VN)
        assert offered["can_pickup"]
        slot = {name: offered["pickup_slots"][0][name] for name in ("start_time", "end_time")}

        async def ship(package_id: str, **body: Any) -> int:
            return await caller.code("POST", f"{F}/packages/{package_id}/ship", body=body, shop=VN)

        assert await ship(first, handover_method="PICKUP") == 21011054
        elsewhen = {"start_time": 1, "end_time": 2}
        assert await ship(first, handover_method="PICKUP", pickup_slot=elsewhen) == 21011053
        assert await ship(first, **self_shipment()) == 21001001
        assert await ship(first, handover_method="PICKUP", pickup_slot=slot) == 0
        assert await ship(second, handover_method="DROP_OFF") == 0
        detail = await caller.data("GET", f"{F}/packages/{first}", shop=VN)
        assert (detail["package_status"], detail["handover_method"]) == ("PROCESSING", "PICKUP")
        assert detail["pickup_slot"] == slot
        assert detail["tracking_number"] == caller.world.order(orders[0])["tracking_number"]
        assert await caller.code("GET", f"{F}/packages/{first}/handover_time_slots", shop=VN) == 21001001

    meet(test)


def test_a_number_serves_one_package_only_where_packages_are_combined_beforehand():
    async def test(caller: Caller) -> None:
        world = caller.world
        orders = [world.place_order("vn", ["SKU-001"]) for _ in range(2)]
        codes = [
            await caller.code(
                "POST", f"{F}/packages/{package_of(caller, one)}/ship", body=self_shipment(), shop=VN
            )
            for one in orders
        ]
        assert codes == [0, 21034012]

    meet(test)


def test_packages_of_nobody_and_of_other_shops_are_refused():
    async def test(caller: Caller) -> None:
        package_id = package_of(caller, caller.world.place_order("vn", ["SKU-001"]))
        assert await caller.code("GET", f"{F}/packages/1", shop=VN) == 21011001
        assert await caller.code("GET", f"{F}/packages/{package_id}", shop=US) == 21011028
        assert await caller.code("POST", f"{F}/packages/{package_id}/ship", body={}, shop=US) == 21011028

    meet(test)


def test_a_batch_ships_what_can_be_and_names_the_rest():
    async def test(caller: Caller) -> None:
        world = caller.world
        good, asked = (world.place_order("vn", ["SKU-001"], by_seller=False) for _ in range(2))
        world.request_cancellation(asked)
        wishes = [{"id": package_of(caller, one)} for one in (good, asked)] + [{"id": "42"}]
        told = await caller.data("POST", f"{F}/packages/ship", body={"packages": wishes}, shop=VN)
        assert [(one["code"], one["detail"]["package_id"]) for one in told["errors"]] == [
            (21011007, wishes[1]["id"]),
            (21011001, "42"),
        ]
        assert world.order(good)["status"] == "AWAITING_COLLECTION"
        assert world.order(asked)["status"] == "AWAITING_SHIPMENT"

    meet(test)

"""Packages once they are told: corrected, collected, delivered, listed; and their carriers (T 4.2 to 4.5)."""

from typing import Any

import pytest

from tests.sandbox.shipping_calls import (
    USPS,
    WAREHOUSE,
    F,
    lines_of,
    mark,
    own,
    package_of,
    self_shipment,
    states,
)
from tests.sandbox.tiktok_caller import UK, US, VN, Caller, meet
from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.markets import MARKETS, SELLER_OPTION
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.world import Line

# Corrections


def test_a_tracking_number_is_corrected_a_few_times_within_72_hours():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"])
        path = f"{F}/orders/{order_id}/shipping_info/update"
        assert await caller.code("POST", path, body=own("TRACK0001")) == 21011043
        await mark(caller, order_id, own("TRACK0000"))
        first_told = caller.world.truth_of(order_id).shipped
        caller.world.advance(3600)
        assert await caller.code("POST", path, body=own("TRACK0000")) == 0
        for number in range(1, 4):
            assert await caller.code("POST", path, body=own(f"TRACK000{number}", USPS)) == 0
        assert await caller.code("POST", path, body=own("TRACK0004")) == 21011052
        order = caller.world.order(order_id)
        assert (order["tracking_number"], order["shipping_provider"]) == ("TRACK0003", "USPS")
        shipped = caller.world.truth_of(order_id).shipped
        assert [one.tracking for one in shipped.values()] == ["TRACK0003"]
        assert [one.told_at for one in shipped.values()] == [one.told_at for one in first_told.values()]

    meet(test)


@pytest.mark.parametrize(
    ("happens", "code"),
    [
        (lambda world, order_id: world.advance(72 * 3600 + 1), 21011050),
        (lambda world, order_id: world.move_to(order_id, Status.delivered), 21011030),
        (lambda world, order_id: world.cancel_order(order_id), 21011041),
    ],
    ids=["too late", "delivered", "cancelled"],
)
def test_when_a_tracking_number_stays_as_it_is(happens: Any, code: int):
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"])
        await mark(caller, order_id, own("TRACK0001"))
        happens(caller.world, order_id)
        path = f"{F}/orders/{order_id}/shipping_info/update"
        assert await caller.code("POST", path, body=own("TRACK0002")) == code

    meet(test)


def test_a_split_order_is_corrected_by_package():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", [Line("SKU-001", 2)])
        first, second = lines_of(caller, order_id)
        path = f"{F}/orders/{order_id}/packages"
        told = await caller.data("POST", path, body={**own("TRACK0001"), "order_line_item_ids": [first]})
        await caller.data("POST", path, body={**own("TRACK0002"), "order_line_item_ids": [second]})
        order_path = f"{F}/orders/{order_id}/shipping_info/update"
        assert await caller.code("POST", order_path, body=own("TRACK0003")) == 21011049
        package_path = f"{F}/packages/{told['package_id']}/shipping_info/update"
        assert await caller.code("POST", package_path, body=own("TRACK0003")) == 0
        lines = caller.world.order(order_id)["line_items"]
        assert [line["tracking_number"] for line in lines] == ["TRACK0003", "TRACK0002"]

    meet(test)


def test_what_tiktok_ships_is_not_the_sellers_to_correct():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"], by_seller=False)
        caller.world.buy_label(order_id)
        path = f"{F}/orders/{order_id}/shipping_info/update"
        assert await caller.code("POST", path, body=own()) == 21011004

    meet(test)


# What follows


def test_a_parcel_is_collected_delivered_and_the_order_completed_by_its_plan():
    plan = {
        Status.awaiting_collection: [(3600.0, "collect")],
        Status.in_transit: [(7200.0, "deliver")],
        Status.delivered: [(86_400.0, "complete")],
    }

    async def test(caller: Caller) -> None:
        world = caller.world
        order_id = world.place_order("us", [Line("SKU-001", 2)], plan=plan)
        first, _ = lines_of(caller, order_id)
        await mark(caller, order_id, {**own("TRACK0001"), "order_line_item_ids": [first]})
        world.advance(3600)
        assert world.order(order_id)["status"] == "PARTIALLY_SHIPPING"
        assert states(caller, order_id) == ["IN_TRANSIT", "AWAITING_SHIPMENT"]
        await mark(caller, order_id, own("TRACK0002"))
        world.advance(3600)
        assert world.order(order_id)["status"] == "IN_TRANSIT"
        world.advance(7200)
        order = world.order(order_id)
        assert order["status"] == "DELIVERED"
        assert [line["package_status"] for line in order["line_items"]] == ["COMPLETED"] * 2
        world.advance(86_400)
        assert states(caller, order_id) == ["COMPLETED"] * 2
        events = await caller.data("GET", f"{F}/orders/{order_id}/tracking")
        moments = [one["update_time_millis"] for one in events["tracking"]]
        assert moments == sorted(moments, reverse=True)
        assert events["tracking"][-1]["action_code"] == 10101

    meet(test, **WAREHOUSE)


def test_a_delivery_that_fails_cancels_the_order_though_it_was_shipped():
    plan = {
        Status.awaiting_collection: [(3600.0, "collect")],
        Status.in_transit: [(3600.0, "fail_delivery")],
    }

    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"], plan=plan)
        await mark(caller, order_id, own())
        caller.world.advance(7200)
        order, truth = caller.world.order(order_id), caller.world.truth_of(order_id)
        assert (order["status"], order["cancellation_initiator"]) == ("CANCELLED", "SYSTEM")
        assert [line["package_status"] for line in order["line_items"]] == ["CANCELLED"]
        assert truth.shipped
        assert truth.cancelled_at == caller.world.now()

    meet(test, **WAREHOUSE)


def test_tiktoks_warehouse_ships_its_orders_and_nobody_else_does_for_the_others():
    async def test(caller: Caller) -> None:
        world = caller.world
        world.draw_orders(60)
        world.advance(3 * 86_400)
        truths = list(world.truth())
        assert all(truth.shipped for truth in truths if truth.shipped_through == "fbt")
        assert not any(truth.shipped for truth in truths if truth.shipped_through != "fbt")
        assert {truth.shipped_through for truth in truths} == {"fbt", "seller", "label", "schedule"}

    meet(test, mix=Mix.plain(shipped_by="nobody", fulfilled_by_tiktok=0.3))


# Lists, carriers


def test_packages_are_listed_newest_first_by_state_and_time():
    async def test(caller: Caller) -> None:
        world = caller.world
        orders = []
        for _ in range(3):
            orders.append(world.place_order("vn", ["SKU-001"]))
            world.advance(60)
        packages = [package_of(caller, one) for one in orders]
        await caller.data("POST", f"{F}/packages/{packages[0]}/ship", body=self_shipment(), shop=VN)

        async def listed(query: dict[str, str], body: dict[str, Any]) -> list[str]:
            data = await caller.data("POST", f"{F}/packages/search", query, body, shop=VN)
            return [one["id"] for one in data.get("packages", [])]

        assert await listed({"page_size": "50"}, {}) == packages[::-1]
        assert await listed({"page_size": "50"}, {"package_status": "PROCESSING"}) == packages[:1]
        by_update = {"page_size": "50", "sort_field": "update_time", "sort_order": "ASC"}
        assert await listed(by_update, {}) == [*packages[1:], packages[0]]
        since = int(world.now().timestamp())
        assert await listed(by_update, {"update_time_ge": since}) == packages[:1]
        page = await caller.data("POST", f"{F}/packages/search", {"page_size": "2"}, {}, shop=VN)
        assert (len(page["packages"]), page["total_count"]) == (2, 3)
        token = {"page_size": "2", "page_token": page["next_page_token"]}
        assert await listed(token, {}) == packages[:1]
        for wrong in ({"page_size": "51"}, {}):
            assert await caller.code("POST", f"{F}/packages/search", wrong, {}, shop=VN) == 36009004
        assert await listed({"page_size": "50"}, {"package_status": "CANCELLED"}) == []

    meet(test)


def test_carriers_belong_to_the_sellers_own_delivery_option():
    async def test(caller: Caller) -> None:
        world = caller.world
        seller = world.order(world.place_order("uk", ["SKU-001"]))["delivery_option_id"]
        tiktok = world.order(world.place_order("uk", ["SKU-001"], by_seller=False))["delivery_option_id"]
        path = "/logistics/202309/delivery_options/{}/shipping_providers"
        found = await caller.data("GET", path.format(seller), shop=UK)
        assert {"id": MARKETS["GB"].providers[0].id, "name": "Royal Mail"} in found["shipping_providers"]
        assert seller == SELLER_OPTION
        assert await caller.code("GET", path.format(tiktok), shop=UK) == 21008117
        assert await caller.code("GET", path.format("1"), shop=UK) == 21008116

    meet(test)


def test_the_warehouse_for_returns_comes_first_and_sells_nothing():
    async def test(caller: Caller) -> None:
        data = await caller.data("GET", "/logistics/202309/warehouses")
        first, *selling = data["warehouses"]
        assert first["type"] == "RETURN_WAREHOUSE"
        assert [one["id"] for one in selling] == [*US.warehouses, US.fbt_warehouse]
        path = f"/logistics/202309/warehouses/{US.warehouses[0]}/delivery_options"
        options = await caller.data("GET", path, {"scope": "WAREHOUSE"})
        assert SELLER_OPTION in [one["id"] for one in options["delivery_options"]]

    meet(test)

"""Packages divided and joined before they are shipped (T 4.2, 4.4)."""

from typing import Any

import pytest

from tests.sandbox.tiktok_caller import US, VN, Caller, meet
from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.markets import MARKETS
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.world import Line, World
from tiktok_ns_pipeline.sandbox.world_events import WorldEvent

F = "/fulfillment/202309"
GHN = MARKETS["VN"].providers[1].id


def groups(*parts: list[str]) -> dict[str, Any]:
    return {
        "splittable_groups": [
            {"id": str(number), "order_line_item_ids": part} for number, part in enumerate(parts, 1)
        ]
    }


def lines_of(world: World, order_id: str) -> list[str]:
    return [line["id"] for line in world.order(order_id)["line_items"]]


def live(world: World, order_id: str) -> list[str]:
    return [package.id for package in world.packages_of(order_id) if package.is_live]


def heard(world: World) -> list[WorldEvent]:
    told: list[WorldEvent] = []
    world.listeners.append(lambda event: told.append(event) if event.kind == "package" else None)
    return told


def of_one_buyer(world: World, count: int = 2, **options: Any) -> list[str]:
    first = world.place_order("vn", ["SKU-001"], buyer=7, **options)
    address = world.facts(first).address
    return [
        first,
        *(
            world.place_order("vn", ["SKU-002"], buyer=7, address=address, **options)
            for _ in range(count - 1)
        ),
    ]


async def split(caller: Caller, order_id: str, body: dict[str, Any], shop: Any = US) -> int:
    return await caller.code("POST", f"{F}/orders/{order_id}/split", body=body, shop=shop)


def test_units_are_divided_and_the_rest_is_a_package_too():
    async def test(caller: Caller) -> None:
        world, told = caller.world, heard(caller.world)
        order_id = world.place_order("us", [Line("SKU-001", 3)])
        first, second, third = lines_of(world, order_id)
        path = f"{F}/orders/{order_id}/split"
        made = (await caller.data("POST", path, body=groups([first], [third])))["packages"]
        assert [one["splittable_group_id"] for one in made] == ["1", "2"]
        order = world.order(order_id)
        assert (order["status"], order["split_or_combine_tag"]) == ("AWAITING_SHIPMENT", "SPLIT")
        held = {line["id"]: line["package_id"] for line in order["line_items"]}
        assert (held[first], held[third]) == (made[0]["id"], made[1]["id"])
        assert held[second] not in {one["id"] for one in made}
        (event,) = told
        assert (event.webhook_type, event.data["sc_type"]) == (4, "SPLIT")
        assert {one["package_id"] for one in event.data["package_list"]} == set(held.values())

    meet(test)


def test_in_vietnam_a_sku_stays_whole():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("vn", [Line("SKU-001", 2), "SKU-002"])
        before = live(caller.world, order_id)
        one, two, other = lines_of(caller.world, order_id)
        assert await split(caller, order_id, groups([one], [two, other]), VN) == 21011035
        assert await split(caller, order_id, groups([one, two], [other]), VN) == 0
        after = live(caller.world, order_id)
        assert len(after) == 2
        assert not set(before) & set(after)

    meet(test)


@pytest.mark.parametrize("shop", ["us", "vn"])
def test_attributes_tell_what_can_be_split(shop: str):
    async def test(caller: Caller) -> None:
        world = caller.world
        wanted = {
            world.place_order(shop, ["SKU-001", "SKU-002"]): True,
            world.place_order(shop, [Line("SKU-001", 2)]): shop == "us",
            world.place_order(shop, ["SKU-001"]): False,
            world.place_order(shop, ["SKU-001", "SKU-002"], status=Status.on_hold): False,
            world.place_order(shop, ["SKU-001", "SKU-002"], status=Status.cancelled): False,
        }
        asked = world.place_order(shop, ["SKU-001", "SKU-002"])
        world.request_cancellation(asked)
        wanted[asked] = False
        query = {"order_ids": ",".join(wanted)}
        place = US if shop == "us" else VN
        data = await caller.data("GET", f"{F}/orders/split_attributes", query, shop=place)
        told = {one["order_id"]: one for one in data["split_attributes"]}
        assert {order_id: one["can_split"] for order_id, one in told.items()} == wanted
        assert all(one["can_split"] or one["reason"] for one in told.values())

    meet(test)


def test_groups_that_make_no_sense_are_refused():
    async def test(caller: Caller) -> None:
        world = caller.world
        order_id = world.place_order("us", [Line("SKU-001", 2)])
        first, second = lines_of(world, order_id)
        for wrong in (groups([first, second]), groups([first], [first]), groups([first], ["1"]), groups([])):
            before = world.order(order_id)
            assert await split(caller, order_id, wrong) in {21011005, 21011035}
            assert world.order(order_id) == before
        world.move_to(order_id, Status.awaiting_collection)
        assert await split(caller, order_id, groups([first], [second])) == 21011035

    meet(test)


def test_packages_of_one_buyer_are_joined_shipped_and_shown_with_both_orders():
    async def test(caller: Caller) -> None:
        world, told = caller.world, heard(caller.world)
        first, second = of_one_buyer(world)
        world.place_order("vn", ["SKU-003"])
        found = await caller.data("GET", f"{F}/combinable_packages/search", {"page_size": "50"}, shop=VN)
        (offer,) = found["combinable_packages"]
        assert offer["order_ids"] == [first, second]
        wish = {"combinable_packages": [{"id": offer["id"], "order_ids": [first, second]}]}
        made = await caller.data("POST", f"{F}/packages/combine", body=wish, shop=VN)
        package_id = made["packages"][0]["id"]
        assert live(world, first) == live(world, second) == [package_id]
        assert {world.order(one)["split_or_combine_tag"] for one in (first, second)} == {"COMBINED"}
        assert told[-1].data["package_list"] == [{"package_id": package_id, "order_id_list": [first, second]}]
        own = {"self_shipment": {"tracking_number": "GHN0000000001", "shipping_provider_id": GHN}}
        await caller.data("POST", f"{F}/packages/{package_id}/ship", body=own, shop=VN)
        assert {world.order(one)["status"] for one in (first, second)} == {"AWAITING_COLLECTION"}
        detail = await caller.data("GET", f"{F}/packages/{package_id}", shop=VN)
        assert detail["split_and_combine_tag"] == "COMBINE"
        assert [one["id"] for one in detail["orders"]] == [first, second]

    meet(test)


def test_nothing_is_offered_for_other_addresses_states_and_markets():
    async def test(caller: Caller) -> None:
        world = caller.world
        world.place_order("vn", ["SKU-001"], buyer=1)
        moved = {**world.facts(world.place_order("vn", ["SKU-001"], buyer=2)).address, "name": "Other"}
        world.place_order("vn", ["SKU-001"], buyer=2, address=moved)
        _, held = of_one_buyer(world)
        world.request_cancellation(held)
        for shop in (VN, US):
            found = await caller.data("GET", f"{F}/combinable_packages/search", {"page_size": "9"}, shop=shop)
            assert found["total_count"] == 0
        wish = {"combinable_packages": [{"id": "1", "order_ids": ["1", "2"]}]}
        told = await caller.data("POST", f"{F}/packages/combine", body=wish, shop=VN)
        assert [one["code"] for one in told["errors"]] == [21011031]

    meet(test)


def combine_all(world: World, order_ids: list[str]) -> str:
    (group,) = world.splitting.combinable(VN)
    return world.splitting.combine(VN, group[0].id, order_ids).id


def test_orders_leave_a_combined_package_again_until_it_is_shipped():
    async def test(caller: Caller) -> None:
        world, told = caller.world, heard(caller.world)
        first, second, third = of_one_buyer(world, 3)
        package_id = combine_all(world, [first, second, third])
        path = f"{F}/packages/{package_id}/uncombine"
        assert await caller.code("POST", path, body={"order_ids": ["1"]}, shop=VN) == 21011029
        made = await caller.data("POST", path, body={"order_ids": [second]}, shop=VN)
        assert [one["order_ids"] for one in made["packages"]] == [[second], [first, third]]
        assert told[-1].data["sc_type"] == "CANCEL_COMBINE"
        assert live(world, first) == live(world, third) != live(world, second)
        assert not world.order(second)["split_or_combine_tag"]
        world.splitting.uncombine(VN, live(world, first)[0], [first])
        await caller.data(
            "POST",
            f"{F}/packages/{live(world, first)[0]}/ship",
            body={"self_shipment": {"tracking_number": "GHN0000000001", "shipping_provider_id": GHN}},
            shop=VN,
        )
        path = f"{F}/packages/{live(world, first)[0]}/uncombine"
        assert await caller.code("POST", path, body={"order_ids": [first]}, shop=VN) == 21011005

    meet(test)


def test_an_order_whose_buyer_moves_leaves_the_shared_package():
    async def test(caller: Caller) -> None:
        world, told = caller.world, heard(caller.world)
        first, second = of_one_buyer(world)
        package_id = combine_all(world, [first, second])
        world.change_address(first)
        assert package_id not in live(world, first) + live(world, second)
        assert live(world, first) != live(world, second)
        assert told[-1].data["sc_type"] == "ADDRESS_UPDATE_SPLIT"
        held = {line["package_id"] for line in world.order(first)["line_items"]}
        assert held == set(live(world, first))

    meet(test)


def test_a_cancelled_order_leaves_the_shared_package_to_the_other():
    async def test(caller: Caller) -> None:
        world = caller.world
        first, second = of_one_buyer(world)
        package_id = combine_all(world, [first, second])
        world.cancel_order(first)
        assert live(world, first) == []
        assert live(world, second) == [package_id]
        assert world.packages_of(second)[-1].lines.keys() == {second}

    meet(test)


def test_tiktok_itself_puts_orders_of_one_buyer_into_one_package():
    async def test(caller: Caller) -> None:
        world, told = caller.world, heard(caller.world)
        world.draw_orders(40)
        world.advance(2 * 3600 + 3600)
        combined = [one.data for one in told if one.data["sc_type"] == "COMBINE"]
        assert combined
        assert {one["role_type"] for one in combined} == {"ROLE_SYSTEM"}
        tags = {world.order(truth.order_id).get("split_or_combine_tag") for truth in world.truth()}
        assert "COMBINED" in tags

    meet(test, mix=Mix.plain(shops={"vn": 1}, shipped_by="warehouse", combined=1.0))

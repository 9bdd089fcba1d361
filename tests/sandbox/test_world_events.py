"""What the world announces: each change once, after it is committed, in the words of the webhooks (T 8.3)."""

import pytest

from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock
from tiktok_ns_pipeline.sandbox.world import World
from tiktok_ns_pipeline.sandbox.world_events import WorldEvent


@pytest.fixture
def world() -> World:
    return World(clock=VirtualClock(), mix=Mix.plain())


@pytest.fixture
def heard(world: World) -> list[WorldEvent]:
    heard: list[WorldEvent] = []
    world.listeners.append(heard.append)
    return heard


def test_each_state_of_an_order_is_announced_as_webhook_1(world: World, heard: list[WorldEvent]) -> None:
    order_id = world.place_order("us", ["SKU-001"], status=Status.unpaid)
    world.pay(order_id)
    world.release(order_id)
    told = [event for event in heard if event.kind == "order_status"]
    assert [event.data["order_status"] for event in told] == ["UNPAID", "ON_HOLD", "AWAITING_SHIPMENT"]
    assert {event.webhook_type for event in told} == {1}
    assert {event.shop for event in told} == {"us"}
    assert told[0].data.keys() == {"order_id", "order_status", "is_on_hold_order", "update_time"}


def test_a_cancelled_order_is_spelled_cancel(world: World, heard: list[WorldEvent]) -> None:
    order_id = world.place_order("us", ["SKU-001"])
    world.cancel_order(order_id)
    assert [event.data["order_status"] for event in heard if event.kind == "order_status"][-1] == "CANCEL"


def test_another_address_is_announced_as_webhook_3(world: World, heard: list[WorldEvent]) -> None:
    order_id = world.place_order("us", ["SKU-001"])
    world.change_address(order_id)
    (event,) = [event for event in heard if event.kind == "address"]
    assert (event.webhook_type, event.data["order_id"]) == (3, order_id)


def test_listeners_hear_of_a_change_when_it_is_already_served(world: World) -> None:
    served: list[str] = []
    world.listeners.append(lambda event: served.append(world.order(event.order_id)["status"]))
    order_id = world.place_order("us", ["SKU-001"])
    world.move_to(order_id, Status.awaiting_collection)
    assert served == ["AWAITING_SHIPMENT", "AWAITING_COLLECTION"]


def test_a_refused_change_is_not_announced(world: World, heard: list[WorldEvent]) -> None:
    order_id = world.place_order("us", ["SKU-001"], status=Status.delivered)
    heard.clear()
    with pytest.raises(ValueError, match="too late"):
        world.cancel_order(order_id)
    assert heard == []


def test_what_fails_half_way_is_undone_and_not_announced(world: World, heard: list[WorldEvent]) -> None:
    order_id = world.place_order("us", ["SKU-001"])
    heard.clear()
    with pytest.raises(RuntimeError), world.changing():
        world.cancel_order(order_id)
        raise RuntimeError
    assert heard == []
    assert world.order(order_id)["status"] == "AWAITING_SHIPMENT"
    assert world.cancellations_of(order_id) == []
    world.cancel_order(order_id)
    assert [event.kind for event in heard] == ["cancellation", "order_status"]

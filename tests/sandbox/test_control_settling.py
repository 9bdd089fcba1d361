"""The control API's part for returns and money."""

from decimal import Decimal
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.sandbox.finance_calls import delivered, pass_by
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.control_http import answering
from tiktok_ns_pipeline.sandbox.control_settling import SettlingControl
from tiktok_ns_pipeline.sandbox.return_rules import REJECT_REASONS
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock
from tiktok_ns_pipeline.sandbox.world import World


@pytest.fixture
def world() -> World:
    return World(clock=VirtualClock(), mix=Mix.plain(settles=True))


@pytest.fixture
def control(world: World) -> TestClient:
    rows = SettlingControl(world).table()
    return TestClient(
        Starlette(routes=[Route(path, answering(handler), methods=[verb]) for verb, path, handler in rows])
    )


def told(answer: Any, status: int) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def test_money_moves_and_the_truth_tells_it(world: World, control: TestClient):
    order_id = delivered(world, "vn")
    pass_by(world, 17)
    told(control.post(f"/orders/{order_id}/refund"), 200)
    wish = {"shop": "vn", "type": "PLATFORM_PENALTY", "amount": "-5000", "order_id": order_id}
    assert told(control.post("/finance/adjustments", json=wish), 201)["adjustment_id"]
    told(control.post("/finance/transfers", json={"shop": "vn", "amount": "-2000"}), 201)
    truth = told(control.get("/finance"), 200)
    order = truth["orders"][order_id]
    assert order["refunded"] == order["owed"]
    assert order["adjusted"] == "-5000"
    assert "no such units" in told(control.post(f"/orders/{order_id}/refund"), 400)["error"]
    assert (
        "wallet" in told(control.post("/finance/transfers", json={"shop": "us", "amount": "1"}), 400)["error"]
    )


def test_a_fault_is_told_to_a_statement_and_healed(world: World, control: TestClient):
    wish = {"kind": "unknown_fee", "subject": "7670000000001000003", "for_s": 60}
    told(control.post("/finance/faults", json=wish), 201)
    assert world.finance.store.spoils(world.epoch()) == {("unknown_fee", "7670000000001000003")}
    told(control.request("DELETE", "/finance/faults"), 200)
    assert world.finance.store.spoils(world.epoch()) == set()
    assert (
        "kind"
        in told(control.post("/finance/faults", json={"kind": "nonsense", "subject": "1"}), 400)["error"]
    )


def test_a_buyer_returns_and_thinks_better_of_it(world: World, control: TestClient):
    order_id = delivered(world, "us")
    first = told(control.post(f"/orders/{order_id}/return", json={"type": "REFUND"}), 201)["return_id"]
    told(control.post(f"/returns/{first}/withdraw"), 200)
    second = told(control.post(f"/orders/{order_id}/return"), 201)["return_id"]
    assert "nothing is to be sent" in told(control.post(f"/returns/{second}/send"), 400)["error"]
    pass_by(world, 2.01)
    assert told(control.post(f"/returns/{second}/send"), 200)["tracking_number"]
    shown = {one["return_id"]: one["goods_come_back"] for one in told(control.get("/returns"), 200)}
    assert shown == {first: False, second: True}


def test_a_buyer_edits_a_request_and_takes_a_part_of_the_money(world: World, control: TestClient):
    order_id = delivered(world, "us", "SKU-001", "SKU-002")
    first = told(control.post(f"/orders/{order_id}/return"), 201)["return_id"]
    unit = world.facts(order_id).lines[0].id
    wish = {"line_ids": [unit], "type": "REFUND"}
    second = told(control.post(f"/returns/{first}/edit", json=wish), 201)["return_id"]
    assert world.returns.truth_of(second).line_ids == (unit,)
    assert "no offer waits" in told(control.post(f"/returns/{second}/offer"), 400)["error"]
    shop = shop_of("us")
    for key, take in (("one", False), ("two", True)):
        world.returns.decide(shop, second, "OFFER_PARTIAL_REFUND", key, offer=Decimal(1))
        assert told(control.post(f"/returns/{second}/offer", json={"take": take}), 200) == {"taken": take}
    assert world.returns.truth_of(second).to_buyer == 1


def test_tiktok_decides_what_a_buyer_calls_it_for(world: World, control: TestClient):
    order_id = delivered(world, "us")
    return_id = told(control.post(f"/orders/{order_id}/return", json={"type": "REFUND"}), 201)["return_id"]
    assert "nothing to arbitrate" in told(control.post(f"/returns/{return_id}/escalate"), 400)["error"]
    reason = next(iter(REJECT_REASONS))
    world.returns.decide(shop_of("us"), return_id, "REJECT_REFUND", "k", reason)
    told(control.post(f"/returns/{return_id}/escalate"), 200)
    told(control.post(f"/returns/{return_id}/arbitrate", json={"side": "SELLER"}), 200)
    assert world.returns.truth_of(return_id).arbitration == "SUPPORT_SELLER"

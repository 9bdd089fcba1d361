"""The control API's part for parcels: what a demo or a person lets buyers and the staff do."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from tiktok_ns_pipeline.sandbox.control_http import answering
from tiktok_ns_pipeline.sandbox.control_parcels import ParcelsControl
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock
from tiktok_ns_pipeline.sandbox.world import Line, World


@pytest.fixture
def world() -> World:
    return World(clock=VirtualClock(), mix=Mix.plain())


@pytest.fixture
def control(world: World) -> TestClient:
    rows = ParcelsControl(world).table()
    return TestClient(
        Starlette(routes=[Route(path, answering(handler), methods=[verb]) for verb, path, handler in rows])
    )


def told(answer: Any, status: int) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_label_is_bought_for_some_units_and_then_for_the_rest(world: World, control: TestClient):
    order_id = world.place_order("us", [Line("SKU-001", 2)], by_seller=False)
    first = world.facts(order_id).lines[0].id
    one = told(control.post(f"/orders/{order_id}/label", json={"line_ids": [first]}), 201)
    rest = told(control.post(f"/orders/{order_id}/label"), 201)
    packages = told(control.get(f"/orders/{order_id}/packages"), 200)["packages"]
    assert [package["tracking"] for package in packages] == [one["tracking_number"], rest["tracking_number"]]
    assert "already shipped" in told(control.post(f"/orders/{order_id}/label"), 400)["error"]


def test_a_buyer_asks_to_cancel_and_thinks_better_of_it(world: World, control: TestClient):
    order_id = world.place_order("us", ["SKU-001"])
    asked = told(control.post(f"/orders/{order_id}/request-cancellation"), 201)
    assert world.truth_of(order_id).open_request == asked["cancel_id"]
    told(control.post(f"/cancellations/{asked['cancel_id']}/withdraw"), 200)
    found = told(control.get(f"/orders/{order_id}/packages"), 200)["cancellations"]
    assert [one["status"] for one in found] == ["CANCELLATION_REQUEST_CANCELLED"]
    told(control.post(f"/cancellations/{asked['cancel_id']}/withdraw"), 400)


def test_an_unknown_order_or_cancellation_is_not_found(control: TestClient):
    told(control.get("/orders/1/packages"), 404)
    told(control.post("/cancellations/1/withdraw"), 404)

"""The control API's part for stock: what a demo or a person lets Seller Center and crowds do."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from tiktok_ns_pipeline.sandbox.catalogue import SHOPS, SINGLES, TWINS
from tiktok_ns_pipeline.sandbox.control_http import answering
from tiktok_ns_pipeline.sandbox.control_stock import StockControl
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock
from tiktok_ns_pipeline.sandbox.world import World

US = SHOPS[0]
HERE = US.warehouses[0]
ONE = SINGLES[0].sku_id


@pytest.fixture
def world() -> World:
    return World(clock=VirtualClock(), mix=Mix.plain(stock="kept", fbt_stock_at_start=5))


@pytest.fixture
def control(world: World) -> TestClient:
    rows = StockControl(world).table()
    return TestClient(
        Starlette(routes=[Route(path, answering(handler), methods=[verb]) for verb, path, handler in rows])
    )


def told(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def test_stock_is_set_by_seller_sku_for_every_listing_and_warehouse(world: World, control: TestClient):
    told(control.put("/stock", json={"sku": "SKU-009", "quantity": 12}))
    rows = told(control.get("/stock?shop=us&sku=SKU-009"))["stock"]
    assert {(row["sku_id"], row["warehouse_id"]): row["available"] for row in rows} == {
        (listing.sku_id, place): 5 if place == US.fbt_warehouse else 12
        for listing in (SINGLES[8], TWINS[0])
        for place in (*US.warehouses, US.fbt_warehouse)
    }


def test_stock_is_set_by_sku_id_in_one_warehouse(world: World, control: TestClient):
    told(control.put("/stock", json={"sku_id": ONE, "warehouse_id": HERE, "quantity": 7}))
    assert [world.stock.available("us", ONE, place) for place in US.warehouses] == [7, 0]


def test_a_campaign_reserves_and_tiktoks_warehouse_receives(world: World, control: TestClient):
    told(control.put("/stock", json={"sku_id": ONE, "quantity": 7}))
    told(control.post("/stock/locks", json={"sku_id": ONE, "quantity": 4}))
    assert "12052393" in told(control.put("/stock", json={"sku_id": ONE, "quantity": 3}), 400)["error"]
    told(control.post("/stock/fbt", json={"sku_id": ONE, "quantity": 6}))
    assert world.stock.available("us", ONE, US.fbt_warehouse or "") == 11


def test_a_flash_sale_sells_what_there_is_and_tells_who_was_turned_away(world: World, control: TestClient):
    told(control.put("/stock", json={"sku": "SKU-002", "quantity": 3}))
    wish = {"skus": ["SKU-002"], "buyers_per_second": 4, "seconds": 20}
    told(control.post("/flash-sales", json=wish), 201)
    world.advance(20)
    shown = told(control.get("/stock?sku=SKU-002"))
    assert sum(row["committed"] for row in shown["stock"] if row["warehouse_id"] != US.fbt_warehouse) > 3
    assert shown["turned_away"][SINGLES[1].sku_id] > 0


@pytest.mark.parametrize(
    ("verb", "path", "wish", "status"),
    [
        ("PUT", "/stock", {"quantity": 3}, 400),
        ("PUT", "/stock", {"sku": "SKU-999", "quantity": 3}, 404),
        ("PUT", "/stock", {"sku": "BUNDLE-2", "quantity": 3}, 400),
        ("PUT", "/stock", {"sku": "SKU-001", "quantity": 100_000}, 400),
        ("PUT", "/stock", {"shop": "fr", "sku": "SKU-001", "quantity": 1}, 400),
        ("POST", "/stock/locks", {"sku": "SKU-001", "quantity": 1}, 400),
        ("POST", "/stock/fbt", {"shop": "uk", "sku_id": ONE, "quantity": 1}, 400),
        ("POST", "/flash-sales", {"skus": [], "buyers_per_second": 1, "seconds": 1}, 400),
        ("POST", "/flash-sales", {"skus": ["SKU-999"], "buyers_per_second": 1, "seconds": 1}, 400),
        ("GET", "/stock?sku=SKU-999", None, 404),
    ],
)
def test_what_cannot_be_is_refused(control: TestClient, verb: str, path: str, wish: Any, status: int):
    told(control.request(verb, path, json=wish), status)

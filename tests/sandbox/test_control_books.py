"""The control API on the books and the warehouse, and the warehouse beside the world."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from typing import Any

import httpx

from tests.sandbox.netsuite_account import customer, line, order_body
from tiktok_ns_pipeline.sandbox.serve import RunningSandbox, SandboxOptions, running_sandbox
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.warehouse import WarehouseHabits


@contextlib.contextmanager
def running(**options: Any) -> Generator[tuple[RunningSandbox, httpx.Client]]:
    usual: dict[str, Any] = {
        "mix": Mix.plain(shipped_by="warehouse"),
        "warehouse_habits": WarehouseHabits.steady(),
    }
    wanted = SandboxOptions(netsuite_save_s=0.0, **(usual | options))
    with running_sandbox(wanted) as run, httpx.Client(base_url=run.urls.control) as control:
        yield run, control


def ok(answer: httpx.Response) -> Any:
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


def posted(run: RunningSandbox, order_id: str) -> str:
    """The order as a Sales Order, as the pipeline would post it; its internal id."""
    books = run.sandbox.books
    ids = [one["id"] for one in run.sandbox.world.order(order_id)["line_items"]]
    goods = line("301", len(ids), custcol_tts_line_ids=",".join(ids))
    buyer = customer(books, companyName=f"Buyer {order_id}")
    fields = {"custbody_tts_order_id": order_id, "custbody_tts_fulfillment": "seller"}
    return books.create("salesOrder", order_body(buyer, goods, **fields)).id


def test_a_person_lets_the_warehouse_ship_correct_take_back_and_delete() -> None:
    with running() as (run, control):
        order_id = run.sandbox.world.place_order("us", ["SKU-001", "SKU-001"])
        assert control.post(f"/orders/{order_id}/fulfil").status_code == 404
        posted(run, order_id)
        wish = {"lines": [{"line": 1, "quantity": 1}], "tracking": "ABC123", "carrier": "FedEx Home Delivery"}
        (first,) = ok(control.post(f"/orders/{order_id}/fulfil", json=wish))["fulfilments"]
        (rest,) = ok(control.post(f"/orders/{order_id}/fulfil"))["fulfilments"]
        ok(control.post(f"/fulfilments/{first}/tracking", json={"tracking": ["ABC124"]}))
        ok(control.post(f"/fulfilments/{rest}/unship", json={"status": "A"}))
        told = {one["fulfilment_id"]: one for one in ok(control.get("/shipped"))}
        assert (told[first]["tracking"], told[first]["carrier"]) == (["ABC124"], "FedEx Home Delivery")
        assert (told[first]["stands"], told[rest]["stands"]) == (True, False)
        ok(control.delete(f"/fulfilments/{first}"))
        (gone, _) = ok(control.get("/shipped", params={"order_id": order_id}))
        assert gone["stands"] is False
        assert control.post(f"/orders/{order_id}/fulfil", json={"carrier": "Pigeon"}).status_code == 400


def test_a_month_can_be_shut_and_opened() -> None:
    with running() as (run, control):
        month = run.sandbox.books.clock.now().strftime("%b %Y")
        for state in ("closed", "open"):
            assert ok(control.post("/periods", json={"name": month, "state": state})) == {"state": state}
        assert control.post("/periods", json={"name": "Smarch 2026", "state": "closed"}).status_code == 404


def test_a_parcel_that_goes_by_tiktoks_carrier_bears_the_label_that_tiktok_sold() -> None:
    with running() as (run, control):
        world = run.sandbox.world
        order_id = world.place_order("us", ["SKU-001"], by_seller=False)
        posted(run, order_id)
        ok(control.post(f"/orders/{order_id}/fulfil"))
        [shipped] = ok(control.get("/shipped"))
        numbers = {one.get("tracking_number") for one in world.order(order_id)["line_items"]}
        assert numbers == set(shipped["tracking"])


def test_a_cancelled_order_gets_no_label_and_stays_where_it_is() -> None:
    with running(warehouse=True, speed=100_000.0) as (run, control):
        world = run.sandbox.world
        order_id = world.place_order("us", ["SKU-001"], by_seller=False)
        world.cancel_order(order_id)
        posted(run, order_id)
        time.sleep(0.3)
        assert ok(control.get("/shipped")) == []


def test_a_live_warehouse_ships_by_itself() -> None:
    with running(warehouse=True, speed=100_000.0) as (run, control):
        order_id = run.sandbox.world.place_order("uk", ["SKU-001"])
        posted(run, order_id)
        until(lambda: [one["order_id"] for one in ok(control.get("/shipped"))] == [order_id])


def test_the_clock_moved_ahead_lets_the_warehouse_catch_up() -> None:
    with running(warehouse=True) as (run, control):
        posted(run, run.sandbox.world.place_order("us", ["SKU-001"]))
        ok(control.post("/clock", json={"advance_s": 2 * 86_400}))
        assert len(ok(control.get("/shipped"))) == 1


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)

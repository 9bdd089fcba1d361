"""What a story about a cancelled order needs: both flows, the warehouse's hands, and a look at the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.rigging import SOON, in_world, lines, sales_orders
from tiktok_ns_pipeline.cancellations.flow import ClosuresFlow, ClosuresReport, ClosuresRequest
from tiktok_ns_pipeline.ledger.expected_returns import ExpectedReturn
from tiktok_ns_pipeline.ledger.facts import CLOSURE
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent
from tiktok_ns_pipeline.orders.flow import OrdersFlow, RunReport, RunRequest
from tiktok_ns_pipeline.sandbox.rig import MAPPING, Rig

CLOSE_SOON = ClosuresRequest(budget_s=3600, idle_s=10)
"""A run that ends when nothing was due for ten seconds."""


async def close(rig: Rig, request: ClosuresRequest = CLOSE_SOON) -> ClosuresReport:
    """One process of the closures flow, which shares its slots with others at once."""
    async with rig.runtime(governor_renew_s=1.0) as runtime:
        return await ClosuresFlow(runtime, runtime.settings.holder).run(request)


async def post(rig: Rig, request: RunRequest = SOON) -> RunReport:
    """One process of the orders flow, which shares its slots with others at once."""
    async with rig.runtime(governor_renew_s=1.0) as runtime:
        return await OrdersFlow(runtime, runtime.settings.holder).run(request)


async def posted(rig: Rig, *skus: Any, **options: Any) -> str:
    """An order that has its Sales Order."""
    order_id = rig.world.place_order("us", list(skus) or ["SKU-001"], **options)
    await rig.run(SOON)
    assert state_of(rig, order_id) == "B"
    return order_id


def record_of(rig: Rig, order_id: str) -> dict[str, Any]:
    [record] = [one for one in sales_orders(rig) if one["externalId"] == f"tts-us-so-{order_id}"]
    return record


def state_of(rig: Rig, order_id: str) -> str:
    """The state of an order's one Sales Order, as NetSuite's letter."""
    return record_of(rig, order_id)["status"]["id"]


def fulfil(rig: Rig, order_id: str, status: str, *quantities: tuple[int, int]) -> str:
    """The warehouse picks (A), packs (B) or ships (C); all of it, or (line, quantity) of it."""
    body: dict[str, Any] = {"shipStatus": {"id": status}}
    if quantities:
        numbers = dict(quantities)
        body["item"] = {
            "items": [
                {"orderLine": line["line"], "quantity": numbers.get(line["line"], 0)}
                for line in lines(record_of(rig, order_id))
            ]
        }
    return rig.books.transform("salesOrder", record_of(rig, order_id)["id"], "itemFulfillment", body).id


def moved(rig: Rig, fulfilment: str, status: str) -> None:
    rig.books.patch("itemFulfillment", fulfilment, {"shipStatus": {"id": status}})


def closed_lines(rig: Rig, order_id: str) -> list[bool]:
    return [bool(line["isClosed"]) for line in lines(record_of(rig, order_id))]


def closures(rig: Rig, order_id: str) -> list[Intent]:
    ledger = rig.ledger()
    with ledger.read() as tx:
        found = tx.intents.history(FactKey("tiktok", "us", CLOSURE, order_id))
    ledger.close()
    return found


def returns(rig: Rig) -> list[ExpectedReturn]:
    ledger = rig.ledger()
    with ledger.read() as tx:
        found = tx.expected_returns.open()
    ledger.close()
    return found


def with_rules(
    folder: Path,
    *,
    cutoff: str = "picked",
    unfulfilled: str = "approve",
    fulfilled: str = "reject",
) -> Callable[[Rig], None]:
    """Puts other rules for cancellations into the mapping of a rig."""
    text = MAPPING.read_text()
    for old, new in (
        ("  cutoff: picked\n", f"  cutoff: {cutoff}\n"),
        ("    unfulfilled: approve\n", f"    unfulfilled: {unfulfilled}\n"),
        ("    fulfilled: reject\n", f"    fulfilled: {fulfilled}\n"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    changed = folder / "mapping.yaml"

    def change(rig: Rig) -> None:
        changed.write_text(text)
        rig.settings = replace(rig.settings, mapping_path=changed)

    return change


def told(
    story: Callable[[Rig], Awaitable[None]], rules: Callable[[Rig], None] | None = None, **options: Any
) -> None:
    """Tell a story in virtual time, under the given rules."""

    async def begin(rig: Rig) -> None:
        if rules is not None:
            rules(rig)
        await story(rig)

    in_world(begin, **options)

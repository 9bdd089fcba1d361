"""What buyers send back is taken in by the seller's people: once, in time, and only what was sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.rigging import SOON, in_world, sales_orders
from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.warehouse import WarehouseHabits
from tiktok_ns_pipeline.sandbox.world import Line


async def _returned(rig: Rig, *, authorized: bool = True) -> str:
    """A unit that its buyer sends back; gives the return id."""
    order_id = rig.world.place_order("us", [Line("SKU-001", 2, "10.00")])
    await rig.run(SOON)
    rig.warehouse.fulfil(order_id)
    rig.world.move_to(order_id, Status.delivered)
    [order] = sales_orders(rig)
    unit = rig.world.facts(order_id).lines[0].id
    return_id = rig.world.returns.ask(order_id, [unit])
    await _pass_days(rig, 2.5)
    if authorized:
        _authorize(rig, str(order["id"]), return_id)
    return return_id


def _authorize(rig: Rig, order: str, return_id: str) -> None:
    lines = [{"orderLine": 1, "quantity": 1}]
    body = {"externalId": f"tts-us-ra-{return_id}", "orderStatus": {"id": "B"}, "item": {"items": lines}}
    rig.books.transform("salesOrder", order, "returnAuthorization", body)


async def _pass_days(rig: Rig, days: float) -> None:
    await asyncio.sleep(days * 86_400)
    rig.world.catch_up()
    rig.catch_up()


def _receipts(rig: Rig) -> list[dict[str, Any]]:
    return list(rig.books.records("itemReceipt"))


def _with_warehouse(test: Any, **habits: Any) -> None:
    in_world(test, mix=Mix.plain(shipped_by="nobody"), warehouse=WarehouseHabits.steady(**habits))


@pytest.mark.parametrize("authorized_before", [True, False])
def test_a_parcel_is_received_once_it_came_and_its_authorization_is_there(authorized_before: bool) -> None:
    async def story(rig: Rig) -> None:
        return_id = await _returned(rig, authorized=authorized_before)
        assert _receipts(rig) == []
        await _pass_days(rig, 4)
        if not authorized_before:
            assert _receipts(rig) == []
            [order] = sales_orders(rig)
            _authorize(rig, str(order["id"]), return_id)
            await _pass_days(rig, 1)
        assert len(_receipts(rig)) == 1
        assert rig.receiving is not None
        assert list(rig.receiving.received) == [return_id]
        await _pass_days(rig, 10)
        assert len(_receipts(rig)) == 1

    _with_warehouse(story)


def test_a_lost_parcel_never_arrives() -> None:
    async def story(rig: Rig) -> None:
        await _returned(rig)
        await _pass_days(rig, 30)
        assert _receipts(rig) == []

    _with_warehouse(story, lost=1.0)

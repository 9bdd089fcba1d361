"""What the tests of the refunds flow need: orders that were sold and billed, and processes that refund."""

from __future__ import annotations

import asyncio
from decimal import Decimal as D
from typing import Any

from tests.billing.shipped import Sale, bill
from tests.rigging import SOON
from tiktok_ns_pipeline.cancellations.flow import ClosuresFlow, ClosuresReport, ClosuresRequest
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import NETSUITE_REFUNDS, STAGED_REFUNDS, Table
from tiktok_ns_pipeline.refunds.flow import RefundsFlow, RefundsReport, RefundsRequest
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line

REFUNDS = RefundsRequest(budget_s=3600, idle_s=5)
"""A run that ends when nothing was due for some seconds."""

HOUR, DAY = 3_600, 86_400

Goods = tuple[Line | str, ...]


async def refund(rig: Rig, request: RefundsRequest = REFUNDS, **runtime: Any) -> RefundsReport:
    """One process of the pipeline that refunds."""
    async with rig.runtime(**runtime) as opened:
        return await RefundsFlow(opened, "refunds").run(request)


async def close(rig: Rig) -> ClosuresReport:
    """One process of the pipeline that closes what was cancelled."""
    async with rig.runtime() as opened:
        return await ClosuresFlow(opened, "closures").run(ClosuresRequest(budget_s=3600, idle_s=10))


async def sold(
    rig: Rig,
    *orders: Goods,
    shop: str = "us",
    billed: bool = True,
    status: Status = Status.delivered,
    **how: Any,
) -> list[Sale]:
    """Orders that were posted, shipped and billed, and are delivered now."""
    ids = [rig.world.place_order(shop, list(lines), **how) for lines in orders]
    await rig.run(SOON)
    sales = [Sale(rig, shop, order_id) for order_id in ids]
    for sale in sales:
        sale.ship()
    if billed:
        await bill(rig)
    for sale in sales:
        rig.world.move_to(sale.order_id, status)
    return sales


def approve(rig: Rig, return_id: str, decision: str = "APPROVE_REFUND", shop: str = "us", **how: Any) -> None:
    """The seller agrees, in Seller Center."""
    rig.world.returns.decide(shop_of(shop), return_id, decision, f"{decision} {return_id}", **how)


def reject(rig: Rig, return_id: str, shop: str = "us") -> None:
    """The seller refuses, in Seller Center."""
    reason = "reverse_reject_request_reason_1"
    rig.world.returns.decide(shop_of(shop), return_id, "REJECT_REFUND", "no", reason)


def said(rig: Rig, return_id: str, column: str, value: str) -> None:
    """TikTok says something new about a return: an SQL expression."""
    with rig.world.changing():
        database = rig.world.store.database
        if column != "update_time":
            database.execute(
                "UPDATE returns SET update_time = update_time + 1 WHERE return_id = ?", (return_id,)
            )
        database.execute(f"UPDATE returns SET {column} = {value} WHERE return_id = ?", (return_id,))


def receive(rig: Rig, return_id: str) -> None:
    """The warehouse takes in what came back."""
    [authorization] = records(rig, "returnAuthorization", return_id)
    rig.books.transform("returnAuthorization", authorization["id"], "itemReceipt", {})


async def pass_hours(rig: Rig, hours: float) -> None:
    """Let time pass for everybody."""
    await asyncio.sleep(hours * HOUR)
    rig.world.catch_up()


def records(rig: Rig, kind: str, claim_id: str) -> list[dict[str, Any]]:
    """What the books have of a claim, by our external id."""
    return [one for one in rig.books.records(kind) if str(one.get("externalId", "")).endswith(f"-{claim_id}")]


def credits(rig: Rig) -> list[dict[str, Any]]:
    return [*rig.books.records("cashRefund"), *rig.books.records("creditMemo")]


def credited(rig: Rig, claim_id: str) -> list[D]:
    """The totals of the credits of a claim."""
    return [one["total"] for kind in ("cashRefund", "creditMemo") for one in records(rig, kind, claim_id)]


def landed(rig: Rig, table: Table) -> list[dict[str, Any]]:
    lake = Lake(rig.settings.lake_url, rig.clock)
    rows = lake.current(table)
    lake.close()
    return rows


def staged(rig: Rig) -> dict[str, dict[str, Any]]:
    """What was decided last, by claim."""
    return {row["claim_id"]: row for row in landed(rig, STAGED_REFUNDS)}


def in_netsuite(rig: Rig, claim_id: str) -> dict[str, str]:
    """What was read back of a claim: the status of each kind of record."""
    return {
        row["kind"]: row["status"] for row in landed(rig, NETSUITE_REFUNDS) if row["claim_id"] == claim_id
    }

"""The proof of what followed one shop's day: read both systems, join, look again at what is wrong.

The verdicts land in the lake. A proof that could not take place lands that, and leaves the last
verdicts as they were.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import FULFILMENT_RECONCILIATION, FULFILMENT_RECONCILIATION_STATEMENTS
from tiktok_ns_pipeline.reconciliation.fulfilments.join import prove_fulfilments
from tiktok_ns_pipeline.reconciliation.fulfilments.model import FulfilmentProof, Row, not_run
from tiktok_ns_pipeline.reconciliation.fulfilments.reading import (
    FulfilmentReading,
    look_again,
    read_fulfilments,
)
from tiktok_ns_pipeline.reconciliation.fulfilments.shipments import Patience
from tiktok_ns_pipeline.reconciliation.fulfilments.sides import tiktok_order
from tiktok_ns_pipeline.reconciliation.reading import SideUnread, Sources


async def prove_day(sources: Sources, lake: Lake, day: date, run_id: str) -> FulfilmentProof:
    """Prove what followed the orders of a shop's business day, and land what was concluded."""
    shop = sources.shop.code
    try:
        proof = await _proved(sources, day)
    except SideUnread as unread:
        proof = not_run(unread.side, unread.reason, sources.clock.now())
    else:
        rows = [_verdict_row(row, proof) for row in proof.rows]
        lake.land(FULFILMENT_RECONCILIATION, rows, shop=shop, day=day, run_id=run_id)
    statement = _statement_row(sources, proof)
    lake.land(FULFILMENT_RECONCILIATION_STATEMENTS, [statement], shop=shop, day=day, run_id=run_id)
    return proof


async def _proved(sources: Sources, day: date) -> FulfilmentProof:
    reading = await read_fulfilments(sources, day)
    proof = judge(sources, reading)
    if not proof.wrong:
        return proof
    suspects = {row.order_id for row in proof.wrong} & reading.orders.keys()
    return judge(sources, await look_again(sources, reading, day, suspects))


def judge(sources: Sources, reading: FulfilmentReading) -> FulfilmentProof:
    """The verdicts on what was read."""
    mapping, shop = sources.mapping, sources.shop
    billing = shop.billing
    documents = reading.documents.values()
    return prove_fulfilments(
        [tiktok_order(order.raw, shop, mapping) for order in reading.orders.values()],
        [sale for own in documents for sale in own.sales],
        [*(one for own in documents for one in own.fulfilments), *reading.orphans],
        [bill for own in documents for bill in own.bills],
        patience=Patience(
            reading.tiktok_read_at,
            timedelta(minutes=mapping.reconciliation.grace_minutes),
            timedelta(hours=mapping.fulfilment.tracking_wait_hours),
        ),
        shop_bills=billing.policy != "none",
        billed_since=None if billing.policy == "none" else billing.since,
        netsuite_read_at=reading.netsuite_read_at,
    )


def _verdict_row(row: Row, proof: FulfilmentProof) -> dict[str, Any]:
    amount = row.expected if row.expected is not None else row.billed
    return {
        "aspect": row.aspect,
        "order_id": row.order_id,
        "subject": row.subject,
        "verdict": row.verdict.value,
        "is_wrong": row.is_wrong,
        "tiktok_status": row.tiktok_status,
        "tiktok_tracking": row.tiktok_tracking,
        "netsuite_status": row.netsuite_status,
        "netsuite_tracking": ", ".join(row.netsuite_tracking) or None,
        "documents": ", ".join(row.documents) or None,
        "shipped_in_netsuite": row.shipped_in_netsuite,
        "shipped_at_tiktok": row.shipped_at_tiktok,
        "expected": row.expected.amount if row.expected is not None else None,
        "billed": row.billed.amount if row.billed is not None else None,
        "difference": row.difference,
        "currency": amount.currency if amount is not None else None,
        "note": row.note or None,
        "tiktok_read_at": proof.tiktok_read_at,
        "netsuite_read_at": proof.netsuite_read_at,
    }


def _statement_row(sources: Sources, proof: FulfilmentProof) -> dict[str, Any]:
    ran = proof.not_run is None
    return {
        "statement": proof.statement,
        "not_run_side": proof.not_run.side if proof.not_run else None,
        "not_run_reason": proof.not_run.reason if proof.not_run else None,
        "shipped_in_netsuite": proof.shipped_in_netsuite if ran else None,
        "shipped_at_tiktok": proof.shipped_at_tiktok if ran else None,
        "differences": len(proof.wrong) if ran else None,
        "proved_at": sources.clock.now(),
    }

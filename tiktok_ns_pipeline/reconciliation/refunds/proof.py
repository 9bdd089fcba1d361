"""The proof of one shop's refunds of a business day: read both systems, join, look again at what is wrong.

The verdicts land in the lake. A proof that could not take place lands that, and leaves the last verdicts
as they were.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import REFUND_RECONCILIATION, SETTLEMENT_PROOFS
from tiktok_ns_pipeline.mapping.refunds import RefundsAsBilled
from tiktok_ns_pipeline.reconciliation.payouts.proof import statement_row
from tiktok_ns_pipeline.reconciliation.reading import SideUnread, Sources
from tiktok_ns_pipeline.reconciliation.refunds.join import Terms, prove_refunds
from tiktok_ns_pipeline.reconciliation.refunds.model import RefundProof, Row, not_run
from tiktok_ns_pipeline.reconciliation.refunds.reading import RefundReading, read_refunds

CREDITED_WITHIN = timedelta(days=1)
"""So long after a refund its credit may be on its way."""


async def prove_refund_day(sources: Sources, lake: Lake, day: date, run_id: str) -> RefundProof:
    """Prove the refunds that TikTok changed last on a shop's business day, and land what was concluded."""
    shop = sources.shop.code
    try:
        proof = judge(sources, await read_refunds(sources, day), day)
        if proof.wrong:
            # The systems move while they are read; what is wrong must stand in a second look.
            proof = judge(sources, await read_refunds(sources, day), day)
    except SideUnread as unread:
        proof = not_run(unread.side, unread.reason, sources.clock.now())
    else:
        rows = [_verdict_row(row, proof) for row in proof.rows]
        lake.land(REFUND_RECONCILIATION, rows, shop=shop, day=day, run_id=run_id)
    told = statement_row(
        sources, "refunds", proof.statement, proof.not_run, len(proof.rows), len(proof.wrong)
    )
    lake.land(SETTLEMENT_PROOFS, [told], shop=shop, day=day, run_id=run_id)
    return proof


def judge(sources: Sources, reading: RefundReading, day: date) -> RefundProof:
    """The verdicts on what was read."""
    policy = sources.shop.refunds
    terms = Terms(
        day=day,
        expects_credits=isinstance(policy, RefundsAsBilled),
        since=policy.since if isinstance(policy, RefundsAsBilled) else None,
        now=sources.clock.now(),
        grace=CREDITED_WITHIN,
    )
    rows = prove_refunds(reading.claims.values(), reading.documents, terms, of_day=reading.of_day)
    return RefundProof(tuple(rows), reading.tiktok_read_at, reading.netsuite_read_at)


def _verdict_row(row: Row, proof: RefundProof) -> dict[str, Any]:
    return {
        "claim_id": row.claim_id,
        "subject": row.subject,
        "order_id": row.order_id,
        "verdict": row.verdict.value,
        "is_wrong": row.is_wrong,
        "tiktok_status": row.status,
        "refunded": row.refunded,
        "billed": row.billed,
        "credited": row.credited,
        "currency": row.currency or None,
        "documents": ", ".join(row.documents) or None,
        "note": row.note or None,
        "tiktok_read_at": proof.tiktok_read_at,
        "netsuite_read_at": proof.netsuite_read_at,
    }

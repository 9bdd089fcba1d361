"""The proof of one shop's payouts of a UTC day: read both systems, join, look again at what is wrong.

The verdicts land in the lake. A proof that could not take place lands that, and leaves the last verdicts
as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Literal

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import PAYOUT_RECONCILIATION, SETTLEMENT_PROOFS
from tiktok_ns_pipeline.mapping.settlements import PostedSettlement
from tiktok_ns_pipeline.reconciliation.payouts.join import Terms, prove_bank, prove_payouts, prove_statements
from tiktok_ns_pipeline.reconciliation.payouts.model import BankLine, PayoutProof, Row, not_run
from tiktok_ns_pipeline.reconciliation.payouts.reading import PayoutReading, read_payouts
from tiktok_ns_pipeline.reconciliation.payouts.sides import accounts_of
from tiktok_ns_pipeline.reconciliation.reading import SideUnread, Sources
from tiktok_ns_pipeline.reconciliation.results import NotRun

POSTED_WITHIN = timedelta(days=1)
"""So long after a payment its journal may be on its way."""
BANK_TAKES = timedelta(days=7)
"""So far from TikTok's payment the bank's line is dated (T 7.9)."""

Proof = Literal["payouts", "refunds", "clearing"]


async def prove_payout_day(
    sources: Sources, lake: Lake, day: date, run_id: str, *, bank: Sequence[BankLine] | None = None
) -> PayoutProof:
    """Prove the payments that TikTok made on a UTC day and the statements of that day, and land it.

    `bank` are a bank's lines, if they are given; without them nothing is said of the bank.
    """
    shop = sources.shop.code
    try:
        proof = await _proved(sources, day, bank)
    except SideUnread as unread:
        proof = not_run(unread.side, unread.reason, sources.clock.now())
    else:
        rows = [_verdict_row(row, proof) for row in proof.rows]
        lake.land(PAYOUT_RECONCILIATION, rows, shop=shop, day=day, run_id=run_id)
    told = statement_row(
        sources, "payouts", proof.statement, proof.not_run, len(proof.rows), len(proof.wrong)
    )
    lake.land(SETTLEMENT_PROOFS, [told], shop=shop, day=day, run_id=run_id)
    return proof


async def _proved(sources: Sources, day: date, bank: Sequence[BankLine] | None) -> PayoutProof:
    proof = judge(sources, await read_payouts(sources, day), day, bank)
    if not proof.wrong:
        return proof
    # The systems move while they are read; what is wrong must stand in a second look.
    return judge(sources, await read_payouts(sources, day), day, bank)


def judge(
    sources: Sources, reading: PayoutReading, day: date, bank: Sequence[BankLine] | None = None
) -> PayoutProof:
    """The verdicts on what was read."""
    shop, now = sources.shop, sources.clock.now()
    policy = shop.settlement
    terms = Terms(
        day=day,
        accounts=accounts_of(shop),
        currency=shop.currency,
        since=policy.since if isinstance(policy, PostedSettlement) else None,
        now=now,
        grace=POSTED_WITHIN,
    )
    rows = prove_statements(one for one in reading.statements if one.day == day)
    rows += prove_payouts(
        reading.payments,
        reading.statements,
        reading.documents,
        terms,
        neighbours=reading.neighbours,
        strangers=reading.strangers,
    )
    if bank is not None:
        rows += prove_bank(
            reading.payments, bank, day, neighbours=reading.neighbours, window=BANK_TAKES, now=now
        )
    return PayoutProof(
        tuple(rows), reading.tiktok_read_at, reading.netsuite_read_at, bank_is_given=bank is not None
    )


def statement_row(
    sources: Sources, proof: Proof, statement: str, not_run: NotRun | None, rows: int, wrong: int
) -> dict[str, Any]:
    """What the lake keeps of one proof."""
    return {
        "proof": proof,
        "statement": statement,
        "not_run_side": not_run.side if not_run else None,
        "not_run_reason": not_run.reason if not_run else None,
        "rows": None if not_run else rows,
        "differences": None if not_run else wrong,
        "proved_at": sources.clock.now(),
    }


def _verdict_row(row: Row, proof: PayoutProof) -> dict[str, Any]:
    lines = {line.account: [line.expected, line.posted] for line in row.differences}
    return {
        "aspect": row.aspect,
        "subject": row.subject,
        "verdict": row.verdict.value,
        "is_wrong": row.is_wrong,
        "currency": row.currency or None,
        "expected": row.expected,
        "posted": row.posted,
        "difference": row.difference,
        "documents": ", ".join(row.documents) or None,
        "lines": exact_json.dumps(lines) if lines else None,
        "note": row.note or None,
        "tiktok_read_at": proof.tiktok_read_at,
        "netsuite_read_at": proof.netsuite_read_at,
    }

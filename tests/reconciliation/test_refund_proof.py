"""Seeded drift between TikTok's refunds and NetSuite's credits is found and named, against the sandbox."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from tests.sandbox.finance_calls import delivered
from tiktok_ns_pipeline.lake.tables import REFUND_RECONCILIATION, SETTLEMENT_PROOFS
from tiktok_ns_pipeline.reconciliation.refunds.checking import CHECKS
from tiktok_ns_pipeline.reconciliation.refunds.model import Verdict
from tiktok_ns_pipeline.reconciliation.refunds.proof import prove_refund_day
from tiktok_ns_pipeline.sandbox.return_rules import NOT_RECEIVED

from .payout_bench import Paid, with_payouts

HOUR_S = 3_600.0
PRICE = Decimal(30)


async def refunded(paid: Paid, *, approve: bool = True, billed: bool = True) -> tuple[str, str]:
    """A delivered order with a bill whose buyer asked for the money, and got it."""
    world = paid.rig.world
    order_id = delivered(world, "us")
    if billed:
        paid.bill(order_id, PRICE)
    return_id = world.returns.ask(order_id, kind="REFUND", reason=NOT_RECEIVED)
    if approve:
        calls = paid.sources.tiktok.returns
        await calls.approve(paid.sources.access, return_id, f"key-{return_id}", "APPROVE_REFUND")
    return order_id, return_id


def credit(paid: Paid, order_id: str, amount: str = "10", external_id: str | None = None) -> str:
    named = {"externalId": external_id} if external_id else {}
    zone = paid.sources.shop.zone
    day = paid.runtime.clock.now().astimezone(zone).date().isoformat()
    fields = {"tranDate": day, "custbody_tts_shop": "us", **named}
    return paid.bill(order_id, Decimal(amount), "cashRefund", **fields)


def test_each_drift_of_a_refund_is_found_and_named_in_both_directions() -> None:
    async def test(paid: Paid) -> None:
        ours, right = await refunded(paid)
        credit(paid, ours, external_id=f"tts-us-cr-{right}")
        by_hand, other = await refunded(paid)
        credit(paid, by_hand)
        _, missing = await refunded(paid)
        twice, doubled = await refunded(paid)
        credit(paid, twice, external_id=f"tts-us-cr-{doubled}")
        credit(paid, twice, external_id=f"tts-us-cm-{doubled}")
        too_much, beyond = await refunded(paid)
        credit(paid, too_much, "30.01", f"tts-us-cr-{beyond}")
        _, unbilled = await refunded(paid, billed=False)
        waiting, _ = await refunded(paid, approve=False)
        early = credit(paid, waiting)
        strange = credit(paid, "5770000000000000001", external_id="tts-us-cr-4999999999")
        await asyncio.sleep(HOUR_S)
        day = paid.runtime.clock.now().astimezone(paid.sources.shop.zone).date()

        young = await prove_refund_day(paid.sources, paid.lake, day, "run-1")
        await asyncio.sleep(30 * HOUR_S)
        proof = await prove_refund_day(paid.sources, paid.lake, day, "run-2")

        assert {row.verdict for row in young.rows if row.claim_id == missing} == {
            Verdict.WAITING_WITHIN_GRACE
        }
        assert {row.subject: row.verdict for row in proof.rows} == {
            right: Verdict.MATCHED,
            other: Verdict.MATCHED,
            missing: Verdict.CREDIT_MISSING,
            doubled: Verdict.CREDITED_TWICE,
            beyond: Verdict.CREDITED_BEYOND_BILLED,
            unbilled: Verdict.NOT_EXPECTED,
            early: Verdict.CREDIT_WITHOUT_REFUND,
            strange: Verdict.CREDIT_WITHOUT_REFUND,
        }
        states = {check(proof).name: (check(proof).state, set(check(proof).names)) for check in CHECKS}
        assert states == {
            "refunds_have_credits": ("failed", {missing}),
            "credits_have_refunds": ("failed", {doubled, beyond, early, strange}),
        }
        assert len(paid.lake.current(REFUND_RECONCILIATION, shop="us", days=[day])) == len(proof.rows)
        [told] = paid.lake.current(SETTLEMENT_PROOFS, "proof = 'refunds'", shop="us", days=[day])
        assert told["statement"] == proof.statement

    with_payouts(test, shop="us", days=0)

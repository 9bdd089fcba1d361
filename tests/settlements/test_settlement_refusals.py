"""What keeps a payout from the books, and how it gets there once that is mended."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.rigging import exceptions
from tests.settlements.desk import (
    delivered,
    journals,
    judged,
    pass_days,
    payments,
    settle,
    settling,
    told,
    with_mapping,
)
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import Rig, SimulatedCrash
from tiktok_ns_pipeline.sandbox.settling_habits import SettlementHabits
from tiktok_ns_pipeline.sandbox.statements import Statement
from tiktok_ns_pipeline.settlements.flow import SettlementsRequest
from tiktok_ns_pipeline.settlements.planning import payout_fact


async def _settled(rig: Rig) -> Statement:
    """The statement of an order of Vietnam that is paid."""
    delivered(rig)
    await pass_days(rig, 17)
    [statement] = rig.world.finance.store.statements("vn")
    return statement


@pytest.mark.parametrize("fault", ["cent_off_transaction", "cent_off_statement"])
def test_a_statement_that_is_a_cent_off_is_refused_whole_with_the_difference_and_a_text(fault: str) -> None:
    async def story(rig: Rig) -> None:
        statement = await _settled(rig)
        rig.world.finance.spoil(fault, statement.id)
        await settle(rig)
        assert journals(rig) == []
        told_of = {one.subject: one for one in exceptions(rig)}
        refused = told_of[f"statement {statement.id}"]
        assert refused.kind == "statement_does_not_add_up"
        assert "difference" in refused.message
        assert "Hello," in refused.what_to_do
        assert statement.id in refused.what_to_do
        # TikTok mends it: the next look reads it again.
        rig.world.finance.heal()
        await pass_days(rig, 0.1)
        await settle(rig)
        assert len(journals(rig)) == 1
        assert told(rig) == []

    settling(story)


def test_a_payment_that_is_a_cent_off_is_refused() -> None:
    async def story(rig: Rig) -> None:
        await _settled(rig)
        [payment] = payments(rig, "vn")
        rig.world.finance.spoil("cent_off_payment", payment.id)
        await settle(rig)
        assert journals(rig) == []
        assert told(rig) == [("payout_differs", f"payout {payment.id}")]
        rig.world.finance.heal()
        await pass_days(rig, 0.1)
        await settle(rig)
        assert (len(journals(rig)), told(rig)) == (1, [])

    settling(story)


@pytest.mark.parametrize(
    ("fault", "kind", "decision"),
    [
        (
            "unknown_fee",
            "unmapped_fee",
            ("  amounts:\n", '  amounts:\n    creator_gift_service_fee_amount: "631"\n'),
        ),
        (
            "unknown_type",
            "unmapped_adjustment",
            ("  transactions:\n", '  transactions:\n    CREATOR_GIFT_BALANCE: "637"\n'),
        ),
    ],
)
def test_what_nobody_decided_waits_and_is_posted_once_the_mapping_decides(
    fault: str, kind: str, decision: tuple[str, str]
) -> None:
    async def story(rig: Rig) -> None:
        statement = await _settled(rig)
        rig.world.finance.spoil(fault, statement.id)
        await settle(rig)
        assert journals(rig) == []
        [payment] = payments(rig, "vn")
        assert told(rig) == [(kind, f"payout {payment.id}"), (kind, f"statement {statement.id}")]
        assert "Write under settlements." in exceptions(rig)[0].message
        with_mapping(rig, decision)
        await settle(rig)
        assert len(journals(rig)) == 1
        assert told(rig) == []

    settling(story)


def test_a_residual_goes_to_its_account() -> None:
    async def story(rig: Rig) -> None:
        statement = await _settled(rig)
        rig.world.finance.spoil("residual", statement.id)
        await settle(rig)
        [journal] = journals(rig)
        assert any(line["account"]["id"] == "638" for line in journal["line"]["items"])
        assert judged(rig).missing == []

    settling(story)


def test_awkward_answers_change_nothing() -> None:
    async def story(rig: Rig) -> None:
        statement = await _settled(rig)
        rig.world.finance.spoil("blank_zeros", statement.id)
        rig.world.finance.spoil("duplicate_statement", statement.id)
        await settle(rig)
        assert (len(journals(rig)), judged(rig).right, told(rig)) == (1, 1, [])

    settling(story)


@pytest.mark.parametrize("fault", ["only_202309", "without_202309"])
def test_older_and_newer_shapes_come_to_the_same(fault: str) -> None:
    async def story(rig: Rig) -> None:
        await _settled(rig)
        rig.world.finance.spoil(fault, "vn")
        await settle(rig)
        assert (len(journals(rig)), judged(rig).right, told(rig)) == (1, 1, [])

    settling(story)


def test_a_statement_that_does_not_come_whole_is_read_again() -> None:
    async def story(rig: Rig) -> None:
        for _ in range(3):
            delivered(rig)
        statement = await _settled(rig)
        rig.world.finance.spoil("late_rows", statement.id)
        await settle(rig)
        assert journals(rig) == []
        assert {kind for kind, _ in told(rig)} <= {"statement_does_not_add_up", "malformed_statement"}
        assert told(rig)
        rig.world.finance.heal()
        await pass_days(rig, 0.1)
        await settle(rig)
        assert (len(journals(rig)), judged(rig).right, told(rig)) == (1, 1, [])

    settling(story)


def test_a_payout_waits_for_a_statement_that_is_late() -> None:
    async def story(rig: Rig) -> None:
        statement = await _settled(rig)
        now = int(rig.clock.now().timestamp())
        rig.world.finance.show_statement_from(statement.id, now + 86_400)
        report = await settle(rig)
        assert (journals(rig), told(rig), report.plan.waiting) == ([], [], 1)
        await pass_days(rig, 1.1)
        await settle(rig)
        assert (len(journals(rig)), judged(rig).right) == (1, 1)

    settling(story)


def test_a_payment_that_failed_is_told_until_tiktok_pays_again() -> None:
    async def story(rig: Rig) -> None:
        delivered(rig)
        await pass_days(rig, 17)
        failed = rig.world.finance.purse.payments("vn")[0]
        await settle(rig)
        assert told(rig) == [("payout_failed", f"payout {failed.id}")]
        rig.world.mix = replace(rig.world.mix, settlement=SettlementHabits.quiet())
        await pass_days(rig, 4)
        await settle(rig)
        assert (len(journals(rig)), judged(rig).right, told(rig)) == (1, 1, [])

    settling(story, payment_failed=1.0)


def test_a_statement_that_changes_after_it_was_posted_is_told_and_not_posted_twice() -> None:
    async def story(rig: Rig) -> None:
        statement = await _settled(rig)
        await settle(rig)
        rig.world.finance.spoil("cent_off_statement", statement.id)
        await pass_days(rig, 1)
        await settle(rig)
        [payment] = payments(rig, "vn")
        assert len(journals(rig)) == 1
        assert ("payout_posting_differs", f"payout {payment.id}") in told(rig)

    settling(story)


def test_a_journal_that_somebody_deleted_is_told() -> None:
    async def story(rig: Rig) -> None:
        await _settled(rig)
        await settle(rig)
        [journal] = journals(rig)
        [payment] = payments(rig, "vn")
        rig.books.delete("journalEntry", journal["id"])
        ledger = rig.ledger()
        with ledger.begin() as tx:
            tx.links.read_again([payout_fact("vn", payment.id)])
        ledger.close()
        await asyncio.sleep(1800)
        await settle(rig)
        assert told(rig) == [("payout_posting_differs", f"payout {payment.id}")]
        assert journals(rig) == []

    settling(story)


def test_a_script_that_marks_the_memo_changes_no_amount() -> None:
    async def story(rig: Rig) -> None:
        await _settled(rig)
        alters = FaultKind.script_alters_value
        rig.faults.inject(alters, "netsuite", "POST /services/rest/record/v1/journalEntry")
        await settle(rig)
        assert (judged(rig).right, told(rig)) == (1, [])

    settling(story)


def test_a_payout_of_a_closed_month_goes_to_the_first_open_day_with_its_true_date_in_the_memo() -> None:
    async def story(rig: Rig) -> None:
        await _settled(rig)
        [payment] = payments(rig, "vn")
        paid_on = datetime.fromtimestamp(payment.paid_time, ZoneInfo("Asia/Ho_Chi_Minh")).date()
        rig.books.close_period(f"{paid_on:%b %Y}")
        await settle(rig)
        [journal] = journals(rig)
        first_open = (paid_on.replace(day=28) + timedelta(days=4)).replace(day=1)
        assert journal["tranDate"] == first_open.isoformat()
        assert paid_on.isoformat() in journal["memo"]
        assert told(rig) == []

    settling(story)


def test_a_month_that_closes_between_staging_and_saving_moves_the_payout() -> None:
    async def story(rig: Rig) -> None:
        await _settled(rig)
        [payment] = payments(rig, "vn")
        paid_on = datetime.fromtimestamp(payment.paid_time, ZoneInfo("Asia/Ho_Chi_Minh")).date()
        rig.faults.inject(FaultKind.crash, "pipeline", "planned")
        with pytest.raises(SimulatedCrash):
            await settle(rig)
        rig.books.close_period(f"{paid_on:%b %Y}")
        await settle(rig)
        [journal] = journals(rig)
        assert journal["tranDate"] > paid_on.isoformat()
        assert (judged(rig).right, told(rig)) == (1, [])

    settling(story)


def test_what_netsuite_refuses_waits_for_a_person_and_goes_out_corrected() -> None:
    async def story(rig: Rig) -> None:
        with_mapping(rig, ('bank_account_id: "130"', 'bank_account_id: "99999"'))
        await _settled(rig)
        [payment] = payments(rig, "vn")
        await settle(rig)
        assert told(rig) == [("netsuite_refused", f"payout {payment.id}")]
        with_mapping(rig, ('bank_account_id: "99999"', 'bank_account_id: "130"'))
        await settle(rig)
        assert (len(journals(rig)), judged(rig).right, told(rig)) == (1, 1, [])

    settling(story)


def test_a_replay_reads_tiktok_again_and_is_answered() -> None:
    async def story(rig: Rig) -> None:
        statement = await _settled(rig)
        rig.world.finance.spoil("cent_off_statement", statement.id)
        await settle(rig)
        rig.world.finance.heal()
        open_ones = [one.id for one in exceptions(rig)]
        ledger = rig.ledger()
        with ledger.begin() as tx:
            tx.exceptions.request_replay(open_ones, "finance")
        ledger.close()
        # Within the hour, so only because somebody asked.
        await settle(rig, SettlementsRequest(budget_s=3600, idle_s=10))
        assert (len(journals(rig)), told(rig)) == (1, [])

    settling(story)

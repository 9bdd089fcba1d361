"""The settlement flow on the sandbox, in virtual time: what finance would see."""

from __future__ import annotations

import re
from decimal import Decimal as D

from tests.settlements.desk import (
    delivered,
    journals,
    judged,
    pass_days,
    payments,
    posted,
    settle,
    settling,
    told,
    use_mapping,
    with_mapping,
)
from tiktok_ns_pipeline.sandbox.rig import MAPPING, Rig
from tiktok_ns_pipeline.sandbox.world import Line


def test_a_payout_becomes_one_balanced_journal() -> None:
    async def story(rig: Rig) -> None:
        delivered(rig)
        await pass_days(rig, 17)
        report = await settle(rig)
        [payment] = payments(rig, "vn")
        [journal] = journals(rig)
        assert journal["externalId"] == f"tts-vn-je-{payment.id}"
        assert journal["approved"] is True
        assert posted(journal)["130"] == payment.before_exchange
        assert sum(posted(journal).values()) == 0
        assert (report.plan.planned, report.read_back, report.trouble) == (1, 1, [])
        findings = judged(rig)
        assert (findings.right, findings.wrong, findings.missing) == (1, [], [])
        assert told(rig) == []
        # Again and again: nothing more.
        await pass_days(rig, 1)
        report = await settle(rig)
        assert (report.plan.planned, report.dispatch.applied, len(journals(rig))) == (0, {}, 1)

    settling(story)


def test_several_statements_reserves_and_negative_days_are_in_the_payout_that_carries_them() -> None:
    async def story(rig: Rig) -> None:
        first = delivered(rig, "us", Line("SKU-001", 2, "40.00", seller_discount="3.33"))
        await pass_days(rig, 9.5)
        delivered(rig, "us", Line("SKU-002", 1, "60.00"))
        rig.world.finance.refund(first)
        await pass_days(rig, 1)
        rig.world.finance.adjust("us", "PLATFORM_PENALTY", D("-4.10"))
        await pass_days(rig, 20)
        await settle(rig)
        assert len({one.id for one in payments(rig, "us")}) == len(journals(rig)) > 0
        findings = judged(rig)
        assert (findings.wrong, findings.missing, findings.doubled, findings.unbalanced) == ([], [], [], [])
        assert told(rig) == []

    settling(story, reserved=1.0)


def test_a_shop_that_posts_nothing_is_read_and_proved_only() -> None:
    async def story(rig: Rig) -> None:
        without = re.sub(
            r"    settlement:\n      policy: post\n(      .*\n)+(?=    refunds: \{policy: none\})",
            "    settlement: {policy: none}\n",
            MAPPING.read_text(),
        )
        use_mapping(rig, without)
        delivered(rig)
        await pass_days(rig, 17)
        report = await settle(rig)
        assert journals(rig) == []
        assert (report.plan.footed, report.plan.skipped, report.observed["vn"].payments) == (1, 1, 1)
        [statement] = rig.world.finance.store.statements("vn")
        rig.world.finance.spoil("cent_off_statement", statement.id)
        await pass_days(rig, 1)
        await settle(rig)
        assert ("statement_does_not_add_up", f"statement {statement.id}") in told(rig)

    settling(story)


def test_statements_from_before_posting_began_are_left_alone() -> None:
    async def story(rig: Rig) -> None:
        delivered(rig)
        with_mapping(
            rig,
            (
                'since: 2026-01-01\n      clearing_account_id: "127"',
                'since: 2030-01-01\n      clearing_account_id: "127"',
            ),
        )
        await pass_days(rig, 17)
        report = await settle(rig)
        assert journals(rig) == []
        assert report.plan.skipped == 2  # the statement and its payout

    settling(story)


def test_a_payment_says_where_the_wallets_money_went_and_lands() -> None:
    async def story(rig: Rig) -> None:
        delivered(rig)
        await pass_days(rig, 26)
        report = await settle(rig)
        assert report.observed["vn"].withdrawals == 2  # credited, and taken to the bank

    settling(story)


def test_a_journal_of_each_statement_and_one_of_the_transfer() -> None:
    async def story(rig: Rig) -> None:
        with_mapping(
            rig,
            (
                'clearing_account_id: "127"',
                'document: journal_per_statement\n      clearing_account_id: "127"',
            ),
        )
        delivered(rig)
        await pass_days(rig, 17)
        await settle(rig)
        [payment] = payments(rig, "vn")
        [statement] = rig.world.finance.store.statements("vn")
        names = {one["externalId"] for one in journals(rig)}
        assert names == {f"tts-vn-je-{payment.id}", f"tts-vn-je-{statement.id}"}
        total = {}
        for one in journals(rig):
            for account, amount in posted(one).items():
                total[account] = total.get(account, D(0)) + amount
        assert (total["127"], total["130"]) == (0, payment.before_exchange)
        assert told(rig) == []

    settling(story)

"""Seeded drift between TikTok's payouts, NetSuite's books and the bank is found and named, against the
sandbox."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.lake.tables import PAYOUT_RECONCILIATION, SETTLEMENT_PROOFS
from tiktok_ns_pipeline.reconciliation.payouts.bank import read_bank_lines
from tiktok_ns_pipeline.reconciliation.payouts.checking import CHECKS
from tiktok_ns_pipeline.reconciliation.payouts.model import Verdict
from tiktok_ns_pipeline.sandbox.settling_habits import StatementFault

from .payout_bench import QUIET, Paid, less, payouts, with_payouts, wrong

CENT = Decimal("0.01")


def test_each_drift_of_a_payout_is_found_and_named() -> None:
    async def test(paid: Paid) -> None:
        journals = await paid.journals()
        right, missing, off, doubled, by_hand, both, *_ = sorted(journals)
        paid.post(journals[right])
        # One cent of its clearing line is on another account.
        paid.post(less(journals[off], "126", "0.01"))
        paid.post(journals[doubled])
        paid.post(journals[doubled] | {"externalId": "by-hand-1", "memo": "payout once more"})
        paid.post(journals[by_hand] | {"externalId": "by-hand-2", "memo": "TikTok, bank"})
        paid.post(journals[both] | {"externalId": "by-hand-3", "memo": f"TikTok payout {both}"})
        strange = "3680000000009999999"
        day = (await paid.days())[2]
        alien = {"externalId": f"tts-uk-je-{strange}", "memo": "nobody's", "tranDate": day.isoformat()}
        paid.post(journals[right] | alien)

        rows = await paid.rows()

        found = payouts(rows)
        drifts = {name: verdict for name, verdict in wrong(rows).items() if name in journals}
        later = dict.fromkeys(sorted(journals)[6:], Verdict.JOURNAL_MISSING)
        assert drifts == later | {
            missing: Verdict.JOURNAL_MISSING,
            off: Verdict.AMOUNT_DIFFERS,
            doubled: Verdict.DOUBLED,
        }
        assert [
            (line.role, line.account, line.posted - line.expected) for line in found[off].differences
        ] == [
            ("clearing", "126", -CENT),
            ("", "639", CENT),
        ]
        assert len(found[doubled].documents) == 2
        assert {found[name].verdict for name in (right, by_hand, both)} == {Verdict.MATCHED}
        assert found[f"tts-uk-je-{strange}"].verdict is Verdict.JOURNAL_WITHOUT_PAYMENT
        assert strange in found[f"tts-uk-je-{strange}"].note

    with_payouts(test, days=30, selling_days=14)


@pytest.mark.parametrize(
    ("shop", "fault"),
    [("uk", StatementFault.only_202309), ("uk", StatementFault.residual), ("vn", StatementFault.blank_zeros)],
)
def test_the_proof_reads_every_shape_as_the_flow_books_it(shop: str, fault: StatementFault) -> None:
    async def test(paid: Paid) -> None:
        spoil = paid.rig.world.finance.spoil
        spoil(fault, shop)
        async for page in paid.sources.tiktok.finance.statements(paid.sources.access):
            for raw in page.rows:
                spoil(fault, raw["id"])
        journals = await paid.journals()
        for body in journals.values():
            paid.post(body)

        rows = await paid.rows()

        assert wrong(rows) == {}
        assert {row.verdict for row in payouts(rows).values()} == {Verdict.MATCHED}
        assert payouts(rows).keys() == journals.keys()

    habits = replace(QUIET, payout_currency={"uk": "USD"})
    with_payouts(test, shop=shop, days=26, selling_days=4, habits=habits)


def test_a_day_lands_its_rows_and_its_line_and_answers_every_question() -> None:
    async def test(paid: Paid) -> None:
        for body in (await paid.journals()).values():
            paid.post(body)
        days = await paid.days()

        for day in days:
            proof = await paid.prove(day)
            assert wrong(proof.rows) == {}
            states = {check.name: check(proof).state for check in CHECKS}
            assert states["payments_add_up"] == "passed", states
            landed = paid.lake.current(PAYOUT_RECONCILIATION, shop="uk", days=[day])
            assert len(landed) == len(proof.rows)
            assert not any(row["is_wrong"] for row in landed)
            [told] = paid.lake.current(SETTLEMENT_PROOFS, "proof = 'payouts'", shop="uk", days=[day])
            assert told["statement"] == proof.statement
            assert "difference = none" in proof.statement

    with_payouts(test)


def test_what_does_not_add_up_is_told_to_the_cent_and_lacks_no_journal() -> None:
    async def test(paid: Paid) -> None:
        first, second, *_ = await paid.paid()
        finance = paid.sources.tiktok.finance
        covering = {
            raw.get("payment_id"): raw["id"]
            async for page in finance.statements(paid.sources.access)
            for raw in page.rows
        }
        habits = paid.rig.world.finance
        habits.spoil(StatementFault.cent_off_payment, first["id"])
        habits.spoil(StatementFault.cent_off_statement, covering[second["id"]])

        rows = await paid.rows()

        by_subject = payouts(rows)
        assert by_subject[first["id"]].verdict is Verdict.DOES_NOT_FOOT
        assert "+0.01" in by_subject[first["id"]].note
        assert by_subject[second["id"]].verdict is Verdict.DOES_NOT_FOOT
        assert wrong(rows)[covering[second["id"]]] is Verdict.DOES_NOT_FOOT

    with_payouts(test)


def test_the_banks_lines_are_matched_one_to_one_and_named_both_ways() -> None:
    async def test(paid: Paid) -> None:
        payments = await paid.paid()
        day = (await paid.days())[1]
        text = "date,amount,currency,reference\n"
        for raw in payments[:-1]:
            arrived = from_epoch(int(raw["paid_time"])).date() + timedelta(days=2)
            text += f"{arrived},{raw['amount']['value']},GBP,TIKTOK INC\n"
        text += f"{day},3.21,GBP,WHO KNOWS\n"

        rows = [row for row in await paid.rows(read_bank_lines(text)) if row.aspect == "bank"]

        assert wrong(rows) == {
            payments[-1]["id"]: Verdict.NOT_IN_BANK,
            f"line {len(payments) + 1}": Verdict.BANK_WITHOUT_PAYMENT,
        }
        assert sum(row.verdict is Verdict.MATCHED for row in rows) == len(payments) - 1

    with_payouts(test, days=30)


def test_a_shop_that_posts_nothing_is_proved_for_what_tiktok_says_alone() -> None:
    async def test(paid: Paid) -> None:
        rows = await paid.rows()
        assert {row.verdict for row in rows if row.aspect == "payout"} <= {
            Verdict.NOT_EXPECTED,
            Verdict.NOT_PAID,
        }
        assert wrong(rows) == {}

    with_payouts(
        test,
        mapping=lambda given: given.model_copy(
            update={
                "shops": {
                    code: shop.model_copy(update={"settlement": None}) for code, shop in given.shops.items()
                }
            }
        ),
    )

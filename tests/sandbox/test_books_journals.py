"""Journals: what is refused, when they post, what they do to the ledger (N 5.8)."""

from decimal import Decimal as D
from typing import Any

import pytest

from tests.sandbox.money_documents import BANK, CLEARING, FEES, RECEIVABLE, balance, journal, ledger, side
from tests.sandbox.netsuite_account import account, customer, fields_of, order, select
from tiktok_ns_pipeline.sandbox.books import BookError, Books

PAYOUT = (side(BANK, "912.40"), side(FEES, "87.60"), side(CLEARING, credit="1000"))


def post(books: Books, *lines: dict[str, Any], **fields: Any) -> str:
    return books.create("journalEntry", journal(*(lines or PAYOUT), **fields)).id


def refusal(*lines: dict[str, Any], books: Books | None = None, **fields: Any) -> str:
    with pytest.raises(BookError) as caught:
        post(books or account(), *lines, **fields)
    return str(caught.value)


class TestRefusals:
    @pytest.mark.parametrize("cent", ["912.39", "912.41"])
    def test_a_cent_off(self, cent: str) -> None:
        assert "must balance" in refusal(side(BANK, cent), *PAYOUT[1:])

    @pytest.mark.parametrize(
        "wrong",
        [side(BANK, "1", "0"), side(BANK, "0"), side(BANK), side(BANK, "1", "1"), side(BANK, "0.001")],
        ids=["zero on the other side", "zero", "neither side", "both sides", "less than a cent"],
    )
    def test_a_line_has_one_side_with_an_amount(self, wrong: dict[str, Any]) -> None:
        assert "Invalid Field Value" in refusal(wrong, side(CLEARING, credit="1"))

    @pytest.mark.parametrize(
        ("wrong", "why"),
        [
            ("126", "clearing of the British subsidiary"),
            ("129", "bank of the British subsidiary"),
            ("900", "never posted to"),
        ],
    )
    def test_an_account_that_does_not_fit(self, wrong: str, why: str) -> None:
        told = refusal(side(wrong, "1"), side(CLEARING, credit="1"))
        assert f"Invalid Field Value {wrong}" in told, why
        assert "line.items[0].account" in told, why

    def test_an_account_kept_in_a_third_currency(self) -> None:
        books = account()
        euros = books.create(
            "account",
            {
                "acctName": "Euros",
                "acctType": {"id": "Bank"},
                "currency": {"id": "3"},
                "subsidiary": {"items": [{"id": "1"}]},
            },
        ).id
        assert f"Value {euros}" in refusal(side(euros, "1"), side(FEES, credit="1"), books=books)
        post(books, side(euros, "1"), side(FEES, credit="1"), currency={"id": "3"})

    def test_an_inactive_account(self) -> None:
        books = account()
        books.patch("account", FEES, {"isInactive": True})
        assert f"Value {FEES}" in refusal(books=books)

    @pytest.mark.parametrize("one", [RECEIVABLE, "218"])
    def test_receivables_and_payables_need_an_entity(self, one: str) -> None:
        assert "must have an entity" in refusal(side(one, "1"), side(FEES, credit="1"))

    def test_an_entity_of_another_subsidiary(self) -> None:
        books = account()
        foreign = customer(books, "2")
        line = side(RECEIVABLE, "1", entity={"id": foreign})
        assert f"Value {foreign} for the following field: entity" in refusal(
            line, side(FEES, credit="1"), books=books
        )

    def test_an_entity_without_the_journals_currency(self) -> None:
        books = account()
        line = side(RECEIVABLE, "1", entity={"id": customer(books)})
        told = refusal(line, side(FEES, credit="1"), books=books, currency={"id": "3"})
        assert "field: entity" in told

    def test_more_lines_than_a_journal_may_have(self) -> None:
        lines = [side(FEES, "1")] * 10_000
        assert "at most 10000 lines" in refusal(*lines, side(CLEARING, credit="10000"))

    @pytest.mark.parametrize("rate", ["0", "-1", "1.2"])
    def test_a_rate_that_cannot_be(self, rate: str) -> None:
        assert "exchangeRate" in refusal(exchangeRate=D(rate))

    @pytest.mark.parametrize("type_name", ["salesOrder", "journalEntry"])
    def test_an_external_id_that_any_transaction_has(self, type_name: str) -> None:
        books = account()
        if type_name == "salesOrder":
            order(books, externalId="TTS-US-JE-1")
        else:
            post(books, externalId="TTS-US-JE-1")
        assert "This record already exists" in refusal(books=books, externalId="tts-us-je-1")


class TestApproval:
    def test_what_is_not_approved_does_not_post(self) -> None:
        books = account()
        made = post(books, approved=False)
        assert balance(books, CLEARING) == 0
        books.patch("journalEntry", made, {"approved": True})
        assert balance(books, CLEARING) == D(-1000)

    def test_the_status_field_approves_as_well(self) -> None:
        books = account()
        made = post(books, approved=None, approvalStatus={"id": "2"})
        assert fields_of(books, "journalEntry", made)["approved"] is True

    def test_without_routing_everything_is_approved_at_once(self) -> None:
        books = account()
        books.route_journals(False)
        assert fields_of(books, "journalEntry", post(books, approved=None))["status"] == "B"


class TestPeriods:
    @pytest.mark.parametrize("state", ["locked", "closed"])
    def test_a_shut_month_takes_no_journal_no_change_and_no_deletion(self, state: Any) -> None:
        books = account()
        made = post(books, tranDate="2026-05-31")
        books.set_period("May 2026", state)
        assert "accounting period" in refusal(books=books, tranDate="2026-05-31")
        for change in ({"memo": "late"}, {"tranDate": "2026-06-01"}):
            with pytest.raises(BookError, match="accounting period"):
                books.patch("journalEntry", made, change)
        with pytest.raises(BookError, match="accounting period"):
            books.delete("journalEntry", made)
        books.set_period("May 2026", "open")
        books.delete("journalEntry", made)
        assert balance(books, CLEARING) == 0

    def test_locked_receivables_stop_journals_on_them_only(self) -> None:
        books = account()
        books.set_period("Jun 2026", "receivables locked")
        post(books)
        owed = side(RECEIVABLE, "1", entity={"id": customer(books)})
        assert "accounting period" in refusal(owed, side(FEES, credit="1"), books=books)

    def test_the_period_is_that_of_the_day_unless_another_is_named(self) -> None:
        books = account()
        [july] = select(books, "SELECT id FROM accountingperiod WHERE periodname = 'Jul 2026'")
        made = post(books, postingPeriod={"id": july["id"]})
        assert fields_of(books, "journalEntry", made)["postingPeriod"] == july["id"]
        books.patch("journalEntry", made, {"tranDate": "2026-05-31"})
        [row] = select(
            books,
            "SELECT p.periodname FROM transaction t JOIN accountingperiod p ON p.id = t.postingperiod"
            f" WHERE t.id = {made}",
        )
        assert row["periodname"] == "May 2026"


class TestLedger:
    def test_a_changed_line_changes_the_ledger(self) -> None:
        books = account()
        made = post(books)
        lines = [{"line": 1, "debit": D("900")}, {"line": 2, "debit": D("100")}]
        books.patch("journalEntry", made, {"line": {"items": lines}})
        assert ledger(books, made) == {BANK: 900, FEES: 100, CLEARING: -1000}

    def test_removed_lines_must_leave_a_balance(self) -> None:
        books = account()
        made = post(books)
        with pytest.raises(BookError, match="must balance"):
            books.patch(
                "journalEntry", made, {"line": {"items": [{"line": 1}, {"line": 3}]}}, frozenset({"line"})
            )

    def test_a_foreign_journal_is_in_base_currency_line_by_line_and_even(self) -> None:
        books = account()
        rate = D("1.333333")
        lines = (side(FEES, "0.01"), side("632", "0.01"), side("633", "0.01"), side("637", credit="0.03"))
        made = post(books, *lines, currency={"id": "2"}, exchangeRate=rate)
        assert ledger(books, made) == {
            FEES: D("0.01"),
            "632": D("0.01"),
            "633": D("0.01"),
            "637": D("-0.04"),
            "661": D("0.01"),
        }

    def test_dong_have_no_cents_in_the_ledger(self) -> None:
        books = account()
        lines = (side("630", "10.50"), side("631", credit="10.50"))
        made = post(books, *lines, subsidiary={"id": "3"}, currency={"id": "1"}, exchangeRate=D("25123.4567"))
        assert ledger(books, made) == {"630": 263796, "631": -263796}

    def test_subsidiary_and_currency_stay(self) -> None:
        books = account()
        made = post(books)
        with pytest.raises(BookError, match="cannot be changed"):
            books.patch("journalEntry", made, {"currency": {"id": "2"}})

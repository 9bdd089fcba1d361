"""Journals of payouts: balanced, every amount on one line, and nothing where the mapping is silent."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from tests.settlements.any_payout import payouts
from tests.settlements.payouts import (
    BANK,
    CLEARING,
    DAY,
    MIDNIGHT,
    PAYMENT,
    POST,
    RESERVE,
    WITH_RESERVE,
    RawPayout,
    RawStatement,
    adjustment_row,
    booked,
    decisions,
    order_row,
    refused,
    reserve_row,
)
from tiktok_ns_pipeline.mapping import Mapping
from tiktok_ns_pipeline.settlements.booking import FeeMap, StatementSums
from tiktok_ns_pipeline.settlements.document import JournalLine, LineKey, Lines, PayoutJournal
from tiktok_ns_pipeline.settlements.journal import NotBooked, Posting

GOODS, FEE = "revenue.subtotal_before_discount_amount", "fee_tax.fee.referral_fee_amount"
REFUND = "revenue.refund_subtotal_before_discount_amount"
BUYER, SUBSIDY = "shipping.customer_paid_shipping_fee_amount", "shipping.shipping_fee_discount_amount"
ORDER, OTHER = "5770000001", "5770000002"
DECIDED = decisions()


def sale(identity: str = "1", order_id: str = ORDER) -> dict[str, object]:
    return order_row(identity, order_id, {GOODS: "100.00", FEE: "-6.00"})


def by_memo(journal: PayoutJournal) -> dict[str, Decimal]:
    return {line.memo: line.amount for line in journal.lines}


@settings(max_examples=50, deadline=None)
@given(payouts())
def test_any_payout_that_foots_is_balanced_and_its_lines_sum_to_its_components(payout: RawPayout) -> None:
    result = booked(payout.book(DECIDED))
    lines = [line for journal in result.journals for line in journal.lines]

    assert sum(line.amount for line in lines) == 0
    for line in lines:
        assert line.amount
        assert line.amount == -sum(amount for _, amount in line.components)
    told: Counter[str] = Counter()
    for statement in payout.statements:
        one = statement.sums(DECIDED)
        assert isinstance(one, StatementSums)
        for source, amount in one.sums.items():
            if source.kind != "reserve":
                told[source.name] += amount  # type: ignore[assignment]
    named = [component for line in lines for component, _ in line.components]
    assert len(named) == len(set(named))
    posted = {name: amount for line in lines for name, amount in line.components}
    assert {name: amount for name, amount in told.items() if name in posted} == {
        name: amount for name, amount in posted.items() if name not in ("net", "reserve")
    }
    assert not any(amount for name, amount in told.items() if name not in posted)
    net = Decimal(payout.payment["amount"]["value"])
    assert sum(line.amount for line in lines if line.account_id == BANK) == net
    assert sum(line.amount for line in lines if line.account_id == RESERVE) == -result.payment.reserve
    cleared = sum(one.total for one in result.orders.values()) + sum(result.unassigned.values())
    assert sum(line.amount for line in lines if line.account_id == CLEARING) == -cleared


def test_a_payout_says_what_it_is() -> None:
    (journal,) = booked(RawPayout.of(RawStatement.of([sale()])).book(DECIDED)).journals

    assert (journal.key, journal.record_type) == (PAYMENT, "journalEntry")
    assert journal.external_id == f"tts-us-je-{PAYMENT}"
    assert (journal.currency, journal.currency_id, journal.subsidiary_id) == ("USD", "1", "1")
    # Paid on the third at nine UTC, which is two in the morning in Los Angeles.
    assert journal.true_date == journal.tran_date == date(2026, 12, 3)
    assert journal.memo == f"TikTok payout {PAYMENT} of shop us, 2026-12-03, settled 2026-11-30 (1 statement)"
    assert by_memo(journal) == {
        "subtotal_before_discount_amount": -100,
        "TikTok payout": 94,
        "referral_fee_amount": 6,
    }


def test_a_closed_period_moves_the_date_and_the_memo_keeps_the_true_one() -> None:
    payout = RawPayout.of(RawStatement.of([sale()]))

    (journal,) = booked(payout.book(DECIDED, posting_day=lambda _: date(2027, 1, 1))).journals
    assert (journal.tran_date, journal.true_date) == (date(2027, 1, 1), date(2026, 12, 3))
    assert "2026-12-03" in journal.memo

    (problem,) = refused(payout.book(DECIDED, posting_day=lambda _: None)).problems
    assert problem.kind == "no_open_period"


def test_a_payment_that_has_not_arrived_is_not_booked() -> None:
    payout = RawPayout.of(RawStatement.of([sale()]), status="PROCESSING", paid_time=0)

    with pytest.raises(ValueError, match="has not arrived"):
        payout.book(DECIDED)


def test_a_shop_that_posts_no_payouts_builds_none() -> None:
    mapping = decisions("policy: none")

    with pytest.raises(ValueError, match="posts no payouts"):
        Posting(FeeMap(mapping, mapping.shops["us"]), "USD", lambda day: day)


# What nobody decided


@pytest.mark.parametrize(
    ("row", "kind", "proposal"),
    [
        (
            order_row("2", OTHER, {"fee_tax.fee.gift_fee_amount": "-3"}),
            "unmapped_fee",
            'Write under settlements.amounts: "gift_fee_amount": "<account id>"',
        ),
        (
            adjustment_row("2", "CREATOR_GIFT", "-3"),
            "unmapped_adjustment",
            'Write under settlements.transactions: "CREATOR_GIFT": "<account id>"',
        ),
    ],
)
def test_what_is_unknown_stops_its_payout_with_a_line_for_the_mapping(
    row: dict[str, object], kind: str, proposal: str
) -> None:
    (problem,) = refused(RawPayout.of(RawStatement.of([sale(), row])).book(DECIDED)).problems

    assert problem.kind == kind
    assert proposal in problem.message
    assert "-3 USD" in problem.message
    booked(RawPayout.of(RawStatement.of([sale()])).book(DECIDED))  # another payout goes on


def test_an_unknown_amount_of_nothing_stops_nothing() -> None:
    row = sale()
    row["fee_tax_breakdown"]["fee"]["gift_fee_amount"] = "0 "  # type: ignore[index]

    booked(RawPayout.of(RawStatement.of([row])).book(DECIDED))


def test_one_line_of_the_mapping_is_asked_for_once() -> None:
    names = ("affiliate_commission_amount", "affiliate_partner_commission_amount")
    row = order_row("1", ORDER, {GOODS: "50", **{f"fee_tax.fee.{name}": "-2" for name in names}})
    mapping = decisions(rest="", shop="")
    silent = Mapping.model_validate(mapping.model_dump() | {"settlements": {"groups": {"commission": "631"}}})

    (problem,) = refused(RawPayout.of(RawStatement.of([row])).book(silent)).problems
    assert 'affiliate: "<account id>"' in problem.message
    assert "(-4 USD)" in problem.message


def test_a_reserve_without_an_account_waits() -> None:
    rows = [sale(), reserve_row("2", "-9", "COLLECTED", ORDER)]

    (problem,) = refused(RawPayout.of(RawStatement.of(rows)).book(decisions(POST))).problems

    assert problem.kind == "settlement_account_missing"
    assert "reserves of -9 USD, and `settlement.reserve_account_id`" in problem.message


def test_amounts_finer_than_the_currency_are_not_booked() -> None:
    row = order_row("1", ORDER, {GOODS: "10.004", FEE: "-0.004"})

    (problem,) = refused(RawPayout.of(RawStatement.of([row])).book(DECIDED)).problems
    assert problem.kind == "malformed_statement"
    assert f"{GOODS} 10.004" in problem.message


# What clears


@pytest.mark.parametrize(("billed", "clears", "shipping"), [(True, "107.50", 0), (False, "100.00", "-7.50")])
def test_shipping_clears_where_the_orders_bill_sold_it(billed: bool, clears: str, shipping: str) -> None:
    row = order_row("1", ORDER, {GOODS: "100.00", BUYER: "4.50", SUBSIDY: "3.00"})

    result = booked(RawPayout.of(RawStatement.of([row])).book(DECIDED, bills_shipping=lambda _: billed))

    assert result.journals[0].on_account(CLEARING) == -Decimal(clears)
    assert result.journals[0].on_account("633") == Decimal(shipping)
    assert result.orders[ORDER].total == Decimal(clears)


def test_an_order_has_what_was_settled_of_it_over_all_statements() -> None:
    back = order_row("2", ORDER, {REFUND: "-40.00", FEE: "2.40"})
    payout = RawPayout.of(
        RawStatement.of([sale()]),
        RawStatement.of([back], identity="2", midnight=MIDNIGHT + DAY),
    )

    settled = booked(payout.book(DECIDED)).orders[ORDER]

    assert (settled.sales, settled.refunds, settled.total) == (100, -40, 60)
    assert settled.placed_at is not None


def test_reserves_are_collected_and_released_in_an_account_of_their_own() -> None:
    rows = [
        sale(),
        reserve_row("2", "-9", "COLLECTED", ORDER),
        reserve_row("3", "4", "RELEASED", OTHER),
    ]

    (journal,) = booked(RawPayout.of(RawStatement.of(rows)).book(DECIDED)).journals

    assert journal.on_account(RESERVE) == 5
    assert journal.on_account(BANK) == 89


def test_a_pair_of_net_earnings_moves_nothing() -> None:
    """It parks what is below zero until the next day (T 7.8)."""
    first = adjustment_row("2", "NET_EARNINGS_BALANCE", "50.00", adjustment_id="77")
    second = adjustment_row("3", "NET_EARNINGS_DEDUCTION", "-50.00", adjustment_id="77")
    payout = RawPayout.of(
        RawStatement.of([sale(), first]),
        RawStatement.of([second, sale("4", OTHER)], identity="2", midnight=MIDNIGHT + DAY),
    )

    result = booked(payout.book(DECIDED))

    assert sum(result.unassigned.values()) == 0
    assert result.journals[0].on_account(CLEARING) == -200


@pytest.mark.parametrize("account", ["clearing", CLEARING])
def test_an_adjustment_of_an_order_clears_where_the_mapping_says_so(account: str) -> None:
    mapping = decisions(f"{WITH_RESERVE}, booking: {{transactions: {{CHARGE_BACK: {account}}}}}")
    rows = [sale(), adjustment_row("2", "CHARGE_BACK", "-12", adjustment_order_id=ORDER)]

    result = booked(RawPayout.of(RawStatement.of(rows)).book(mapping))

    assert result.orders[ORDER].other == -12
    assert result.journals[0].on_account(CLEARING) == -88


def test_types_in_plain_english_are_booked_however_they_are_spelt() -> None:
    row = adjustment_row("2", "Bill payment （negative balance）", "10")

    result = booked(RawPayout.of(RawStatement.of([sale(), row])).book(DECIDED))

    assert result.unassigned == {"Bill payment （negative balance）": 10}


def test_an_adjustment_inside_an_orders_row_is_booked_as_one() -> None:
    row = sale() | {"adjustment_amount": "-2.00", "settlement_amount": "92.00"}

    (journal,) = booked(RawPayout.of(RawStatement.of([row])).book(DECIDED)).journals

    assert journal.on_account("637") == 2


# Payouts of nothing, below zero, of several months


def test_a_payout_of_nothing_posts_its_fees_and_no_bank_line() -> None:
    rows = [sale(), adjustment_row("2", "PLATFORM_PENALTY", "-94.00")]

    (journal,) = booked(RawPayout.of(RawStatement.of(rows)).book(DECIDED)).journals

    assert BANK not in {line.account_id for line in journal.lines}
    assert journal.on_account(CLEARING) == -100


def _month_apart() -> RawPayout:
    return RawPayout.of(
        RawStatement.of([sale()]),  # of the thirtieth of November
        RawStatement.of([sale("2", OTHER)], identity="2", midnight=MIDNIGHT + DAY),
    )


ACCRUED = f"{WITH_RESERVE}, accrual: {{policy: by_month, account_id: 650}}"
decisions_accrued = decisions(ACCRUED)


def test_fees_of_an_earlier_month_are_booked_in_it_where_months_are_accrued() -> None:
    payout, november = booked(_month_apart().book(decisions(ACCRUED))).journals

    assert by_memo(payout) == {
        "subtotal_before_discount_amount": -200,
        "TikTok payout": 188,
        "referral_fee_amount": 6,
        "Accrued fees": 6,
    }
    assert by_memo(november) == {"referral_fee_amount": 6, "Accrued fees": -6}
    assert (november.tran_date, november.external_id) == (
        date(2026, 11, 30),
        f"tts-us-je-{PAYMENT}-2026-11",
    )
    assert november.statements == ("7670000000000000001",)


@settings(max_examples=40, deadline=None)
@given(payouts())
def test_accrued_months_post_together_what_the_payout_posts_at_once(payout: RawPayout) -> None:
    accrued = booked(payout.book(decisions_accrued)).journals
    at_once = booked(payout.book(DECIDED)).journals

    assert accounts_of(*accrued) == accounts_of(*at_once)


@settings(max_examples=40, deadline=None)
@given(payouts())
def test_statements_and_payment_post_together_what_the_payout_posts_at_once(payout: RawPayout) -> None:
    parts = [of_statement(statement) for statement in payout.statements]
    journals = [part for part in parts if isinstance(part, PayoutJournal)]

    together = accounts_of(*journals, *booked(payout.book(BY_STATEMENT)).journals)
    assert together == accounts_of(*booked(payout.book(DECIDED)).journals)


def accounts_of(*journals: PayoutJournal) -> dict[str, Decimal]:
    """What journals post to each account."""
    accounts = sorted({line.account_id for journal in journals for line in journal.lines})
    sums = {account: sum(one.on_account(account) for one in journals) for account in accounts}
    return {account: Decimal(amount) for account, amount in sums.items() if amount}


def test_nothing_is_accrued_in_a_closed_month() -> None:
    closed = booked(
        _month_apart().book(decisions(ACCRUED), posting_day=lambda day: max(day, date(2026, 12, 1)))
    )
    assert [by_memo(journal)["referral_fee_amount"] for journal in closed.journals] == [12]

    unmapped = booked(_month_apart().book(DECIDED))
    assert len(unmapped.journals) == 1


# Other documents


def test_a_deposit_has_the_lines_of_the_journal() -> None:
    payout = RawPayout.of(RawStatement.of([sale()]))
    (deposit,) = booked(payout.book(decisions(f"{WITH_RESERVE}, document: deposit_per_payout"))).journals
    (journal,) = booked(payout.book(DECIDED)).journals

    assert (deposit.record_type, deposit.external_id) == ("deposit", f"tts-us-dep-{PAYMENT}")
    assert deposit.lines == journal.lines


BY_STATEMENT = decisions(f"{WITH_RESERVE}, document: journal_per_statement")


def of_statement(
    statement: RawStatement, mapping: Mapping = BY_STATEMENT
) -> PayoutJournal | NotBooked | None:
    sums = statement.sums(mapping)
    assert isinstance(sums, StatementSums)
    return Posting(FeeMap(mapping, mapping.shops["us"]), "USD", lambda day: day).book_statement(sums)


def test_a_statement_without_a_payment_leaves_what_is_owed_in_the_clearing_account() -> None:
    rows = [sale(), reserve_row("2", "-9", "COLLECTED", ORDER)]
    journal = of_statement(RawStatement.of(rows, payment=""))

    assert isinstance(journal, PayoutJournal)
    assert by_memo(journal) == {
        "subtotal_before_discount_amount": -100,
        "Owed for statements": 85,
        "Reserve withheld or released": 9,
        "referral_fee_amount": 6,
    }
    assert (journal.tran_date, journal.external_id) == (date(2026, 11, 30), "tts-us-je-7670000000000000001")


def test_a_statement_below_zero_is_carried_until_a_payment_takes_it() -> None:
    first = RawStatement.of([adjustment_row("1", "PLATFORM_PENALTY", "-20")])
    second = RawStatement.of([sale()], identity="2", midnight=MIDNIGHT + DAY)

    carried, positive = of_statement(first), of_statement(second)
    (paid,) = booked(RawPayout.of(first, second).book(BY_STATEMENT)).journals

    assert isinstance(carried, PayoutJournal) and isinstance(positive, PayoutJournal)
    assert by_memo(carried)["Owed for statements"] == -20
    assert by_memo(paid) == {"Owed for statements": -74, "TikTok payout": 74}
    # All three together are the journal of the whole payout.
    total = sum(one.on_account(CLEARING) for one in (carried, positive, paid))
    assert total == -100


def test_a_payment_of_nothing_has_no_journal_beside_those_of_its_statements() -> None:
    rows = [sale(), adjustment_row("2", "PLATFORM_PENALTY", "-94.00")]

    assert booked(RawPayout.of(RawStatement.of(rows)).book(BY_STATEMENT)).journals == ()


def test_a_statement_that_moves_nothing_has_no_journal() -> None:
    assert of_statement(RawStatement.of([adjustment_row("1", "REBATE", "0")])) is None


# Lines


def test_lines_carry_segments_and_the_customer_of_the_receivable() -> None:
    mapping = decisions(
        f"{WITH_RESERVE}, department_id: 3, class_id: 4, entity_id: 77, "
        "booking: {amounts: {referral_fee_amount: {account_id: 631, class_id: 9, memo: Referral}}}"
    )
    rows = [sale(), reserve_row("2", "-9", "COLLECTED", ORDER)]

    lines = {
        line.account_id: line
        for line in booked(RawPayout.of(RawStatement.of(rows)).book(mapping)).journals[0].lines
    }

    assert (lines["631"].department_id, lines["631"].class_id, lines["631"].memo) == ("3", "9", "Referral")
    assert (lines[BANK].department_id, lines[BANK].class_id, lines[BANK].entity_id) == ("3", "4", None)
    assert lines[CLEARING].entity_id == lines[RESERVE].entity_id == "77"


def test_too_many_lines_become_one_for_each_account_and_drop_nothing() -> None:
    lines = Lines()
    for number in range(30):
        account = str(600 + number % 3)
        lines.add(LineKey(account, None, None, None, None, f"fee {number}"), f"fee.{number}", Decimal(number))

    assert len(lines.lines(30)) == 29  # one of them is nothing
    merged = lines.lines(10)
    assert [line.account_id for line in merged] == ["600", "601", "602"]
    assert sum(len(line.components) for line in merged) == 30
    assert sum(line.amount for line in merged) == -sum(range(30))


def test_a_document_that_does_not_balance_cannot_be_made() -> None:
    (journal,) = booked(RawPayout.of(RawStatement.of([sale()])).book(DECIDED)).journals
    wrong = JournalLine(account_id="1", memo="x", amount=Decimal("0.01"))

    with pytest.raises(ValidationError, match=r"out of balance by 0\.01"):
        PayoutJournal(**(journal.model_dump() | {"lines": (*journal.lines, wrong)}))

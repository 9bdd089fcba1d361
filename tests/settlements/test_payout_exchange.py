"""Exchange: what clearing and bank are left with in the subsidiary's currency goes to one account."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.settlements.payouts import (
    BANK,
    CLEARING,
    EXCHANGE_DIFFERENCES,
    PAYMENT,
    POST,
    WITH_RESERVE,
    RawPayout,
    RawStatement,
    adjustment_row,
    booked,
    decisions,
    order_row,
    refused,
)
from tiktok_ns_pipeline.mapping import Mapping
from tiktok_ns_pipeline.settlements.booking import FeeMap
from tiktok_ns_pipeline.settlements.document import PayoutJournal, exact_in
from tiktok_ns_pipeline.settlements.exchange import Exchange, rates_unknown, realised_difference
from tiktok_ns_pipeline.settlements.journal import BookedPayout, NotBooked, Posting

GOODS, FEE = "revenue.subtotal_before_discount_amount", "fee_tax.fee.referral_fee_amount"
FIRST, SECOND = "5770000001", "5770000002"
DECIDED = decisions()


def statement(*amounts: str) -> RawStatement:
    return RawStatement.of(
        [
            order_row(str(number), f"577000000{number}", {GOODS: amount, FEE: "-1.00"})
            for number, amount in enumerate(amounts, 1)
        ]
    )


def difference(
    payout: BookedPayout,
    rate: str,
    entered_at: dict[str, str],
    *,
    base: str = "EUR",
    mapping: Mapping = DECIDED,
) -> Exchange | NotBooked:
    posting = Posting(FeeMap(mapping, mapping.shops["us"]), base, lambda day: day)
    rates = {order_id: Decimal(one) for order_id, one in entered_at.items()}
    return realised_difference(posting, payout, Decimal(rate), rates, "4")


def journal(result: Exchange | NotBooked) -> PayoutJournal:
    assert isinstance(result, Exchange) and result.journal is not None
    return result.journal


def test_the_subsidiarys_own_currency_has_no_difference() -> None:
    payout = booked(RawPayout.of(statement("100")).book(DECIDED))

    assert difference(payout, "1", {FIRST: "1"}, base="USD") == Exchange(None, ())


def test_what_clearing_still_holds_of_the_orders_is_a_loss() -> None:
    payout = booked(RawPayout.of(statement("100", "50")).book(DECIDED, base_currency="EUR"))

    found = journal(difference(payout, "0.90", {FIRST: "0.92", SECOND: "0.94"}))

    # In: 92 + 47. Out: 135. Four euros are left over.
    assert (found.on_account(CLEARING), found.on_account(EXCHANGE_DIFFERENCES)) == (-4, 4)
    assert (found.currency, found.currency_id, found.exchange_rate) == ("EUR", "4", None)
    assert found.external_id == "tts-us-fx-3680000000000000001"
    assert found.on_account(BANK) == 0


def test_a_converted_payout_leaves_on_the_bank_what_arrived() -> None:
    raw = RawPayout.of(statement("100"), currency="EUR", rate="0.912345")
    payout = booked(raw.book(DECIDED, base_currency="EUR"))

    found = journal(difference(payout, "0.90", {FIRST: "0.90"}))

    arrived = Decimal("90.32")  # 99 at TikTok's rate
    assert found.on_account(BANK) == arrived - Decimal("89.10")
    assert found.on_account(EXCHANGE_DIFFERENCES) == -found.on_account(BANK)


def test_a_payout_booked_at_tiktoks_own_rate_needs_no_journal_for_the_bank() -> None:
    mapping = decisions(f"{WITH_RESERVE}, exchange_rate: payout")
    raw = RawPayout.of(statement("100"), currency="EUR", rate="0.912345")
    payout = booked(raw.book(mapping, base_currency="EUR"))

    assert payout.journals[0].exchange_rate == Decimal("0.912345")
    result = difference(payout, "0.912345", {FIRST: "0.912345"}, mapping=mapping)
    assert result == Exchange(None, ())


def test_rates_of_the_shop_hold_from_their_day_on() -> None:
    rates = "exchange_rate: {source: fixed, rates: [{since: 2026-11-01, rate: 0.91}]}"
    payout = booked(RawPayout.of(statement("100")).book(decisions(shop=rates), base_currency="EUR"))
    assert payout.journals[0].exchange_rate == Decimal("0.91")

    late = rates.replace("2026-11-01", "2027-01-01")
    (problem,) = refused(
        RawPayout.of(statement("100")).book(decisions(shop=late), base_currency="EUR")
    ).problems
    assert problem.kind == "unmapped_rate"


def test_netsuites_own_rate_is_left_to_netsuite() -> None:
    payout = booked(RawPayout.of(statement("100")).book(DECIDED, base_currency="EUR"))

    assert payout.journals[0].exchange_rate is None


def test_a_payout_in_a_third_currency_waits_for_a_person() -> None:
    raw = RawPayout.of(statement("100"), currency="GBP", rate="0.78")

    (problem,) = refused(raw.book(DECIDED, base_currency="EUR")).problems

    assert problem.kind == "payout_in_third_currency"
    assert f"{PAYMENT} of shop us arrived as 77.22 GBP (99.00 USD settled; TikTok's rate 0.78)" in (
        problem.message
    )
    assert f"by hand with {PAYMENT} in the memo" in problem.message


def test_a_difference_without_an_account_waits() -> None:
    mapping = decisions(POST)
    payout = booked(RawPayout.of(statement("100")).book(mapping, base_currency="EUR"))

    result = difference(payout, "0.90", {FIRST: "0.92"}, mapping=mapping)

    assert isinstance(result, NotBooked)
    assert result.problems[0].kind == "settlement_account_missing"
    assert "a difference of exchange of -2.00 EUR" in result.problems[0].message


def test_an_order_whose_rate_is_not_known_is_left_alone_and_named() -> None:
    payout = booked(RawPayout.of(statement("100", "50")).book(DECIDED, base_currency="EUR"))

    result = difference(payout, "0.90", {FIRST: "0.92"})

    assert isinstance(result, Exchange)
    assert result.left_alone == (SECOND,)
    assert journal(result).on_account(CLEARING) == -2
    problem = rates_unknown(payout, result.left_alone, Decimal("0.90"), "EUR")
    assert problem.kind == "order_rate_unknown"
    assert "clears 50 USD of 1 order at 0.90 EUR, and NetSuite has no one rate" in problem.message
    assert f"posted: {SECOND} (50). Bill them" in problem.message


RATE = st.integers(300_000, 3_000_000).map(lambda millionths: Decimal(millionths) / 1_000_000)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(200, 90_000).map(lambda cents: str(Decimal(cents) / 100)), min_size=1, max_size=5),
    st.lists(RATE, min_size=5, max_size=5),
    RATE,
    RATE,
)
def test_after_both_journals_nothing_of_the_orders_is_left_and_the_bank_holds_what_arrived(
    amounts: list[str], entered: list[Decimal], rate: Decimal, tiktoks: Decimal
) -> None:
    raw = RawPayout.of(
        statement(*amounts),
        currency="EUR",
        rate=str(tiktoks.quantize(Decimal("0.000001"))),
    )
    net = Decimal(raw.payment["payment_amount_before_exchange"]["value"])
    raw.payment["amount"]["value"] = str(exact_in(net * tiktoks, "EUR"))
    payout = booked(raw.book(DECIDED, base_currency="EUR"))
    rates = dict(zip(payout.orders, map(str, entered), strict=False))

    result = difference(payout, str(rate), rates)

    assert isinstance(result, Exchange)
    even = result.journal
    cleared = -payout.journals[0].on_account(CLEARING)
    came_in = sum(
        exact_in(Decimal(amount) * one, "EUR") for amount, one in zip(amounts, entered, strict=False)
    )
    left = came_in - exact_in(cleared * rate, "EUR")
    bank = exact_in(net * rate, "EUR")
    assert left + (even.on_account(CLEARING) if even else 0) == 0
    assert bank + (even.on_account(BANK) if even else 0) == Decimal(raw.payment["amount"]["value"])


def test_an_adjustment_that_clears_without_an_order_takes_no_part() -> None:
    pair = adjustment_row("9", "NET_EARNINGS_BALANCE", "10")
    rows = [order_row("1", FIRST, {GOODS: "100"}), pair]
    payout = booked(RawPayout.of(RawStatement.of(rows)).book(DECIDED, base_currency="EUR"))

    assert journal(difference(payout, "0.90", {FIRST: "0.92"})).on_account(CLEARING) == -2


@pytest.mark.parametrize("currency", ["JPY", "VND"])
def test_a_currency_without_decimals_is_rounded_to_whole_units(currency: str) -> None:
    assert exact_in(Decimal("10.5"), currency) == 11

"""The join of the two ledgers: every row once, every disturbance named, nothing else touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.reconciliation.checking import CHECKS, CheckOutcome
from tiktok_ns_pipeline.reconciliation.orders import (
    Expectation,
    NetSuiteSide,
    Reconciliation,
    Row,
    TikTokSide,
    Verdict,
    not_run,
    reconcile_orders,
)

NOW = datetime(2026, 3, 3, 6, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=20)
GRACE = timedelta(minutes=30)


def order(number: int = 1, amount: str = "12.34", **changes: object) -> TikTokSide:
    order_id = f"5764{number:06}"
    side = TikTokSide(
        order_id=order_id,
        external_id=f"tts-us-so-{order_id}",
        status="AWAITING_SHIPMENT",
        expectation=Expectation.POSTED,
        owed=Money.parse(amount, "USD"),
        postable_since=LONG_AGO,
        changed_at=LONG_AGO,
    )
    return replace(side, **changes)  # type: ignore[arg-type]


def sale_of(order: TikTokSide, netsuite_id: str | None = None, **changes: object) -> NetSuiteSide:
    number = netsuite_id or f"9{order.order_id}"
    side = NetSuiteSide(
        netsuite_id=number,
        external_id=order.external_id,
        order_id=order.order_id,
        status="B",
        tran_id=f"SO{number}",
        total=order.owed.amount if order.owed is not None else Decimal("12.34"),
        currency=order.owed.currency if order.owed is not None else "USD",
    )
    return replace(side, **changes)  # type: ignore[arg-type]


def prove(orders: Sequence[TikTokSide], sales: Sequence[NetSuiteSide]) -> Reconciliation:
    return reconcile_orders(orders, sales, now=NOW, grace=GRACE)


def only_row(orders: Sequence[TikTokSide], sales: Sequence[NetSuiteSide]) -> Row:
    [row] = prove(orders, sales).rows
    return row


# --- one order -------------------------------------------------------------------------------


def test_an_order_and_its_sales_order_over_the_same_amount_match() -> None:
    row = only_row([order()], [sale_of(order())])
    assert (row.verdict, row.difference, row.is_wrong) == (Verdict.MATCHED, Decimal(0), False)


def test_an_order_without_a_sales_order_is_missing_once_the_grace_is_over() -> None:
    young = order(postable_since=NOW - GRACE + timedelta(seconds=1))
    old = order(postable_since=NOW - GRACE)
    assert only_row([young], []).verdict is Verdict.WAITING_WITHIN_GRACE
    assert only_row([old], []).verdict is Verdict.MISSING_IN_NETSUITE
    assert only_row([order(postable_since=None)], []).verdict is Verdict.MISSING_IN_NETSUITE


@pytest.mark.parametrize("cents", ["-0.01", "0.01"])
def test_one_cent_is_a_difference(cents: str) -> None:
    row = only_row([order()], [sale_of(order(), total=Decimal("12.34") + Decimal(cents))])
    assert (row.verdict, row.difference) == (Verdict.AMOUNT_DIFFERS, Decimal(cents))


def test_an_amount_that_differs_right_after_a_change_of_the_order_waits() -> None:
    changed = order(changed_at=NOW - timedelta(minutes=1))
    row = only_row([changed], [sale_of(changed, total=Decimal(1))])
    assert row.verdict is Verdict.WAITING_WITHIN_GRACE


def test_the_same_number_in_another_currency_is_a_difference() -> None:
    row = only_row([order()], [sale_of(order(), currency="GBP")])
    assert (row.verdict, row.difference) == (Verdict.AMOUNT_DIFFERS, None)
    assert "USD" in row.note
    assert "GBP" in row.note


def test_two_open_sales_orders_for_one_order_are_a_duplicate_over_their_sum() -> None:
    row = only_row([order()], [sale_of(order(), "1"), sale_of(order(), "2", external_id="by-hand")])
    assert row.verdict is Verdict.DUPLICATE_IN_NETSUITE
    assert row.posted == Money.parse("24.68", "USD")
    assert row.note == "Sales Order SO1, Sales Order SO2 are all for this order"


def test_a_closed_sales_order_beside_the_open_one_is_no_duplicate() -> None:
    row = only_row([order()], [sale_of(order(), "1", status="H"), sale_of(order(), "2")])
    assert (row.verdict, row.difference, len(row.netsuite)) == (Verdict.MATCHED, Decimal(0), 2)


def test_an_order_whose_only_sales_order_is_closed_is_missing() -> None:
    row = only_row([order()], [sale_of(order(), status="H")])
    assert row.verdict is Verdict.MISSING_IN_NETSUITE
    assert "closed" in row.note


def test_the_external_id_finds_its_order_in_any_case() -> None:
    spelled = sale_of(order(), external_id=order().external_id.upper(), order_id=None)
    assert only_row([order()], [spelled]).verdict is Verdict.MATCHED


def test_the_correlation_field_finds_the_order_under_a_foreign_external_id() -> None:
    row = only_row([order()], [sale_of(order(), external_id="legacy-77")])
    assert row.verdict is Verdict.MATCHED
    assert "legacy-77" in row.note


def test_the_external_id_decides_where_the_correlation_field_disagrees() -> None:
    first, second = order(1), order(2)
    rows = prove([first, second], [sale_of(first, order_id=second.order_id)]).rows
    assert [row.verdict for row in rows] == [Verdict.MATCHED, Verdict.MISSING_IN_NETSUITE]
    assert second.order_id in rows[0].note


def test_a_cancelled_order_is_not_expected_and_its_open_sales_order_is_noted_but_not_judged() -> None:
    cancelled = order(expectation=Expectation.CANCELLED, reason="the order is cancelled")
    for sales in ([], [sale_of(cancelled, status="H")], [sale_of(cancelled, total=Decimal(1))]):
        row = only_row([cancelled], sales)
        assert (row.verdict, row.is_wrong) == (Verdict.NOT_EXPECTED, False)
        assert ("still open" in row.note) is any(sale.is_open for sale in sales)


def test_an_open_sales_order_for_an_order_that_was_never_to_be_posted_is_wrong() -> None:
    unpaid = order(expectation=Expectation.NOT_POSTED, reason="the order is not paid")
    assert not only_row([unpaid], []).is_wrong
    assert only_row([unpaid], [sale_of(unpaid)]).is_wrong


def test_an_order_that_cannot_be_read_stays_in_the_proof_with_its_reason() -> None:
    broken = order(expectation=Expectation.UNKNOWN, owed=None, reason="line_items[0].id is missing")
    for sales in ([], [sale_of(broken)]):
        row = only_row([broken], sales)
        assert (row.verdict, row.note) == (Verdict.CANNOT_BE_CHECKED, "line_items[0].id is missing")


@pytest.mark.parametrize("unknown", ["total", "currency"])
def test_a_sales_order_that_tells_no_amount_cannot_be_checked_and_is_not_zero(unknown: str) -> None:
    row = only_row([order()], [sale_of(order(), **{unknown: None})])
    assert (row.verdict, row.posted) == (Verdict.CANNOT_BE_CHECKED, None)


def test_a_sales_order_without_an_order_is_missing_in_tiktok_until_it_is_closed() -> None:
    stray = sale_of(order())
    assert only_row([], [stray]).verdict is Verdict.MISSING_IN_TIKTOK
    assert only_row([], [replace(stray, status="H")]).verdict is Verdict.NOT_EXPECTED


def test_a_side_that_gives_one_thing_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="more than once"):
        prove([order(), order()], [])
    with pytest.raises(ValueError, match="more than once"):
        prove([], [sale_of(order()), sale_of(order())])


def test_the_statement_counts_both_sides_and_lists_the_difference() -> None:
    orders = [order(1), order(2, "1000.00"), order(3)]
    sales = [sale_of(orders[0]), sale_of(orders[1], total=Decimal("999.99"))]
    proof = reconcile_orders(orders, sales, now=NOW, grace=GRACE, netsuite_read_at=NOW + timedelta(seconds=2))
    assert proof.statement == (
        "3 orders at TikTok, 2 Sales Orders in NetSuite; 1,024.68 USD owed, 1,012.33 USD posted; "
        "difference = 1 amount differs, 1 missing in netsuite; otherwise 1 matched; "
        "read at 2026-03-03 06:00:00Z (TikTok) and 2026-03-03 06:00:02Z (NetSuite)"
    )


# --- any two ledgers -------------------------------------------------------------------------

numbers = st.lists(st.integers(1, 12), max_size=8, unique=True)
cents = st.integers(0, 10**7).map(lambda value: str(Decimal(value) / 100))
expectations = st.sampled_from(list(Expectation))


@st.composite
def any_orders(draw: st.DrawFn) -> list[TikTokSide]:
    return [
        order(
            number,
            draw(cents),
            expectation=draw(expectations),
            postable_since=draw(st.sampled_from([LONG_AGO, NOW, None])),
            changed_at=draw(st.sampled_from([LONG_AGO, NOW, None])),
        )
        for number in draw(numbers)
    ]


@st.composite
def any_sales(draw: st.DrawFn) -> list[NetSuiteSide]:
    count = draw(st.integers(0, 10))
    keys = st.none() | st.integers(1, 12).map(lambda number: order(number).order_id)
    sales: list[NetSuiteSide] = []
    for netsuite_id in range(count):
        named = draw(keys)
        sales.append(
            NetSuiteSide(
                netsuite_id=str(netsuite_id),
                external_id=draw(st.sampled_from([None, "by-hand", f"TTS-us-so-{named}"])),
                order_id=draw(keys),
                status=draw(st.sampled_from(["A", "B", "C", "F", "G", "H", None])),
                tran_id=None,
                total=draw(st.none() | cents.map(Decimal)),
                currency=draw(st.sampled_from(["USD", "GBP", None])),
            )
        )
    return sales


@given(any_orders(), any_sales())
def test_every_order_and_every_sales_order_is_in_exactly_one_row(
    orders: list[TikTokSide], sales: list[NetSuiteSide]
) -> None:
    proof = prove(orders, sales)
    assert Counter(row.tiktok.order_id for row in proof.rows if row.tiktok) == Counter(
        o.order_id for o in orders
    )
    assert Counter(s.netsuite_id for row in proof.rows for s in row.netsuite) == Counter(
        s.netsuite_id for s in sales
    )
    keys = Counter((row.order_id, row.external_id.lower()) for row in proof.rows)
    assert max(keys.values(), default=1) == 1
    assert (proof.tiktok_orders, proof.netsuite_sales_orders) == (len(orders), len(sales))


@given(any_orders(), any_sales())
def test_every_wrong_row_offends_exactly_one_check_and_no_other_row_does(
    orders: list[TikTokSide], sales: list[NetSuiteSide]
) -> None:
    proof = prove(orders, sales)
    offenders = Counter((row.order_id, row.external_id) for check in CHECKS for row in check(proof).offenders)
    assert offenders == Counter((row.order_id, row.external_id) for row in proof.wrong)


@given(any_orders(), any_sales(), st.randoms())
def test_the_order_of_the_rows_does_not_matter(
    orders: list[TikTokSide], sales: list[NetSuiteSide], random: object
) -> None:
    before = {(row.order_id, row.external_id.lower()): row.verdict for row in prove(orders, sales).rows}
    random.shuffle(orders)  # type: ignore[attr-defined]
    random.shuffle(sales)  # type: ignore[attr-defined]
    after = {(row.order_id, row.external_id.lower()): row.verdict for row in prove(orders, sales).rows}
    assert before == after


@st.composite
def agreeing_ledgers(draw: st.DrawFn) -> tuple[list[TikTokSide], list[NetSuiteSide], int]:
    orders = [order(number, draw(cents)) for number in draw(numbers.filter(bool))]
    return orders, [sale_of(one) for one in orders], draw(st.integers(0, len(orders) - 1))


@given(
    agreeing_ledgers(), st.sampled_from(["sale removed", "order removed", "sale doubled", "amount changed"])
)
def test_a_removed_added_or_changed_row_is_named_and_nothing_else(
    ledgers: tuple[list[TikTokSide], list[NetSuiteSide], int], disturbance: str
) -> None:
    orders, sales, victim = ledgers
    assert prove(orders, sales).wrong == ()
    named = orders[victim].order_id
    expected = {
        "sale removed": Verdict.MISSING_IN_NETSUITE,
        "order removed": Verdict.MISSING_IN_TIKTOK,
        "sale doubled": Verdict.DUPLICATE_IN_NETSUITE,
        "amount changed": Verdict.AMOUNT_DIFFERS,
    }[disturbance]
    if disturbance == "sale removed":
        sales = [sale for sale in sales if sale.order_id != named]
    elif disturbance == "order removed":
        orders = [one for one in orders if one.order_id != named]
    elif disturbance == "sale doubled":
        sales = [*sales, replace(sales[victim], netsuite_id="again", external_id=None)]
    else:
        total = sales[victim].total
        assert total is not None
        sales[victim] = replace(sales[victim], total=total + Decimal("0.01"))
    assert [(row.verdict, row.order_id) for row in prove(orders, sales).wrong] == [(expected, named)]


# --- the three checks ------------------------------------------------------------------------


def outcomes(proof: Reconciliation) -> dict[str, CheckOutcome]:
    return {outcome.name: outcome for outcome in (check(proof) for check in CHECKS)}


def states(proof: Reconciliation) -> list[str]:
    return [outcome.state for outcome in outcomes(proof).values()]


def test_agreeing_ledgers_pass() -> None:
    assert states(prove([order()], [sale_of(order())])) == ["passed", "passed", "passed"]


def test_a_side_that_could_not_be_read_is_not_run_and_not_clean() -> None:
    proof = not_run("netsuite", "no answer", NOW)
    assert states(proof) == ["not_run", "not_run", "not_run"]
    assert proof.statement == "not run: netsuite could not be read: no answer"


def test_nothing_to_look_at_is_not_run() -> None:
    assert states(prove([], [])) == ["not_run", "not_run", "not_run"]
    waiting = prove([order(postable_since=NOW)], [])
    assert states(waiting) == ["passed", "not_run", "not_run"]


def test_the_table_names_the_offender_with_its_amounts_most_money_first() -> None:
    orders = [order(1, "5.00"), order(2, "700.00")]
    outcome = outcomes(prove(orders, [sale_of(orders[0]), sale_of(orders[1], total=Decimal("699.00"))]))[
        "order_amounts_agree"
    ]
    assert outcome.state == "failed"
    assert outcome.description == "1 of 2 Sales Orders are not shown to come to what TikTok owes"
    assert outcome.table.splitlines()[2:] == [
        "| 5764000002 | amount differs | SO95764000002 | 700.00 USD | 699.00 USD | -1.00 |  |"
    ]

    missing = outcomes(prove(orders, []))["no_missing_orders"]
    assert [row.order_id for row in missing.offenders] == ["5764000002", "5764000001"]


def test_a_long_table_is_cut_and_says_so() -> None:
    orders = [order(number) for number in range(60)]
    table = outcomes(prove(orders, []))["no_missing_orders"].table
    assert table.endswith("and 10 more, in table `order_reconciliation`")

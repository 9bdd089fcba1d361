"""What was called off must be closed, what lives must be open, and what left is billed once."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.reconciliation.fulfilments.model import (
    Bill,
    BilledLine,
    OrderLine,
    SalesOrder,
    Verdict,
)

from .fulfilment_builder import (
    LONG,
    LONG_AGO,
    NOW,
    Case,
    bill,
    case,
    closure,
    prove,
    rows_of,
    unit,
)

JUST_NOW = timedelta(minutes=1)


def cancelled(**changes: Any) -> Case:
    """An order that was called off long ago before anything left; its Sales Order is still open."""
    one = case(fulfilments=[], bills=[]).with_sale(status="B")
    one = one.with_units(status="CANCELLED", state="cancelled", told=False, tracking=None)
    return one.with_order(status="CANCELLED", state="cancelled", cancelled_at=LONG_AGO, **changes)


def shut(one: Case) -> Case:
    return one.with_sale(
        status="H", lines=tuple(replace(line, is_closed=True) for line in one.sales[0].lines)
    )


def unshipped() -> Case:
    """An order that lives and waits for its shipment."""
    waiting: dict[str, Any] = {
        "status": "AWAITING_SHIPMENT",
        "state": "open",
        "tracking": None,
        "told": False,
    }
    return case(fulfilments=[], bills=[]).with_sale(status="B").with_units(**waiting)


# --- closures --------------------------------------------------------------------------------


def test_a_cancelled_order_is_closed_or_was_never_posted() -> None:
    assert closure(shut(cancelled())) is Verdict.MATCHED
    assert closure(replace(cancelled(), sales=[])) is Verdict.MATCHED


def test_a_cancelled_order_that_is_still_open_is_named_once_the_grace_is_over() -> None:
    assert closure(cancelled()) is Verdict.CANCELLED_NOT_CLOSED
    young = cancelled().with_order(cancelled_at=NOW - JUST_NOW)
    assert closure(young) is Verdict.WAITING_WITHIN_GRACE


def test_a_picked_order_that_is_cancelled_is_named_with_what_is_on_its_way_out() -> None:
    picked = replace(cancelled(), fulfilments=case().with_fulfilment(status="A").fulfilments)
    [row] = rows_of(prove(picked), "closure")
    assert row.verdict is Verdict.CANCELLED_NOT_CLOSED
    assert "Item Fulfillment IF1" in row.note


def test_a_cancelled_order_whose_goods_left_is_not_to_be_closed() -> None:
    assert closure(replace(cancelled(), fulfilments=case().fulfilments)) is Verdict.NOT_EXPECTED


def test_a_closed_order_that_lives_is_named() -> None:
    assert closure(unshipped()) is Verdict.MATCHED
    assert closure(shut(unshipped())) is Verdict.CLOSED_NOT_CANCELLED
    young = shut(unshipped()).with_sale(unchanged_for=JUST_NOW)
    assert closure(young) is Verdict.WAITING_WITHIN_GRACE


def test_one_closed_line_of_units_that_live_is_enough() -> None:
    first, second = unshipped().order.units
    lines = (
        OrderLine("1", "301", (first.line_id,), Decimal(1), Decimal(10), is_closed=True),
        OrderLine("2", "301", (second.line_id,), Decimal(1), Decimal(10)),
    )
    partly = unshipped().with_sale(lines=lines)
    assert closure(partly) is Verdict.CLOSED_NOT_CANCELLED
    called_off = replace(first, status="CANCELLED", state="cancelled")
    assert closure(partly.with_order(units=(called_off, second))) is Verdict.MATCHED


def test_an_order_that_was_shipped_may_be_closed() -> None:
    assert closure(shut(case())) is Verdict.MATCHED


def test_a_second_sales_order_may_have_taken_the_place_of_a_closed_one() -> None:
    one = shut(unshipped())
    again = replace(unshipped().sales[0], netsuite_id="1999", tran_id="SO1999")
    assert closure(replace(one, sales=[*one.sales, again])) is Verdict.MATCHED


def test_an_order_from_before_the_shops_first_day_is_not_ours_to_close() -> None:
    assert closure(cancelled(is_before_go_live=True)) is None


def test_an_order_without_a_sales_order_has_nothing_to_close() -> None:
    assert closure(replace(unshipped(), sales=[])) is None


def test_an_order_in_an_unknown_state_cannot_be_checked() -> None:
    assert closure(unshipped().with_order(status="TELEPORTED", state="unknown")) is (
        Verdict.CANNOT_BE_CHECKED
    )


# --- bills -----------------------------------------------------------------------------------


def test_what_left_is_billed_to_the_cent() -> None:
    [row] = rows_of(prove(case()), "bill")
    assert (row.verdict, row.difference) == (Verdict.MATCHED, Decimal(0))
    assert (row.expected, row.billed) == (Money(Decimal(24), "USD"), Money(Decimal(24), "USD"))


def test_a_shop_that_does_not_bill_has_no_rows_of_bills() -> None:
    assert rows_of(prove(case(bills=[]), shop_bills=False), "bill") == []


def test_what_left_and_is_not_billed_is_named_once_the_grace_is_over() -> None:
    assert bill(case(bills=[])) is Verdict.NOT_BILLED
    young = case(bills=[]).with_fulfilment(unchanged_for=JUST_NOW)
    assert bill(young) is Verdict.WAITING_WITHIN_GRACE


def test_nothing_is_owed_for_a_cancelled_order_or_a_free_one() -> None:
    assert bill(case(bills=[]).with_order(state="cancelled")) is Verdict.NOT_EXPECTED
    free = tuple(replace(line, amount=Decimal(0)) for line in case().sales[0].lines)
    zero = Money.zero("USD")
    assert bill(case(bills=[]).with_sale(total=zero, lines=free)) is Verdict.MATCHED


@pytest.mark.parametrize("cents", ["-0.01", "0.01"])
def test_one_cent_is_a_difference(cents: str) -> None:
    total = Money(Decimal(24) + Decimal(cents), "USD")
    [row] = rows_of(prove(case().with_bill(total=total)), "bill")
    assert (row.verdict, row.difference) == (Verdict.BILL_DIFFERS, Decimal(cents))


def test_a_second_bill_is_named_however_young_the_shipment_is() -> None:
    one = case().with_fulfilment(unchanged_for=JUST_NOW)
    by_hand = Bill("3999", "INV9", Money(Decimal(24), "USD"), None, one.order_id)
    [row] = rows_of(prove(replace(one, bills=[*one.bills, by_hand])), "bill")
    assert (row.verdict, row.difference, row.documents) == (
        Verdict.BILLED_TWICE,
        Decimal(24),
        ("CS1", "INV9"),
    )


def test_a_bill_made_by_hand_counts_for_the_order_that_it_names() -> None:
    by_hand = Bill("3999", "INV9", Money(Decimal(24), "USD"), None, case().order_id)
    assert bill(case(bills=[by_hand])) is Verdict.MATCHED


def test_a_bill_for_what_has_not_left_is_named() -> None:
    [row] = rows_of(prove(case(fulfilments=[])), "bill")
    assert (row.verdict, row.note) == (Verdict.BILL_DIFFERS, "it is billed, but nothing has left")


def partly(billed: str | None, shipping: str = "4") -> Case:
    """One of two units left. `billed` is what is billed of the goods, `shipping` of the other line."""
    one = case().with_fulfilment(quantities={"1": Decimal(1)})
    if billed is None:
        return replace(one, bills=[])
    lines = {"1": BilledLine(Decimal(1), Decimal(billed)), "2": BilledLine(Decimal(1), Decimal(shipping))}
    return one.with_bill(lines=lines, total=Money(Decimal(billed) + Decimal(shipping), "USD"))


def test_of_a_part_that_left_the_goods_are_compared() -> None:
    assert bill(partly("10")) is Verdict.MATCHED
    assert bill(partly("10", shipping="2")) is Verdict.MATCHED
    assert bill(partly("9.99")) is Verdict.BILL_DIFFERS
    assert bill(partly("10", shipping="4.01")) is Verdict.BILL_DIFFERS
    assert bill(partly("10", shipping="-1")) is Verdict.BILL_DIFFERS
    assert bill(partly(None)) is Verdict.NOT_BILLED


def test_a_second_part_that_is_not_billed_is_named() -> None:
    first = partly("10").bills
    whole = case(bills=first)
    [row] = rows_of(prove(whole), "bill")
    assert (row.verdict, row.difference) == (Verdict.NOT_BILLED, Decimal(-10))
    assert row.note == "only a part is billed"


def test_shipping_billed_with_each_part_is_billed_twice() -> None:
    one = partly("5")
    again = replace(one.bills[0], netsuite_id="3999", tran_id="CS2")
    half = {"1": BilledLine(Decimal("0.5"), Decimal(5)), "2": BilledLine(Decimal(1), Decimal(4))}
    bills = [replace(one.bills[0], lines=half), replace(again, lines=half)]
    assert bill(replace(one, bills=bills)) is Verdict.BILLED_TWICE


def test_what_left_before_billing_began_is_the_sellers_own_to_bill() -> None:
    since = date(2026, 3, 1)
    before = case(bills=[]).with_fulfilment(dated=since - timedelta(days=1))
    assert bill(before, since) is Verdict.NOT_EXPECTED
    assert bill(case().with_fulfilment(dated=since - timedelta(days=1)), since) is Verdict.NOT_EXPECTED
    assert bill(case(bills=[]).with_fulfilment(dated=since), since) is Verdict.NOT_BILLED


def test_of_an_order_that_left_before_and_after_billing_began_quantities_are_compared() -> None:
    since = date(2026, 3, 1)
    one = case()
    halves = [
        replace(one.fulfilments[0], netsuite_id=f"2{n}", quantities={"1": Decimal(1)}, dated=day)
        for n, day in enumerate((since - timedelta(days=1), since))
    ]
    for billed, verdict in ((0, Verdict.NOT_BILLED), (1, Verdict.NOT_EXPECTED), (3, Verdict.BILLED_TWICE)):
        taken = {"1": BilledLine(Decimal(billed), Decimal(10 * billed))}
        made = replace(one.with_bill(lines=taken), fulfilments=halves)
        assert bill(made, since) is verdict
    young = replace(one, bills=[], fulfilments=[halves[0], replace(halves[1], unchanged_for=JUST_NOW)])
    assert bill(young, since) is Verdict.WAITING_WITHIN_GRACE


@pytest.mark.parametrize("broken", ["bill", "sale", "currency"])
def test_an_amount_that_is_not_told_cannot_be_checked_and_is_not_zero(broken: str) -> None:
    one = {
        "bill": case().with_bill(total=None),
        "sale": case().with_sale(total=None),
        "currency": case().with_bill(total=Money(Decimal(24), "GBP")),
    }[broken]
    [row] = rows_of(prove(one), "bill")
    assert (row.verdict, row.expected, row.billed) == (Verdict.CANNOT_BE_CHECKED, None, None)
    assert row.note


amounts = st.integers(1, 10**6).map(lambda cents: Decimal(cents) / 100)


@given(st.lists(st.tuples(st.integers(1, 5), amounts), min_size=1, max_size=4), amounts, st.data())
def test_bills_of_any_shipments_sum_to_the_sales_order_to_the_cent(
    goods: list[tuple[int, Decimal]], fee: Decimal, data: st.DataObject
) -> None:
    lines = [
        OrderLine(str(n), str(n), tuple(f"{n}-{k}" for k in range(count)), Decimal(count), price * count)
        for n, (count, price) in enumerate(goods, start=1)
    ]
    total = Money(sum((price * count for count, price in goods), fee), "USD")
    sale = SalesOrder(
        "1001",
        case().order_id,
        "SO1",
        "E",
        total,
        (*lines, OrderLine("99", "901", (), Decimal(1), fee)),
        LONG,
    )
    shares = [data.draw(st.integers(0, count)) for count, _ in goods]
    parts = [
        {str(n): Decimal(share) for n, share in enumerate(shares, 1)},
        {
            str(n): Decimal(count - share)
            for n, (share, (count, _)) in enumerate(zip(shares, goods, strict=True), 1)
        },
    ]
    one = case().with_order(units=tuple(unit(unit_id) for line in lines for unit_id in line.unit_ids))
    one = replace(one, sales=[sale], fulfilments=[], bills=[])
    for index, part in enumerate(parts):
        taken = {number: quantity for number, quantity in part.items() if quantity}
        if not taken:
            continue
        fulfilment = replace(case().fulfilments[0], netsuite_id=f"2{index}", quantities=taken)
        own = {n: BilledLine(q, goods[int(n) - 1][1] * q) for n, q in taken.items()}
        if not one.bills:
            own["99"] = BilledLine(Decimal(1), fee)
        amount = Money(sum((line.amount for line in own.values()), Decimal(0)), "USD")
        made = Bill(f"3{index}", None, amount, "1001", one.order_id, own)
        one = replace(one, fulfilments=[*one.fulfilments, fulfilment], bills=[*one.bills, made])
        assert bill(one) is Verdict.MATCHED
        assert bill(replace(one, bills=one.bills[:-1])) is Verdict.NOT_BILLED

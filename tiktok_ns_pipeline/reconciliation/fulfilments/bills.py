"""The verdict on each order's bills: what left must be billed, once, and to the cent.

What is expected follows from the Sales Order and from what left of it. Once everything left, the bills
come to the Sales Order's total. Before that the goods are compared line by line, and lines without
units (shipping, discounts) are only held to what the order has of them: how they are divided over
several bills is for the seller's books to say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.reconciliation.fulfilments.model import (
    Bill,
    Fulfilment,
    OrderLine,
    Row,
    SalesOrder,
    TikTokOrder,
    Verdict,
    is_younger,
)
from tiktok_ns_pipeline.reconciliation.fulfilments.shipments import Patience

_ZERO = Decimal(0)


class _Unclear(Exception):
    """Nothing can be said of an order's bills; the text says why."""


@dataclass(frozen=True, slots=True)
class _Compared:
    expected: Money
    billed: Money
    is_whole: bool
    """Everything left, so that totals are compared; otherwise goods are."""
    too_few: bool
    """Less is billed of some line than left of it."""
    too_much: bool
    """More is billed of some line than left of it, or than it has."""


@dataclass(slots=True)
class _Sums:
    quantity: Decimal = _ZERO
    amount: Decimal = _ZERO


def bill_row(
    order: TikTokOrder,
    sales: Sequence[SalesOrder],
    fulfilments: Sequence[Fulfilment],
    bills: Sequence[Bill],
    patience: Patience,
    since: date | None = None,
) -> Row | None:
    """The verdict on one order of a shop that bills; None where nothing left and nothing is billed.

    What left before `since` is the seller's own process to bill. Without that day everything that left
    is to be billed.
    """
    gone = [one for one in fulfilments if one.has_left]
    if not gone and not bills:
        return None
    compared: _Compared | None = None
    try:
        if since is not None and any(_left_before(one, since) for one in gone):
            verdict, note = _verdict_across(gone, bills, since, patience)
        else:
            compared = _compared(sales, gone, bills)
            verdict, note = _verdict(order, gone, bills, compared, patience)
    except _Unclear as unclear:
        verdict, note = Verdict.CANNOT_BE_CHECKED, str(unclear)
    return Row(
        "bill",
        verdict,
        order.order_id,
        order.order_id,
        tiktok_status=order.status,
        netsuite_status=", ".join(sale.status for sale in sales if sale.status) or None,
        documents=tuple(bill.name for bill in bills),
        expected=compared.expected if compared else None,
        billed=compared.billed if compared else None,
        note=note,
    )


def _verdict(
    order: TikTokOrder,
    gone: Sequence[Fulfilment],
    bills: Sequence[Bill],
    compared: _Compared,
    patience: Patience,
) -> tuple[Verdict, str]:
    scope = "" if compared.is_whole else "goods alone are compared, since not all has left"
    agrees = compared.expected == compared.billed
    if agrees and (compared.is_whole or not compared.too_much):
        return Verdict.MATCHED, scope
    if not gone:
        return Verdict.BILL_DIFFERS, "it is billed, but nothing has left"
    if abs(compared.billed.amount) > abs(compared.expected.amount) or compared.too_much:
        return (Verdict.BILLED_TWICE if len(bills) > 1 else Verdict.BILL_DIFFERS), scope
    if any(is_younger(one.unchanged_for, patience.grace) for one in gone):
        return Verdict.WAITING_WITHIN_GRACE, scope
    return _too_little(order, bills, compared, scope)


def _verdict_across(
    gone: Sequence[Fulfilment], bills: Sequence[Bill], since: date, patience: Patience
) -> tuple[Verdict, str]:
    """Of an order that began to leave before billing began only quantities are compared: whether the
    seller's own process billed the rest, and how, is not ours to judge."""
    note = f"some of it left before {since}, when billing began; quantities alone are compared"
    ours = [one for one in gone if not _left_before(one, since)]
    due, left, billed = _left(ours), _left(gone), _billed_of_lines(bills)
    by_hand = any(bill.sales_order_id is None for bill in bills)
    if any(taken.quantity > left[key] for key, taken in billed.items() if key in left):
        return Verdict.BILLED_TWICE, note
    if by_hand or all(quantity <= billed[key].quantity for key, quantity in due.items()):
        return Verdict.NOT_EXPECTED, note
    is_young = any(is_younger(one.unchanged_for, patience.grace) for one in ours)
    return (Verdict.WAITING_WITHIN_GRACE if is_young else Verdict.NOT_BILLED), note


def _left_before(fulfilment: Fulfilment, since: date) -> bool:
    return fulfilment.dated is not None and fulfilment.dated < since


def _too_little(
    order: TikTokOrder, bills: Sequence[Bill], compared: _Compared, scope: str
) -> tuple[Verdict, str]:
    if not bills and order.state == "cancelled":
        return Verdict.NOT_EXPECTED, "TikTok cancelled it, so nothing is owed"
    if bills and not compared.too_few:
        return Verdict.BILL_DIFFERS, scope
    part = "only a part is billed" if bills else ""
    return Verdict.NOT_BILLED, "; ".join(filter(None, (part, scope)))


def _compared(sales: Sequence[SalesOrder], gone: Sequence[Fulfilment], bills: Sequence[Bill]) -> _Compared:
    """What should be billed and what is. Raises _Unclear."""
    currency = _currency(sales, bills)
    left = _left(gone)
    used = [sale for sale in sales if any(one.sales_order_id == sale.netsuite_id for one in gone)]
    if not used and gone:
        raise _Unclear("the Sales Order of what left could not be read")
    is_whole = bool(used) and all(_has_left_whole(sale, left) for sale in used)
    billed = _billed_of_lines(bills)
    lines = {(sale.netsuite_id, line.number): line for sale in sales for line in sale.lines}
    goods = {key: line for key, line in lines.items() if line.is_goods}
    by_hand = any(bill.sales_order_id is None for bill in bills)
    return _Compared(
        expected=_expected(used, goods, left, currency, is_whole=is_whole),
        billed=_billed(bills, billed, goods, currency, is_whole=is_whole or not used),
        is_whole=is_whole or not used,
        too_few=not by_hand and any(left.get(key, _ZERO) > billed[key].quantity for key in goods),
        too_much=any(_exceeds(line, left.get(key, _ZERO), billed[key]) for key, line in lines.items()),
    )


def _expected(
    used: Sequence[SalesOrder],
    goods: Mapping[tuple[str, str], OrderLine],
    left: Mapping[tuple[str, str], Decimal],
    currency: str,
    *,
    is_whole: bool,
) -> Money:
    if is_whole:
        return Money.sum((_total(sale) for sale in used), currency)
    amounts = (Money(_share(line, left.get(key, _ZERO)), currency).quantized() for key, line in goods.items())
    return Money.sum(amounts, currency)


def _billed(
    bills: Sequence[Bill],
    billed: Mapping[tuple[str, str], _Sums],
    goods: Mapping[tuple[str, str], OrderLine],
    currency: str,
    *,
    is_whole: bool,
) -> Money:
    if is_whole:
        return Money.sum((bill.total for bill in bills if bill.total is not None), currency)
    by_hand = [bill.total for bill in bills if bill.sales_order_id is None and bill.total is not None]
    amounts = (Money(billed[key].amount, currency) for key in goods)
    return Money.sum([*amounts, *by_hand], currency)


def _billed_of_lines(bills: Iterable[Bill]) -> defaultdict[tuple[str, str], _Sums]:
    sums: defaultdict[tuple[str, str], _Sums] = defaultdict(_Sums)
    for bill in bills:
        for number, line in bill.lines.items():
            own = sums[bill.sales_order_id or "", number]
            own.quantity += line.quantity
            own.amount += line.amount
    return sums


def _left(gone: Iterable[Fulfilment]) -> dict[tuple[str, str], Decimal]:
    left: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for fulfilment in gone:
        for number, quantity in fulfilment.quantities.items():
            left[fulfilment.sales_order_id, number] += quantity
    return dict(left)


def _has_left_whole(sale: SalesOrder, left: Mapping[tuple[str, str], Decimal]) -> bool:
    """Whether everything that the Sales Order sells left; one that names no units is taken as whole."""
    return all(left.get((sale.netsuite_id, line.number), _ZERO) == line.ordered for line in sale.goods)


def _share(line: OrderLine, left: Decimal) -> Decimal:
    if not line.ordered or line.amount is None:
        if left:
            raise _Unclear(f"line {line.number} of the Sales Order tells no quantity or no amount")
        return _ZERO
    return line.amount * left / line.ordered


def _exceeds(line: OrderLine, left: Decimal, billed: _Sums) -> bool:
    """More billed than left (of goods), or than the line has (of the others)."""
    if line.is_goods:
        return billed.quantity > left
    amount = line.amount or _ZERO
    return billed.amount * amount < 0 or abs(billed.amount) > abs(amount)


def _total(sale: SalesOrder) -> Money:
    if sale.total is None:
        raise _Unclear(f"{sale.name} tells no total or no currency")
    return sale.total


def _currency(sales: Sequence[SalesOrder], bills: Sequence[Bill]) -> str:
    """The one currency of all of them."""
    if untold := [bill.name for bill in bills if bill.total is None]:
        raise _Unclear(f"{', '.join(untold)} tells no total or no currency")
    totals = [_total(sale) for sale in sales] + [bill.total for bill in bills if bill.total is not None]
    currencies = sorted({total.currency for total in totals})
    if len(currencies) != 1:
        raise _Unclear(f"its records are in several currencies: {', '.join(currencies) or 'none'}")
    return currencies[0]

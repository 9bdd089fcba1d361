"""The proof of orders: what two systems say about each other, joined in full.

TikTok says which orders there are and what each owes the seller; NetSuite says which Sales Orders
there are and what each comes to. Neither our own records nor our intentions take part, so the proof
also finds what was never tried.

Terms: an order is *expected* in NetSuite when its status and the mapping say that a Sales Order
should exist for it; a Sales Order is *open* unless it was closed or cancelled there (N 2.12); the
*grace* is the time that an order may be on its way before its absence is an error.

Invariant: every order and every Sales Order is in exactly one row.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.reconciliation.results import NotRun, Proof, Side, shown


class Verdict(StrEnum):
    """What the two systems say about one order."""

    MATCHED = "matched"
    MISSING_IN_NETSUITE = "missing_in_netsuite"
    MISSING_IN_TIKTOK = "missing_in_tiktok"
    AMOUNT_DIFFERS = "amount_differs"
    DUPLICATE_IN_NETSUITE = "duplicate_in_netsuite"
    WAITING_WITHIN_GRACE = "waiting_within_grace"
    NOT_EXPECTED = "not_expected"
    CANNOT_BE_CHECKED = "cannot_be_checked"


class Expectation(StrEnum):
    """Whether a Sales Order should exist for an order."""

    POSTED = "posted"
    NOT_POSTED = "not_posted"
    """Nor should there be an open one."""
    CANCELLED = "cancelled"
    """None is made any more; one that was made before may still be open."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class TikTokSide:
    """What TikTok says of one order."""

    order_id: str
    external_id: str
    """The external id that its Sales Order should have."""
    status: str | None
    expectation: Expectation
    reason: str = ""
    """Why it is not expected, or why nothing can be said."""
    owed: Money | None = None
    """What TikTok owes the seller for it; None where that cannot be told."""
    postable_since: datetime | None = None
    """From when on it could have been posted."""
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NetSuiteSide:
    """What NetSuite says of one Sales Order. The total is in the transaction's currency."""

    netsuite_id: str
    external_id: str | None
    order_id: str | None
    """TikTok's order id in the correlation field."""
    status: str | None
    tran_id: str | None
    total: Decimal | None
    currency: str | None

    @property
    def is_open(self) -> bool:
        """Neither cancelled (C) nor closed (H) (N 2.12)."""
        return self.status not in ("C", "H")

    @property
    def name(self) -> str:
        """How people call it."""
        return f"Sales Order {self.tran_id or self.netsuite_id}"


@dataclass(frozen=True, slots=True)
class Row:
    """One order, or Sales Orders without one, and the verdict on it."""

    verdict: Verdict
    order_id: str
    external_id: str
    tiktok: TikTokSide | None
    netsuite: tuple[NetSuiteSide, ...]
    posted: Money | None = None
    """Sum of the open Sales Orders; None where there is none, or it cannot be told."""
    note: str = ""

    @property
    def owed(self) -> Money | None:
        """What TikTok owes the seller for the order."""
        return self.tiktok.owed if self.tiktok else None

    @property
    def currency(self) -> str | None:
        """Currency of what is owed, else of what was posted."""
        amount = self.owed if self.owed is not None else self.posted
        return amount.currency if amount is not None else None

    @property
    def difference(self) -> Decimal | None:
        """posted - owed; None where they cannot be compared."""
        if self.owed is None or self.posted is None or self.owed.currency != self.posted.currency:
            return None
        return (self.posted - self.owed.quantized()).amount

    @property
    def is_wrong(self) -> bool:
        """Whether somebody has to look at it."""
        unwanted = self.verdict is Verdict.NOT_EXPECTED and self.has_unwanted_sales_order
        return unwanted or self.verdict in _WRONG

    @property
    def has_unwanted_sales_order(self) -> bool:
        """An open Sales Order for an order that was never to be posted."""
        never = self.tiktok is not None and self.tiktok.expectation is Expectation.NOT_POSTED
        return never and any(sale.is_open for sale in self.netsuite)


_WRONG = frozenset(
    {
        Verdict.MISSING_IN_NETSUITE,
        Verdict.MISSING_IN_TIKTOK,
        Verdict.AMOUNT_DIFFERS,
        Verdict.DUPLICATE_IN_NETSUITE,
        Verdict.CANNOT_BE_CHECKED,
    }
)


@dataclass(frozen=True, slots=True)
class Reconciliation(Proof[Row]):
    """What a proof of orders concluded."""

    @property
    def tiktok_orders(self) -> int:
        """Orders that TikTok told of."""
        return sum(row.tiktok is not None for row in self.rows)

    @property
    def netsuite_sales_orders(self) -> int:
        """Sales Orders that NetSuite told of."""
        return sum(len(row.netsuite) for row in self.rows)

    @property
    def compared(self) -> str:
        """Orders and Sales Orders, and what they come to."""
        return (
            f"{self.tiktok_orders} orders at TikTok, {self.netsuite_sales_orders} Sales Orders in NetSuite"
            f"{_amounts(self.rows)}"
        )


def not_run(side: Side, reason: str, at: datetime) -> Reconciliation:
    """The result of a proof that could not take place."""
    return Reconciliation((), at, at, NotRun(side, reason))


def reconcile_orders(
    tiktok: Sequence[TikTokSide],
    netsuite: Sequence[NetSuiteSide],
    *,
    now: datetime,
    grace: timedelta,
    netsuite_read_at: datetime | None = None,
) -> Reconciliation:
    """Join all orders with all Sales Orders and judge each.

    `now` is the instant at which TikTok was read, by TikTok's clock. A Sales Order belongs to the
    order that its external id names (case does not count, N 2.6), else to the one that its
    correlation field names. Raises ValueError when one order or Sales Order is given twice.
    """
    _refuse_repeated("order", [order.order_id for order in tiktok])
    _refuse_repeated("Sales Order", [sale.netsuite_id for sale in netsuite])
    by_external_id = {order.external_id.lower(): order.order_id for order in tiktok}
    known = {order.order_id for order in tiktok}
    sales_of: defaultdict[str, list[NetSuiteSide]] = defaultdict(list)
    strays: defaultdict[tuple[str, str], list[NetSuiteSide]] = defaultdict(list)
    for sale in netsuite:
        order_id = by_external_id.get((sale.external_id or "").lower())
        if order_id is None and sale.order_id in known:
            order_id = sale.order_id
        if order_id is not None:
            sales_of[order_id].append(sale)
        else:
            strays[sale.order_id or "", (sale.external_id or "").lower()].append(sale)
    rows = [_judged(order, tuple(sales_of[order.order_id]), now, grace) for order in tiktok]
    rows += [_stray(sales) for sales in strays.values()]
    return Reconciliation(tuple(rows), now, netsuite_read_at or now)


def _judged(order: TikTokSide, sales: tuple[NetSuiteSide, ...], now: datetime, grace: timedelta) -> Row:
    """The verdict on one order of TikTok."""
    open_sales = [sale for sale in sales if sale.is_open]
    posted = _total(open_sales)

    def row(verdict: Verdict, *notes: str) -> Row:
        said = "; ".join(note for note in notes if note)
        return Row(verdict, order.order_id, order.external_id, order, sales, posted, said)

    if order.expectation is Expectation.UNKNOWN:
        return row(Verdict.CANNOT_BE_CHECKED, order.reason)
    if order.expectation is not Expectation.POSTED:
        left = f"{_names(open_sales)} is still open" if open_sales else ""
        return row(Verdict.NOT_EXPECTED, order.reason, left)
    if not open_sales:
        closed = f"only {_names(sales)}, which is closed" if sales else ""
        if _within(order.postable_since, now, grace):
            return row(Verdict.WAITING_WITHIN_GRACE, closed)
        return row(Verdict.MISSING_IN_NETSUITE, closed)
    if len(open_sales) > 1:
        return row(Verdict.DUPLICATE_IN_NETSUITE, f"{_names(open_sales)} are all for this order")
    return row(*_compared(order, open_sales[0], now, grace), _disagreement(order, open_sales[0]))


def _compared(order: TikTokSide, sale: NetSuiteSide, now: datetime, grace: timedelta) -> tuple[Verdict, str]:
    """The verdict on an order with its one Sales Order, to the cent."""
    if order.owed is None:
        return Verdict.CANNOT_BE_CHECKED, order.reason or "what TikTok owes for it is not known"
    if sale.total is None or sale.currency is None:
        return Verdict.CANNOT_BE_CHECKED, f"{sale.name} tells no total or no currency"
    if sale.currency != order.owed.currency:
        return (
            Verdict.AMOUNT_DIFFERS,
            f"the order is in {order.owed.currency}, {sale.name} in {sale.currency}",
        )
    if sale.total == order.owed.quantized().amount:
        return Verdict.MATCHED, ""
    if _within(order.changed_at, now, grace):
        return Verdict.WAITING_WITHIN_GRACE, "the amount differs, but the order has just changed"
    return Verdict.AMOUNT_DIFFERS, ""


def _disagreement(order: TikTokSide, sale: NetSuiteSide) -> str:
    """What is odd about how a Sales Order names its order."""
    if sale.order_id is not None and sale.order_id != order.order_id:
        return f"the correlation field of {sale.name} names order {sale.order_id}"
    if (sale.external_id or "").lower() != order.external_id.lower():
        return f"{sale.name} has another external id: {sale.external_id or 'none'}"
    return ""


def _stray(sales: Sequence[NetSuiteSide]) -> Row:
    """The verdict on Sales Orders that no order of TikTok stands behind."""
    open_sales = tuple(sale for sale in sales if sale.is_open)
    first, *_ = sales
    verdict, note = Verdict.MISSING_IN_TIKTOK, "TikTok knows no such order of this shop"
    if not open_sales:
        verdict, note = Verdict.NOT_EXPECTED, f"{note}; {_names(sales)} is closed"
    return Row(
        verdict,
        first.order_id or "",
        first.external_id or "",
        None,
        tuple(sales),
        _total(open_sales),
        note,
    )


def _total(sales: Iterable[NetSuiteSide]) -> Money | None:
    """What the Sales Orders come to; None for none, for an unknown total, and for mixed currencies."""
    amounts = [
        None if sale.total is None or sale.currency is None else Money(sale.total, sale.currency)
        for sale in sales
    ]
    known = [amount for amount in amounts if amount is not None]
    if not known or len(known) < len(amounts) or len({amount.currency for amount in known}) > 1:
        return None
    return Money.sum(known, known[0].currency)


def _within(since: datetime | None, now: datetime, grace: timedelta) -> bool:
    return since is not None and now - since < grace


def _names(sales: Iterable[NetSuiteSide]) -> str:
    return ", ".join(sale.name for sale in sales)


def _refuse_repeated(what: str, ids: Sequence[str]) -> None:
    repeated = sorted(name for name, count in Counter(ids).items() if count > 1)
    if repeated:
        raise ValueError(f"{what} {', '.join(repeated)} is given more than once")


def _amounts(rows: Iterable[Row]) -> str:
    """Owed and posted over the compared rows, for each currency."""
    owed: defaultdict[str, Decimal] = defaultdict(Decimal)
    posted: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row.tiktok and row.tiktok.expectation is Expectation.POSTED and row.owed is not None:
            owed[row.owed.currency] += row.owed.quantized().amount
            if row.posted is not None:
                posted[row.posted.currency] += row.posted.amount
    return "".join(
        f"; {shown(Money(owed[code], code))} owed, {shown(Money(posted[code], code))} posted"
        for code in sorted({*owed, *posted})
    )

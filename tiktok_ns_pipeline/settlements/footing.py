"""Footing: whether amounts add up, from the components to the payment (T 7.4).

    components -> group -> transaction -> statement -> payment

Every step must be exact. The one gap that is allowed is the *residual*: a declared group of which this
shape does not list every component (T 7.4 no. 8). It is named, and goes where the mapping says. Anything
else, be it the smallest amount, is a *fault*, and a statement with one is refused whole.

Invariants: the order of transactions does not matter; a transaction counts once; what is not told is
not checked against, and never taken for zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.money import exponent_of
from tiktok_ns_pipeline.settlements.statement import GroupName, Payment, Statement, Totals, Transaction

MOST_FAULTS = 50
"""So many faults are kept of a statement; the others are counted."""
_SHOWN = 5
_ZERO = Decimal(0)


class Fault(NamedTuple):
    """One sum that is not what TikTok tells."""

    place: str
    """What does not add up, such as `revenue_amount of transaction 123 of order 456`."""
    told: Decimal
    summed: Decimal

    @property
    def difference(self) -> Decimal:
        """What is told above the sum."""
        return self.told - self.summed

    def __str__(self) -> str:
        return f"{self.place}: told {self.told}, adds up to {self.summed}, difference {self.difference}"


class Residual(NamedTuple):
    """What a group of a transaction has more than its components."""

    transaction_id: str
    order_id: str
    group: GroupName
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Footed:
    """A statement that adds up."""

    statement: Statement
    settlement: Decimal
    reserve: Decimal | None
    """None where its shape tells no reserves: the payment does (T 7.9)."""
    rows: int
    residuals: tuple[Residual, ...]


@dataclass(frozen=True, slots=True)
class Unfooted:
    """A statement or payment that does not add up, and is refused whole."""

    kind: str
    """Of the exception, see `mapping.exception_kinds`."""
    subject: str
    """Such as `Statement 123 of shop us`."""
    currency: str
    faults: tuple[Fault, ...]
    more: int
    """Faults that were counted and not kept."""

    @property
    def problem(self) -> Problem:
        """For an exception: the exact differences and the rows at fault."""
        shown = "; ".join(str(fault) for fault in self.faults[:_SHOWN])
        hidden = len(self.faults) + self.more - _SHOWN
        others = f"; and {hidden} more" if hidden > 0 else ""
        return Problem.of(
            self.kind, self.kind, f"{self.subject} does not add up ({self.currency}). {shown}{others}."
        )

    @property
    def support_text(self) -> str:
        """A text for TikTok's seller support; it names TikTok's ids and amounts only."""
        lines = [
            "Hello,",
            "",
            f"the amounts of {self.subject[:1].lower()}{self.subject[1:]} that the Finance API returns do "
            f"not add up (all in {self.currency}):",
            "",
            *(f"- {fault}" for fault in self.faults),
        ]
        if self.more:
            lines.append(f"- and {self.more} more rows")
        lines += ["", "Please check these amounts and tell us which of them are right.", ""]
        return "\n".join(lines)


class Footing:
    """The footing of one statement, as its transactions are read one after another."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._faults: list[Fault] = []
        self._more = 0
        self._seen: set[str] = set()
        self._groups: dict[GroupName, Decimal] = {}
        self._settlement = _ZERO
        self._reserve = _ZERO
        self._bare = _ZERO
        self._residuals: list[Residual] = []

    def add(self, one: Transaction) -> bool:
        """Take one transaction; False for one that was taken before, which does not count again."""
        if one.id in self._seen:
            self._fault(f"settlement_amount of transaction {one.id}, which is there twice", one.settlement)
            return False
        self._seen.add(one.id)
        if one.currency not in ("", self._statement.currency):
            self._fault(f"{_name(one)}, which is in {one.currency}", one.settlement)
        self._settlement += one.settlement
        self._reserve += one.reserve
        if one.is_bare:
            self._bare += one.settlement
        grouped = _ZERO
        for group, (declared, listed) in one.groups.items():
            total = listed if declared is None else declared
            if total:
                grouped += total
                self._groups[group] = self._groups.get(group, _ZERO) + total
            if total != listed:
                self._gap(one, group, total - listed, listed)
        if grouped != one.settlement and not one.is_bare:
            self._fault(f"settlement_amount of {_name(one)}", one.settlement, grouped)
        if one.is_reserve and one.settlement:
            self._fault(f"settlement_amount of reserve {one.reserve_id or one.id}", one.settlement)
        return True

    def close(self) -> Footed | Unfooted:
        """The result once every transaction was taken."""
        statement = self._statement
        faults, more = list(self._faults), self._more
        faults += self._against_head()
        if faults:
            kept = tuple(faults[:MOST_FAULTS])
            return Unfooted(
                "statement_does_not_add_up",
                f"Statement {statement.id} of shop {statement.shop}",
                statement.currency,
                kept,
                more + len(faults) - len(kept),
            )
        return Footed(statement, self._settlement, statement.reserve, len(self._seen), tuple(self._residuals))

    def _gap(self, one: Transaction, group: GroupName, residual: Decimal, listed: Decimal) -> None:
        if one.is_order and group in one.may_omit:
            self._residuals.append(Residual(one.id, one.about, group, residual))
        elif one.is_order or listed:
            # An adjustment may tell a total without parts (T 7.5).
            self._fault(f"{group} of {_name(one)}", listed + residual, listed)

    def _against_head(self) -> Iterable[Fault]:
        statement = self._statement
        for totals in statement.totals:
            yield from self._against(totals)
        if statement.reserve is not None and statement.reserve != self._reserve:
            yield Fault("total_reserve_amount", statement.reserve, self._reserve)
        if statement.payable is not None:
            payable = statement.settlement + (statement.reserve or _ZERO)
            if statement.payable != payable:
                yield Fault("payable_amount", statement.payable, payable)
        if statement.row_count is not None and statement.row_count != len(self._seen):
            yield Fault("number of transactions", Decimal(statement.row_count), Decimal(len(self._seen)))

    def _against(self, totals: Totals) -> Iterable[Fault]:
        """One of TikTok's answers beside the sums of the transactions, and beside itself.

        Adjustments that show no group may be among the adjustments here, or in the settlement alone.
        """
        if totals.settlement != self._settlement:
            yield Fault(f"settlement in {totals.source}", totals.settlement, self._settlement)
        grouped = sum(totals.groups.values(), _ZERO)
        if totals.settlement - grouped not in (_ZERO, self._bare):
            yield Fault(f"settlement and its parts in {totals.source}", totals.settlement, grouped)
        sums = dict(self._groups)
        if "shipping" not in totals.groups:
            # There it is inside the fees (T 7.3).
            sums["fee_tax"] = sums.get("fee_tax", _ZERO) + sums.pop("shipping", _ZERO)
        for group, told in totals.groups.items():
            summed = sums.get(group, _ZERO)
            if told != summed and not (group == "adjustment" and told - summed == self._bare):
                yield Fault(f"{group} in {totals.source}", told, summed)

    def _fault(self, place: str, told: Decimal, summed: Decimal = _ZERO) -> None:
        if len(self._faults) < MOST_FAULTS:
            self._faults.append(Fault(place, told, summed))
        else:
            self._more += 1


@dataclass(frozen=True, slots=True)
class FootedPayment:
    """A payment that is the sum of its statements."""

    payment: Payment
    currency: str
    """Of its statements, and of both amounts."""
    net: Decimal
    """What is paid out before exchange."""
    reserve: Decimal
    """Withheld (negative) or released, over all its statements."""


def foot_payment(payment: Payment, statements: Sequence[Footed]) -> FootedPayment | Unfooted:
    """Whether a payment is the sum of its statements (T 7.4 no. 9, 7.9).

    An amount that was converted is the net at TikTok's rate, rounded half up to the smallest amount of its
    currency. A payment whose sums cannot be told is refused like one whose sums are wrong.
    """
    name = f"Payment {payment.id} of shop {payment.shop}"
    currencies = {footed.statement.currency for footed in statements}
    currency = payment.settled_currency or next(iter(currencies), payment.currency)

    def refused(faults: Sequence[Fault]) -> Unfooted:
        return Unfooted("payout_differs", name, currency, tuple(faults), 0)

    strangers = [
        Fault(f"statement {one.statement.id}, {why}", one.settlement, _ZERO)
        for one, why in _strangers(payment, statements, currency)
    ]
    if strangers or not statements:
        return refused(strangers or [Fault("amount, and no statement names it", payment.amount, _ZERO)])
    settlement = sum((one.settlement for one in statements), _ZERO)
    faults: list[Fault] = []
    if payment.settlement is not None and payment.settlement != settlement:
        faults.append(Fault("settlement_amount and its statements", payment.settlement, settlement))
    reserve = _reserve_of(payment, statements, settlement, faults)
    net = settlement + reserve
    if payment.before_exchange is not None and payment.before_exchange != net:
        faults.append(Fault("payment_amount_before_exchange", payment.before_exchange, net))
    arrives = converted(payment, currency, net)
    if arrives is None:
        faults.append(Fault("amount, and no exchange_rate is told", payment.amount, net))
    elif payment.amount != arrives:
        faults.append(Fault(f"amount in {payment.currency}", payment.amount, arrives))
    return refused(faults) if faults else FootedPayment(payment, currency, net, reserve)


def converted(payment: Payment, currency: str, net: Decimal) -> Decimal | None:
    """What arrives of a net; None where it is converted and no rate is told."""
    if payment.currency == currency:
        return net
    if payment.exchange_rate is None:
        return None
    step = Decimal(1).scaleb(-exponent_of(payment.currency))
    return (net * payment.exchange_rate).quantize(step, ROUND_HALF_UP)


def _strangers(payment: Payment, statements: Sequence[Footed], currency: str) -> Iterable[tuple[Footed, str]]:
    seen: set[str] = set()
    for one in statements:
        if one.statement.payment_id != payment.id:
            yield one, "which names another payment"
        elif one.statement.currency != currency:
            yield one, f"which is in {one.statement.currency}"
        elif one.statement.id in seen:
            yield one, "which is there twice"
        seen.add(one.statement.id)


def _reserve_of(
    payment: Payment, statements: Sequence[Footed], settlement: Decimal, faults: list[Fault]
) -> Decimal:
    """What is withheld or released: by the statements, else by the payment."""
    by_statements = [one.reserve for one in statements if one.reserve is not None]
    if len(by_statements) == len(statements):
        reserve = sum(by_statements, _ZERO)
        if payment.reserve is not None and payment.reserve != reserve:
            faults.append(Fault("reserve_amount and its statements", payment.reserve, reserve))
        return reserve
    if payment.reserve is not None:
        return payment.reserve
    return _ZERO if payment.before_exchange is None else payment.before_exchange - settlement


def _name(one: Transaction) -> str:
    return f"transaction {one.id}" + (f" of order {one.about}" if one.about else "")

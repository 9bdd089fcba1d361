"""What a transaction does to the ledger: accounts, and amounts in its own and in base currency.

Positive is debit, negative credit; the postings of one transaction sum to zero in both currencies. Every
posting is converted by itself and rounded to the base currency's precision; what that leaves over goes
to the account of rounding differences. What was cleared at another rate than it was booked at is a
realized gain or loss (N 6 no. 11).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from tiktok_ns_pipeline.sandbox.books import applying
from tiktok_ns_pipeline.sandbox.books.billing import RECEIVABLE_ACCOUNT
from tiktok_ns_pipeline.sandbox.books.desk import Desk
from tiktok_ns_pipeline.sandbox.books.store import Record

REALIZED_GAIN_OR_LOSS, ROUNDING_GAIN_OR_LOSS = "660", "661"
"""Accounts that NetSuite itself posts to."""

_ORDERS, _UNDEPOSITED, _INCOME, _TAX = "900", "131", "54", "220"
_COST, _STOCK, _SHIPPING, _DISCOUNTS = "212", "213", "55", "56"
_COST_LINES = 800_000
_TAX_LINE, _SHIPPING_LINE, _HANDLING_LINE, _DISCOUNT_LINE = 900_000, 900_001, 900_002, 900_003
_REST_LINE, _GAIN_LINE = 900_004, 900_005
_APPLIED_LINE = 1
_CASH_BACK_LINES, _PAYMENT_LINES = 10_000, 20_000
_ZERO = Decimal(0)
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Posting:
    """One amount on one account, for one line of a transaction (0 is the main line)."""

    line: int
    account: str
    amount: Decimal
    """In base currency."""
    foreign: Decimal = _ZERO
    """In the transaction's currency."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A posting before it is converted; `base` where it is known otherwise than by the rate."""

    line: int
    account: str
    foreign: Decimal
    base: Decimal | None = None


def postings(desk: Desk, record: Record) -> list[Posting]:
    """The ledger lines of a transaction."""
    entries = list(_entries(desk, record))
    if not entries:
        return []
    rate: Decimal = record.get("exchangeRate", _ONE)
    made = [
        Posting(
            one.line,
            one.account,
            desk.to_base(one.foreign, rate, record.get("subsidiary")) if one.base is None else one.base,
            one.foreign,
        )
        for one in entries
    ]
    rest = sum((one.amount for one in made), _ZERO)
    if rest:
        at_other_rates = any(one.base is not None for one in entries)
        line = _GAIN_LINE if at_other_rates else _REST_LINE
        account = REALIZED_GAIN_OR_LOSS if at_other_rates else ROUNDING_GAIN_OR_LOSS
        made.append(Posting(line, account, -rest))
    return [one for one in made if one.amount or one.foreign]


def _entries(desk: Desk, record: Record) -> Iterator[_Entry]:
    match record.type.name:
        case "journalEntry":
            for line in record.lines("line"):
                amount = line.get("debit", _ZERO) - line.get("credit", _ZERO)
                yield _Entry(line["line"], line["account"], amount)
        case "itemFulfillment" if record.get("orderType") == "SalesOrd":
            yield from _cost(desk, record, +1)
        case "itemReceipt" if record.get("orderType") == "RtnAuth":
            yield from _cost(desk, record, -1)
        case "salesOrder":
            yield from _sale(desk, record, _ORDERS, +1)
        case "invoice" | "cashSale":
            yield from _sale(desk, record, record.get("account", _UNDEPOSITED), +1)
        case "returnAuthorization" | "cashRefund":
            yield from _sale(desk, record, record.get("account", _ORDERS), -1)
        case "creditMemo":
            yield from _credit(desk, record)
        case "customerPayment" | "customerRefund":
            yield from _payment(desk, record)
        case "deposit":
            yield from _deposit(desk, record)
        case _:
            return


def _sale(
    desk: Desk, record: Record, account: str, sign: int, base: Decimal | None = None
) -> Iterator[_Entry]:
    """A sale (`sign` 1) or what is given back of one; `base` is the main line's amount if it is known."""
    yield _Entry(0, account, sign * record.get("total", _ZERO), base)
    for line in record.lines():
        item = desk.the("item", line["item"])
        income = item.get("incomeAccount") or item.get("account") or _INCOME
        yield _Entry(line["line"], income, -sign * line["amount"])
    for number, name, other in (
        (_TAX_LINE, "taxTotal", _TAX),
        (_SHIPPING_LINE, "shippingCost", _SHIPPING),
        (_HANDLING_LINE, "handlingCost", _SHIPPING),
        (_DISCOUNT_LINE, "discountTotal", _DISCOUNTS),
    ):
        amount: Decimal = record.get(name) or _ZERO
        if amount:
            yield _Entry(number, other, -sign * amount)


def _credit(desk: Desk, record: Record) -> Iterator[_Entry]:
    """What a credit memo has applied itself leaves receivables at the rates of the invoices."""
    account = record.get("account", RECEIVABLE_ACCOUNT)
    lines = record.lines("apply")
    if not lines:
        yield from _sale(desk, record, account, -1)
        return
    own = sum((applying.own_base(desk, record, line["amount"]) for line in lines), _ZERO)
    cleared = sum((Decimal(line["_base"]) for line in lines), _ZERO)
    base = applying.base_total(desk, record) - own + cleared
    at_its_rate = base == applying.base_total(desk, record)
    yield from _sale(desk, record, account, -1, None if at_its_rate else -base)


def _payment(desk: Desk, record: Record) -> Iterator[_Entry]:
    """Money comes in for invoices, or goes out for credits, which leave receivables at their own rates."""
    sign = 1 if record.type.name == "customerPayment" else -1
    total: Decimal = record.get("total")
    yield _Entry(0, record.get("account", _UNDEPOSITED), sign * total)
    lines = record.lines("apply")
    rest = total - sum((line["amount"] for line in lines), _ZERO)
    rate: Decimal = record.get("exchangeRate", _ONE)
    base = sum((Decimal(line["_base"]) for line in lines), desk.to_base(rest, rate, record.get("subsidiary")))
    yield _Entry(_APPLIED_LINE, record.get("arAcct"), -sign * total, -sign * base)


def _deposit(desk: Desk, record: Record) -> Iterator[_Entry]:
    yield _Entry(0, record.get("account"), record.get("total"))
    for index, line in enumerate(record.lines("payment"), start=1):
        payment = desk.find("transaction", str(line["id"]))
        base = applying.base_total(desk, payment) if payment else _ZERO
        yield _Entry(_PAYMENT_LINES + index, _UNDEPOSITED, -line["paymentAmount"], -base)
    for line in record.lines("other"):
        yield _Entry(int(line["line"]), line["account"], -line["amount"])
    for line in record.lines("cashback"):
        yield _Entry(_CASH_BACK_LINES + int(line["line"]), line["account"], line["amount"])


def _cost(desk: Desk, record: Record, sign: int) -> Iterator[_Entry]:
    """Goods that left (`sign` 1) or came back, at the item's average cost."""
    for line in record.lines():
        if "_stockQuantity" not in line:
            continue
        item = desk.the("item", line["item"])
        cost = Decimal(line["_stockQuantity"]) * item.get("averageCost", _ZERO)
        yield _Entry(_COST_LINES + line["line"], item.get("cogsAccount", _COST), sign * cost, sign * cost)
        yield _Entry(line["line"], item.get("assetAccount", _STOCK), -sign * cost, -sign * cost)

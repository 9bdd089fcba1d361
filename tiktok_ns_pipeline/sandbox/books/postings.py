"""What a transaction does to the ledger: accounts and amounts in the subsidiary's base currency.

Positive is debit, negative credit; the postings of one transaction sum to zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from tiktok_ns_pipeline.sandbox.books.desk import Desk
from tiktok_ns_pipeline.sandbox.books.store import Record

_ORDERS, _RECEIVABLE, _UNDEPOSITED, _INCOME, _TAX = "900", "119", "131", "54", "220"
_COST, _STOCK, _SHIPPING, _DISCOUNTS = "212", "213", "55", "56"
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Posting:
    """One amount on one account, for one line of a transaction (0 is the main line)."""

    line: int
    account: str
    amount: Decimal


def postings(desk: Desk, record: Record) -> list[Posting]:
    """The ledger lines of a transaction, rounded so that they sum to zero."""
    rate: Decimal = record.get("exchangeRate", Decimal(1))
    raw = list(_raw(desk, record))
    places = Decimal("0.01")
    rounded = [Posting(one.line, one.account, (one.amount * rate).quantize(places)) for one in raw]
    rest = sum((one.amount for one in rounded), _ZERO)
    if rest and rounded:
        # Converting line by line can leave a cent; the main line takes it.
        first = rounded[0]
        rounded[0] = Posting(first.line, first.account, first.amount - rest)
    return [one for one in rounded if one.amount]


def _raw(desk: Desk, record: Record) -> Iterator[Posting]:
    match record.type.name:
        case "journalEntry":
            for line in record.lines("line"):
                amount = line.get("debit", _ZERO) - line.get("credit", _ZERO)
                yield Posting(line["line"], line["account"], amount)
        case "itemFulfillment" if record.get("orderType") == "SalesOrd":
            yield from _cost(desk, record)
        case "salesOrder":
            yield from _sale(desk, record, _ORDERS)
        case "invoice":
            yield from _sale(desk, record, record.get("account", _RECEIVABLE))
        case "cashSale":
            yield from _sale(desk, record, record.get("account", _UNDEPOSITED))
        case _:
            return


def _sale(desk: Desk, record: Record, account: str) -> Iterator[Posting]:
    yield Posting(0, account, record.get("total", _ZERO))
    for line in record.lines():
        item = desk.the("item", line["item"])
        income = item.get("incomeAccount") or item.get("account") or _INCOME
        yield Posting(line["line"], income, -line["amount"])
    for number, name, other in (
        (900_000, "taxTotal", _TAX),
        (900_001, "shippingCost", _SHIPPING),
        (900_002, "handlingCost", _SHIPPING),
        (900_003, "discountTotal", _DISCOUNTS),
    ):
        yield Posting(number, other, -(record.get(name) or _ZERO))


def _cost(desk: Desk, record: Record) -> Iterator[Posting]:
    for line in record.lines():
        if "_stockQuantity" not in line:
            continue
        item = desk.the("item", line["item"])
        cost = Decimal(line["_stockQuantity"]) * item.get("averageCost", _ZERO)
        yield Posting(800_000 + line["line"], item.get("cogsAccount", _COST), cost)
        yield Posting(line["line"], item.get("assetAccount", _STOCK), -cost)

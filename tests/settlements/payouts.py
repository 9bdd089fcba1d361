"""Statements and payments as TikTok sends them (T 7.3, 7.5, 7.9), with sums that are right unless changed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from tests.orders.order_builder import mapping_with
from tiktok_ns_pipeline.mapping import Mapping as Decisions
from tiktok_ns_pipeline.settlements.booking import FeeMap, StatementBook, StatementSums
from tiktok_ns_pipeline.settlements.footing import Unfooted
from tiktok_ns_pipeline.settlements.journal import BookedPayout, NotBooked, Posting
from tiktok_ns_pipeline.settlements.shapes import read_payment, read_statement, read_transaction

Raw = dict[str, Any]

MIDNIGHT = 1_796_083_200  # 2026-12-01 00:00:00 UTC
DAY = 86_400
PAYMENT = "3680000000000000001"

CLEARING, BANK, RESERVE, RESIDUAL = "125", "128", "140", "638"
EXCHANGE_DIFFERENCES = "640"
POST = f"policy: post, clearing_account_id: {CLEARING}, bank_account_id: {BANK}"
WITH_RESERVE = (
    f"{POST}, reserve_account_id: {RESERVE}, exchange_difference_account_id: {EXCHANGE_DIFFERENCES}"
)
GROUPS = {
    "buyer_charges": "635",
    "buyer_shipping": "633",
    "shipping": "633",
    "commission": "631",
    "affiliate": "632",
    "advertising": "634",
    "shipping_programmes": "633",
    "taxes": "636",
    "platform_adjustments": "637",
    "logistics_adjustments": "633",
    "balances": "clearing",
    "other_adjustments": "637",
}
DECIDED = "settlements: {groups: {" + ", ".join(f"{name}: {to}" for name, to in GROUPS.items()) + "}%s}"

_BREAKDOWNS = {
    "revenue": ("revenue_amount", "revenue_breakdown"),
    "shipping": ("shipping_cost_amount", "shipping_cost_breakdown"),
    "fee_tax": ("fee_tax_amount", "fee_tax_breakdown"),
}


def decisions(
    settlement: str = WITH_RESERVE, *, rest: str = f", residual: {RESIDUAL}", shop: str = ""
) -> Decisions:
    """A mapping that decides about everything that is known."""
    return mapping_with(DECIDED % rest, f"settlement: {{{settlement}}}\n{shop}")


def text(amount: Decimal | int | str) -> str:
    return str(amount)


def order_row(identity: str, order_id: str, parts: Mapping[str, str | Decimal], **changes: Any) -> Raw:
    """An order's row; `parts` are components by path, such as `fee_tax.fee.referral_fee_amount`."""
    row: Raw = {
        "id": identity,
        "type": "ORDER",
        "order_id": order_id,
        "order_create_time": MIDNIGHT - 9 * DAY,
    }
    sums = dict.fromkeys(_BREAKDOWNS, Decimal(0))
    for _, breakdown in _BREAKDOWNS.values():
        row[breakdown] = {}
    row["fee_tax_breakdown"] = {"fee": {}, "tax": {}}
    for path, amount in parts.items():
        group, *between, name = path.split(".")
        place = row[_BREAKDOWNS[group][1]]
        for key in between:
            place = place.setdefault(key, {})
        place[name] = text(amount)
        sums[group] += Decimal(amount)
    for group, (total, _) in _BREAKDOWNS.items():
        row[total] = text(sums[group])
    row["adjustment_amount"] = "0"
    row["settlement_amount"] = text(sum(sums.values(), Decimal(0)))
    return row | changes


def adjustment_row(identity: str, kind: str, amount: str | Decimal, **changes: Any) -> Raw:
    return {
        "id": identity,
        "type": kind,
        "adjustment_id": f"7{identity}",
        "order_create_time": MIDNIGHT - DAY,
        "revenue_amount": "0",
        "shipping_cost_amount": "0",
        "fee_tax_amount": "0",
        "adjustment_amount": text(amount),
        "settlement_amount": text(amount),
    } | changes


def reserve_row(identity: str, amount: str | Decimal, status: str, order_id: str) -> Raw:
    return adjustment_row(
        identity,
        "RESERVE",
        "0",
        reserve_id=f"9{identity}",
        reserve_amount=text(amount),
        reserve_status=status,
        associated_order_id=order_id,
    )


def _sum(rows: Iterable[Raw], name: str) -> Decimal:
    return sum((Decimal(row.get(name) or 0) for row in rows), Decimal(0))


@dataclass
class RawStatement:
    """What three answers of TikTok tell about one statement: the list, the head and the rows."""

    listed: Raw
    head: Raw
    rows: list[Raw]

    @classmethod
    def of(
        cls,
        rows: Sequence[Raw],
        *,
        identity: str = "7670000000000000001",
        payment: str = PAYMENT,
        midnight: int = MIDNIGHT,
        currency: str = "USD",
    ) -> RawStatement:
        sums = {
            name: _sum(rows, f"{name}_amount")
            for name in ("revenue", "shipping_cost", "fee_tax", "adjustment", "settlement", "reserve")
        }
        listed: Raw = {
            "id": identity,
            "statement_time": midnight,
            "currency": currency,
            "payment_id": payment,
            "payment_status": "PAID",
            "payment_time": midnight + DAY,
            "revenue_amount": None,
            "net_sales_amount": text(sums["revenue"]),
            "shipping_cost_amount": text(sums["shipping_cost"]),
            "fee_amount": text(sums["fee_tax"]),
            "adjustment_amount": text(sums["adjustment"]),
            "settlement_amount": text(sums["settlement"]),
        }
        head: Raw = {
            "id": identity,
            "create_time": midnight,
            "status": "SETTLED",
            "currency": currency,
            "total_settlement_amount": text(sums["settlement"]),
            "total_settlement_breakdown": {
                f"total_{name}_amount": text(sums[name])
                for name in ("revenue", "shipping_cost", "fee_tax", "adjustment")
            },
            "total_reserve_amount": text(sums["reserve"]),
            "payable_amount": text(sums["settlement"] + sums["reserve"]),
            "total_count": len(rows),
        }
        return cls(listed, head, copy.deepcopy(list(rows)))

    def sums(
        self, mapping: Decisions, bills_shipping: Callable[[str], bool | None] = lambda _: None
    ) -> StatementSums | Unfooted:
        """What the statement comes to, or why it is refused."""
        shop = mapping.shops["us"]
        book = StatementBook(
            read_statement(shop.code, shop.region, self.listed, self.head),
            FeeMap(mapping, shop),
            bills_shipping,
        )
        for row in self.rows:
            book.add(read_transaction(row, local=True))
        return book.close()


@dataclass
class RawPayout:
    """A payment and its statements."""

    statements: list[RawStatement]
    payment: Raw = field(default_factory=dict)

    @classmethod
    def of(
        cls, *statements: RawStatement, currency: str = "USD", rate: str = "1", **changes: Any
    ) -> RawPayout:
        settlement = sum((Decimal(one.head["total_settlement_amount"]) for one in statements), Decimal(0))
        reserve = sum((Decimal(one.head["total_reserve_amount"]) for one in statements), Decimal(0))
        own = statements[0].head["currency"]
        net = settlement + reserve
        arrives = net if own == currency else (net * Decimal(rate)).quantize(Decimal("0.01"))
        payment: Raw = {
            "id": PAYMENT,
            "create_time": MIDNIGHT + 2 * DAY,
            "paid_time": MIDNIGHT + 2 * DAY + 9 * 3600,
            "status": "PAID",
            "amount": {"value": text(arrives), "currency": currency},
            "settlement_amount": {"value": text(settlement), "currency": own},
            "reserve_amount": {"value": text(reserve), "currency": own},
            "payment_amount_before_exchange": {"value": text(net), "currency": own},
            "exchange_rate": rate,
        }
        return cls(list(statements), payment | changes)

    def book(
        self,
        mapping: Decisions | None = None,
        *,
        bills_shipping: Callable[[str], bool | None] = lambda _: None,
        base_currency: str = "USD",
        posting_day: Callable[[date], date | None] = lambda day: day,
    ) -> BookedPayout | NotBooked:
        """The payout's documents, or why it has none."""
        mapping = mapping or decisions()
        posting = Posting(FeeMap(mapping, mapping.shops["us"]), base_currency, posting_day)
        sums = [one.sums(mapping, bills_shipping) for one in self.statements]
        return posting.book(read_payment("us", self.payment), sums)


def booked(result: BookedPayout | NotBooked) -> BookedPayout:
    assert isinstance(result, BookedPayout), [problem.message for problem in result.problems]
    return result


def refused(result: BookedPayout | NotBooked) -> NotBooked:
    assert isinstance(result, NotBooked), result
    return result

"""What the two systems say of shipments, and the verdicts on it.

TikTok counts *units*: each of an order's line items is one piece (T 3.5). NetSuite counts quantities
on Item Fulfillments of a Sales Order, whose lines name the units that they stand for. A quantity that
left is a *shipped unit* once every part of it left. A unit is *told* when TikTok has heard of its
parcel.

One proof has rows of three aspects: `shipment`, one for each unit (and for each Item Fulfillment that
no unit stands for); `closure`, one for each order with a Sales Order or without a life; `bill`, one
for each order of which something left or was billed, where the shop bills at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.reconciliation.results import NotRun, Proof, Side, shown

Aspect = Literal["shipment", "closure", "bill"]

UnitState = Literal["open", "arranged", "collected", "cancelled", "unknown"]
"""Of a unit at TikTok. `arranged`: its parcel is announced; `collected`: a carrier has it."""

OrderState = Literal["waits", "alive", "cancelled", "unknown"]


class Verdict(StrEnum):
    """What the two systems say about each other."""

    MATCHED = "matched"
    NOT_SHIPPED = "not_shipped"
    """Neither system says that it left."""
    WAITING_WITHIN_GRACE = "waiting_within_grace"
    WAITS_FOR_TRACKING = "waits_for_tracking"
    NOT_TOLD = "not_told"
    TRACKING_DIFFERS = "tracking_differs"
    SHIPPED_WITHOUT_FULFILMENT = "shipped_without_fulfilment"
    FBT_NOT_IN_NETSUITE = "fbt_not_in_netsuite"
    SHIPPED_BUT_CANCELLED = "shipped_but_cancelled"
    UNKNOWN_AT_TIKTOK = "unknown_at_tiktok"
    CANCELLED_NOT_CLOSED = "cancelled_not_closed"
    CLOSED_NOT_CANCELLED = "closed_not_cancelled"
    NOT_BILLED = "not_billed"
    BILLED_TWICE = "billed_twice"
    BILL_DIFFERS = "bill_differs"
    NOT_EXPECTED = "not_expected"
    CANNOT_BE_CHECKED = "cannot_be_checked"


_BENIGN = frozenset(
    {
        Verdict.MATCHED,
        Verdict.NOT_SHIPPED,
        Verdict.WAITING_WITHIN_GRACE,
        Verdict.WAITS_FOR_TRACKING,
        Verdict.NOT_EXPECTED,
    }
)


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of an order at TikTok."""

    line_id: str
    status: str | None
    state: UnitState
    tracking: str | None = None
    told: bool = False
    """TikTok has heard of its parcel, even if it was called off later."""
    moved_at: datetime | None = None
    """When its parcel was announced, as far as TikTok tells."""

    @property
    def is_shipped(self) -> bool:
        """TikTok shows it as announced or on its way."""
        return self.state in ("arranged", "collected")


@dataclass(frozen=True, slots=True)
class TikTokOrder:
    """What TikTok says of one order."""

    order_id: str
    status: str | None
    state: OrderState
    units: tuple[Unit, ...] = ()
    packed_by: Literal["seller", "channel"] = "seller"
    carried_by: Literal["seller", "channel"] = "seller"
    """Whose carrier takes it (`shipping_type`); the seller's needs a tracking number (T 4.1)."""
    not_expected: str = ""
    """Why NetSuite need not know of it; empty where it must."""
    is_before_go_live: bool = False
    """Placed before the shop's first day: whoever looked after it then still does."""
    unreadable: str = ""
    """Why nothing can be said of it; empty for an order that could be read."""
    changed_at: datetime | None = None
    cancelled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A line of a Sales Order. Lines that sell units of TikTok name them; others (shipping,
    discounts, what a person added) name none."""

    number: str
    item: str | None
    unit_ids: tuple[str, ...]
    ordered: Decimal | None
    amount: Decimal | None
    """Of the whole line, net of tax where tax is split out; in the order's currency."""
    is_closed: bool = False

    @property
    def is_goods(self) -> bool:
        """Whether it stands for units of TikTok."""
        return bool(self.unit_ids)


@dataclass(frozen=True, slots=True)
class SalesOrder:
    """What NetSuite says of a Sales Order. `total` is with tax, in the transaction's currency."""

    netsuite_id: str
    order_id: str
    tran_id: str | None
    status: str | None
    total: Money | None
    lines: tuple[OrderLine, ...]
    unchanged_for: timedelta | None = None
    """Time since its last change, by the account's clock (N 3.5); None where it is not told."""

    @property
    def goods(self) -> tuple[OrderLine, ...]:
        """The lines that stand for units of TikTok."""
        return tuple(line for line in self.lines if line.is_goods)

    @property
    def is_open(self) -> bool:
        """Neither cancelled (C) nor closed (H) (N 2.12), and not closed line by line: what left before
        keeps such an order in another state until it is billed."""
        goods = self.goods
        return self.status not in ("C", "H") and not (goods and all(line.is_closed for line in goods))

    @property
    def name(self) -> str:
        """How people call it."""
        return f"Sales Order {self.tran_id or self.netsuite_id}"


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """What NetSuite says of an Item Fulfillment: picked (A), packed (B) or shipped (C) (N 2.12)."""

    netsuite_id: str
    sales_order_id: str
    tran_id: str | None
    status: str | None
    quantities: Mapping[str, Decimal]
    """By number of the Sales Order's line."""
    tracking: tuple[str, ...] = ()
    unchanged_for: timedelta | None = None
    order_id: str = ""
    """TikTok's order as its Sales Order names it."""
    dated: date | None = None
    """Day of shipment, in the books."""

    @property
    def has_left(self) -> bool:
        """Only a shipped one posts and lowers stock (N 2.8)."""
        return self.status == "C"

    @property
    def name(self) -> str:
        """How people call it."""
        return f"Item Fulfillment {self.tran_id or self.netsuite_id}"


@dataclass(frozen=True, slots=True)
class BilledLine:
    """What a bill takes of one line of a Sales Order."""

    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Bill:
    """An Invoice or Cash Sale of an order. `total` is with tax, in the transaction's currency."""

    netsuite_id: str
    tran_id: str | None
    total: Money | None
    sales_order_id: str | None = None
    """None for one that was made by itself and only names the order."""
    order_id: str | None = None
    lines: Mapping[str, BilledLine] = field(default_factory=dict[str, BilledLine])
    """By number of the Sales Order's line."""

    @property
    def name(self) -> str:
        """How people call it."""
        return self.tran_id or self.netsuite_id


@dataclass(frozen=True, slots=True)
class Row:
    """One unit, order or Item Fulfillment, and the verdict on it."""

    aspect: Aspect
    verdict: Verdict
    order_id: str
    subject: str
    """The unit's id, the Item Fulfillment's, or the order's again."""
    tiktok_status: str | None = None
    tiktok_tracking: str | None = None
    netsuite_status: str | None = None
    netsuite_tracking: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    """What people call the records of NetSuite that it is about."""
    shipped_at_tiktok: bool = False
    shipped_in_netsuite: int = 0
    """Units that left, says NetSuite."""
    expected: Money | None = None
    """What should be billed."""
    billed: Money | None = None
    expects_return: bool = False
    note: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether somebody has to look at it."""
        if self.verdict is Verdict.SHIPPED_BUT_CANCELLED:
            return not self.expects_return
        return self.verdict not in _BENIGN

    @property
    def difference(self) -> Decimal | None:
        """billed - expected; None where they cannot be compared."""
        if self.expected is None or self.billed is None or self.expected.currency != self.billed.currency:
            return None
        return (self.billed - self.expected).amount


@dataclass(frozen=True, slots=True)
class FulfilmentProof(Proof[Row]):
    """What a proof of shipments, closures and bills concluded."""

    @property
    def shipped_in_netsuite(self) -> int:
        """Units that left, says NetSuite."""
        return sum(row.shipped_in_netsuite for row in self.rows)

    @property
    def shipped_at_tiktok(self) -> int:
        """Units that TikTok shows as shipped."""
        return sum(row.shipped_at_tiktok for row in self.rows)

    def amounts(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Expected and billed by currency, over all rows of bills that can be compared."""
        sums: defaultdict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
        for row in self.rows:
            if row.expected is not None:
                sums[row.expected.currency][0] += row.expected.amount
            if row.billed is not None:
                sums[row.billed.currency][1] += row.billed.amount
        return {currency: (expected, billed) for currency, (expected, billed) in sorted(sums.items())}

    @property
    def compared(self) -> str:
        """Units shipped, and what should be and is billed."""
        billed = "".join(
            f"; {shown(Money(expected, currency))} to bill, {shown(Money(billed, currency))} billed"
            for currency, (expected, billed) in self.amounts().items()
        )
        return (
            f"{self.shipped_in_netsuite} units shipped in NetSuite, {self.shipped_at_tiktok} at TikTok"
            f"{billed}"
        )


_SEPARATORS = str.maketrans("", "", " -\t")


def not_run(side: Side, reason: str, at: datetime) -> FulfilmentProof:
    """The result of a proof that could not take place, which is not a clean one."""
    return FulfilmentProof((), at, at, NotRun(side, reason))


def is_younger(age: timedelta | None, limit: timedelta) -> bool:
    """Whether something happened less than `limit` ago; an age that is not told is old."""
    return age is not None and age < limit


def tracking_key(number: str) -> str:
    """How tracking numbers are compared: without regard to case, blanks and dashes."""
    return number.translate(_SEPARATORS).casefold()

"""What a channel settles, as documents of which every amount is known by name.

A *transaction* is one row of a statement: an order's, an adjustment or a reserve. Its *components* are
the amounts that add up to it; a *memo* is told for information or repeats a component, and is never
added. Components stand in *groups* (revenue, shipping, fees and taxes, adjustment), whose totals TikTok
declares beside them. `shapes` reads TikTok's answers into these documents.

Invariants: amounts are signed from the seller's point of view, income positive (T 7.4); a component
stands in one group; nothing is summed or mended here, that is the footing's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

from tiktok_ns_pipeline.tiktok.finance_keys import ORDER_TYPE, RESERVE_TYPE

GroupName = Literal["revenue", "shipping", "fee_tax", "adjustment"]
"""The totals that a transaction is the sum of (T 7.4 no. 1)."""

ADJUSTMENT_OF_ORDER = "adjustment.adjustment_amount"
"""Path of an adjustment inside an order's own row, which has no type of its own."""

_ZERO = Decimal(0)


class MalformedStatement(ValueError):
    """A statement, transaction or payment that cannot be read whole."""


class Component(NamedTuple):
    """An amount that is told by name."""

    path: str
    """Group and TikTok's names, such as `fee_tax.fee.referral_fee_amount`."""
    amount: Decimal

    @property
    def name(self) -> str:
        """TikTok's name of it, by which the mapping decides."""
        return self.path.rpartition(".")[2]


class GroupSum(NamedTuple):
    """A group of a transaction."""

    declared: Decimal | None
    """The total that TikTok tells; None where it tells none."""
    listed: Decimal
    """Sum of the components."""

    @property
    def total(self) -> Decimal:
        """What the group is worth."""
        return self.listed if self.declared is None else self.declared

    @property
    def residual(self) -> Decimal:
        """What the total has more than its components (T 7.4 no. 8)."""
        return _ZERO if self.declared is None else self.declared - self.listed


@dataclass(frozen=True, slots=True)
class Transaction:
    """One row of a statement, or an estimate of one. Amounts are in the statement's currency."""

    id: str
    type: str
    """TikTok's; an open set (T 7.8)."""
    settlement: Decimal
    groups: Mapping[GroupName, GroupSum]
    components: tuple[Component, ...]
    """Those that are not zero."""
    memos: tuple[Component, ...]
    """Where they were asked for."""
    may_omit: frozenset[GroupName]
    """Groups of which this shape is known not to list every component."""
    currency: str = ""
    """Where the row tells it: in flat rows and estimates."""
    order_id: str = ""
    adjustment_id: str = ""
    reserve_id: str = ""
    related_order_id: str = ""
    """The order that an adjustment or a reserve is about."""
    reserve: Decimal = _ZERO
    """Withheld (negative) or released; no part of the settlement (T 7.11)."""
    placed_at: datetime | None = None
    """When the order was placed; of an adjustment its only date (T 7.8)."""

    @property
    def is_order(self) -> bool:
        """Whether its components are told apart; any other is one amount, its settlement (T 7.5)."""
        return self.type == ORDER_TYPE

    @property
    def is_reserve(self) -> bool:
        """Whether it withholds or releases money."""
        return self.type == RESERVE_TYPE

    @property
    def about(self) -> str:
        """The order that it settles or is about; empty where it is about none."""
        return self.order_id or self.related_order_id

    @property
    def grouped(self) -> Decimal:
        """Sum of its groups."""
        return sum((group.total for group in self.groups.values()), _ZERO)

    @property
    def is_bare(self) -> bool:
        """Whether an adjustment tells its money in the settlement alone (T 7.5)."""
        return not self.is_order and not any(group.total or group.listed for group in self.groups.values())


class Totals(NamedTuple):
    """A statement's sums, as one of TikTok's answers tells them."""

    source: str
    """Which answer."""
    settlement: Decimal
    groups: Mapping[GroupName, Decimal]
    """Those that are told. Where shipping is not among them, it is inside `fee_tax` (T 7.3)."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What one shop settled on one UTC day (T 7.2), without its transactions."""

    shop: str
    id: str
    made_at: datetime
    """Midnight UTC after the day."""
    currency: str
    totals: tuple[Totals, ...]
    """By every answer that was read."""
    local: bool
    """Whether flat rows follow the rule of the UK and the US (T 7.7)."""
    payment_id: str = ""
    """Empty until it is being paid, or carried because it is negative."""
    reserve: Decimal | None = None
    """None where the answers do not tell: 202309 has none (T 7.7)."""
    payable: Decimal | None = None
    row_count: int | None = None

    @property
    def day(self) -> date:
        """The UTC day that it covers: the one before the midnight at which it was made."""
        return (self.made_at - timedelta(seconds=1)).date()

    @property
    def settlement(self) -> Decimal:
        """What it settles, by the answer that was read last."""
        return self.totals[-1].settlement


@dataclass(frozen=True, slots=True)
class Payment:
    """A transfer to the bank or into the wallet (T 7.9). None is what TikTok does not tell."""

    shop: str
    id: str
    status: str
    amount: Decimal
    """What arrives."""
    currency: str
    """Of `amount`."""
    paid_at: datetime | None
    settlement: Decimal | None
    reserve: Decimal | None
    before_exchange: Decimal | None
    settled_currency: str | None
    """Of the three amounts before the exchange: that of its statements."""
    exchange_rate: Decimal | None

    @property
    def is_paid(self) -> bool:
        """Whether the money moved."""
        return self.status == "PAID" and self.paid_at is not None

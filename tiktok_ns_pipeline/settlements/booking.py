"""What the transactions of a statement come to, by where they are booked, as they are read.

A *source* is what the mapping decides about: an amount of orders by its path, a type of adjustment, the
residual, the reserve. Only sums are kept, by source and by order, so a statement of any length takes
little memory.

What *clears* empties the clearing account: it is the other side of what was billed (N 6 no. 3). Goods and
their refunds clear as the mapping says; shipping that comes in clears where the order's bill sold
shipping, and goes where the mapping says elsewhere (T 10.2).

Invariant: the sums over all sources are the settlement and the reserve of the transactions taken; the
sums over orders and `unassigned` are what clears.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from tiktok_ns_pipeline.mapping.models import Mapping as Decisions
from tiktok_ns_pipeline.mapping.settlements import Booked, PostedSettlement, Undecided
from tiktok_ns_pipeline.mapping.shop import Shop
from tiktok_ns_pipeline.settlements.footing import Footed, Footing, Unfooted
from tiktok_ns_pipeline.settlements.statement import ADJUSTMENT_OF_ORDER, Statement, Transaction
from tiktok_ns_pipeline.tiktok.finance_keys import SHIPPING_INCOME, group_of_amount

BillsShipping = Callable[[str], bool | None]
"""Whether the bill of an order (by the channel's id) sold shipping; None where that is not known."""

Part = Literal["sales", "refunds", "shipping", "other"]
"""What of an order is cleared."""

SourceKind = Literal["amount", "type", "residual", "reserve"]

_ZERO = Decimal(0)
_PARTS: dict[str, Part] = {"sales": "sales", "refunds": "refunds"}
_UNTYPED_ADJUSTMENT = "OTHER_ADJUSTMENT"


class Source(NamedTuple):
    """What the mapping decides about."""

    kind: SourceKind
    name: str
    """Path of an amount, TikTok's type, group of a residual; empty for the reserve."""
    cleared: bool = False
    """Whether it clears by the order's bill, whatever the mapping says."""


@dataclass(slots=True)
class Settled:
    """What transactions clear of one order, signed from the seller's point of view."""

    order_id: str
    sales: Decimal = _ZERO
    refunds: Decimal = _ZERO
    """Negative."""
    shipping: Decimal = _ZERO
    other: Decimal = _ZERO
    """Adjustments and the like that the mapping sends to the clearing account."""
    placed_at: datetime | None = None

    @property
    def total(self) -> Decimal:
        """What leaves the clearing account for the order."""
        return self.sales + self.refunds + self.shipping + self.other

    def add(self, other: Settled) -> None:
        """Take what another statement clears of the same order."""
        self.sales += other.sales
        self.refunds += other.refunds
        self.shipping += other.shipping
        self.other += other.other
        self.placed_at = self.placed_at or other.placed_at


class FeeMap:
    """Where a shop's amounts go, each decision made once."""

    def __init__(self, decisions: Decisions, shop: Shop) -> None:
        self.shop = shop
        policy = shop.settlement
        self._clearing_account_id = (
            policy.clearing_account_id if isinstance(policy, PostedSettlement) else None
        )
        self._decisions = decisions
        self._known: dict[Source, Booked | Undecided] = {}

    def decision(self, source: Source) -> Booked | Undecided:
        """The decision about an amount, a type or a residual; KeyError for the reserve, which has none."""
        found = self._known.get(source)
        if found is None:
            found = self._known[source] = self._decide(source)
        return found

    def clears(self, source: Source) -> bool:
        """Whether it empties the clearing account."""
        if source.cleared:
            return True
        found = self.decision(source)
        if not isinstance(found, Booked):
            return False
        return found.booking.clears or found.booking.account_id == self._clearing_account_id

    def _decide(self, source: Source) -> Booked | Undecided:
        decisions, shop = self._decisions, self.shop
        match source.kind:
            case "amount" if source.name == ADJUSTMENT_OF_ORDER:
                return decisions.booking_of_transaction(shop, _UNTYPED_ADJUSTMENT)
            case "amount":
                return decisions.booking_of_amount(shop, source.name.rpartition(".")[2])
            case "type":
                return decisions.booking_of_transaction(shop, source.name)
            case "residual":
                return decisions.booking_of_residual(shop)
            case _:
                raise KeyError(source.kind)


class _Route(NamedTuple):
    """What becomes of a component, looked up once per path."""

    plain: Source
    clears: bool
    part: Part
    may_be_billed: bool


@dataclass(frozen=True, slots=True)
class StatementSums:
    """A statement that adds up, and what it comes to."""

    footed: Footed
    sums: Mapping[Source, Decimal]
    orders: Mapping[str, Settled]
    unassigned: Mapping[str, Decimal]
    """What clears and is about no order, by type."""


class StatementBook:
    """Takes the transactions of one statement, one after another and in any order."""

    def __init__(self, statement: Statement, fees: FeeMap, bills_shipping: BillsShipping) -> None:
        self._statement = statement
        self._fees = fees
        self._bills_shipping = bills_shipping
        self._footing = Footing(statement)
        self._sums: dict[Source, Decimal] = {}
        self._orders: dict[str, Settled] = {}
        self._unassigned: dict[str, Decimal] = {}
        self._routes: dict[str, _Route] = {}

    def add(self, one: Transaction) -> None:
        """Take one transaction."""
        if not self._footing.add(one):
            return
        if one.reserve:
            self._count(Source("reserve", ""), one.reserve)
        if one.is_order:
            self._add_order(one)
        elif one.settlement and not one.is_reserve:
            source = Source("type", one.type)
            self._count(source, one.settlement)
            if self._fees.clears(source):
                self._clear(one, "other", one.settlement)

    def close(self) -> StatementSums | Unfooted:
        """The sums once every transaction was taken, or why the statement is refused."""
        footed = self._footing.close()
        if isinstance(footed, Unfooted):
            return footed
        sums = {source: amount for source, amount in self._sums.items() if amount}
        return StatementSums(footed, sums, self._orders, self._unassigned)

    def _add_order(self, one: Transaction) -> None:
        settled = self._settled(one)
        billed: bool | None = None
        asked = False
        for path, amount in one.components:
            route = self._routes.get(path) or self._route(path)
            if route.may_be_billed and not asked:
                billed, asked = self._bills_shipping(one.order_id), True
            if route.may_be_billed and billed:
                self._count(Source("amount", path, cleared=True), amount)
                settled.shipping += amount
            else:
                self._count(route.plain, amount)
                if route.clears:
                    setattr(settled, route.part, getattr(settled, route.part) + amount)
        for group, (declared, listed) in one.groups.items():
            if declared is not None and declared != listed:
                source, residual = Source("residual", group), declared - listed
                self._count(source, residual)
                if self._fees.clears(source):
                    settled.other += residual

    def _route(self, path: str) -> _Route:
        name = path.rpartition(".")[2]
        group = group_of_amount(name)
        part = _PARTS.get(group or "", "shipping" if name in SHIPPING_INCOME else "other")
        source = Source("amount", path)
        route = _Route(source, self._fees.clears(source), part, part == "shipping")
        self._routes[path] = route
        return route

    def _settled(self, one: Transaction) -> Settled:
        order = self._orders.get(one.about)
        if order is None:
            order = self._orders[one.about] = Settled(one.about)
        if one.is_order:
            order.placed_at = one.placed_at
        return order

    def _clear(self, one: Transaction, part: Part, amount: Decimal) -> None:
        if one.about:
            settled = self._settled(one)
            setattr(settled, part, getattr(settled, part) + amount)
        else:
            self._unassigned[one.type] = self._unassigned.get(one.type, _ZERO) + amount

    def _count(self, source: Source, amount: Decimal) -> None:
        self._sums[source] = self._sums.get(source, _ZERO) + amount

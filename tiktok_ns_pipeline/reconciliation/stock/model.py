"""What the two systems say of stock, and the verdicts on it.

TikTok shows one number for each *slot*: a SKU of a shop in one of its warehouses. A slot *draws* on
NetSuite items: so many units of each for one TikTok unit. A *pool* is the set of Locations whose stock
a warehouse shows; all slots that draw on one item in one pool share that stock.

An order *claims* stock that NetSuite does not hold for it yet: an open order of TikTok without a live
Sales Order. What is *promisable* of an item in a pool is what NetSuite has available there, less all
claims; what *may be shown* follows from it by share, buffer and cap.

One proof has a `Level` for each slot, and a `Cover` for each item in a pool that open orders want.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from tiktok_ns_pipeline.reconciliation.results import NotRun, Side, counted, read_at

Pool = tuple[str, ...]
"""Ids of Locations, in ascending order."""

Stock = tuple[str, Pool]
"""An item in a pool."""


class Verdict(StrEnum):
    """What the two systems say about one slot."""

    AGREES = "agrees"
    SHOWS_MORE_THAN_EXISTS = "shows_more_than_exists"
    SHOWS_LESS = "shows_less"
    DIVIDED = "divided"
    """Less than it may show alone, but the stock sells and is short, and its listings show all of it
    together."""
    HELD_BACK = "held_back"
    """Less by no more than may be on its way, to judge by what was taken just now."""
    WAITING = "waiting"
    """It moves: the difference did not stand in every reading."""
    NOT_PUSHED = "not_pushed"
    UNMAPPED = "unmapped"
    FBT = "fbt"
    """TikTok counts it."""
    CANNOT_BE_CHECKED = "cannot_be_checked"


WRONG = frozenset({Verdict.SHOWS_MORE_THAN_EXISTS, Verdict.SHOWS_LESS, Verdict.CANNOT_BE_CHECKED})

Standing = Literal["published", "not_pushed", "unmapped", "fbt", "unclear"]
"""What is to be said of a slot before numbers: only a `published` one is compared."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What TikTok shows of a SKU in one warehouse, and what the mapping says may be shown there."""

    shop: str
    sku_id: str
    warehouse_id: str
    seller_sku: str
    shown: int | None
    """Units that can be ordered now; None where TikTok states no number."""
    standing: Standing = "published"
    reason: str = ""
    """Why it is not compared; empty where it is."""
    pool: Pool = ()
    draws: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    """NetSuite units of each item in one TikTok unit. A slot that is not pushed has them too: what it shows
    takes part in a division."""
    share: Decimal = Decimal(100)
    """Percent of the pool that the shop may show."""
    buffer: int = 0
    cap: int | None = None
    is_moving: bool = False
    """TikTok's number changed while both sides were read."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Shop, SKU and warehouse."""
        return self.shop, self.sku_id, self.warehouse_id

    @property
    def stocks(self) -> tuple[Stock, ...]:
        """What it draws on."""
        return tuple((item_id, self.pool) for item_id in self.draws)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one open order wants of an item in a pool, in NetSuite units."""

    shop: str
    order_id: str
    stock: Stock
    quantity: Decimal
    is_claim: bool
    """NetSuite has no live Sales Order for it."""
    placed_at: datetime | None = None
    backordered: Decimal = Decimal(0)
    """Of its Sales Order: what NetSuite could not commit."""


@dataclass(frozen=True, slots=True)
class Blind:
    """An open order, or a whole shop, of which cannot be told what it wants."""

    what: str
    """In words, such as `order 57...: line_items is no list`."""
    stocks: frozenset[Stock] | None = None
    """What it may want; None for everything."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What both systems said at one time."""

    slots: tuple[Slot, ...]
    available: Mapping[tuple[str, str], Decimal]
    """NetSuite's available quantity by item and Location; what NetSuite did not tell is missing."""
    wanted: tuple[Wanted, ...]
    tiktok_read_at: datetime
    netsuite_read_at: datetime
    open_orders: int = 0
    blind: tuple[Blind, ...] = ()
    taken: Mapping[Stock, Decimal] = field(default_factory=dict[Stock, Decimal])
    """What records of NetSuite moved of it within the grace, in either direction."""


@dataclass(frozen=True, slots=True)
class Level:
    """One slot and the verdict on it. Quantities are TikTok units."""

    slot: Slot
    verdict: Verdict
    may_show: int | None = None
    """What it may show by itself; None where that cannot be told."""
    difference: int = 0
    """Shown less what may be shown, as far as it stood in every reading."""
    note: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether somebody has to look at it."""
        return self.verdict in WRONG


@dataclass(frozen=True, slots=True)
class Cover:
    """An item in a pool that open orders want, in NetSuite units."""

    stock: Stock
    available: Decimal | None
    """None where NetSuite did not tell it."""
    claimed: Decimal
    """By open orders without a live Sales Order."""
    backordered: Decimal
    """On Sales Orders of open orders."""
    orders: tuple[str, ...]
    """`shop/order` of those that are not covered, as far as these can be told apart."""

    @property
    def oversold(self) -> Decimal:
        """What buyers were promised beyond what NetSuite holds; as if nothing were available where it did
        not tell."""
        return self.backordered + max(
            Decimal(0), self.claimed - max(Decimal(0), self.available or Decimal(0))
        )

    @property
    def is_oversold(self) -> bool:
        """Whether somebody has to find goods; an item without a known stock is no finding."""
        return self.available is not None and self.oversold > 0


@dataclass(frozen=True, slots=True)
class StockProof:
    """The result of one proof over all shops."""

    levels: tuple[Level, ...]
    covers: tuple[Cover, ...]
    tiktok_read_at: datetime
    netsuite_read_at: datetime
    open_orders: int = 0
    unread: Mapping[str, NotRun] = field(default_factory=dict[str, NotRun])
    """Why a shop was not proved, by shop code."""
    available: Decimal = Decimal(0)
    """Units that NetSuite has available in all pools that listings draw on."""
    claimed: Decimal = Decimal(0)

    @property
    def is_not_run(self) -> bool:
        """Whether nothing could be read, which is not the same as nothing being wrong."""
        return bool(self.unread) and not self.levels and not self.covers

    @property
    def wrong(self) -> tuple[Level, ...]:
        """The slots that somebody has to look at."""
        return tuple(level for level in self.levels if level.is_wrong)

    @property
    def oversold(self) -> tuple[Cover, ...]:
        """The items of which more was sold than NetSuite holds."""
        return tuple(cover for cover in self.covers if cover.is_oversold)

    @property
    def shown(self) -> int:
        """Units that all compared slots show together."""
        return sum(level.slot.shown or 0 for level in self.levels if level.slot.standing == "published")

    def units(self, verdict: Verdict) -> int:
        """Units in which the slots with this verdict differ, without sign."""
        return sum(abs(level.difference) for level in self.levels if level.verdict is verdict)

    @property
    def statement(self) -> str:
        """The proof in one line."""
        unread = "; ".join(f"shop {shop} not proved: {why}" for shop, why in self.unread.items())
        if self.is_not_run:
            return f"not run: {unread}"
        compared = sum(level.slot.standing == "published" for level in self.levels)
        verdicts = Counter(level.verdict for level in self.wrong)
        wrong = [self._counted(verdict, count) for verdict, count in sorted(verdicts.items())]
        if self.oversold:
            units = sum((cover.oversold for cover in self.oversold), Decimal(0))
            wrong.append(f"{len(self.oversold)} items oversold by {_number(units)} units")
        rest = counted(level.verdict for level in self.levels if not level.is_wrong)
        return (
            f"{compared} levels at TikTok show {self.shown:,} units, NetSuite has {_number(self.available)} "
            f"available, of which {_number(self.claimed)} are claimed; {self.open_orders} open orders; "
            f"difference = {', '.join(wrong) or 'none'}; otherwise {rest or 'nothing'}; "
            f"{read_at(self.tiktok_read_at, self.netsuite_read_at)}" + (f"; {unread}" if unread else "")
        )

    def _counted(self, verdict: Verdict, count: int) -> str:
        units = self.units(verdict)
        return f"{count} {verdict.replace('_', ' ')}" + (f" by {units:,} units" if units else "")


def not_run(side: Side, reason: str, at: datetime, shops: Iterable[str]) -> StockProof:
    """The result of a proof that could not take place."""
    return StockProof((), (), at, at, unread={shop: NotRun(side, reason) for shop in shops})


def _number(quantity: Decimal) -> str:
    return f"{quantity.normalize():,f}"

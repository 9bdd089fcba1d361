"""What has to be decided anew, so that a turn costs what moved and not what is listed.

A level follows from the books, from what is listed and mapped, from rates of sale, and from whether
NetSuite still returns the items. Once it was decided an offer *rests*, until

    a row of the books is about it or about an item that it draws   looked for every turn
    it is listed or mapped otherwise: the *basis* is another one    looked for every turn
    time passed that may change its level by itself                 restless ones every few seconds,
                                                                    the others with every review

Rows are numbered, so it is enough to remember up to which of them all was decided; that, and by which
basis, outlives the run. A *review* comes with every full reading, and every minute.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tiktok_ns_pipeline.inventory.deciding import Decider, Decision
from tiktok_ns_pipeline.inventory.observing import FULL_CURSOR
from tiktok_ns_pipeline.inventory.offers import Offer, Offers, SkuKey
from tiktok_ns_pipeline.inventory.planning import OVERSOLD, UNKNOWN
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.facts import STOCK_LEVEL
from tiktok_ns_pipeline.ledger.stock import StockKey

DECIDED_CURSOR = "stock:decided"
"""Up to which row of the books all was decided, by which basis, and what NetSuite did not return then."""

_RESTLESS_EVERY = timedelta(seconds=10)
_REVIEW_EVERY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is decided in a turn."""

    offers: list[Offer]
    since: dict[str, datetime]
    """When the items moved that made it due."""
    until: int
    """All rows up to this one are counted."""
    is_review: bool
    """Whether everything is among them that time alone may have changed."""
    is_of_news: bool
    """Whether it is listed or mapped otherwise than when it was decided last."""


class Resting:
    """Which offers rest, in the course of a run."""

    def __init__(self, offers: Offers, decider: Decider) -> None:
        self._offers = offers
        self._decider = decider
        self._until: int | None = None
        self._basis: str | None = None
        self._unknown: set[str] = set()
        self._restless: set[SkuKey] = set()
        self._lively: set[str] = set()
        self._looked_at: datetime | None = None
        self._reviewed_at: datetime | None = None

    def load(self, tx: Transaction) -> None:
        """How far earlier runs came."""
        stored: dict[str, Any] = tx.cursors.get(DECIDED_CURSOR) or {}
        self._until, self._basis = stored.get("until"), stored.get("basis")
        self._unknown = set(stored.get("unknown", ()))

    def choose(
        self, tx: Transaction, now: datetime, *, asked: Collection[SkuKey], is_review: bool, is_all: bool
    ) -> Chosen | None:
        """What has to be decided now; None where all rests.

        `asked` are SKUs that somebody wants to be tried again; `is_all` lets nothing rest.
        """
        until = tx.stock.newest_position()
        changed, items_of_changed = self._offers.take_changed()
        is_first, is_of_news = self._looked_at is None, self._basis != self._offers.basis()
        moved = tx.stock.moved_after(self._until) if self._until is not None else {}
        is_review = is_review or _is_time(self._reviewed_at, _REVIEW_EVERY, now)
        is_time = is_review or _is_time(self._looked_at, _RESTLESS_EVERY, now)
        if not (is_time or moved or is_of_news or asked or is_all):
            return None
        self._decider.learn_demand(tx, now)
        since = {key.sku: at for key, at in moved.items() if _is_of_item(key)}
        if is_all or self._until is None or (is_first and is_of_news):
            offers, is_review = self._offers.all(), True
        else:
            items, skus = (
                set(since),
                {*asked, *((key.shop, key.sku) for key in moved if not _is_of_item(key))},
            )
            if is_of_news:
                items, skus = items | items_of_changed, skus | changed
            if is_time:
                items |= {shelf.item_id for shelf in self._decider.divided}
                skus |= self._restless
            if is_review:
                items |= self._items_of_review(tx)
                skus |= {
                    (one.fact.shop, one.fact.business_key) for one in tx.intents.open_facts(kind=STOCK_LEVEL)
                }
            offers = self._offers.around(skus, items)
        self._until = until
        if is_time:
            self._looked_at = now
        if is_review:
            self._reviewed_at = now
        return Chosen(offers, since, until, is_review, is_of_news or is_all)

    def decided(self, tx: Transaction, chosen: Chosen, decision: Decision, *, is_stopped: bool) -> None:
        """Remember what was decided; while nothing may be published, the next run decides it anew."""
        due = {(slot.shop, slot.sku_id) for slot in decision.due}
        self._restless = (self._restless - {offer.key for offer in chosen.offers}) | due
        if chosen.is_review:
            self._unknown = set(decision.unknown)
        self._basis = self._offers.basis()
        if is_stopped:
            return
        tx.cursors.set(
            DECIDED_CURSOR,
            {"until": chosen.until, "basis": self._basis, "unknown": sorted(self._unknown, key=int)},
        )

    def _items_of_review(self, tx: Transaction) -> set[str]:
        """Items that are sold, or were so when they were reviewed last; that NetSuite does not return, or
        did not then; and those of which somebody is told."""
        lively, before = self._decider.lively, self._lively
        self._lively = lively
        full = tx.cursors.get(FULL_CURSOR)
        gone = tx.stock.not_read_since("netsuite", datetime.fromisoformat(full)) if full else {}
        told = {one.subject.removeprefix("item ") for one in tx.exceptions.list(kinds=(OVERSOLD, UNKNOWN))}
        return lively | before | self._unknown | told | {key.sku for key in gone}


def _is_of_item(key: StockKey) -> bool:
    return key.account in ("netsuite", "uncommitted")


def _is_time(last: datetime | None, every: timedelta, now: datetime) -> bool:
    return last is None or now - last >= every

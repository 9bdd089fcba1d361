"""How TikTok comes to show a level: read, book, decide, write, read back.

A level is absolute: written late, it undoes what was sold since it was decided. So an intent only says
that a SKU is to be pushed, and the number is decided here, between a reading of what TikTok shows and
the write. One reading serves a batch and everything that shares stock with it.

Who shows too much is lowered before anybody is raised, whichever SKU the batch is about. All warehouses
of a SKU are written in one call, all SKUs of a product with it (T 5.3). A write of unclear end is done
again: it begins with a reading anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from tiktok_ns_pipeline.engine.governor import BreakerOpen
from tiktok_ns_pipeline.engine.logins import System
from tiktok_ns_pipeline.engine.outcomes import (
    ENGINE_KINDS,
    Absent,
    Applied,
    NotYet,
    Outcome,
    Park,
    Unclear,
)
from tiktok_ns_pipeline.inventory.channel import ShopStock, Shown, store_writes, stored_writes
from tiktok_ns_pipeline.inventory.deciding import Decider, Decision
from tiktok_ns_pipeline.inventory.observing import CHANNEL
from tiktok_ns_pipeline.inventory.offers import Offer, Offers, SkuKey
from tiktok_ns_pipeline.lake.tables import TIKTOK_STOCK_LEVELS
from tiktok_ns_pipeline.ledger.facts import STOCK_LEVEL
from tiktok_ns_pipeline.ledger.intents import Intent
from tiktok_ns_pipeline.ledger.stock import Reading, tiktok_key
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.client import ShopAccess
from tiktok_ns_pipeline.tiktok.errors import (
    TikTokAmbiguous,
    TikTokAuthenticationError,
    TikTokError,
    TikTokPermissionError,
    TikTokRefused,
)
from tiktok_ns_pipeline.tiktok.meanings import meaning_of
from tiktok_ns_pipeline.tiktok.products import Refusal
from tiktok_ns_pipeline.tiktok.slot import Slot

REFUSED = "stock_refused"
LOCKED = "stock_locked"
STOCK_KINDS = (REFUSED, LOCKED)
"""Exceptions about a SKU that TikTok's taking its level proves gone."""

_STOPS_ALL = (TikTokAuthenticationError, TikTokPermissionError, BreakerOpen)
_VERY_SOON, _SOON = timedelta(seconds=2), timedelta(seconds=20)
_READ_AGAIN_AFTER = timedelta(seconds=45)
"""Longer than an answer of TikTok's may be behind its writes."""


@dataclass(slots=True)
class PushCounts:
    """What a run pushed."""

    calls: int = 0
    skus: int = 0
    levels: int = 0
    """Slots whose number changed."""
    nothing_to_do: int = 0
    """SKUs that showed what they should by the time."""
    differed: int = 0
    """Slots that TikTok showed otherwise than our books."""


@dataclass(slots=True)
class _Round:
    """What is written at once: numbers by SKU, and what came of it."""

    levels: dict[SkuKey, dict[Slot, int]] = field(default_factory=dict[SkuKey, dict[Slot, int]])
    outcomes: dict[SkuKey, Outcome] = field(default_factory=dict[SkuKey, Outcome])


class StockHandler:
    """Pushes SKUs."""

    kind = STOCK_LEVEL
    system: System = "tiktok"
    batch_size = 50
    clears: Sequence[str] = (*ENGINE_KINDS, *STOCK_KINDS)

    def __init__(
        self,
        runtime: Runtime,
        run_id: str,
        shops: Mapping[str, tuple[ShopAccess, ShopStock]],
        offers: Offers,
        decider: Decider,
        waits_for: Callable[[], str],
        to_read_again: dict[SkuKey, datetime],
    ) -> None:
        """`waits_for` says why nothing may be published now; empty where it may. SKUs whose read-back told
        nothing are left in `to_read_again`, with the instant."""
        self._runtime = runtime
        self._run_id = run_id
        self._shops = shops
        self._offers = offers
        self._decider = decider
        self._waits_for = waits_for
        # Two batches may share stock: what one leaves is the other's.
        self._turns = asyncio.Lock()
        self.counts = PushCounts()
        self._to_read_again = to_read_again

    def subject(self, intent: Intent) -> str:
        """The SKU."""
        return f"sku {intent.fact.business_key}"

    async def apply(self, intents: Sequence[Intent]) -> Sequence[Outcome]:
        """Push the SKUs of a batch, all of one shop."""
        if reason := self._waits_for():
            retry_at = self._runtime.clock.now() + _VERY_SOON
            return [NotYet(reason, retry_at) for _ in intents]
        async with self._turns:
            return await self._pushed(intents)

    async def look_up(self, intent: Intent) -> Outcome:
        """Nothing to find out: a push begins with what TikTok shows."""
        return Absent()

    async def _pushed(self, intents: Sequence[Intent]) -> Sequence[Outcome]:
        keys = {(intent.fact.shop, intent.fact.business_key): intent for intent in intents}
        group = self._offers.around(keys)
        began = self._runtime.clock.now()
        await self._read(group)
        decision = self._decided(group)
        outcomes: dict[SkuKey, Outcome] = {}
        lowering = self._round(decision, lambda key, slot, number: number < decision.shown[slot])
        if lowering.levels:
            await self._write(lowering, decision, keys, began)
            outcomes |= lowering.outcomes
            began = self._runtime.clock.now()
            decision = self._decided(group)
        raising = self._round(decision, lambda key, slot, number: key in keys and key not in outcomes)
        if raising.levels:
            await self._write(raising, decision, keys, began)
            outcomes |= raising.outcomes
        return [outcomes.get(key) or self._nothing_to_do() for key in keys]

    def _nothing_to_do(self) -> Applied:
        self.counts.nothing_to_do += 1
        return Applied(note="it shows what it should")

    async def _read(self, group: Iterable[Offer]) -> None:
        """What TikTok shows of these offers, booked."""
        by_shop: dict[str, list[str]] = {}
        for offer in group:
            by_shop.setdefault(offer.shop, []).append(offer.sku_id)
        readings = [
            self._shops[shop][1].read_levels_of(ids) for shop, ids in by_shop.items() if shop in self._shops
        ]
        for shown in await asyncio.gather(*readings):
            self.counts.differed += len(shown.differs)

    def _decided(self, group: Sequence[Offer]) -> Decision:
        # The warehouses of an offer may have turned out to be others.
        offers = [offer for one in group if (offer := self._offers.get(one.key))]
        with self._runtime.ledger.read() as tx:
            return self._decider.decide(tx, offers, self._runtime.clock.now())

    def _round(self, decision: Decision, is_wanted: Callable[[SkuKey, Slot, int], bool]) -> _Round:
        """The SKUs with a wanted number, each with the numbers of all of its warehouses."""
        shown = decision.shown
        wanted = {
            (slot.shop, slot.sku_id)
            for slot, number in decision.due.items()
            if slot.shop in self._shops and is_wanted((slot.shop, slot.sku_id), slot, number)
        }
        found = _Round()
        for offer in decision.offers:
            if offer.key in wanted and not offer.left_alone and all(slot in shown for slot in offer.slots):
                found.levels[offer.key] = {slot: decision.due.get(slot, shown[slot]) for slot in offer.slots}
        return found

    async def _write(
        self, writing: _Round, decision: Decision, intents: Mapping[SkuKey, Intent], began: datetime
    ) -> None:
        """Write, book what was taken, and read it back."""
        by_product: dict[tuple[str, str], list[SkuKey]] = {}
        for offer in decision.offers:
            if offer.key in writing.levels:
                by_product.setdefault((offer.shop, offer.product_id), []).append(offer.key)
        began_write = self._runtime.clock.now()
        sent = {
            slot: (number, began_write)
            for levels in writing.levels.values()
            for slot, number in levels.items()
        }
        with self._runtime.ledger.begin() as tx:
            # Should nobody learn how the write ended, its numbers must not be taken for sales.
            store_writes(tx, stored_writes(tx) | sent)
        self._runtime.probe("pushing")
        await asyncio.gather(
            *(self._write_product(*name, keys, writing) for name, keys in by_product.items())
        )
        self._runtime.probe("pushed")
        taken = [key for key in writing.levels if isinstance(writing.outcomes.get(key), Applied)]
        unclear = {key for key, outcome in writing.outcomes.items() if isinstance(outcome, Unclear)}
        now = self._runtime.clock.now()
        self._decider.measured_write((now - began).total_seconds())
        version = {
            key: f"{intents[key].id}.{decision.position_id}" if key in intents else f".{decision.position_id}"
            for key in taken
        }
        written = {
            slot: (number, version[key]) for key in taken for slot, number in writing.levels[key].items()
        }
        with self._runtime.ledger.begin() as tx:
            tx.stock.set_balances(
                "push",
                [
                    Reading(tiktok_key(slot), Decimal(number), name)
                    for slot, (number, name) in written.items()
                ],
                at=now,
            )
            ended = {slot for slot in sent if (slot.shop, slot.sku_id) not in unclear}
            left = {slot: one for slot, one in stored_writes(tx).items() if slot not in ended}
            store_writes(tx, left)
        if not taken:
            return
        shown = await self._read_back(taken, decision)
        self._record(taken, writing, decision, version, shown, intents, now)

    async def _write_product(
        self, shop: str, product_id: str, keys: Sequence[SkuKey], writing: _Round
    ) -> None:
        """One call; what it says of each SKU becomes its outcome. What stops all is raised."""
        access, _ = self._shops[shop]
        numbers = {
            key[1]: {slot.warehouse_id: number for slot, number in writing.levels[key].items()}
            for key in keys
        }
        self.counts.calls += 1
        try:
            refusals = await self._runtime.tiktok.products.update_stock(access, product_id, numbers)
        except _STOPS_ALL:
            raise
        except TikTokAmbiguous as error:
            writing.outcomes.update(dict.fromkeys(keys, Unclear(str(error))))
            return
        except TikTokRefused as error:
            refusals = {key[1]: Refusal(error.code, error.message, meaning_of(error.code)) for key in keys}
        except TikTokError as error:
            later = NotYet(str(error), self._runtime.clock.now() + _SOON)
            writing.outcomes.update(dict.fromkeys(keys, later))
            return
        for key in keys:
            refusal = refusals.get(key[1])
            if refusal is None:
                writing.outcomes[key] = Applied(note="pushed")
            else:
                writing.outcomes[key] = self._refused(key, refusal, writing.levels[key])

    def _refused(self, key: SkuKey, refusal: Refusal, levels: Mapping[Slot, int]) -> Outcome:
        if refusal.may_pass:
            return NotYet(refusal.message, self._runtime.clock.now() + _SOON)
        shop, sku_id = key
        wanted = ", ".join(f"{number} in warehouse {slot.warehouse_id}" for slot, number in levels.items())
        about = f"SKU {sku_id} of shop {shop} should show {wanted}"
        if refusal.meaning == "stock_locked":
            return Park(LOCKED, "campaign", f"{about}; a campaign holds more than that. {refusal.message}")
        cause = refusal.meaning or f"code:{refusal.code}"
        return Park(REFUSED, cause, f"{about}, which TikTok does not take: {refusal.message}")

    async def _read_back(self, taken: Sequence[SkuKey], decision: Decision) -> dict[Slot, int]:
        """What TikTok shows after the write; what it cannot tell now is read again by the flow."""
        before = decision.shown
        by_shop: dict[str, list[str]] = {}
        for shop, sku_id in taken:
            by_shop.setdefault(shop, []).append(sku_id)
        found: dict[Slot, int] = {}
        again_at = self._runtime.clock.now() + _READ_AGAIN_AFTER
        for shop, sku_ids in by_shop.items():
            overwritten = {
                slot: before[slot] for slot in decision.due if slot.shop == shop and slot.sku_id in sku_ids
            }
            try:
                told = await self._shops[shop][1].read_levels_of(sku_ids, overwritten=overwritten)
            except _STOPS_ALL:
                raise
            except TikTokError:
                told = Shown(doubtful=list(overwritten))
            self._to_read_again |= {(slot.shop, slot.sku_id): again_at for slot in told.doubtful}
            found |= {
                Slot(shop, stock.sku_id, warehouse_id): level.available
                for stock in told.stock.values()
                for warehouse_id, level in stock.warehouses.items()
            }
        return found

    def _record(
        self,
        taken: Sequence[SkuKey],
        writing: _Round,
        decision: Decision,
        version: Mapping[SkuKey, str],
        shown: Mapping[Slot, int],
        intents: Mapping[SkuKey, Intent],
        now: datetime,
    ) -> None:
        products = {offer.key: offer.product_id for offer in decision.offers}
        rows: dict[str, list[dict[str, object]]] = {}
        before = decision.shown
        for key in taken:
            since = intents[key].observed_at if key in intents else None
            if since is not None:
                self._decider.measured(pushed_after_s=[max(0.0, (now - since).total_seconds())])
            self.counts.skus += 1
            for slot, number in writing.levels[key].items():
                self.counts.levels += number != before[slot]
                rows.setdefault(slot.shop, []).append(
                    {
                        "channel": CHANNEL,
                        "day": now.date(),
                        "sku_id": slot.sku_id,
                        "warehouse_id": slot.warehouse_id,
                        "product_id": products[key],
                        "before": before[slot],
                        "level": number,
                        "read_back": shown.get(slot),
                        "version": version[key],
                        "since": since,
                        "pushed_at": now,
                    }
                )
        for shop, of_shop in rows.items():
            self._runtime.lake.land_many(TIKTOK_STOCK_LEVELS, of_shop, shop=shop, run_id=self._run_id)

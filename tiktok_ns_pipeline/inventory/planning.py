"""Intend: SKUs that show something else than they should become pushes, troubles become exceptions.

A push that is planned or under way is not planned again: its number is decided at the last moment. One
that is parked is, as soon as other numbers are wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.inventory.applying import STOCK_KINDS
from tiktok_ns_pipeline.inventory.deciding import Decision, terms_of
from tiktok_ns_pipeline.inventory.levels import Level, Supply
from tiktok_ns_pipeline.inventory.observing import CHANNEL, NetSuiteStock
from tiktok_ns_pipeline.inventory.offers import Offer, Offers, SkuKey
from tiktok_ns_pipeline.inventory.pools import Shelf
from tiktok_ns_pipeline.lake.tables import STAGED_STOCK_LEVELS
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.exceptions import NewException
from tiktok_ns_pipeline.ledger.facts import STOCK_LEVEL
from tiktok_ns_pipeline.ledger.intents import OPEN, FactKey, Intent, IntentState, NewIntent
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.slot import Slot

FLOW = "stock"

UNKNOWN = "stock_unknown"
OVERSOLD = "oversold_sku"
UNMAPPED = "unmapped_listing"
UNMAPPED_WAREHOUSE = "unmapped_stock_warehouse"
MALFORMED_LISTING = "malformed_listing"
LISTING_KINDS = (UNMAPPED, UNMAPPED_WAREHOUSE, MALFORMED_LISTING)
"""Exceptions about what is listed; a reading of all listings proves them gone."""

_ZERO = Decimal(0)
_UNSEEN = "unseen "

_Told = tuple[str, int | None, str | None]
"""Outcome, level and reason, as they are landed."""


@dataclass(slots=True)
class PlanReport:
    """How many SKUs and slots became what."""

    decided: int = 0
    """Slots that were decided."""
    planned: int = 0
    """SKUs whose push was planned."""
    held: int = 0
    """Slots that keep their number, since the stock of a part is not known."""
    oversold: int = 0
    """Items of which more was sold than there is, as seen last."""


def stock_fact(key: SkuKey) -> FactKey:
    """The fact that a SKU shows what it should."""
    return FactKey(CHANNEL, key[0], STOCK_LEVEL, key[1])


@dataclass(slots=True)
class StockPlanner:
    """Stores what was decided."""

    runtime: Runtime
    run_id: str
    report: PlanReport = field(default_factory=PlanReport)
    _staged: dict[Slot, _Told] | None = None

    def plan(
        self, tx: Transaction, decision: Decision, since: Mapping[str, datetime], *, is_stopped: bool
    ) -> int:
        """Plan a push for each SKU that is due; gives how many were planned.

        `since` is when what made it due happened, by item id, as far as known.
        """
        self.report.decided += len(decision.levels)
        due = _due(decision)
        if is_stopped or not due:
            return 0
        facts = {stock_fact(key): key for key in due}
        newest = tx.intents.newest(facts)
        new: list[NewIntent] = []
        for offer in decision.offers:
            fact = stock_fact(offer.key)
            if offer.key not in due:
                continue
            wanted = {slot.warehouse_id: number for slot, number in due[offer.key].items()}
            last = newest.get(fact)
            if last is not None and _is_enough(last, wanted):
                continue
            payload = {
                "product_id": offer.product_id,
                "levels": wanted,
                "position_id": decision.position_id,
            }
            happened = [since[draw.item_id] for draw in offer.draws if draw.item_id in since]
            new.append(
                NewIntent(
                    FLOW,
                    fact,
                    payload,
                    exact_json.fingerprint(payload),
                    "urgent",
                    observed_at=min(happened, default=self.runtime.clock.now()),
                )
            )
        tx.intents.plan(new, known=newest)
        self.report.planned += len(new)
        return len(new)

    def settle(self, tx: Transaction, decision: Decision) -> None:
        """What is parked and not wanted any more is called off, with what was said about it."""
        due = _due(decision)
        decided = {stock_fact(offer.key) for offer in decision.offers if offer.key not in due}
        parked = [
            intent.fact
            for intent in tx.intents.open_facts(kind=STOCK_LEVEL)
            if intent.state == IntentState.PARKED and intent.fact in decided
        ]
        tx.intents.withdraw(parked, "it shows what it should")
        for fact in parked:
            tx.exceptions.clear(
                channel=CHANNEL,
                shop=fact.shop,
                subject=f"sku {fact.business_key}",
                reason="it shows what it should",
                kinds=STOCK_KINDS,
            )

    # Exceptions

    def tell_of_listings(self, tx: Transaction, offers: Offers, shops: Iterable[str]) -> None:
        """Open what keeps listings from being pushed, and clear what does not any more."""
        found = {(shop, one.subject): one.problem for shop, one in offers.troubles()}
        for (shop, subject), problem in found.items():
            tx.exceptions.open(
                self.runtime.reporter.exception(
                    problem.kind if problem.kind in LISTING_KINDS else UNMAPPED,
                    channel=CHANNEL,
                    shop=shop,
                    subject=subject,
                    cause=problem.cause,
                    message=problem.message,
                )
            )
        published = set(shops)
        for one in tx.exceptions.list(kinds=LISTING_KINDS):
            if one.shop in published and (one.shop, one.subject) not in found:
                tx.exceptions.clear(
                    channel=CHANNEL,
                    shop=one.shop,
                    subject=one.subject,
                    reason="the listing is clear now",
                    kinds=LISTING_KINDS,
                )

    def tell_of_unknown(self, tx: Transaction, decision: Decision, *, is_review: bool) -> None:
        """Items that NetSuite does not return any more: kept, then held or zero, by the mapping."""
        rules = self.runtime.mapping.stock.unknown
        published = {
            draw.item_id for offer in decision.offers if not offer.left_alone for draw in offer.draws
        }
        for item_id, last_at in decision.unknown.items():
            if item_id not in published:
                continue
            until = last_at + timedelta(minutes=rules.keep_minutes)
            then = "stays until somebody decides" if rules.then == "hold" else "goes to zero"
            tx.exceptions.open(
                self.runtime.reporter.exception(
                    UNKNOWN,
                    channel=CHANNEL,
                    shop="*",
                    subject=f"item {item_id}",
                    cause="not returned",
                    message=f"NetSuite has not returned the stock of item {item_id} since "
                    f"{last_at:%Y-%m-%d %H:%M}Z. Its level stays until {until:%H:%M}Z and then {then}.",
                )
            )
        if is_review:
            for one in tx.exceptions.list(kinds=(UNKNOWN,)):
                if one.subject.removeprefix("item ") not in decision.unknown:
                    self._clear(tx, one.subject, (UNKNOWN,), "NetSuite returns its stock again")

    def tell_of_oversold(self, tx: Transaction, decision: Decision, netsuite: NetSuiteStock) -> None:
        """Items of which more was sold than there is; backordered ones stay so until they are served."""
        told = {one.subject.removeprefix("item ") for one in tx.exceptions.list(kinds=(OVERSOLD,))}
        suspect = {
            shelf: netsuite.backordered(shelf.item_id, shelf.pool)
            for shelf, supply in decision.supplies.items()
            if supply.free < 0 or shelf.item_id in told
        }
        holders = tx.stock.holders_of({shelf.item_id for shelf in suspect})
        short: set[str] = set()
        for shelf, waiting in suspect.items():
            supply, held = decision.supplies[shelf], holders.get(shelf.item_id, {})
            is_guessed = any(reference.startswith(_UNSEEN) for _, reference, _ in held)
            if (supply.free >= 0 and not waiting) or (supply.free < 0 and is_guessed):
                continue
            short.add(shelf.item_id)
            orders = {(shop, order) for shop, order, place in held if place in supply.uncommitted}
            tx.exceptions.open(self._oversold(shelf, supply, waiting, len(orders)))
        looked_at = {shelf.item_id for shelf in suspect}
        self.report.oversold = len((told - looked_at) | short)
        for item_id in sorted((looked_at & told) - short):
            self._clear(tx, f"item {item_id}", (OVERSOLD,), "what was sold can be delivered")

    def _oversold(self, shelf: Shelf, supply: Supply, waiting: Decimal, orders: int) -> NewException:
        missing = max(-supply.free, waiting)
        return self.runtime.reporter.exception(
            OVERSOLD,
            channel=CHANNEL,
            shop="*",
            subject=f"item {shelf.item_id}",
            cause=f"locations:{','.join(shelf.pool)}",
            message=f"Item {shelf.item_id} is short of {missing.normalize():f} units at locations "
            f"{', '.join(shelf.pool)}: NetSuite can promise "
            f"{sum(supply.available.values(), _ZERO).normalize():f}, and {orders} TikTok orders that "
            f"it does not know yet want {sum(supply.uncommitted.values(), _ZERO).normalize():f}.",
        )

    def _clear(self, tx: Transaction, subject: str, kinds: Sequence[str], reason: str) -> None:
        tx.exceptions.clear(channel=CHANNEL, shop="*", subject=subject, reason=reason, kinds=kinds)

    # Land

    def land(self, decision: Decision) -> None:
        """Land the decisions that differ from those that landed last."""
        staged = self._known()
        now = self.runtime.clock.now()
        shown = decision.shown
        rows: dict[str, list[dict[str, Any]]] = {}
        for offer in decision.offers:
            for slot in offer.slots:
                told = _told(offer, decision.levels.get(slot))
                if staged.get(slot) != told:
                    staged[slot] = told
                    row = _row(offer, slot, told, decision, shown.get(slot), now)
                    rows.setdefault(slot.shop, []).append(row)
        self.report.held = sum(outcome == "held" for outcome, _, _ in staged.values())
        for shop, of_shop in rows.items():
            self.runtime.lake.land_many(STAGED_STOCK_LEVELS, of_shop, shop=shop, run_id=self.run_id)

    def _known(self) -> dict[Slot, _Told]:
        if self._staged is None:
            names = ("shop", "sku_id", "warehouse_id", "outcome", "level", "reason")
            rows = self.runtime.lake.current(STAGED_STOCK_LEVELS, columns=names)
            self._staged = {
                Slot(row["shop"], row["sku_id"], row["warehouse_id"]): (
                    row["outcome"],
                    row["level"],
                    row["reason"],
                )
                for row in rows
            }
        return self._staged


def _is_enough(last: Intent, wanted: Mapping[str, int]) -> bool:
    """Whether a push that is not at an end does what is wanted."""
    if last.state == IntentState.PARKED:
        return last.payload.get("levels") == wanted
    return last.state in OPEN


def _due(decision: Decision) -> dict[SkuKey, dict[Slot, int]]:
    """Numbers to be written, by SKU."""
    found: dict[SkuKey, dict[Slot, int]] = {}
    for slot, number in decision.due.items():
        found.setdefault((slot.shop, slot.sku_id), {})[slot] = number
    return found


def _told(offer: Offer, level: Level | None) -> _Told:
    if offer.left_alone:
        return "parked" if offer.troubles else "skipped", None, offer.left_alone
    if level is None or level.quantity is None:
        missing = ", ".join(level.unknown) if level else ""
        return "held", None, f"the stock of item {missing or 'of it'} is not known"
    return "staged", level.quantity, None


def _row(
    offer: Offer, slot: Slot, told: _Told, decision: Decision, shown: int | None, now: datetime
) -> dict[str, Any]:
    level = decision.levels.get(slot)
    outcome, quantity, reason = told
    return {
        "channel": CHANNEL,
        "day": now.date(),
        "sku_id": slot.sku_id,
        "warehouse_id": slot.warehouse_id,
        "seller_sku": offer.seller_sku or None,
        "outcome": outcome,
        "level": quantity,
        "shown": shown,
        "scarce": level.mode == "divided" if level else None,
        "reason": reason,
        "terms": exact_json.dumps(terms_of(level)) if level else "{}",
        "position_id": decision.position_id,
        "staged_at": now,
    }

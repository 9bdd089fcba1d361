"""Observe: what NetSuite can promise, booked together with the Sales Orders that hold it.

All stock is read every few minutes, and what transactions touched in between with every look. Each
statement is booked by itself: the Sales Orders that it shows take their units over (`commit`), what is
left of the difference is what others did (`snapshot`).

Invariants: nothing of a full reading is booked when it shrinks implausibly, before a person agreed; an
older reading is never booked over a newer one; an item that NetSuite did not return keeps its balance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.inventory.pools import Draw, Kits
from tiktok_ns_pipeline.inventory.reading import (
    MOST_CANDIDATES,
    PENDING_APPROVAL,
    Available,
    Place,
    Statement,
    StockReader,
)
from tiktok_ns_pipeline.lake.tables import ACCOUNT_WIDE, RAW_NETSUITE_INVENTORY
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.facts import SALES_ORDER
from tiktok_ns_pipeline.ledger.intents import UNDER_WAY, FactKey, IntentState
from tiktok_ns_pipeline.ledger.stock import Movement, OrderHold, Reading, netsuite_key
from tiktok_ns_pipeline.netsuite.values import ACCOUNT_TIME_FORMAT
from tiktok_ns_pipeline.runtime import Runtime

CHANNEL = "tiktok"

FULL_CURSOR = "stock:netsuite:full"
"""When the last full reading that was booked began."""
SAVED_CURSOR = "stock:netsuite:saved-until"
"""How far transactions were looked at, on the account's clock."""
STOPPED_CURSOR = "stock:netsuite:stopped"
"""The exception that asks whether an implausible reading is true, while it is not answered."""
KITS_CURSOR = "stock:netsuite:kits"
"""Members of NetSuite's kit items as they were read last."""
_KITS_OF_CURSOR = "stock:netsuite:kits-of"
"""The snapshot of the items with which they were read."""
_NEWEST_CURSOR = "stock:netsuite:booked"

IMPLAUSIBLE = "stock_snapshot_implausible"
MALFORMED = "malformed_stock"
SNAPSHOT = "stock snapshot"
"""The subject of an implausible reading."""

_OVERLAP = timedelta(minutes=5)
_FEW = 5
"""So few items may sell out at once in the smallest of shops."""
_NAMED = 10
_ZERO = Decimal(0)

OrderKey = tuple[str, str]
"""Shop code and order id."""


@dataclass(slots=True)
class Looked:
    """What a look at NetSuite changed."""

    items: set[str] = field(default_factory=set[str])
    """Items whose balances moved."""
    is_full: bool = False
    committed: int = 0
    """Sales Orders that were seen to hold their units."""


def external_id_of(order: OrderKey) -> str:
    """The external id of an order's Sales Order, in lower case (DESIGN 4)."""
    return f"tts-{order[0]}-{SALES_ORDER}-{order[1]}".lower()


def stored_kits(tx: Transaction) -> Kits:
    """Members of NetSuite's kit items as they were read last."""
    stored: Mapping[str, list[tuple[str, str]]] = tx.cursors.get(KITS_CURSOR) or {}
    return {
        kit: tuple(Draw(item_id, Decimal(quantity)) for item_id, quantity in members)
        for kit, members in stored.items()
    }


class NetSuiteStock:
    """NetSuite's stock, looked at again and again within a run. Raises NetSuiteError."""

    def __init__(self, runtime: Runtime, run_id: str) -> None:
        self._runtime = runtime
        self._run_id = run_id
        mapping = runtime.mapping
        self._locations = {
            location
            for name, warehouse in mapping.warehouses.items()
            for location in (*mapping.stock_locations(name), warehouse.location_id)
        } | {shop.fbt_location_id for shop in mapping.shops.values() if shop.fbt_location_id}
        self._published = {each for name in mapping.warehouses for each in mapping.stock_locations(name)}
        self._reader = StockReader(runtime.netsuite, self._locations)
        self._landed: dict[Place, tuple[Any, ...]] | None = None
        self._asked: dict[str, int] = {}
        self._looks = 0
        self._full_asked = False

    async def members(self, snapshot: str) -> Kits:
        """Members of kit items, read once for each snapshot of the items: they are remembered, for later
        runs and for whoever asks no system."""
        with self._runtime.ledger.read() as tx:
            if tx.cursors.get(_KITS_OF_CURSOR) == snapshot:
                return stored_kits(tx)
        kits = await self._reader.members()
        stored = {kit: [[one.item_id, str(one.quantity)] for one in members] for kit, members in kits.items()}
        with self._runtime.ledger.begin() as tx:
            tx.cursors.set(KITS_CURSOR, stored)
            tx.cursors.set(_KITS_OF_CURSOR, snapshot)
        return kits

    def was_never_read(self) -> bool:
        """Whether no full reading was ever booked."""
        with self._runtime.ledger.read() as tx:
            return tx.cursors.get(FULL_CURSOR) is None

    def read_all_next(self) -> None:
        """Let the next look read all stock, whenever that was done last."""
        self._full_asked = True

    def on_hand_at(self, location_id: str) -> dict[str, Decimal]:
        """What lies at a Location, by item, without what is nothing."""
        return {
            place[0]: row[1]
            for place, row in self._known().items()
            if place[1] == location_id and row[1] and not row[5]
        }

    def backordered(self, item_id: str, pool: Iterable[str]) -> Decimal:
        """What open orders of NetSuite ask for beyond what lies in a pool, as it landed last."""
        rows = [self._known().get((item_id, each)) for each in pool]
        return sum((row[3] for row in rows if row and row[3]), _ZERO)

    async def look(self) -> Looked:
        """All stock when that is due, else what was touched since the last look; booked."""
        now = self._runtime.clock.now()
        with self._runtime.ledger.read() as tx:
            full, saved = tx.cursors.get(FULL_CURSOR), tx.cursors.get(SAVED_CURSOR)
            stopped = tx.cursors.get(STOPPED_CURSOR)
            candidates = self._candidates(tx)
            held = tx.stock.held(candidates.values())
        every = timedelta(minutes=self._runtime.mapping.stock.snapshot_minutes)
        last = stopped["read_at"] if stopped else full
        is_due = last is None or now - datetime.fromisoformat(last) >= every
        if is_due or saved is None or self._full_asked:
            return await self._look_at_all(now, saved, candidates)
        if stopped is not None:
            return Looked()
        named = sorted({item for one in held.values() for item, _ in one.uncommitted})
        since = _shifted(saved, -_OVERLAP)
        statement = await self._reader.touched(since, named, list(candidates))
        if statement is None:
            return await self._look_at_all(now, saved, candidates)
        looked = Looked()
        self._book(statement, candidates, now, looked, reading="touched")
        return looked

    async def _look_at_all(
        self, began: datetime, saved: str | None, candidates: Mapping[str, OrderKey]
    ) -> Looked:
        netsuite = self._runtime.netsuite
        account_now = saved or await netsuite.account_now(lane="urgent")
        statements = await self._reader.full(list(candidates))
        self._full_asked = False
        looked = Looked(is_full=True)
        if not self._is_believed(statements):
            return Looked()
        for statement in statements:
            self._book(statement, candidates, began, looked, reading="full")
        told = {place for statement in statements for place in statement.stock}
        self._land_gone([place for place in self._known() if place not in told], began)
        with self._runtime.ledger.begin() as tx:
            tx.cursors.set(FULL_CURSOR, began.isoformat())
            if saved is None:
                tx.cursors.advance(SAVED_CURSOR, account_now)
        return looked

    # Which Sales Orders to look for

    def _candidates(self, tx: Transaction) -> dict[str, OrderKey]:
        """Orders that count still, though their Sales Order may be in NetSuite, by external id.

        Where there are more than one statement asks for, those that were not asked for longest.
        """
        orders = tx.stock.uncommitted_orders()
        facts = {FactKey(CHANNEL, shop, SALES_ORDER, order_id): (shop, order_id) for shop, order_id in orders}
        newest = tx.intents.newest(facts)
        sent = {
            external_id_of(facts[fact]): facts[fact]
            for fact, intent in newest.items()
            if intent.revision > 1 or intent.attempts or intent.state in (IntentState.APPLIED, *UNDER_WAY)
        }
        self._looks += 1
        chosen = sorted(sent, key=lambda name: self._asked.get(name, 0))[:MOST_CANDIDATES]
        self._asked = {name: self._asked.get(name, 0) for name in sent}
        self._asked.update(dict.fromkeys(chosen, self._looks))
        return {name: sent[name] for name in chosen}

    # Book

    def _book(
        self,
        statement: Statement,
        candidates: Mapping[str, OrderKey],
        at: datetime,
        looked: Looked,
        *,
        reading: str,
    ) -> None:
        """Post what one statement told, and land what changed."""
        self._land(statement, at, reading)
        self._runtime.probe("landed")
        with self._runtime.ledger.begin() as tx:
            newest = tx.cursors.get(_NEWEST_CURSOR)
            if newest is not None and at < datetime.fromisoformat(newest):
                # Another process has read later and booked sooner.
                return
            tx.cursors.set(_NEWEST_CURSOR, at.isoformat())
            shown = [
                candidates[name]
                for name, status in statement.sales_orders.items()
                if status != PENDING_APPROVAL and name in candidates
            ]
            commits, holds = self._taken_over(tx, statement, shown)
            readings = [
                Reading(netsuite_key(*place), one.available or _ZERO)
                for place, one in statement.stock.items()
            ]
            posted = tx.stock.set_balances("snapshot", readings, known=commits, at=at)
            tx.stock.hold(holds)
            self._tell_malformed(tx, statement)
            if statement.saved_until is not None:
                tx.cursors.advance(SAVED_CURSOR, statement.saved_until)
        looked.items |= {movement.key.sku for movement in posted}
        looked.committed += len(shown)
        self._runtime.probe("booked")

    def _taken_over(
        self, tx: Transaction, statement: Statement, shown: Sequence[OrderKey]
    ) -> tuple[list[Movement], list[OrderHold]]:
        """What NetSuite holds from now on for these orders, of the items that the statement is about."""
        commits: list[Movement] = []
        holds: list[OrderHold] = []
        for (shop, order_id), held in tx.stock.held(shown).items():
            left = {key: units for key, units in held.uncommitted.items() if not statement.covers(key[0])}
            for (item_id, warehouse_id), units in held.uncommitted.items():
                location = self._location(warehouse_id)
                if (item_id, warehouse_id) not in left and (item_id, location) in statement.stock:
                    commits.append(Movement(netsuite_key(item_id, location), "commit", -units, order_id))
            now = self._runtime.clock.now()
            holds.append(OrderHold(shop, order_id, now, left, held.sold, leaves_by="commit"))
        return commits, holds

    def _location(self, warehouse_id: str) -> str:
        """The Location that a Sales Order of this TikTok warehouse draws on by default."""
        warehouse = self._runtime.mapping.warehouses.get(warehouse_id)
        return warehouse.location_id if warehouse else ""

    def _tell_malformed(self, tx: Transaction, statement: Statement) -> None:
        for (item_id, location_id), why in statement.malformed.items():
            tx.exceptions.open(
                self._runtime.reporter.exception(
                    MALFORMED,
                    channel=CHANNEL,
                    shop="*",
                    subject=f"item {item_id}",
                    cause=f"location:{location_id}",
                    message=f"NetSuite's stock of item {item_id} at location {location_id} cannot be read: "
                    f"{why}. Its last level stays.",
                )
            )

    # Believe

    def _is_believed(self, statements: Sequence[Statement]) -> bool:
        """Whether a full reading may be booked: it is plausible, or a person said that it is true."""
        sums: dict[str, Decimal] = {}
        for statement in statements:
            for (item_id, location_id), one in statement.stock.items():
                if location_id not in self._published:
                    continue
                sums[item_id] = sums.get(item_id, _ZERO) + max(_ZERO, one.available or _ZERO)
        with self._runtime.ledger.read() as tx:
            balances = tx.stock.of_account("netsuite")
            stopped = tx.cursors.get(STOPPED_CURSOR)
        had = {key.sku for key, one in balances.items() if one.quantity > 0 and key.place in self._published}
        lost = sorted((item for item in had if not sums.get(item)), key=int)
        allowed = len(had) * self._runtime.mapping.stock.shrink_percent / 100
        is_plausible = len(lost) < _FEW or len(lost) <= allowed
        if is_plausible or (stopped is not None and self._is_agreed(stopped["exception"])):
            if stopped is not None:
                self._go_on(is_plausible=is_plausible)
            return True
        self._stop(lost, len(had))
        return False

    def _is_agreed(self, identity: int) -> bool:
        """Whether a person resolved the exception, or asked for a replay of it."""
        with self._runtime.ledger.read() as tx:
            one = tx.exceptions.get(identity)
        return one.state == "resolved" or one.replay_requested_at is not None

    def _go_on(self, *, is_plausible: bool) -> None:
        reason = "the stock is there again" if is_plausible else "a person agreed that the stock is gone"
        with self._runtime.ledger.begin() as tx:
            tx.exceptions.clear(channel=CHANNEL, shop="*", subject=SNAPSHOT, reason=reason)
            tx.cursors.set(STOPPED_CURSOR, None)

    def _stop(self, lost: Sequence[str], had: int) -> None:
        named = ", ".join(lost[:_NAMED]) + (" and others" if len(lost) > _NAMED else "")
        with self._runtime.ledger.begin() as tx:
            identity = tx.exceptions.open(
                self._runtime.reporter.exception(
                    IMPLAUSIBLE,
                    channel=CHANNEL,
                    shop="*",
                    subject=SNAPSHOT,
                    cause="shrink",
                    message=f"{len(lost)} of {had} items with stock have none in NetSuite's newest answer, "
                    f"such as items {named}. Nothing of it is used and nothing is published.",
                )
            )
            read_at = self._runtime.clock.now().isoformat()
            tx.cursors.set(STOPPED_CURSOR, {"exception": identity, "read_at": read_at})

    # Land

    def _known(self) -> dict[Place, tuple[Any, ...]]:
        """Figures as they landed last: available, on hand, committed, backordered, in transit, gone."""
        if self._landed is None:
            rows = self._runtime.lake.current(RAW_NETSUITE_INVENTORY)
            self._landed = {(row["item_id"], row["location_id"]): _figures(row) for row in rows}
        return self._landed

    def _land(self, statement: Statement, at: datetime, reading: str) -> None:
        known = self._known()
        rows = [_row(place, one, at, reading) for place, one in statement.stock.items()]
        if reading == "touched" or not self._is_first_of_day(at):
            rows = [row for row in rows if known.get((row["item_id"], row["location_id"])) != _figures(row)]
        self._land_rows(rows, at)

    def _land_gone(self, places: Iterable[Place], at: datetime) -> None:
        known = self._known()
        rows = [
            {**_row(place, Available(*known[place][:5]), at, "full"), "gone": True}
            for place in places
            if not known[place][5]
        ]
        self._land_rows(rows, at)

    def _land_rows(self, rows: Sequence[dict[str, Any]], at: datetime) -> None:
        if rows:
            self._runtime.lake.land(
                RAW_NETSUITE_INVENTORY, rows, shop=ACCOUNT_WIDE, day=at.date(), run_id=self._run_id
            )
        self._known().update({(row["item_id"], row["location_id"]): _figures(row) for row in rows})

    def _is_first_of_day(self, at: datetime) -> bool:
        with self._runtime.ledger.read() as tx:
            last = tx.cursors.get(FULL_CURSOR)
        return last is None or datetime.fromisoformat(last).date() < at.date()


def _row(place: Place, one: Available, at: datetime, reading: str) -> dict[str, Any]:
    return {
        "item_id": place[0],
        "location_id": place[1],
        "available": one.available,
        "on_hand": one.on_hand,
        "committed": one.committed,
        "backordered": one.backordered,
        "in_transit": one.in_transit,
        "gone": False,
        "reading": reading,
        "read_at": at,
    }


def _figures(row: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("available", "on_hand", "committed", "backordered", "in_transit", "gone")
    return tuple(row[name] for name in names)


def _shifted(account_time: str, by: timedelta) -> str:
    moment = datetime.strptime(account_time, ACCOUNT_TIME_FORMAT)  # noqa: DTZ007  the account's own clock
    return (moment + by).strftime(ACCOUNT_TIME_FORMAT)

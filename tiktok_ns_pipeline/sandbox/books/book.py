"""The simulated books of a NetSuite account: records, rules, stock and queries in one place.

Every change goes through here: read the body, let the rules make the new records, commit them, let
stock follow. A refusal raises `BookError` and leaves everything as it was.
"""

from __future__ import annotations

import re
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.sandbox.books import movements, orders, rules
from tiktok_ns_pipeline.sandbox.books.catalogue import SUITE_TAX_ONLY, RecordType, catalogue
from tiktok_ns_pipeline.sandbox.books.desk import Desk, PeriodState
from tiktok_ns_pipeline.sandbox.books.errors import (
    invalid_content,
    invalid_identifier,
    nonexistent_instance,
    nonexistent_type,
    wrong_transaction,
)
from tiktok_ns_pipeline.sandbox.books.listing import parsed_filter
from tiktok_ns_pipeline.sandbox.books.postings import Posting, postings
from tiktok_ns_pipeline.sandbox.books.pricing import TaxEngineName
from tiktok_ns_pipeline.sandbox.books.projection import Projection
from tiktok_ns_pipeline.sandbox.books.reading import BodyReader, NameCheck
from tiktok_ns_pipeline.sandbox.books.rendering import Renderer
from tiktok_ns_pipeline.sandbox.books.seed import add_missing_lists, seed, seed_items
from tiktok_ns_pipeline.sandbox.books.stock import Figures, Place, Position, Stock
from tiktok_ns_pipeline.sandbox.books.store import Changes, Record, Store
from tiktok_ns_pipeline.sandbox.netsuite_auth import Logins
from tiktok_ns_pipeline.sandbox.suiteql import Rows, SuiteQL

ACCOUNT = "1234567_SB1"
BASE_URL = "https://1234567-sb1.suitetalk.api.netsuite.com"
TIME_ZONE = "America/Los_Angeles"

# Orders that hold or announce stock.
_HOLDING = (orders.SALES_ORDER.path, movements.TRANSFER_ORDER.path, movements.PURCHASE_ORDER.path)
_IDENTIFIER = re.compile(r"-?[1-9]\d{0,17}")

Script = Callable[[RecordType, dict[str, Any]], None]
"""A script of the seller: changes what a request says before it is saved."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What a write did: the record, and properties of the body that nobody knows."""

    record: Record
    unknown: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Internal id of the record."""
        return self.record.id


class Books:
    """One simulated account. Safe to use from several threads.

    `directory` keeps it in a file, so that a second start goes on where the first ended; None keeps it
    in memory. `slots` is the account's limit of concurrent requests, `save_seconds` what a save takes;
    both are the server's to apply. `seed` decides whatever is left to chance.
    """

    def __init__(
        self,
        directory: Path | None,
        clock: Clock,
        slots: int = 5,
        save_seconds: float = 0.0,
        seed_number: int = 0,
        time_zone: str = TIME_ZONE,
    ) -> None:
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
        self.account = ACCOUNT
        self.base_url = BASE_URL
        self.slots = slots
        self.save_seconds = save_seconds
        self.seed_number = seed_number
        self.clock = clock
        self._lock = threading.RLock()
        self._store = Store(None if directory is None else directory / "netsuite.sqlite")
        self._desk = Desk(self._store, Stock(self._store.file), clock, ZoneInfo(time_zone))
        self._read_settings()
        if self._store.is_empty:
            seed(self._desk)
        else:
            add_missing_lists(self._desk)
            self._hold_stock_again()
        self._desk.stock.forget_changes()
        self.auth = Logins(self.account, clock, self._store.file)
        self.sql = SuiteQL(Projection(self._desk), seed_number)

    def create(
        self,
        type_name: str,
        body: Mapping[str, Any],
        names: NameCheck = "warning",
        script: Script | None = None,
    ) -> Saved:
        """Save a new record; `body` is what the record service takes. Raises BookError."""
        with self._lock:
            kind = self.kind(type_name)
            given, unknown = self._read(kind, body, names, script)
            if "id" in given:
                raise invalid_content("a new record has no id yet.", "id")
            return Saved(self._saved(None, rules.saved(self._desk, kind, None, given, frozenset())), unknown)

    def patch(
        self,
        type_name: str,
        identifier: str,
        body: Mapping[str, Any],
        replace: frozenset[str] = frozenset(),
        names: NameCheck = "warning",
        script: Script | None = None,
    ) -> Saved:
        """Change a record; sublists named in `replace` are replaced, not merged. Raises BookError."""
        with self._lock:
            old = self.record(type_name, identifier)
            given, unknown = self._read(old.type, body, names, script)
            given.pop("id", None)
            return Saved(self._saved(old, rules.saved(self._desk, old.type, old, given, replace)), unknown)

    def upsert(
        self,
        type_name: str,
        external_id: str,
        body: Mapping[str, Any],
        replace: frozenset[str] = frozenset(),
        names: NameCheck = "warning",
        script: Script | None = None,
    ) -> Saved:
        """Change the record of that external id like `patch`, or create it. Raises BookError."""
        with self._lock:
            kind = self.kind(type_name)
            found = self._store.by_external_id(kind.namespace, external_id)
            if found is not None and found.type is kind:
                return self.patch(type_name, found.id, body, replace, names, script)
            return self.create(type_name, {**body, "externalId": external_id}, names, script)

    def transform(
        self,
        type_name: str,
        identifier: str,
        target_name: str,
        body: Mapping[str, Any],
        names: NameCheck = "warning",
        script: Script | None = None,
    ) -> Saved:
        """Make a follow-up document of a record (N 2.8). Raises BookError."""
        with self._lock:
            source = self.record(type_name, identifier)
            target = self.kind(target_name)
            given, unknown = self._read(target, body, names, script)
            given.pop("id", None)
            return Saved(self._saved(None, rules.followed(self._desk, source, target, given)), unknown)

    def delete(self, type_name: str, identifier: str) -> None:
        """Remove a record that nothing depends on. Raises BookError."""
        with self._lock:
            record = self.record(type_name, identifier)
            self._commit(record, None, rules.without(self._desk, record))

    def record(self, type_name: str, identifier: str, url: str | None = None) -> Record:
        """The record of that id or `eid:` external id. Raises BookError as the service does (N 4.2)."""
        kind = self.kind(type_name, url)
        if identifier.lower().startswith("eid:"):
            found = self._store.by_external_id(kind.namespace, identifier[4:])
            if found is None or found.type is not kind:
                raise nonexistent_instance()
            return found
        if not _IDENTIFIER.fullmatch(identifier):
            raise invalid_identifier(identifier, url)
        found = self._store.get(kind.path, identifier)
        if found is None:
            raise wrong_transaction() if kind.is_transaction else nonexistent_instance()
        return found

    def get(self, type_name: str, identifier: str) -> dict[str, Any]:
        """A record as the record service shows it expanded."""
        with self._lock:
            return self._shown(self.record(type_name, identifier))

    def records(self, type_name: str) -> Iterator[dict[str, Any]]:
        """Every record of a type as the record service shows it expanded, oldest first."""
        with self._lock:
            found = list(self._store.all(self.kind(type_name).path))
        for record in found:
            yield self._shown(record)

    def listed(self, kind: RecordType, condition: str | None) -> list[Record]:
        """Records of a type that meet a `q` filter, in no order that means anything (N 2.4)."""
        with self._lock:
            found = self._store.all(kind.path)
            if condition is not None:
                test = parsed_filter(condition, kind.schema, self._desk.zone)
                found = [record for record in found if test(record)]
            return sorted(found, key=lambda record: zlib.crc32(f"{self.seed_number}{record.id}".encode()))

    def kinds(self) -> list[RecordType]:
        """The record types that the record service serves."""
        return [kind for kind in catalogue().types.values() if kind.exposed]

    def query(
        self, query: str, params: Sequence[Any] = (), limit: int = 1_000, offset: int = 0, lag_s: float = 0.0
    ) -> Rows:
        """One page of a SuiteQL result, as the books were `lag_s` seconds ago. Raises SuiteQLError."""
        with self._lock:
            return self.sql.run(query, params, limit, offset, lag_s)

    def find(self, target: str, identifier: str) -> Record | None:
        """What a reference points to."""
        return self._desk.find(target, identifier)

    def live_lines(self, record: Record, sublist: str) -> list[dict[str, Any]]:
        """The lines of a sublist with the figures that answers carry."""
        if sublist == "item" and record.type is orders.SALES_ORDER:
            return orders.live_lines(self._desk, record)
        if sublist == "locations" and record.type.group == "item":
            return [
                _stock_line(location, position)
                for location, position in self._desk.stock.positions(record.id).items()
            ]
        return list(record.lines(sublist))

    def live(self, record: Record) -> Record:
        """The record with live figures, as an answer shows it."""
        if record.type is orders.SALES_ORDER:
            return record.with_fields(item=self.live_lines(record, "item"))
        if record.type.name == "inventoryItem":
            return record.with_fields(locations=self.live_lines(record, "locations"))
        return record

    def kind(self, type_name: str, url: str | None = None) -> RecordType:
        """The record type of that name in any spelling. Raises BookError when it is not served."""
        kind = catalogue().find(type_name)
        if kind is None or not kind.exposed:
            raise nonexistent_type(type_name, url)
        return kind

    def set_stock(self, item_id: str, location_id: str, on_hand: Decimal | int) -> None:
        """State how many pieces of an item lie at a location; open orders are served from it.

        No document says so: this sets a scene. People write inventory adjustments, which queries find.
        """
        with self._lock:
            for target, identifier in (("item", item_id), ("location", location_id)):
                if not self._desk.exists(target, identifier):
                    raise LookupError(f"the books have no {target} {identifier}")
            now = self._desk.now()
            self._store.commit(now, ())
            self._desk.stock.set_on_hand(item_id, location_id, Decimal(on_hand))
            self._note_stock(now)

    def seed_items(
        self, count: int, locations: Sequence[str] = ("6", "7"), on_hand: Decimal | int = 100
    ) -> list[str]:
        """Add `count` items with stock at `locations`, as if they had always been; their ids, in order."""
        with self._lock:
            identifiers = seed_items(self._desk, count, locations, Decimal(on_hand))
            self._desk.stock.forget_changes()
            self._store.save()
            return identifiers

    def stock(self, item_id: str, location_id: str) -> Position:
        """What lies at a location and who wants it."""
        return self._desk.stock.position(item_id, location_id)

    def all_stock(self) -> dict[Place, Figures]:
        """What is shown of every place that has or had stock."""
        with self._lock:
            return {place: position.figures for place, position in self._desk.stock.places()}

    def set_tax_engine(self, name: TaxEngineName) -> None:
        """Make it an account with SuiteTax or with legacy tax, from the next save on."""
        self._desk.tax_engine = name
        self._write_setting("tax_engine", name)

    @property
    def tax_engine(self) -> TaxEngineName:
        """Which tax engine the account has."""
        return self._desk.tax_engine

    def route_journals(self, on: bool) -> None:
        """Whether journals wait for approval unless they are sent as approved (they do at first)."""
        self._desk.routes_journals = on
        self._write_setting("routes_journals", str(int(on)))

    def refund_in_advance(self, on: bool) -> None:
        """Whether returns may be credited before the goods are received (they may at first)."""
        self._desk.refunds_in_advance = on
        self._write_setting("refunds_in_advance", str(int(on)))

    def close_period(self, name: str) -> None:
        """Close the month called so, such as `Jan 2026`. Raises LookupError when there is none."""
        self.set_period(name, "closed")

    def set_period(self, name: str, state: PeriodState) -> None:
        """Close, lock or open the month called so. Raises LookupError when there is none."""
        with self._lock:
            self._desk.set_period(name, state)

    def postings(self, record: Record) -> list[Posting]:
        """What a transaction does to the ledger, debit positive."""
        with self._lock:
            return postings(self._desk, record)

    def today(self) -> str:
        """The current day in the account's zone."""
        return self._desk.today()

    def watch(self) -> Changes:
        """A collector of records that change, to be asked with `changes_of`; sales orders come first."""
        with self._lock:
            return self._store.watch()

    def changes_of(self, changes: Changes) -> list[tuple[str, str]]:
        """Lower-case type and id of what changed since the collector was last asked."""
        if not changes:
            return []
        with self._lock:
            return changes.take()

    def made_from(self, order_id: str, type_name: str) -> list[Record]:
        """The documents of a type that were made from an order, oldest first."""
        with self._lock:
            return [one for one in self._store.children(order_id) if one.type.name == type_name]

    def close(self) -> None:
        """Close the file; the account can be opened again from its directory."""
        self._store.close()

    def _read(
        self, kind: RecordType, body: Mapping[str, Any], names: NameCheck, script: Script | None
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        absent = SUITE_TAX_ONLY if self.tax_engine == "legacy" else frozenset[str]()
        reader = BodyReader(self._desk.exists, names, absent)
        given = reader.read(kind.schema, body)
        if script is not None:
            script(kind, given)
        return given, tuple(reader.unknown)

    def _saved(self, old: Record | None, made: rules.Made) -> Record:
        new, others = made
        self._commit(old, new, others)
        return new

    def _commit(self, old: Record | None, new: Record | None, others: list[Record]) -> None:
        """Store a change and what changes with it, then let stock follow, all at one instant."""
        now = self._desk.now()
        pairs = [(self._store.get(one.type.path, one.id), one) for one in others]
        removed = [old] if old is not None and new is None else []
        self._store.commit(now, [one for one in (new, *others) if one is not None], removed)
        for before, after in pairs:
            movements.follow(self._desk, before, after)
        movements.follow(self._desk, old, new)
        self._note_stock(now)

    def _note_stock(self, now: datetime) -> None:
        """Stock has moved: lines whose commitment moved look different in queries."""
        stock = self._desk.stock
        stock.remember(now)
        self._store.note_changed(
            (record.type.path, record.id)
            for record in (self._store.in_group("transaction", order) for order in stock.changed_orders)
            if record is not None
        )
        stock.changed_orders.clear()
        self._store.save()

    def _shown(self, record: Record) -> dict[str, Any]:
        return Renderer(self.base_url, self.find, expand=True).record(self.live(record))

    def _hold_stock_again(self) -> None:
        for path in _HOLDING:
            for order in self._store.all(path):
                movements.follow_again(self._desk, order)
        self._desk.stock.changed_orders.clear()

    def _read_settings(self) -> None:
        file = self._store.file
        settings = dict(file.execute("SELECT name, value FROM settings")) if file else {}
        self._desk.tax_engine = settings.get("tax_engine", self._desk.tax_engine)
        self._desk.routes_journals = bool(int(settings.get("routes_journals", "1")))
        self._desk.refunds_in_advance = bool(int(settings.get("refunds_in_advance", "1")))

    def _write_setting(self, name: str, value: str) -> None:
        if self._store.file is not None:
            self._store.file.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))
            self._store.file.commit()


def _stock_line(location: str, position: Position) -> dict[str, Any]:
    return {
        "location": location,
        "locationId": int(location),
        "quantityOnHand": position.on_hand,
        "quantityAvailable": position.available,
        "quantityCommitted": position.committed,
        "quantityBackOrdered": position.backordered,
    }

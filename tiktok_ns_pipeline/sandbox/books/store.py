"""Where the records live: in memory, written through to one SQLite file when there is a directory.

Records are immutable: a change makes a new record, so an old one can be kept as it was and a save
that fails half-way has changed nothing. `commit` is the only way in.

Invariant: after `commit` returns, the file and the memory agree.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.sandbox.books.catalogue import Kind, RecordType, Schema, catalogue

REMEMBERED = timedelta(minutes=15)
"""How far back a query can look at what was (faults of lag are shorter)."""

_TABLES = """
CREATE TABLE IF NOT EXISTS documents (
  type TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (type, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS stock (
  item TEXT NOT NULL, location TEXT NOT NULL, on_hand TEXT NOT NULL, PRIMARY KEY (item, location)
);
CREATE TABLE IF NOT EXISTS keys (name TEXT PRIMARY KEY, pem TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS bearer_tokens (token TEXT PRIMARY KEY, expires_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Record:
    """One record in plain form (see `reading`); `fields` is never changed in place."""

    type: RecordType
    id: str
    fields: dict[str, Any]

    def get(self, name: str, default: Any = None) -> Any:
        """A field's value, or the default where it is empty."""
        return self.fields.get(name, default)

    def lines(self, sublist: str = "item") -> Sequence[dict[str, Any]]:
        """The lines of a sublist, in order."""
        return self.fields.get(sublist) or ()

    def with_fields(self, **fields: Any) -> Record:
        """The same record with other values."""
        return Record(self.type, self.id, {**self.fields, **fields})


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit did to one record: what was there before, and when it ended."""

    at: datetime
    type: RecordType
    id: str
    before: Record | None


class Changes:
    """Types and ids of records that changed, oldest first, until somebody takes them."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], None] = {}

    def __bool__(self) -> bool:
        return bool(self._keys)

    def note(self, keys: Iterable[tuple[str, str]]) -> None:
        """Add these."""
        self._keys.update(dict.fromkeys(keys))

    def take(self) -> list[tuple[str, str]]:
        """All that was noted since the last time."""
        taken = list(self._keys)
        self._keys.clear()
        return taken


class Store:
    """All records by type and id, with the indexes that the rules need."""

    def __init__(self, file: Path | None) -> None:
        self.version = 0
        """Grows with each commit."""
        self.changed: set[tuple[str, str]] = set()
        """Types and ids changed since `SuiteQL` last looked."""
        self.history: deque[Change] = deque()
        """The recent changes of transactions, oldest first."""
        self._watching: list[Changes] = []
        self._records: dict[str, dict[str, Record]] = {}
        self._groups: dict[tuple[str, str], Record] = {}
        self._external: dict[tuple[str, str], Record] = {}
        self._children: dict[str, set[str]] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._counters: dict[str, int] = {}
        self._file = None if file is None else _opened(file)
        if self._file is not None:
            self._load(self._file)

    @property
    def file(self) -> sqlite3.Connection | None:
        """The file's connection, None when all is in memory."""
        return self._file

    @property
    def is_empty(self) -> bool:
        """Whether no record exists yet."""
        return not self._records

    def get(self, path: str, identifier: str) -> Record | None:
        """The record of that type (lower-case name) and id."""
        return self._records.get(path, {}).get(identifier)

    def all(self, path: str) -> Iterable[Record]:
        """Every record of a type, oldest first."""
        return self._records.get(path, {}).values()

    def keys(self) -> Iterator[tuple[str, str]]:
        """Type and id of every record."""
        for path, records in self._records.items():
            for identifier in records:
                yield path, identifier

    def in_group(self, group: str, identifier: str) -> Record | None:
        """The transaction, entity or item of that id, whatever its type."""
        return self._groups.get((group, identifier))

    def children(self, identifier: str) -> list[Record]:
        """Transactions made from a transaction, oldest first."""
        found = sorted(self._children.get(identifier, ()), key=int)
        return [self._groups["transaction", child] for child in found]

    def by_external_id(self, namespace: str, external_id: str) -> Record | None:
        """The record that holds an external id; case does not matter (N 2.6)."""
        return self._external.get((namespace, external_id.lower()))

    def id_by_name(self, namespace: str, name: str) -> str | None:
        """Id of the entity or item of that name."""
        return self._names.get((namespace, name.lower()))

    def next_number(self, counter: str, start: int) -> int:
        """The next number of a counter that begins at `start`. Numbers are never used twice."""
        number = self._counters.get(counter, start - 1) + 1
        self._counters[counter] = number
        if self._file is not None:
            self._file.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (counter, number))
        return number

    def reserve(self, counter: str, number: int) -> None:
        """Let a counter go on above `number`."""
        self._counters[counter] = max(number, self._counters.get(counter, 0))

    def commit(self, now: datetime, saved: Iterable[Record], removed: Iterable[Record] = ()) -> None:
        """Put records in and take records out, all at once."""
        self.version += 1
        for record in removed:
            self._note(now, record.type, record.id)
            del self._records[record.type.path][record.id]
            self._unindex(record)
            if self._file is not None:
                self._file.execute(
                    "DELETE FROM documents WHERE type = ? AND id = ?", (record.type.path, record.id)
                )
        for record in saved:
            self._note(now, record.type, record.id)
            old = self.get(record.type.path, record.id)
            if old is not None:
                self._unindex(old)
            self._records.setdefault(record.type.path, {})[record.id] = record
            self._index(record)
            if self._file is not None:
                row = (record.type.path, record.id, exact_json.dumps(record.fields))
                self._file.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", row)
        self.save()

    def save(self) -> None:
        """Make what was written to the file stay."""
        if self._file is not None:
            self._file.commit()

    def watch(self) -> Changes:
        """A collector of all that changes from now on; every sales order counts as changed at first."""
        changes = Changes()
        changes.note(("salesorder", record.id) for record in self.all("salesorder"))
        self._watching.append(changes)
        return changes

    def note_changed(self, keys: Iterable[tuple[str, str]]) -> None:
        """Tell who looks on that these records (type and id) look different now."""
        keys = list(keys)
        self.changed.update(keys)
        for changes in self._watching:
            changes.note(keys)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.commit()
            self._file.close()

    def _note(self, now: datetime, kind: RecordType, identifier: str) -> None:
        self.note_changed([(kind.path, identifier)])
        if kind.is_transaction:
            self.history.append(Change(now, kind, identifier, self.get(kind.path, identifier)))
            while self.history[0].at < now - REMEMBERED:
                self.history.popleft()

    def _index(self, record: Record) -> None:
        self._groups[record.type.group, record.id] = record
        if record.get("createdFrom"):
            self._children.setdefault(record.get("createdFrom"), set()).add(record.id)
        external_id = record.get("externalId")
        if external_id:
            self._external[record.type.namespace, external_id.lower()] = record
        name = _name(record)
        if name:
            self._names[record.type.namespace, name.lower()] = record.id

    def _unindex(self, record: Record) -> None:
        self._groups.pop((record.type.group, record.id), None)
        self._children.get(record.get("createdFrom"), set()).discard(record.id)
        external_id = record.get("externalId")
        if external_id:
            self._external.pop((record.type.namespace, external_id.lower()), None)
        name = _name(record)
        if name:
            self._names.pop((record.type.namespace, name.lower()), None)

    def _load(self, file: sqlite3.Connection) -> None:
        self._counters = dict(file.execute("SELECT name, value FROM counters"))
        rows = file.execute("SELECT type, id, body FROM documents ORDER BY type, CAST(id AS INTEGER)")
        for path, identifier, body in rows:
            kind = catalogue().types[path]
            record = Record(kind, identifier, _thawed(kind.schema, exact_json.loads(body)))
            self._records.setdefault(path, {})[identifier] = record
            self._index(record)
            self.changed.add((path, identifier))


def _opened(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, check_same_thread=False)
    connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _TABLES)
    return connection


def _name(record: Record) -> str | None:
    if record.type.group == "entity":
        return record.get("entityId")
    return record.get("itemId") if record.type.group == "item" else None


def _thawed(schema: Schema, fields: dict[str, Any]) -> dict[str, Any]:
    """Undo what JSON did: 2 is Decimal(2) again where the field is an amount."""
    for name, value in fields.items():
        field = schema.fields.get(name.lower())
        if value is None or field is None:
            continue
        if field.kind is Kind.number:
            fields[name] = Decimal(value)
        elif field.kind is Kind.references:
            fields[name] = tuple(value)
        elif field.kind is Kind.sublist:
            fields[name] = [_thawed(catalogue().schemas[field.target], line) for line in value]
        elif field.kind is Kind.subrecord:
            fields[name] = _thawed(catalogue().schemas[field.target], value)
    return fields

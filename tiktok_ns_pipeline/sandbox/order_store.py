"""Where the world keeps its orders and what will happen to them: one SQLite database.

An order is three things: a row of index columns by which lists are filtered and sorted, the text of
its document exactly as it is served, and the facts. The text is rendered once for each change, so
that a page of a list is texts joined. `before` is the text as it was until the last change, for
answers that lag behind.

*Events* are what is due to happen; the queue survives the process.

Invariant: row, text and facts of an order change in one transaction.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiktok_ns_pipeline.sandbox import cancellations, packages
from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.facts import OrderFacts

_SCHEMA = """
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
    number INTEGER PRIMARY KEY,
    order_id TEXT NOT NULL UNIQUE,
    shop TEXT NOT NULL,
    status TEXT NOT NULL,
    released_at INTEGER,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    previous_update_time INTEGER,
    visible_from INTEGER NOT NULL,
    hidden INTEGER NOT NULL DEFAULT 0,
    shipping_type TEXT,
    warehouse_id TEXT,
    user_id TEXT,
    buyer_asks_to_cancel INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS orders_by_update
    ON orders (shop, update_time, number, hidden, visible_from, status);
CREATE INDEX IF NOT EXISTS orders_by_creation
    ON orders (shop, create_time, number, hidden, visible_from);
CREATE TABLE IF NOT EXISTS documents (
    number INTEGER PRIMARY KEY,
    body TEXT NOT NULL,
    before TEXT,
    facts TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY,
    due REAL NOT NULL,
    number INTEGER NOT NULL,
    during TEXT NOT NULL,
    what TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_due ON events (due, seq);
CREATE TABLE IF NOT EXISTS external_orders (
    order_id TEXT NOT NULL,
    platform TEXT NOT NULL,
    external_id TEXT NOT NULL,
    line_items TEXT NOT NULL,
    PRIMARY KEY (order_id, platform)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS external_orders_by_id ON external_orders (platform, external_id);
"""

_INSERT_ORDER = """
INSERT INTO orders (number, order_id, shop, status, released_at, create_time, update_time, visible_from,
                    hidden, shipping_type, warehouse_id, user_id, buyer_asks_to_cancel)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE_ORDER = """
UPDATE orders
SET status = ?, released_at = ?, create_time = ?,
    previous_update_time = update_time, update_time = ?, hidden = ?,
    shipping_type = ?, warehouse_id = ?, user_id = ?, buyer_asks_to_cancel = ?
WHERE number = ?
"""
_TAKE_DUE = """
DELETE FROM events
WHERE seq IN (SELECT seq FROM events WHERE due <= ? ORDER BY due, seq LIMIT ?)
RETURNING due, seq, number, during, what
"""

_LOAD_ALL = """
SELECT facts, status, released_at
FROM documents JOIN orders USING (number)
ORDER BY number
"""
_LOAD = _LOAD_ALL.replace("ORDER BY number", "WHERE number = ?")

# Orders whose facts stay at hand; the oldest is forgotten first.
_FACTS_AT_HAND = 20_000


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True, slots=True)
class Event:
    """Something due at `due` (Unix seconds), if the order is still in the state `during`."""

    due: float
    number: int
    during: str
    what: str


@dataclass(slots=True)
class Order:
    """One order in hand: change it, then `save` it."""

    number: int
    document: Document
    facts: OrderFacts


@dataclass(frozen=True, slots=True)
class Filter:
    """Which orders a list asks for. Times are Unix seconds; `_lt` is exclusive."""

    shop: str
    sort_field: str = "create_time"
    ascending: bool = False
    update_time_ge: int | None = None
    update_time_lt: int | None = None
    create_time_ge: int | None = None
    create_time_lt: int | None = None
    status: str | None = None
    shipping_type: str | None = None
    user_id: str | None = None
    buyer_asks_to_cancel: bool | None = None
    warehouse_ids: tuple[str, ...] = ()


class OrderStore:
    """The world's database, in `<directory>/world.sqlite` or in memory."""

    def __init__(self, directory: Path | None) -> None:
        name = ":memory:"
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            name = str(directory / "world.sqlite")
        self.database = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = NORMAL")
        self.database.executescript(_SCHEMA + packages.SCHEMA + cancellations.SCHEMA)
        self.packages = packages.PackageStore(self.database)
        self.cancellations = cancellations.CancellationStore(self.database)
        self._lock = threading.RLock()
        self._depth = 0
        self.after_commit: Callable[[], None] = _nothing
        """Called after each outermost transaction that was committed."""
        self.after_rollback: Callable[[], None] = _nothing
        self.before_save: Callable[[Order], None] | None = None
        """Called with each order that changed, before it is kept."""
        self._facts: dict[int, OrderFacts] = {}

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """All or nothing; inside another one it joins that. One thread at a time."""
        with self._lock:
            if self._depth == 0:
                self.database.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self.database.execute("ROLLBACK")
                    self._facts.clear()
                    self.after_rollback()
                raise
            self._depth -= 1
            if self._depth == 0:
                self.database.execute("COMMIT")
                self.after_commit()

    def close(self) -> None:
        """Close the database; what was kept stays."""
        self.database.close()

    def note(self, name: str) -> str | None:
        """A remembered value, or None."""
        row = self.database.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def remember(self, name: str, value: str) -> None:
        """Keep a value under a name."""
        self.database.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    # Orders

    def add(self, order: Order, visible_from: int) -> None:
        """Keep a new order; lists show it from `visible_from` on."""
        number, document, facts = order.number, order.document, order.facts
        status, released, created, updated, hidden, *rest = _columns(document, facts)
        self.database.execute(
            _INSERT_ORDER,
            (
                number,
                facts.order_id,
                facts.shop,
                status,
                released,
                created,
                updated,
                visible_from,
                hidden,
                *rest,
            ),
        )
        self.database.execute(
            "INSERT INTO documents VALUES (?, ?, NULL, ?)", (number, _text(document), facts.to_json())
        )
        self._at_hand(number, facts)

    def save(self, order: Order, *, only_state: bool = False) -> None:
        """Keep what was changed; the text so far becomes `before`.

        `only_state` promises that of the facts nothing changed but the order's state.
        """
        if self.before_save is not None:
            self.before_save(order)
        self.database.execute(_UPDATE_ORDER, (*_columns(order.document, order.facts), order.number))
        if only_state:
            self.database.execute(
                "UPDATE documents SET before = body, body = ? WHERE number = ?",
                (_text(order.document), order.number),
            )
        else:
            self.database.execute(
                "UPDATE documents SET before = body, body = ?, facts = ? WHERE number = ?",
                (_text(order.document), order.facts.to_json(), order.number),
            )
        self._at_hand(order.number, order.facts)

    def order(self, order_id: str) -> Order | None:
        """The order with that id, or None."""
        row = self.database.execute("SELECT number FROM orders WHERE order_id = ?", (order_id,)).fetchone()
        return None if row is None else self.order_number(row[0])

    def order_number(self, number: int) -> Order:
        """The world's n-th order."""
        facts = self._facts.get(number)
        if facts is None:
            row = self.database.execute(_LOAD, (number,)).fetchone()
            facts = OrderFacts.from_json(*row)
        (body,) = self.database.execute("SELECT body FROM documents WHERE number = ?", (number,)).fetchone()
        return Order(number, json.loads(body), facts)

    def all_facts(self) -> Iterator[OrderFacts]:
        """Facts of every order, oldest first."""
        with self._lock:
            rows = self.database.execute(_LOAD_ALL).fetchall()
        for row in rows:
            yield OrderFacts.from_json(*row)

    def last_number(self) -> int:
        """Number of the newest order; 0 when there is none."""
        return self.database.execute("SELECT coalesce(max(number), 0) FROM orders").fetchone()[0]

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of orders by shop and status."""
        counts: dict[str, dict[str, int]] = {}
        rows = self.database.execute("SELECT shop, status, count(*) FROM orders GROUP BY 1, 2")
        for shop, status, count in rows:
            counts.setdefault(shop, {})[status] = count
        return counts

    def page(self, wanted: Filter, offset: int, limit: int, now: int) -> tuple[list[str], int]:
        """Texts of a page of a list as it is now, and how many orders the whole list has."""
        where, values = _where(wanted, "update_time")
        visible = f"{where} AND hidden = 0 AND visible_from <= ?"
        direction = "ASC" if wanted.ascending else "DESC"
        with self._lock:
            (count,) = self.database.execute(
                f"SELECT count(*) FROM orders WHERE {visible}", (*values, now)
            ).fetchone()
            rows = self.database.execute(
                f"SELECT body FROM (SELECT number, {wanted.sort_field} AS place FROM orders WHERE {visible}"
                f" ORDER BY place {direction}, number {direction} LIMIT ? OFFSET ?)"
                f" JOIN documents USING (number) ORDER BY place {direction}, number {direction}",
                (*values, now, limit, offset),
            ).fetchall()
        return [body for (body,) in rows], count

    def page_as_of(
        self, wanted: Filter, offset: int, limit: int, now: int, lag: int
    ) -> tuple[list[str], int]:
        """The same page as a copy shows it that is `lag` seconds behind."""
        # What moved since is still where it was; what was placed since is not there.
        moved = f"update_time > {now - lag}"
        seen = f"CASE WHEN {moved} THEN previous_update_time ELSE update_time END"
        where, values = _where(wanted, seen)
        visible = f"{where} AND hidden = 0 AND visible_from <= {now - lag} AND {seen} IS NOT NULL"
        sort = seen if wanted.sort_field == "update_time" else wanted.sort_field
        direction = "ASC" if wanted.ascending else "DESC"
        with self._lock:
            (count,) = self.database.execute(
                f"SELECT count(*) FROM orders WHERE {visible}", values
            ).fetchone()
            rows = self.database.execute(
                f"SELECT CASE WHEN {moved} THEN before ELSE body END"
                f" FROM orders JOIN documents USING (number) WHERE {visible}"
                f" ORDER BY {sort} {direction}, number {direction} LIMIT ? OFFSET ?",
                (*values, limit, offset),
            ).fetchall()
        return [body for (body,) in rows], count

    def bodies(self, order_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Order id -> (key of its shop, text) for those that exist."""
        marks = ",".join("?" * len(order_ids))
        rows = self.database.execute(
            "SELECT order_id, shop, body FROM orders JOIN documents USING (number)"
            f" WHERE order_id IN ({marks})",
            tuple(order_ids),
        )
        return {order_id: (shop, body) for order_id, shop, body in rows}

    # Events

    def schedule(self, event: Event) -> None:
        """Let something happen later."""
        self.database.execute(
            "INSERT INTO events (due, number, during, what) VALUES (?, ?, ?, ?)",
            (event.due, event.number, event.during, event.what),
        )

    def take_due(self, now: float, limit: int) -> list[Event]:
        """Remove and give what is due by now, earliest first."""
        rows = self.database.execute(_TAKE_DUE, (now, limit)).fetchall()
        return [Event(due, number, during, what) for due, _, number, during, what in sorted(rows)]

    def next_due(self) -> float | None:
        """When the next event is due."""
        return self.database.execute("SELECT min(due) FROM events").fetchone()[0]

    def latest(self, shop: str, statuses: Sequence[str]) -> int | None:
        """Number of the newest order of a shop in one of these states, or None."""
        marks = ",".join("?" * len(statuses))
        row = self.database.execute(
            f"SELECT number FROM orders WHERE shop = ? AND status IN ({marks})"
            " ORDER BY create_time DESC, number DESC LIMIT 1",
            (shop, *statuses),
        ).fetchone()
        return None if row is None else row[0]

    def forget_events(self, what: str) -> None:
        """Drop what was to happen of one kind."""
        self.database.execute("DELETE FROM events WHERE what = ?", (what,))

    # External references

    def attach(self, order_id: str, platform: str, external_id: str, line_items: Any) -> None:
        """Keep the seller's own number of an order, one for each platform."""
        self.database.execute(
            "INSERT OR REPLACE INTO external_orders VALUES (?, ?, ?, ?)",
            (order_id, platform, external_id, json.dumps(line_items)),
        )

    def references(self, order_id: str, platform: str) -> list[Document]:
        """The seller's own numbers of an order."""
        rows = self.database.execute(
            "SELECT external_id, platform, line_items FROM external_orders"
            " WHERE order_id = ? AND platform = ?",
            (order_id, platform),
        )
        return [{"id": one, "platform": name, "line_items": json.loads(lines)} for one, name, lines in rows]

    def orders_with_reference(self, shop: str, platform: str, external_id: str) -> list[str]:
        """Orders of a shop to which that number was attached."""
        rows = self.database.execute(
            "SELECT order_id FROM external_orders JOIN orders USING (order_id)"
            " WHERE shop = ? AND platform = ? AND external_id = ? ORDER BY number",
            (shop, platform, external_id),
        )
        return [order_id for (order_id,) in rows]

    def _at_hand(self, number: int, facts: OrderFacts) -> None:
        self._facts[number] = facts
        if len(self._facts) > _FACTS_AT_HAND:
            del self._facts[next(iter(self._facts))]


def _nothing() -> None:
    return


def _columns(document: Document, facts: OrderFacts) -> tuple[Any, ...]:
    """What lists filter and sort by; a spoiled document falls back on the facts."""
    created, updated = document.get("create_time"), document.get("update_time")
    created = created if type(created) is int and abs(created) < 2**53 else facts.placed_at
    return (
        facts.status.value,
        facts.released_at,
        created,
        updated if type(updated) is int and abs(updated) < 2**53 else created,
        facts.hidden,
        "SELLER" if facts.by_seller else "TIKTOK",
        str(document.get("warehouse_id")),
        str(document.get("user_id")),
        document.get("is_buyer_request_cancel") is True,
    )


def _text(document: Document) -> str:
    text = _encode(document)
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half a surrogate pair can be written in JSON, though not in UTF-8.
        return json.dumps(document, separators=(",", ":"))
    return text


def _where(wanted: Filter, update_time: str) -> tuple[str, list[Any]]:
    tests: list[tuple[str, Any]] = [
        ("shop = ?", wanted.shop),
        (f"{update_time} >= ?", wanted.update_time_ge),
        (f"{update_time} < ?", wanted.update_time_lt),
        ("create_time >= ?", wanted.create_time_ge),
        ("create_time < ?", wanted.create_time_lt),
        ("status = ?", wanted.status),
        ("shipping_type = ?", wanted.shipping_type),
        ("user_id = ?", wanted.user_id),
        ("buyer_asks_to_cancel = ?", wanted.buyer_asks_to_cancel),
    ]
    clauses = [clause for clause, value in tests if value is not None]
    values = [value for _, value in tests if value is not None]
    if wanted.warehouse_ids:
        clauses.append(f"warehouse_id IN ({','.join('?' * len(wanted.warehouse_ids))})")
        values += wanted.warehouse_ids
    return " AND ".join(clauses), values

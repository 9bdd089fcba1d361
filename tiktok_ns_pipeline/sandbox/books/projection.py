"""The books as the tables of SuiteQL (N 3.4).

Rows are written when a query needs them, not when a record changes: a burst of saves costs nothing
until someone looks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from tiktok_ns_pipeline.sandbox.books import orders
from tiktok_ns_pipeline.sandbox.books.catalogue import RecordType, catalogue
from tiktok_ns_pipeline.sandbox.books.desk import Desk
from tiktok_ns_pipeline.sandbox.books.postings import postings
from tiktok_ns_pipeline.sandbox.books.rendering import choice_name, display_name
from tiktok_ns_pipeline.sandbox.books.rows import (
    Row,
    accounting_row,
    header_row,
    line_rows,
    link_rows,
    list_row,
    lower_case,
    member_rows,
    package_rows,
    sql_value,
    stock_row,
)
from tiktok_ns_pipeline.sandbox.books.stock import Figures, Holder, Place
from tiktok_ns_pipeline.sandbox.books.store import Record
from tiktok_ns_pipeline.sandbox.books.tables import column_kinds, table_statements

# Where a record's rows lie, and by which column they are found.
_OF_TRANSACTION = {
    "transaction": "id",
    "transactionline": "transaction",
    "transactionaccountingline": "transaction",
    "previoustransactionlinelink": "nextdoc",
    "trackingnumbermap": "transaction",
    "itemfulfillmentpackage": "itemfulfillment",
    "transactionshippingaddress": "nkey",
}
_WITH_MEMBERS = {"kitItem", "assemblyItem"}


class Projection:
    """The tables of the books, for `SuiteQL`."""

    def __init__(self, desk: Desk) -> None:
        self.columns: Mapping[str, Mapping[str, str]] = column_kinds()
        self._desk = desk
        self._is_built = False

    @property
    def version(self) -> int:
        """Grows when the tables may have to change."""
        return self._desk.store.version

    def account_now(self) -> datetime:
        """The current instant in the account's zone."""
        return self._desk.now().astimezone(self._desk.zone)

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Write the rows of all that changed since the last time."""
        if not self._is_built:
            self._build(connection)
        store = self._desk.store
        if not store.changed and not self._desk.stock.changed_places:
            return
        connection.execute("BEGIN")
        transactions: list[tuple[str, Record | None]] = []
        for path, identifier in store.changed:
            record = store.get(path, identifier)
            if catalogue().types[path].is_transaction:
                transactions.append((identifier, record))
            else:
                self._write_list(connection, catalogue().types[path], identifier, record)
        self._write_transactions(connection, transactions)
        stock = self._desk.stock
        places = ((place, stock.position(*place).figures) for place in stock.changed_places)
        self._write_stock(connection, places)
        connection.execute("COMMIT")
        store.changed.clear()
        stock.changed_places.clear()

    def rewind(self, connection: sqlite3.Connection, seconds: float) -> None:
        """Show transactions, and stock with what orders hold of it, as they were `seconds` ago."""
        since = self._desk.now() - timedelta(seconds=seconds)
        earlier: dict[str, Record | None] = {}
        for change in self._desk.store.history:
            if change.at > since:
                earlier.setdefault(change.id, change.before)
        stock = self._desk.stock
        was = stock.earlier(since)
        for _, (order, _) in was.committed:
            earlier.setdefault(order, self._desk.store.in_group("transaction", order))

        def held(place: Place, holder: Holder) -> Decimal:
            key = (place, holder)
            return was.committed[key] if key in was.committed else stock.committed(place, holder)

        self._write_transactions(connection, list(earlier.items()), held)
        self._write_stock(connection, was.places.items())

    def _build(self, connection: sqlite3.Connection) -> None:
        for statement in table_statements():
            connection.execute(statement)
        connection.execute("INSERT INTO `dual` VALUES ('X')")
        names = [
            (f"status {kind.code}", letter, f"{kind.label} : {choice_name(kind.name, 'status', letter)}")
            for kind in catalogue().types.values()
            if kind.is_transaction
            for letter in "ABCDEFGHV"
        ]
        connection.executemany("INSERT INTO ns_names VALUES (?, ?, ?)", names)
        self._is_built = True

    def _write_transactions(
        self,
        connection: sqlite3.Connection,
        changed: list[tuple[str, Record | None]],
        held: orders.Held | None = None,
    ) -> None:
        keys = [(identifier,) for identifier, _ in changed]
        for table, column in _OF_TRANSACTION.items():
            connection.executemany(f"DELETE FROM `{table}` WHERE `{column}` = ?", keys)
        tracking = [(int(identifier) * 100, int(identifier) * 100 + 99) for identifier, _ in changed]
        connection.executemany("DELETE FROM `trackingnumber` WHERE `id` BETWEEN ? AND ?", tracking)
        rows: dict[str, list[Row]] = {}
        for _, record in changed:
            for table, row in self._transaction_rows(record, held) if record else ():
                rows.setdefault(table, []).append(row)
        for table, lines in rows.items():
            self._insert(connection, table, lines)
        names = [("transaction", one.id, display_name(one)) for _, one in changed if one]
        connection.executemany("INSERT OR REPLACE INTO ns_names VALUES (?, ?, ?)", names)

    def _insert(self, connection: sqlite3.Connection, table: str, rows: list[Row]) -> None:
        names = list(self.columns[table])
        columns = ", ".join(f"`{name}`" for name in names)
        places = ", ".join("?" * len(names))
        connection.executemany(
            f"INSERT OR REPLACE INTO `{table}` ({columns}) VALUES ({places})",
            [[sql_value(row.get(name)) for name in names] for row in rows],
        )

    def _transaction_rows(self, record: Record, held: orders.Held | None) -> Iterator[tuple[str, Row]]:
        header = header_row(record, self._desk)
        yield "transaction", header
        yield from (("transactionline", row) for row in line_rows(record, header, self._desk, held))
        yield from (("previoustransactionlinelink", row) for row in link_rows(record, header, self._desk))
        for posting in postings(self._desk, record):
            yield "transactionaccountingline", accounting_row(record, header, posting, self._desk)
        address = record.get("shippingAddress")
        if address:
            yield "transactionshippingaddress", {"nkey": int(record.id), **lower_case(address)}
        for index, package in enumerate(package_rows(record)):
            number = package["packagetrackingnumber"]
            yield "itemfulfillmentpackage", package
            if number:
                identifier = int(record.id) * 100 + index
                yield "trackingnumber", {"id": identifier, "trackingnumber": number}
                yield "trackingnumbermap", {"transaction": int(record.id), "trackingnumber": identifier}

    def _write_list(
        self, connection: sqlite3.Connection, kind: RecordType, identifier: str, record: Record | None
    ) -> None:
        target = {"entity": "customer", "item": "item"}.get(kind.group, kind.name)
        table = target.lower()
        if record is not None:
            name = (target, identifier, display_name(record))
            connection.execute("INSERT OR REPLACE INTO ns_names VALUES (?, ?, ?)", name)
        if table not in self.columns:
            return
        connection.execute(f"DELETE FROM `{table}` WHERE `id` = ?", (identifier,))
        if record is not None:
            self._insert(connection, table, [list_row(record, self._desk.zone)])
        if kind.name in _WITH_MEMBERS:
            connection.execute("DELETE FROM `itemmember` WHERE `parentitem` = ?", (identifier,))
            self._insert(connection, "itemmember", list(member_rows(record)) if record else [])

    def _write_stock(
        self, connection: sqlite3.Connection, places: Iterable[tuple[Place, Figures | None]]
    ) -> None:
        places = list(places)
        gone = [place for place, figures in places if figures is None]
        connection.executemany(
            "DELETE FROM `inventoryitemlocations` WHERE `item` = ? AND `location` = ?", gone
        )
        rows = [stock_row(place, figures) for place, figures in places if figures is not None]
        self._insert(connection, "inventoryitemlocations", rows)

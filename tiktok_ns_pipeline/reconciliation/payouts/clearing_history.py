"""What proofs of a clearing account have read of it, kept in the lake for the next proof.

A document or statement is kept as its newest reading, one row per order. Most orders are even: what came in
has left again. These are put together as one order, which leaves nothing either, so a proof's memory grows
with what stands open, and not with all that ever happened.

Invariant: what is open is the same whether even orders are put together or not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import CLEARING_MOVEMENTS
from tiktok_ns_pipeline.reconciliation.payouts.clearing import Entry, booked_statements
from tiktok_ns_pipeline.reconciliation.payouts.model import Settlement

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Row = dict[str, Any]
Month = tuple[str, str]
"""Currency, and year and month as `2026-11`."""
Balance = tuple[Decimal, int]
"""What the documents of a month post to the account, and how many there are."""

_EVEN = "even"
_LANDED_AT_ONCE = 10_000
"""Rows in one file of the lake, or those of one document."""
_ZERO = Decimal(0)

_NEWEST = """
CREATE TEMP TABLE newest AS
SELECT *
FROM clearing_movements_all
WHERE account = ?
QUALIFY rank() OVER (PARTITION BY source, document_id ORDER BY read_at DESC, landed_at DESC) = 1
    AND row_number() OVER (PARTITION BY source, document_id, order_id, read_at, landed_at) = 1"""

_HEADS = "SELECT * FROM newest WHERE order_id = '' AND source = ? AND name IS NOT NULL"

_BALANCES = """
WITH documents AS (
  SELECT document_id, currency, strftime(dated, '%Y-%m') AS month, SUM(amount) AS amount
  FROM newest
  WHERE source = 'netsuite'
    AND name IS NOT NULL
  GROUP BY ALL
)
SELECT currency, month, SUM(amount) AS amount, COUNT(*) AS documents
FROM documents
GROUP BY ALL"""

# What a document that books a payout says of orders counts in rare cases only: such orders stay apart.
_EVEN_ORDERS = """
CREATE TEMP TABLE even AS
SELECT order_id, currency
FROM newest
WHERE order_id <> ''
  AND (source = 'netsuite' OR document_id IN (SELECT unnest(CAST(? AS VARCHAR[]))))
GROUP BY order_id, currency
HAVING SUM(CASE source WHEN 'netsuite' THEN amount ELSE -amount END) = 0
   AND count(payouts) = 0"""

_OPEN_ROWS = """
SELECT newest.*
FROM newest
ANTI JOIN even USING (order_id, currency)
WHERE source IN ('netsuite', 'tiktok')
  AND name IS NOT NULL"""

_OF_EVEN_ORDERS = """
SELECT source, CASE source WHEN 'tiktok' THEN document_id END AS document_id, currency,
       amount > 0 AS is_bill, SUM(amount) AS amount, SUM(refunded) AS refunded
FROM newest
JOIN even USING (order_id, currency)
WHERE source = 'netsuite' OR document_id IN (SELECT unnest(CAST(? AS VARCHAR[])))
GROUP BY ALL"""

_STATEMENTS_OF = """
SELECT DISTINCT document_id
FROM newest
WHERE source = 'tiktok'
  AND order_id IN (SELECT unnest(CAST(? AS VARCHAR[])))"""

_STATEMENT = "SELECT * FROM newest WHERE source = 'tiktok' AND document_id = ?"

_DOCUMENTS = """
SELECT *
FROM newest
WHERE source = 'netsuite'
  AND name IS NOT NULL
  AND document_id IN (SELECT unnest(CAST(? AS VARCHAR[])))"""


@dataclass(frozen=True, slots=True)
class KeptStatement:
    """A statement that was read before."""

    id: str
    shop: str
    day: date
    basis: str


class ClearingHistory:
    """What was read of one account. `close` it."""

    def __init__(self, lake: Lake, account: str, shop_code: str, run_id: str) -> None:
        """`shop_code` is the shop under which the account's movements are filed."""
        self._lake = lake
        self._account = account
        self._shop = shop_code
        self._run_id = run_id
        self._connection: DuckDBPyConnection | None = None

    def close(self) -> None:
        """Give back what reading holds."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # What is known

    def begun(self) -> tuple[datetime, str] | None:
        """When all was read from the beginning last, and on which basis; None where it never was."""
        rows = self._rows(_HEADS, ["proof"])
        return (rows[0]["read_at"], rows[0]["basis"]) if rows else None

    def modified_until(self) -> str | None:
        """The last change of any document that is known, in the account's own time."""
        rows = self._rows("SELECT MAX(basis) AS last FROM newest WHERE source = 'netsuite'")
        return rows[0]["last"]

    def balances(self) -> dict[Month, Balance]:
        """What the known documents post, by currency and month."""
        return {
            (row["currency"], row["month"]): (row["amount"], row["documents"])
            for row in self._rows(_BALANCES)
        }

    def documents(self, ids: Collection[str]) -> dict[str, Entry]:
        """Those of these documents that are known, by NetSuite's id."""
        return {one.netsuite_id: one for one in _entries(self._rows(_DOCUMENTS, [list(ids)]))}

    def document_ids(self) -> set[str]:
        """NetSuite's ids of all documents that are known."""
        return {row["document_id"] for row in self._rows(_HEADS, ["netsuite"])}

    def naming_payouts(self) -> list[Entry]:
        """The documents that say they book payouts, without what they say of orders."""
        return _entries(row for row in self._rows(_HEADS, ["netsuite"]) if row["payouts"])

    def statements(self) -> dict[str, KeptStatement]:
        """The statements that are known, by id."""
        return {
            row["document_id"]: KeptStatement(row["document_id"], row["name"], row["dated"], row["basis"])
            for row in self._rows(_HEADS, ["tiktok"])
        }

    def statements_with(self, order_ids: Collection[str]) -> set[str]:
        """Ids of the known statements that settle any of these orders."""
        rows = self._rows(_STATEMENTS_OF, [list(order_ids)])
        return {row["document_id"] for row in rows}

    def open(self) -> tuple[list[Entry], list[Settlement]]:
        """Everything that is known, orders that are even put together as one."""
        statements = [_settlement(row, [row]) for row in self._rows(_HEADS, ["tiktok"])]
        booked = sorted(booked_statements(self.naming_payouts(), statements))
        connection = self._open()
        connection.execute("DROP TABLE IF EXISTS even")
        connection.execute(_EVEN_ORDERS, [booked])
        rows = self._rows(_OPEN_ROWS)
        even = self._rows(_OF_EVEN_ORDERS, [booked])
        entries = _entries(row for row in rows if row["source"] == "netsuite")
        entries += [
            Entry("", "", row["currency"], row["amount"], {_EVEN: row["amount"]})
            for row in even
            if row["source"] == "netsuite"
        ]
        of_statements = [row for row in rows if row["source"] == "tiktok"]
        of_statements += [{**row, "order_id": _EVEN} for row in even if row["source"] == "tiktok"]
        return entries, _settlements(of_statements)

    # What was read

    def keep_documents(self, entries: Iterable[Entry], basis: Mapping[str, str], read_at: datetime) -> None:
        """Keep what was read of documents; `basis` tells by id when each was changed last."""
        documents = (
            [
                {**row, "source": "netsuite", "basis": basis[entry.netsuite_id]}
                for row in _rows_of_entry(entry)
            ]
            for entry in entries
        )
        self._keep(documents, read_at)

    def keep_gone(self, ids: Collection[str], read_at: datetime) -> None:
        """Keep that these documents are on the account no more."""
        self._keep(
            ([{"source": "netsuite", "document_id": one, "order_id": ""}] for one in sorted(ids)), read_at
        )

    def keep_statements(
        self, shop_code: str, statements: Iterable[tuple[Settlement, str]], read_at: datetime
    ) -> None:
        """Keep what was read of a shop's statements, each with its basis."""
        common = {"source": "tiktok", "name": shop_code}
        documents = (
            [{**common, **row, "basis": basis} for row in _rows_of_statement(one)]
            for one, basis in statements
            if self._statement(one.id) != (_told(one), basis)
        )
        self._keep(documents, read_at)

    def keep_begun(self, basis: str, read_at: datetime) -> None:
        """Keep that all was read from the beginning."""
        marker = {"source": "proof", "document_id": "whole", "order_id": "", "name": "whole"}
        self._keep([[{**marker, "basis": basis}]], read_at)

    # Within

    def _keep(self, documents: Iterable[Sequence[Row]], read_at: datetime) -> None:
        """The rows of a document land together: its newest reading is whole."""
        common = {"account": self._account, "read_at": read_at}
        rows: list[Row] = []
        is_stale = False
        for document in documents:
            rows += [{**row, **common} for row in document]
            if len(rows) >= _LANDED_AT_ONCE:
                self._land(rows, read_at)
                rows, is_stale = [], True
        if rows:
            self._land(rows, read_at)
        if rows or is_stale:
            self.close()

    def _land(self, rows: Sequence[Row], read_at: datetime) -> None:
        day = read_at.astimezone(UTC).date()
        self._lake.land(CLEARING_MOVEMENTS, rows, shop=self._shop, day=day, run_id=self._run_id)

    def _statement(self, statement_id: str) -> tuple[Settlement, str] | None:
        rows = self._rows(_STATEMENT, [statement_id])
        return (_settlements(rows)[0], rows[0]["basis"]) if rows else None

    def _open(self) -> DuckDBPyConnection:
        if self._connection is None:
            self._connection = self._lake.connect(tables=[CLEARING_MOVEMENTS])
            self._connection.execute(_NEWEST, [self._account])
        return self._connection

    def _rows(self, query: str, parameters: Sequence[Any] = ()) -> list[Row]:
        cursor = self._open().execute(query, list(parameters))
        names = [column[0] for column in cursor.description or ()]
        return [
            {name: _plain(value) for name, value in zip(names, row, strict=True)} for row in cursor.fetchall()
        ]


def watermark(last: str, overlap: timedelta) -> str:
    """An instant in the account's own time, so much earlier."""
    form = "%Y-%m-%d %H:%M:%S"
    return (datetime.strptime(last, form) - overlap).strftime(form)  # noqa: DTZ007 - NetSuite tells no zone


def _plain(value: Any) -> Any:
    """Amounts without the zeros that a column of many decimals adds, instants in UTC."""
    if isinstance(value, Decimal):
        return Decimal(format(value.normalize(), "f")) if value else _ZERO
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _rows_of_entry(entry: Entry) -> Iterator[Row]:
    common = {
        "document_id": entry.netsuite_id,
        "currency": entry.currency,
        "name": entry.name,
        "payouts": ",".join(sorted(entry.payout_names)) or None,
        "is_exchange": entry.is_exchange,
        "dated": entry.dated,
    }
    yield {**common, "order_id": "", "amount": entry.rest}
    for order_id, amount in entry.order_parts.items():
        yield {**common, "order_id": order_id, "amount": amount}


def _rows_of_statement(one: Settlement) -> Iterator[Row]:
    common = {
        "document_id": one.id,
        "currency": one.currency,
        "payment_id": one.payment_id or None,
        "settlement": one.settlement,
        "reserve": one.reserve,
        "dated": one.day,
    }
    for order_id, amount in {"": _ZERO, **one.cleared}.items():
        yield {
            **common,
            "order_id": order_id,
            "amount": amount,
            "refunded": one.refunded.get(order_id, _ZERO),
        }


def _entries(rows: Iterable[Row]) -> list[Entry]:
    """Documents in the order of their ids."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["document_id"]].append(row)
    return [_entry(key, found[key]) for key in sorted(found, key=lambda key: (len(key), key))]


def _entry(netsuite_id: str, rows: Sequence[Row]) -> Entry:
    first = rows[0]
    return Entry(
        netsuite_id=netsuite_id,
        name=first["name"],
        currency=first["currency"],
        amount=sum((row["amount"] for row in rows), _ZERO),
        order_parts={row["order_id"]: row["amount"] for row in rows if row["order_id"]},
        payout_names=frozenset((first["payouts"] or "").split(",")) - {""},
        is_exchange=bool(first["is_exchange"]),
        dated=first["dated"],
    )


def _told(one: Settlement) -> Settlement:
    """What of a statement matters to a clearing account."""
    refunded = {order_id: one.refunded.get(order_id, _ZERO) for order_id in one.cleared}
    return Settlement(
        one.id,
        one.day,
        one.currency,
        one.payment_id,
        one.settlement,
        one.reserve,
        cleared=one.cleared,
        refunded=refunded,
    )


def _settlements(rows: Iterable[Row]) -> list[Settlement]:
    """Statements by day and id; each has a row about no order."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    heads: dict[str, Row] = {}
    for row in rows:
        found[row["document_id"]].append(row)
        if not row["order_id"]:
            heads[row["document_id"]] = row
    return [
        _settlement(head, found[key])
        for key, head in sorted(heads.items(), key=lambda item: (item[1]["dated"], item[0]))
    ]


def _settlement(head: Row, rows: Iterable[Row]) -> Settlement:
    cleared: defaultdict[str, Decimal] = defaultdict(Decimal)
    refunded: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row["amount"]:
            cleared[row["order_id"]] += row["amount"]
            refunded[row["order_id"]] += row["refunded"]
    return Settlement(
        id=head["document_id"],
        day=head["dated"],
        currency=head["currency"],
        payment_id=head["payment_id"] or "",
        settlement=head["settlement"],
        reserve=head["reserve"],
        cleared=cleared,
        refunded=refunded,
    )

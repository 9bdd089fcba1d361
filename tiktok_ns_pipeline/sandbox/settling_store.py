"""Where the world keeps transactions and statements; `settling_purse` keeps payments and wallets.

Totals are kept as whole numbers of the currency's smallest amount, so that SQL sums them exactly.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.settling_rules import Amounts, step_of
from tiktok_ns_pipeline.sandbox.statements import (
    ORDER,
    PAID,
    PROCESSING,
    Statement,
    Totals,
    Transaction,
    new_id,
    smallest,
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS money_transactions (
    number INTEGER PRIMARY KEY,
    tx_id TEXT NOT NULL UNIQUE,
    shop TEXT NOT NULL,
    type TEXT NOT NULL,
    order_id TEXT NOT NULL,
    order_create_time INTEGER NOT NULL,
    settled_at INTEGER,
    statement INTEGER,
    revenue INTEGER NOT NULL,
    shipping INTEGER NOT NULL,
    fee_tax INTEGER NOT NULL,
    adjustment INTEGER NOT NULL,
    settlement INTEGER NOT NULL,
    reserve INTEGER NOT NULL,
    amounts TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS money_transactions_by_order ON money_transactions (order_id);
CREATE INDEX IF NOT EXISTS money_transactions_by_statement ON money_transactions (statement);
CREATE INDEX IF NOT EXISTS money_transactions_by_settling
    ON money_transactions (shop, settled_at, order_create_time) WHERE statement IS NULL;
CREATE TABLE IF NOT EXISTS money_statements (
    number INTEGER PRIMARY KEY,
    statement_id TEXT NOT NULL UNIQUE,
    shop TEXT NOT NULL,
    statement_time INTEGER NOT NULL,
    visible_from INTEGER NOT NULL,
    payment INTEGER,
    payment_status TEXT NOT NULL,
    payment_time INTEGER NOT NULL,
    revenue INTEGER NOT NULL,
    shipping INTEGER NOT NULL,
    fee_tax INTEGER NOT NULL,
    adjustment INTEGER NOT NULL,
    settlement INTEGER NOT NULL,
    reserve INTEGER NOT NULL,
    UNIQUE (shop, statement_time)
);
CREATE INDEX IF NOT EXISTS money_statements_by_payment ON money_statements (payment);
CREATE TABLE IF NOT EXISTS money_spoils (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    until INTEGER,
    PRIMARY KEY (kind, subject)
) WITHOUT ROWID;
"""

_TABLES = ("money_transactions", "money_statements")
_TOTALS = ("revenue", "shipping", "fee_tax", "adjustment", "settlement", "reserve")
_SUMS = ", ".join(f"coalesce(sum({name}), 0)" for name in _TOTALS)
_TRANSACTION = (
    "SELECT number, tx_id, shop, type, order_id, order_create_time, settled_at, statement, amounts, body"
    " FROM money_transactions"
)
_STATEMENT = (
    "SELECT number, statement_id, shop, statement_time, visible_from, payment, payment_status,"
    f" payment_time, {', '.join(_TOTALS)} FROM money_statements"
)
_BODY = (
    "line_ids",
    "due",
    "delivered_at",
    "adjustment_id",
    "reserve_id",
    "reserve_status",
    "release_time",
    "form",
)


class StatementStore:
    """The money in the world's database. Every change belongs in the world's transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        database.executescript(_SCHEMA)
        # Numbers go up even past a row that was dropped: its id was shown.
        self._last = {table: self._largest(table) for table in _TABLES}

    # Transactions

    def add(self, one: Transaction) -> Transaction:
        """Keep a new transaction, and give it its number and id."""
        one.number = self._next("money_transactions")
        one.id = new_id("transaction", one.number)
        self._write("INSERT INTO", one)
        return one

    def save(self, one: Transaction) -> None:
        """Keep what was changed."""
        self._write("REPLACE INTO", one)

    def drop(self, one: Transaction) -> None:
        """Forget a transaction that never comes."""
        self.database.execute("DELETE FROM money_transactions WHERE number = ?", (one.number,))

    def transaction(self, number: int) -> Transaction:
        """The n-th transaction."""
        return next(self._transactions("WHERE number = ?", number))

    def sale_of(self, order_id: str) -> Transaction | None:
        """The transaction of an order's sale, settled or not; None when it has none."""
        return next(
            self._transactions("WHERE order_id = ? AND type = ? ORDER BY number LIMIT 1", order_id, ORDER),
            None,
        )

    def of_order(self, order_id: str) -> list[Transaction]:
        """Every transaction that settles an order or is about it, oldest first."""
        return list(self._transactions("WHERE order_id = ? ORDER BY number", order_id))

    def count_of_statement(self, number: int) -> int:
        """How many transactions a statement has."""
        return self.database.execute(
            "SELECT count(*) FROM money_transactions WHERE statement = ?", (number,)
        ).fetchone()[0]

    def page_of_statement(
        self, number: int, *, ascending: bool, offset: int, limit: int
    ) -> list[Transaction]:
        """Transactions of a statement by the time of their orders."""
        way = "ASC" if ascending else "DESC"
        return list(
            self._transactions(
                f"WHERE statement = ? ORDER BY order_create_time {way}, number {way} LIMIT ? OFFSET ?",
                number,
                limit,
                offset,
            )
        )

    def first_sale(self, number: int) -> int | None:
        """Number of the first order's transaction in a statement that has fees, or None."""
        return self.database.execute(
            "SELECT min(number) FROM money_transactions WHERE statement = ? AND type = ? AND fee_tax <> 0",
            (number, ORDER),
        ).fetchone()[0]

    def all_transactions(self) -> Iterator[Transaction]:
        """Every transaction, oldest first."""
        return self._transactions("ORDER BY number")

    def unsettled(
        self, shop: str, since: int, until: int, *, ascending: bool, offset: int, limit: int
    ) -> list[Transaction]:
        """A page of what has not settled, of orders placed from `since` to before `until`."""
        way = "ASC" if ascending else "DESC"
        return list(
            self._transactions(
                "WHERE shop = ? AND settled_at IS NULL AND statement IS NULL"
                f" AND order_create_time >= ? AND order_create_time < ?"
                f" ORDER BY order_create_time {way}, number {way} LIMIT ? OFFSET ?",
                shop,
                since,
                until,
                limit,
                offset,
            )
        )

    def unsettled_totals(self, shop: str, since: int, until: int) -> tuple[Totals, int]:
        """Sums over what has not settled, and how many there are."""
        return self._totals(
            shop,
            "shop = ? AND settled_at IS NULL AND statement IS NULL"
            " AND order_create_time >= ? AND order_create_time < ?",
            shop,
            since,
            until,
        )

    def waiting_totals(self, shop: str, before: int) -> tuple[Totals, int]:
        """Sums over what settled before an instant and is in no statement, and how many there are."""
        return self._totals(shop, "shop = ? AND statement IS NULL AND settled_at < ?", shop, before)

    # Statements

    def make_statement(self, shop: str, statement_time: int, visible_from: int) -> Statement | None:
        """The statement of what settled before `statement_time`; None when nothing did."""
        totals, count = self.waiting_totals(shop, statement_time)
        if not count:
            return None
        number = self._next("money_statements")
        currency = shop_of(shop).currency
        self.database.execute(
            "INSERT INTO money_statements VALUES (?, ?, ?, ?, ?, NULL, ?, 0, ?, ?, ?, ?, ?, ?)",
            (
                number,
                new_id("statement", number),
                shop,
                statement_time,
                visible_from,
                PROCESSING,
                *(smallest(getattr(totals, name), currency) for name in _TOTALS),
            ),
        )
        self.database.execute(
            "UPDATE money_transactions SET statement = ?"
            " WHERE shop = ? AND statement IS NULL AND settled_at < ?",
            (number, shop, statement_time),
        )
        return self.statement_number(number)

    def statement_number(self, number: int) -> Statement:
        """The n-th statement."""
        return self._statements("WHERE number = ?", number)[0]

    def statement(self, statement_id: str) -> Statement | None:
        """The statement with that id, or None."""
        return next(iter(self._statements("WHERE statement_id = ?", statement_id)), None)

    def statements(self, shop: str) -> list[Statement]:
        """Every statement of a shop, oldest first, shown already or not."""
        return self._statements("WHERE shop = ? ORDER BY number", shop)

    def shown_statements(
        self, shop: str, since: int, until: int, status: str | None, now: int, *, ascending: bool
    ) -> list[Statement]:
        """The list that the API shows."""
        way = "ASC" if ascending else "DESC"
        return self._statements(
            "WHERE shop = ? AND statement_time >= ? AND statement_time < ? AND visible_from <= ?"
            " AND payment_status = coalesce(?, payment_status)"
            f" ORDER BY statement_time {way}, number {way}",
            shop,
            since,
            until,
            now,
            status,
        )

    def unpaid(self, shop: str) -> list[Statement]:
        """Statements that no payment took yet, oldest first."""
        return self._statements("WHERE shop = ? AND payment IS NULL ORDER BY number", shop)

    def of_payment(self, number: int) -> list[Statement]:
        """The statements of a payment, oldest first."""
        return self._statements("WHERE payment = ? ORDER BY number", number)

    def show_statement_from(self, number: int, instant: int) -> None:
        """Let the API show a statement from an instant on."""
        self.database.execute(
            "UPDATE money_statements SET visible_from = ? WHERE number = ?", (instant, number)
        )

    def give_payment(self, statements: Sequence[Statement], payment: int) -> None:
        """A payment of these statements is under way."""
        self.database.executemany(
            "UPDATE money_statements SET payment = ?, payment_status = ? WHERE number = ?",
            [(payment, PROCESSING, one.number) for one in statements],
        )

    def end_payment(self, payment: int, status: str, at: int) -> None:
        """The payment of statements arrived, or failed: then they wait for another one."""
        if status == PAID:
            self.database.execute(
                "UPDATE money_statements SET payment_status = ?, payment_time = ? WHERE payment = ?",
                (status, at, payment),
            )
        else:
            self.database.execute(
                "UPDATE money_statements SET payment_status = ?, payment = NULL WHERE payment = ?",
                (status, payment),
            )

    # Spoiled displays

    def spoil(self, kind: str, subject: str, until: int | None) -> None:
        """Keep that the API shows something wrongly, until an instant or for good."""
        self.database.execute("INSERT OR REPLACE INTO money_spoils VALUES (?, ?, ?)", (kind, subject, until))

    def heal(self, kind: str | None, subject: str | None) -> None:
        """Show rightly again what that kind and subject name (None: all)."""
        self.database.execute(
            "DELETE FROM money_spoils WHERE kind = coalesce(?, kind) AND subject = coalesce(?, subject)",
            (kind, subject),
        )

    def spoils(self, now: int) -> set[tuple[str, str]]:
        """(kind, subject) of everything that is shown wrongly now."""
        rows = self.database.execute(
            "SELECT kind, subject FROM money_spoils WHERE until IS NULL OR until > ?", (now,)
        )
        return set(rows)

    # Within

    def _next(self, table: str) -> int:
        self._last[table] += 1
        return self._last[table]

    def _largest(self, table: str) -> int:
        return self.database.execute(f"SELECT coalesce(max(number), 0) FROM {table}").fetchone()[0]

    def _write(self, how: str, one: Transaction) -> None:
        amounts, currency = one.amounts, one.currency
        totals = (
            amounts.revenue_total,
            amounts.shipping_total,
            amounts.fee_tax_total,
            amounts.adjustment_total,
            amounts.settlement,
            amounts.reserve_total,
        )
        self.database.execute(
            f"{how} money_transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                one.number,
                one.id,
                one.shop,
                one.type,
                one.order_id,
                one.order_create_time,
                one.settled_at,
                one.statement,
                *(smallest(amount, currency) for amount in totals),
                amounts.to_json(),
                json.dumps({name: getattr(one, name) for name in _BODY}, separators=(",", ":")),
            ),
        )

    def _transactions(self, rest: str, *values: Any) -> Iterator[Transaction]:
        rows = self.database.execute(f"{_TRANSACTION} {rest}", values).fetchall()
        return (_transaction(row) for row in rows)

    def _statements(self, rest: str, *values: Any) -> list[Statement]:
        rows = self.database.execute(f"{_STATEMENT} {rest}", values).fetchall()
        return [_statement(row) for row in rows]

    def _totals(self, shop: str, where: str, *values: Any) -> tuple[Totals, int]:
        *sums, count = self.database.execute(
            f"SELECT {_SUMS}, count(*) FROM money_transactions WHERE {where}", values
        ).fetchone()
        return _totals_of(shop, sums), count


def _totals_of(shop: str, units: Sequence[int]) -> Totals:
    step = step_of(shop_of(shop).currency)
    return Totals(*(unit * step for unit in units))


def _transaction(row: Sequence[Any]) -> Transaction:
    number, tx_id, shop, kind, order_id, order_create_time, settled_at, statement, amounts, body = row
    return Transaction(
        id=tx_id,
        shop=shop,
        type=kind,
        amounts=Amounts.from_json(amounts),
        order_id=order_id,
        order_create_time=order_create_time,
        settled_at=settled_at,
        statement=statement,
        number=number,
        **json.loads(body),
    )


def _statement(row: Sequence[Any]) -> Statement:
    number, statement_id, shop, time, visible_from, payment, status, payment_time, *totals = row
    return Statement(
        number,
        statement_id,
        shop,
        time,
        visible_from,
        payment,
        status,
        payment_time,
        _totals_of(shop, totals),
    )

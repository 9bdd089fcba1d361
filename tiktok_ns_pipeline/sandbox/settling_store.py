"""Where the world keeps its money: transactions, statements, payments and wallets in its database.

Totals are kept as whole numbers of the currency's smallest amount, so that SQL sums them exactly.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.settling_rules import Amounts, step_of
from tiktok_ns_pipeline.sandbox.statements import (
    ORDER,
    PAID,
    PROCESSING,
    Payment,
    Statement,
    Totals,
    Transaction,
    Withdrawal,
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
CREATE TABLE IF NOT EXISTS money_payments (
    number INTEGER PRIMARY KEY,
    payment_id TEXT NOT NULL UNIQUE,
    shop TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    paid_time INTEGER NOT NULL,
    status TEXT NOT NULL,
    settlement INTEGER NOT NULL,
    reserve INTEGER NOT NULL,
    rate TEXT NOT NULL,
    amount TEXT NOT NULL,
    currency TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS money_withdrawals (
    number INTEGER PRIMARY KEY,
    withdrawal_id TEXT NOT NULL UNIQUE,
    shop TEXT NOT NULL,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    amount INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    payment INTEGER
);
CREATE TABLE IF NOT EXISTS money_spoils (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    until INTEGER,
    PRIMARY KEY (kind, subject)
) WITHOUT ROWID;
"""

_TABLES = ("money_transactions", "money_statements", "money_payments", "money_withdrawals")
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
_PAYMENT = (
    "SELECT number, payment_id, shop, create_time, paid_time, status, settlement, reserve, rate, amount,"
    " currency FROM money_payments"
)
_WITHDRAWAL = (
    "SELECT number, withdrawal_id, shop, type, status, amount, create_time, payment FROM money_withdrawals"
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

    def of_statement(self, number: int) -> list[Transaction]:
        """Every transaction of a statement, by the time of its order."""
        return list(self._transactions("WHERE statement = ? ORDER BY order_create_time, number", number))

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

    # Payments

    def pay(
        self, shop: str, statements: Sequence[Statement], at: int, rate: Decimal, currency: str
    ) -> Payment:
        """A payment of these statements, under way since `at`."""
        number, own = self._next("money_payments"), shop_of(shop).currency
        settlement = sum((one.totals.settlement for one in statements), Decimal(0))
        reserve = sum((one.totals.reserve for one in statements), Decimal(0))
        amount = ((settlement + reserve) * rate).quantize(step_of(currency), ROUND_HALF_UP)
        self.database.execute(
            "INSERT INTO money_payments VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)",
            (
                number,
                new_id("payment", number),
                shop,
                at,
                PROCESSING,
                smallest(settlement, own),
                smallest(reserve, own),
                "1" if currency == own else format(rate, ".6f"),
                str(amount),
                currency,
            ),
        )
        self.database.executemany(
            "UPDATE money_statements SET payment = ?, payment_status = ? WHERE number = ?",
            [(number, PROCESSING, one.number) for one in statements],
        )
        return self.payment_number(number)

    def end_payment(self, number: int, status: str, at: int) -> None:
        """A payment arrived, or failed: then its statements wait for another one."""
        self.database.execute(
            "UPDATE money_payments SET status = ?, paid_time = ? WHERE number = ?",
            (status, at if status == PAID else 0, number),
        )
        if status == PAID:
            self.database.execute(
                "UPDATE money_statements SET payment_status = ?, payment_time = ? WHERE payment = ?",
                (status, at, number),
            )
        else:
            self.database.execute(
                "UPDATE money_statements SET payment_status = ?, payment = NULL WHERE payment = ?",
                (status, number),
            )

    def payment_number(self, number: int) -> Payment:
        """The n-th payment."""
        return self._payments("WHERE number = ?", number)[0]

    def payment(self, payment_id: str) -> Payment | None:
        """The payment with that id, or None."""
        return next(iter(self._payments("WHERE payment_id = ?", payment_id)), None)

    def payments(
        self, shop: str, since: int = 0, until: int = 2**40, *, ascending: bool = True
    ) -> list[Payment]:
        """The payments of a shop that were begun in that time."""
        way = "ASC" if ascending else "DESC"
        return self._payments(
            "WHERE shop = ? AND create_time >= ? AND create_time < ?"
            f" ORDER BY create_time {way}, number {way}",
            shop,
            since,
            until,
        )

    # The wallet

    def move_wallet(
        self, shop: str, kind: str, status: str, amount: Decimal, at: int, payment: int | None = None
    ) -> int:
        """A movement of a shop's wallet; gives its number."""
        number = self._next("money_withdrawals")
        self.database.execute(
            "INSERT INTO money_withdrawals VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                number,
                new_id("withdrawal", number),
                shop,
                kind,
                status,
                smallest(amount, shop_of(shop).currency),
                at,
                payment,
            ),
        )
        return number

    def withdrawal_number(self, number: int) -> Withdrawal:
        """The n-th movement of a wallet."""
        return self._withdrawals("WHERE number = ?", number)[0]

    def end_withdrawal(self, number: int, status: str) -> None:
        """A withdrawal reached the bank, or failed."""
        self.database.execute("UPDATE money_withdrawals SET status = ? WHERE number = ?", (status, number))

    def withdrawals(
        self, shop: str, types: Sequence[str] = (), since: int = 0, until: int = 2**40
    ) -> list[Withdrawal]:
        """Movements of a shop's wallet, oldest first; of all types if none is named."""
        marks = ",".join("?" * len(types))
        chosen = f"AND type IN ({marks})" if types else ""
        return self._withdrawals(
            f"WHERE shop = ? AND create_time >= ? AND create_time < ? {chosen} ORDER BY create_time, number",
            shop,
            since,
            until,
            *types,
        )

    def wallet(self, shop: str) -> Decimal:
        """What lies in a shop's wallet; a withdrawal takes its amount out at once."""
        return sum(
            (-one.amount if one.type == "WITHDRAW" else one.amount for one in self.withdrawals(shop)),
            Decimal(0),
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

    def _payments(self, rest: str, *values: Any) -> list[Payment]:
        rows = self.database.execute(f"{_PAYMENT} {rest}", values).fetchall()
        return [_payment(row) for row in rows]

    def _withdrawals(self, rest: str, *values: Any) -> list[Withdrawal]:
        rows = self.database.execute(f"{_WITHDRAWAL} {rest}", values).fetchall()
        return [Withdrawal(*row[:5], row[5] * step_of(shop_of(row[2]).currency), *row[6:]) for row in rows]

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


def _payment(row: Sequence[Any]) -> Payment:
    number, payment_id, shop, created, paid, status, settlement, reserve, rate, amount, currency = row
    step = step_of(shop_of(shop).currency)
    return Payment(
        number,
        payment_id,
        shop,
        created,
        paid,
        status,
        settlement * step,
        reserve * step,
        rate,
        Decimal(amount),
        currency,
    )


def _withdrawal(row: Sequence[Any]) -> Withdrawal:
    number, withdrawal_id, shop, kind, status, amount, created, payment = row
    step = step_of(shop_of(shop).currency)
    return Withdrawal(number, withdrawal_id, shop, kind, status, amount * step, created, payment)

"""Where the world keeps payments and the shops' wallets."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.settling_rules import step_of
from tiktok_ns_pipeline.sandbox.settling_store import StatementStore
from tiktok_ns_pipeline.sandbox.statements import (
    PAID,
    PROCESSING,
    Payment,
    Statement,
    Withdrawal,
    new_id,
    smallest,
)

_SCHEMA = """
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
"""

_PAYMENT = (
    "SELECT number, payment_id, shop, create_time, paid_time, status, settlement, reserve, rate, amount,"
    " currency FROM money_payments"
)
_WITHDRAWAL = (
    "SELECT number, withdrawal_id, shop, type, status, amount, create_time, payment FROM money_withdrawals"
)


class Purse:
    """Payments and wallets in the world's database. Every change belongs in the world's transaction."""

    def __init__(self, statements: StatementStore) -> None:
        self._statements = statements
        self.database = statements.database
        self.database.executescript(_SCHEMA)

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
        self._statements.give_payment(statements, number)
        return self.payment_number(number)

    def end_payment(self, number: int, status: str, at: int) -> None:
        """A payment arrived, or failed: then its statements wait for another one."""
        self.database.execute(
            "UPDATE money_payments SET status = ?, paid_time = ? WHERE number = ?",
            (status, at if status == PAID else 0, number),
        )
        self._statements.end_payment(number, status, at)

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

    # Within

    def _next(self, table: str) -> int:
        return self.database.execute(f"SELECT coalesce(max(number), 0) + 1 FROM {table}").fetchone()[0]

    def _payments(self, rest: str, *values: Any) -> list[Payment]:
        rows = self.database.execute(f"{_PAYMENT} {rest}", values).fetchall()
        return [_payment(row) for row in rows]

    def _withdrawals(self, rest: str, *values: Any) -> list[Withdrawal]:
        rows = self.database.execute(f"{_WITHDRAWAL} {rest}", values).fetchall()
        return [_withdrawal(row) for row in rows]


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

"""What TikTok owes for each order today and has not paid.

    owed = not settled (estimates) + settled and in no statement + in unpaid statements + in reserve

An order is in the list of what is not settled until it settles, and in a statement from the next
midnight (UTC) on, or days later where the statement is late. In between TikTok shows it nowhere: it is
kept with its last estimate. A reserve is taken off the statement that withholds it and owed until it is
released.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import (
    RAW_TIKTOK_STATEMENT_TRANSACTIONS,
    RAW_TIKTOK_STATEMENTS,
    RAW_TIKTOK_UNSETTLED,
    UNSETTLED_SALES,
    Table,
)
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.settlements.document import CHANNEL
from tiktok_ns_pipeline.tiktok.finance_keys import ORDER_TYPE

KEPT_FOR = timedelta(days=10)
"""So long a settled order is kept that no statement shows: statements come five working days late."""

Row = dict[str, Any]
_ZERO = Decimal(0)
_OPEN_STATES = ("delivered", "settled")


class UnsettledDesk:
    """Reckons what is owed from what has landed."""

    def __init__(self, runtime: Runtime, run_id: str) -> None:
        self._runtime = runtime
        self._run_id = run_id

    def reckon(self, shop: Shop) -> list[Row]:
        """Land and give the rows of `unsettled_sales` as of the newest list of what is not settled."""
        lake = self._runtime.lake
        listed = _newest(lake, RAW_TIKTOK_UNSETTLED, shop.code)
        before = newest_owed(lake, shop.code)
        statements = {
            row["statement_id"]: row
            for row in lake.current(
                RAW_TIKTOK_STATEMENTS,
                shop=shop.code,
                columns=(
                    "statement_id",
                    "day",
                    "currency",
                    "settlement_amount",
                    "payment_id",
                    "payment_status",
                    "transactions_read_at",
                ),
            )
        }
        unpaid = {key for key, row in statements.items() if (row["payment_status"] or "").upper() != "PAID"}
        now = self._runtime.clock.now()
        gone = _gone(before, listed, now)
        transactions = self._transactions(shop, statements, unpaid, {row["subject"] for row in gone})
        rows = owed(listed, gone, statements, unpaid, transactions, shop.currency, now)
        today = now.astimezone(UTC).date()
        lake.land(UNSETTLED_SALES, rows, shop=shop.code, day=today, run_id=self._run_id)
        return rows

    def _transactions(
        self, shop: Shop, statements: Mapping[str, Row], unpaid: Iterable[str], order_ids: Iterable[str]
    ) -> list[Row]:
        """What unpaid statements hold and what any says of some orders, and every reserve; as each was read
        last."""
        rows = self._runtime.lake.current(
            RAW_TIKTOK_STATEMENT_TRANSACTIONS,
            "reserve_amount != 0 OR list_contains(CAST(? AS VARCHAR[]), statement_id) "
            "OR order_id IN (SELECT unnest(CAST(? AS VARCHAR[])))",
            [sorted(unpaid), sorted(order_ids)],
            shop=shop.code,
            columns=(
                "statement_id",
                "transaction_id",
                "type",
                "order_id",
                "settlement_amount",
                "reserve_amount",
                "read_at",
            ),
        )
        return [
            row
            for row in rows
            if statements.get(row["statement_id"], {}).get("transactions_read_at") == row["read_at"]
        ]


def newest_owed(lake: Lake, shop_code: str) -> list[Row]:
    """What was owed to a shop when it was reckoned last."""
    return _newest(lake, UNSETTLED_SALES, shop_code)


def _newest(lake: Lake, table: Table, shop_code: str) -> list[Row]:
    """The newest landing of a table of which a landing replaces the day's."""
    at = lake.last_landing(table, shop=shop_code)
    return lake.current(table, shop=shop_code, days=[at.astimezone(UTC).date()]) if at else []


def _gone(before: Iterable[Row], listed: Iterable[Row], now: datetime) -> list[Row]:
    """What was delivered and is listed no more: it has settled, if it was to settle by now."""
    in_list = {row["order_id"] or row["transaction_id"] for row in listed}
    return [
        row
        for row in before
        if row["state"] in _OPEN_STATES
        and row["subject"] not in in_list
        and row["expected_on"] is not None
        and row["expected_on"] <= now.date() <= row["expected_on"] + KEPT_FOR
    ]


def owed(
    listed: Sequence[Row],
    gone: Sequence[Row],
    statements: Mapping[str, Row],
    unpaid: Iterable[str],
    transactions: Sequence[Row],
    currency: str,
    now: datetime,
) -> list[Row]:
    """Rows of `unsettled_sales`: by order (or transaction that is about none) and state.

    `listed` is not settled, `gone` is what was listed at the last reading; `transactions` are those of all
    unpaid statements, those of `gone`, and all with a reserve.
    """
    sums = _Sums(currency, now)
    for row in listed:
        state = "delivered" if row["delivered_at"] else "on_its_way"
        sums.add(
            row["order_id"] or row["transaction_id"],
            state,
            row["estimate"] or _ZERO,
            delivered_at=row["delivered_at"],
            expected=row["settles_at"],
        )
    shown = _days_of_settlement(transactions, statements)
    for row in gone:
        day = shown.get(row["subject"])
        # A statement from before it was due is about another part of the order.
        if day is None or day < row["expected_on"]:
            sums.add(
                row["subject"], "settled", row["amount"], row["delivered_at"], expected=row["expected_on"]
            )
    open_ids = set(unpaid)
    for row in transactions:
        subject = row["order_id"] or row["transaction_id"]
        reserve = row["reserve_amount"] or _ZERO
        if row["statement_id"] in open_ids:
            statement = statements[row["statement_id"]]
            is_carried = not statement["payment_id"] and (statement["settlement_amount"] or _ZERO) < 0
            amount = (row["settlement_amount"] or _ZERO) + reserve
            state = "carried" if is_carried else "in_statement"
            sums.add(subject, state, amount, statement=row["statement_id"], expected=now.date())
        if reserve:
            sums.add(subject, "reserve", -reserve, statement=row["statement_id"])
    return sums.rows()


class _Sums:
    def __init__(self, currency: str, now: datetime) -> None:
        self._currency = currency
        self._now = now
        self._rows: dict[tuple[str, str], Row] = {}

    def add(
        self,
        subject: str,
        state: str,
        amount: Decimal,
        delivered_at: datetime | None = None,
        *,
        expected: datetime | date | None = None,
        statement: str = "",
    ) -> None:
        row = self._rows.setdefault(
            (subject, state),
            {
                "channel": CHANNEL,
                "subject": subject,
                "state": state,
                "amount": _ZERO,
                "currency": self._currency,
                "statements": "",
                "delivered_at": delivered_at,
                "expected_on": expected.astimezone(UTC).date()
                if isinstance(expected, datetime)
                else expected,
                "read_at": self._now,
            },
        )
        row["amount"] += amount
        if statement and statement not in row["statements"].split(","):
            row["statements"] = ",".join(filter(None, (row["statements"], statement)))

    def rows(self) -> list[Row]:
        """What is not even; a released reserve is."""
        return [
            {**row, "statements": row["statements"] or None}
            for _, row in sorted(self._rows.items())
            if row["amount"]
        ]


def _days_of_settlement(transactions: Iterable[Row], statements: Mapping[str, Row]) -> dict[str, date]:
    """The last UTC day on which each order's sale or refund was settled."""
    days: dict[str, date] = {}
    for row in transactions:
        if row["type"] == ORDER_TYPE and row["order_id"]:
            day: date = statements[row["statement_id"]]["day"]
            days[row["order_id"]] = max(day, days.get(row["order_id"], day))
    return days


def forecast(rows: Iterable[Mapping[str, Any]]) -> dict[date | None, Decimal]:
    """What is expected to be settled or paid, by UTC day; None for what nobody can tell."""
    days: dict[date | None, Decimal] = {}
    for row in rows:
        day = row["expected_on"]
        days[day] = days.get(day, _ZERO) + row["amount"]
    return days

"""Observe: what TikTok says about a shop's money lands as it came.

A statement may come days late and is read again until its payment has ended (T 7.2); its transactions
are read once, whole or not at all, and again only when the statement's amounts changed or somebody asks.
What is not settled yet is one list, which counts only if it is as long and as large as its head says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.flows.shops import OpenedShop
from tiktok_ns_pipeline.lake.tables import (
    RAW_TIKTOK_PAYMENTS,
    RAW_TIKTOK_STATEMENT_TRANSACTIONS,
    RAW_TIKTOK_STATEMENTS,
    RAW_TIKTOK_UNSETTLED,
    RAW_TIKTOK_WITHDRAWALS,
    Table,
)
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.settlements.raw_rows import (
    HEADING,
    Row,
    heading_of,
    id_of,
    payment_row,
    statement_row,
    transaction_rows,
    unsettled_rows,
    withdrawal_row,
)
from tiktok_ns_pipeline.tiktok.calling import Page
from tiktok_ns_pipeline.tiktok.errors import TikTokIncomplete, WireError
from tiktok_ns_pipeline.tiktok.finance import FinanceCalls, PaymentPage
from tiktok_ns_pipeline.tiktok.finance_models import UnsettledTotals, UnsettledTransaction

LOOKED_BACK = timedelta(days=10)
"""A statement can come five working days late (T 7.2)."""

ENDED_PAYMENTS = frozenset({"PAID", "FAILED"})

_AT_ONCE = 4
"""Statements whose transactions are read side by side: each may be large."""
_LANDED_AT_ONCE = 5_000
"""Transactions in one file of the lake."""
_LISTINGS = 2
"""How often the unsettled are listed when rows moved meanwhile."""
_PAYMENT_FIELDS = frozenset({"payment_id", "payment_status", "payment_time"})
"""What of a statement may change after it was made (T 7.2)."""


@dataclass(slots=True)
class Observed:
    """What landed of one shop."""

    statements: int = 0
    transactions: int = 0
    payments: int = 0
    withdrawals: int = 0
    unsettled: int | None = None
    """None where the list could not be read whole."""
    incomplete: dict[str, str] = field(default_factory=dict[str, str])
    """Why the transactions of a statement could not be read, by its id."""

    @property
    def news(self) -> int:
        """How much of it can change what is posted."""
        return self.statements + self.transactions + self.payments


class MoneyWatch:
    """Reads the money of one shop."""

    def __init__(self, runtime: Runtime, opened: OpenedShop, run_id: str) -> None:
        self._runtime = runtime
        self._shop, self._access = opened
        self._run_id = run_id
        self._calls: FinanceCalls = runtime.tiktok.finance

    async def look(self, begin: date, again: Collection[str] = ()) -> Observed:
        """Read statements and payments from a UTC day on, and all that is not settled.

        `again` names statements whose transactions are read once more. Raises TikTokError.
        """
        observed = Observed()
        since = datetime.combine(begin, time(), UTC)
        await self._statements(since, begin, again, observed)
        await self._payments(since, begin, observed)
        await self._withdrawals(since, begin, observed)
        observed.unsettled = await self._unsettled()
        return observed

    # Statements and their transactions

    async def _statements(
        self, since: datetime, begin: date, again: Collection[str], observed: Observed
    ) -> None:
        known = self._known(RAW_TIKTOK_STATEMENTS, "statement_id", begin)
        listed: dict[str, tuple[Mapping[str, Any], datetime]] = {}
        # The list names a statement by the midnight after its day.
        async for page in self._calls.statements(self._access, since=since):
            listed.update((id_of(raw), (raw, page.read_at)) for raw in page.rows)
        to_read: list[Row] = []
        rows: list[Row] = []
        for identity, (raw, read_at) in listed.items():
            before = known.get(identity)
            row = statement_row(raw, read_at, before)
            stale = before is None or before["transactions_read_at"] is None or _amounts_changed(before, raw)
            if stale or identity in again:
                to_read.append(row)
            elif before is not None and before["payload"] != row["payload"]:
                rows.append(row)
        for start in range(0, len(to_read), _AT_ONCE):
            chunk = to_read[start : start + _AT_ONCE]
            rows += await asyncio.gather(*(self._with_transactions(row, observed) for row in chunk))
        news = [row for row in rows if _is_news(row, known)]
        self._land(RAW_TIKTOK_STATEMENTS, news)
        observed.statements = len(news)

    async def _with_transactions(self, row: Row, observed: Observed) -> Row:
        """The statement's row with its transactions landed; as it was where they do not come whole."""
        identity = str(row["statement_id"])
        if identity.startswith("unreadable-"):
            return row
        try:
            reading = await self._calls.statement_transactions(self._access, identity)
        except (TikTokIncomplete, WireError) as error:
            observed.incomplete[identity] = str(error)
            return row
        last = row["transactions_read_at"]
        if last is not None and reading.read_at <= last:
            # Servers tell whole seconds, and a reading is known by its instant.
            reading = replace(reading, read_at=last + timedelta(microseconds=1))
        heading = heading_of(reading)
        if heading["transactions_hash"] == row["transactions_hash"]:
            return row
        rows = transaction_rows(reading, row["day"])
        # The statement's own row, which names this reading, comes last: a part of them counts for nothing.
        while portion := list(islice(rows, _LANDED_AT_ONCE)):
            self._land(RAW_TIKTOK_STATEMENT_TRANSACTIONS, portion)
        self._runtime.probe("transactions landed")
        observed.transactions += len(reading.rows)
        return {**row, **heading}

    # Payments, wallets and what is not settled

    async def _payments(self, since: datetime, begin: date, observed: Observed) -> None:
        rows: dict[str, Row] = {}
        pages: AsyncIterator[PaymentPage] = self._calls.payments(self._access, since=since)
        async for page in pages:
            for raw in page.rows:
                rows[id_of(raw)] = payment_row(raw, page.version, page.read_at)
        observed.payments = self._land_news(RAW_TIKTOK_PAYMENTS, "payment_id", rows, begin)

    async def _withdrawals(self, since: datetime, begin: date, observed: Observed) -> None:
        rows: dict[str, Row] = {}
        async for page in self._calls.withdrawals(self._access, since=since):
            rows.update((id_of(raw), withdrawal_row(raw, page.read_at)) for raw in page.rows)
        observed.withdrawals = self._land_news(RAW_TIKTOK_WITHDRAWALS, "withdrawal_id", rows, begin)

    async def _unsettled(self) -> int | None:
        for _ in range(_LISTINGS):
            pages = [page async for page in self._calls.unsettled(self._access)]
            raws = list({id_of(raw): raw for page in pages for raw in page.rows}.values())
            if _is_whole(raws, pages):
                rows = unsettled_rows(raws, pages[0].read_at)
                day = self._runtime.clock.now().astimezone(UTC).date()
                self._runtime.lake.land(
                    RAW_TIKTOK_UNSETTLED, rows, shop=self._shop.code, day=day, run_id=self._run_id
                )
                return len(rows)
        return None

    # Within

    def _known(self, table: Table, key: str, begin: date) -> dict[str, Row]:
        columns = [key, "payload", *(HEADING if table is RAW_TIKTOK_STATEMENTS else ())]
        # A statement's day is the one before the midnight that it is listed by.
        first = begin - timedelta(days=1)
        rows = self._runtime.lake.current(table, "day >= ?", [first], shop=self._shop.code, columns=columns)
        return {row[key]: row for row in rows}

    def _land_news(self, table: Table, key: str, rows: Mapping[str, Row], begin: date) -> int:
        known = self._known(table, key, begin)
        news = [
            row for name, row in rows.items() if name not in known or known[name]["payload"] != row["payload"]
        ]
        self._land(table, news)
        return len(news)

    def _land(self, table: Table, rows: Sequence[Row]) -> None:
        self._runtime.lake.land_many(table, rows, shop=self._shop.code, run_id=self._run_id)


def first_look(since: date | None, today: date) -> date:
    """The UTC day from which a shop's money is read at first: payments take statements weeks later."""
    return min(since or today, today) - timedelta(days=30)


def _amounts_changed(before: Row, raw: Mapping[str, Any]) -> bool:
    return _without_payment(exact_json.loads(before["payload"])) != _without_payment(raw)


def _without_payment(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in raw.items() if name not in _PAYMENT_FIELDS}


def _is_news(row: Row, known: Mapping[str, Row]) -> bool:
    before = known.get(row["statement_id"])
    return before is None or any(before[name] != row[name] for name in ("payload", *HEADING))


def _is_whole(raws: Sequence[Mapping[str, Any]], pages: Sequence[Page]) -> bool:
    """Whether count and sum of the unsettled are those that their heads tell (T 7.10)."""
    try:
        totals = [UnsettledTotals.parse(page.head) for page in pages]
        estimates = [UnsettledTransaction.parse(raw).est_settlement_amount for raw in raws]
    except WireError:
        return False
    count = pages[-1].total_count
    sums = {one.sum_est_settlement_amount for one in totals}
    total = sum((one or Decimal(0) for one in estimates), Decimal(0))
    return count in (None, len(raws)) and sums <= {None, total}

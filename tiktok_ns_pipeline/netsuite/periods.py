"""Accounting periods: on which day a document may be posted (N 4.2, 6.13).

A document belongs to the day of what happened. Where that day's month is shut, it goes to the first day
of the first open month after it, never before: nothing is booked earlier than it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.gate import Lane
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.netsuite.errors import NetSuitePermissionError

PERIODS_QUERY = """
SELECT p.id, p.periodname,
       TO_CHAR(p.startdate, 'YYYY-MM-DD') AS starts_on,
       TO_CHAR(p.enddate, 'YYYY-MM-DD') AS ends_on,
       p.closed, p.alllocked, p.arlocked
FROM accountingperiod p
WHERE p.isquarter = 'F'
  AND p.isyear = 'F'
  AND p.isposting = 'T'
  AND p.isadjust = 'F'
ORDER BY p.id ASC
"""
"""The posting months of the account; periods of adjustment take none of ours."""

_VALID_FOR = timedelta(hours=1)
_SHUT = ("closed", "alllocked", "arlocked")


@dataclass(frozen=True, slots=True)
class Period:
    """One posting month. `is_open` says whether receivables may be posted in it."""

    name: str
    starts_on: date
    ends_on: date
    is_open: bool


class Periods:
    """All posting months, as read at one moment."""

    def __init__(self, periods: Iterable[Period]) -> None:
        self._periods = sorted(periods, key=lambda period: period.starts_on)

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, str]]) -> Periods:
        """From the rows of `PERIODS_QUERY`."""
        return cls(
            Period(
                name=row.get("periodname", row["id"]),
                starts_on=date.fromisoformat(row["starts_on"]),
                ends_on=date.fromisoformat(row["ends_on"]),
                is_open=not any(row.get(lock) == "T" for lock in _SHUT),
            )
            for row in rows
        )

    @classmethod
    def unseen(cls) -> Periods:
        """For a role that may not see the periods (N 3.4): every day is tried, NetSuite itself refuses."""
        return cls([Period("any", date.min, date.max, is_open=True)])

    def is_open(self, day: date) -> bool:
        """Whether a document may be posted on a day."""
        return any(one.is_open and one.starts_on <= day <= one.ends_on for one in self._periods)

    def posting_day(self, day: date) -> date | None:
        """The day itself, or the first open one after it; None when there is none."""
        if self.is_open(day):
            return day
        return next((one.starts_on for one in self._periods if one.is_open and one.starts_on > day), None)


class PeriodsReader:
    """Reads the periods for one run. Months close seldom and at known hours, so once an hour is enough;
    who finds that one has closed meanwhile asks for them afresh."""

    def __init__(self, netsuite: NetSuiteClient, clock: Clock, lane: Lane) -> None:
        self._netsuite = netsuite
        self._clock = clock
        self._lane: Lane = lane
        self._read: tuple[datetime, Periods] | None = None
        self._reading = asyncio.Lock()

    async def periods(self, *, not_before: datetime | None = None) -> Periods:
        """The posting months, as read within the last hour, and not before an instant.

        Raises NetSuiteError's subclasses.
        """
        oldest = self._clock.now() - _VALID_FOR
        oldest = max(oldest, not_before or oldest)
        async with self._reading:
            if self._read is None or self._read[0] < oldest:
                read_at = self._clock.now()
                self._read = (read_at, await self._ask())
            return self._read[1]

    async def _ask(self) -> Periods:
        try:
            return Periods.of(await self._netsuite.suiteql(PERIODS_QUERY, lane=self._lane))
        except NetSuitePermissionError:
            return Periods.unseen()

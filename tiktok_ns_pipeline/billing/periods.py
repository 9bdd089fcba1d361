"""Accounting periods: on which day a bill may be posted (N 4.2, 6.13).

A bill belongs to the day of shipment. Where that day's month is shut, it goes to the first day of the
first open month after it, never before: goods are not billed earlier than they left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

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
"""The posting months of the account; periods of adjustment take no bills."""

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
        """Whether a bill may be posted on a day."""
        return any(one.is_open and one.starts_on <= day <= one.ends_on for one in self._periods)

    def posting_day(self, day: date) -> date | None:
        """The day itself, or the first open one after it; None when there is none."""
        if self.is_open(day):
            return day
        return next((one.starts_on for one in self._periods if one.is_open and one.starts_on > day), None)

"""What all proofs have in common: rows with verdicts, read at two instants, or the reason why there are none.

A proof that did not take place is not a clean one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, Protocol, TypeVar

from tiktok_ns_pipeline.money import Money

Side = Literal["tiktok", "netsuite"]


class Judged(Protocol):
    """Something that both systems were asked of, and the verdict on it."""

    @property
    def verdict(self) -> str:
        """What the two systems say about each other."""
        ...

    @property
    def is_wrong(self) -> bool:
        """Whether somebody has to look at it."""
        ...


JudgedT = TypeVar("JudgedT", bound=Judged)


@dataclass(frozen=True, slots=True)
class NotRun:
    """A proof that did not take place, which is not a clean one."""

    side: Side
    """The system that could not be read."""
    reason: str

    def __str__(self) -> str:
        return f"{self.side} could not be read: {self.reason}"


@dataclass(frozen=True, slots=True)
class Proof(ABC, Generic[JudgedT]):
    """The result of one proof: all rows and the instants at which the two systems were read."""

    rows: tuple[JudgedT, ...]
    tiktok_read_at: datetime
    netsuite_read_at: datetime
    not_run: NotRun | None = None

    @property
    def wrong(self) -> tuple[JudgedT, ...]:
        """The rows that somebody has to look at."""
        return tuple(row for row in self.rows if row.is_wrong)

    @property
    @abstractmethod
    def compared(self) -> str:
        """How much of what was compared."""

    @property
    def statement(self) -> str:
        """The proof in one line."""
        if self.not_run:
            return f"not run: {self.not_run}"
        wrong = counted(row.verdict for row in self.rows if row.is_wrong)
        rest = counted(row.verdict for row in self.rows if not row.is_wrong)
        return (
            f"{self.compared}; difference = {wrong or 'none'}; otherwise {rest or 'nothing'}; "
            f"{read_at(self.tiktok_read_at, self.netsuite_read_at)}"
        )


def counted(verdicts: Iterable[str]) -> str:
    """How often each verdict was given, in words."""
    counts = sorted(Counter(verdicts).items())
    return ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in counts)


def read_at(tiktok: datetime, netsuite: datetime) -> str:
    """When the two systems were read, as statements end."""
    return f"read at {tiktok:%Y-%m-%d %H:%M:%SZ} (TikTok) and {netsuite:%Y-%m-%d %H:%M:%SZ} (NetSuite)"


def shown(amount: Money) -> str:
    """An amount for people: with its currency's decimals, and never fewer than it has."""
    number = amount.quantized().amount if amount.fits_currency else amount.amount
    return f"{number:,f} {amount.currency}"

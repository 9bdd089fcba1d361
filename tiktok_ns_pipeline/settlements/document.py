"""The documents that a payout becomes: balanced lines with the components that each sums.

Invariant: the lines of a document sum to zero, and none of them is zero (N 5.8).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.money import Money

CHANNEL = "tiktok"
MOST_LINES = 500
"""A document with more is summed by account and segments: thousands of lines answer too slowly."""

_ZERO = Decimal(0)


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JournalLine(_Document):
    """One line. `components` are the sources that it sums, signed from the seller's point of view."""

    account_id: str
    department_id: str | None = None
    class_id: str | None = None
    location_id: str | None = None
    entity_id: str | None = None
    memo: str
    amount: Decimal
    """Debit positive, credit negative; never zero (N 5.8)."""
    components: tuple[tuple[str, Decimal], ...] = ()


class PayoutJournal(_Document):
    """One balanced document, in `currency`."""

    channel: str = CHANNEL
    shop: str
    key: str
    """The payment's id, or the statement's; with the month behind for an accrual."""
    record_type: Literal["journalEntry", "deposit"]
    external_id: str = Field(pattern=r"^[a-z0-9_-]{1,100}$")
    subsidiary_id: str
    currency: str
    currency_id: str
    exchange_rate: Decimal | None = None
    """Units of the subsidiary's currency for one; None where NetSuite takes its own."""
    true_date: date
    tran_date: date
    """The true date, or the first open day after it."""
    memo: str
    approval: Literal["account", "approved", "pending"] = "account"
    statements: tuple[str, ...]
    lines: tuple[JournalLine, ...]

    @model_validator(mode="after")
    def _balances(self) -> PayoutJournal:
        if total := sum((line.amount for line in self.lines), _ZERO):
            raise ValueError(f"{self.external_id} is out of balance by {total}")
        if not self.lines or not all(line.amount for line in self.lines):
            raise ValueError(f"{self.external_id} has no lines, or one without an amount")
        return self

    def fingerprint(self) -> str:
        """Hash of all that decides the record."""
        return exact_json.fingerprint(self.model_dump())

    def on_account(self, account_id: str) -> Decimal:
        """What it posts to an account, debit positive."""
        return sum((line.amount for line in self.lines if line.account_id == account_id), _ZERO)


class LineKey(NamedTuple):
    """Amounts with the same key are one line."""

    account_id: str
    department_id: str | None
    class_id: str | None
    location_id: str | None
    entity_id: str | None
    memo: str


class Lines:
    """Lines being summed; a line knows its components."""

    def __init__(self) -> None:
        self._lines: dict[LineKey, dict[str, Decimal]] = defaultdict(dict)

    def add(self, key: LineKey, component: str, amount: Decimal) -> None:
        """Add a component, signed from the seller's point of view: income is a credit."""
        parts = self._lines[key]
        parts[component] = parts.get(component, _ZERO) + amount

    def take(self, keep: Callable[[LineKey], bool]) -> Decimal:
        """Remove the lines that are not kept; gives what they sum to."""
        gone = [key for key in self._lines if not keep(key)]
        return sum((amount for key in gone for amount in self._lines.pop(key).values()), _ZERO)

    def only(self, keep: Callable[[LineKey], bool]) -> Lines:
        """A copy of some lines."""
        some = Lines()
        some._lines.update({key: dict(parts) for key, parts in self._lines.items() if keep(key)})
        return some

    def join(self, other: Lines) -> None:
        """Add every line of another."""
        for key, parts in other._lines.items():
            for component, amount in parts.items():
                self.add(key, component, amount)

    def lines(self, most: int = MOST_LINES) -> tuple[JournalLine, ...]:
        """The lines in a stable order, none of them zero; with too many, those of an account become one."""
        found = [_line(key, parts) for key, parts in sorted(self._lines.items(), key=_order)]
        kept = tuple(line for line in found if line.amount)
        if len(kept) <= most:
            return kept
        merged = Lines()
        for key, parts in self._lines.items():
            whole = key._replace(memo="TikTok payout")
            for component, amount in parts.items():
                merged.add(whole, component, amount)
        return merged.lines(len(merged._lines))


def exact_in(amount: Decimal, currency: str) -> Decimal:
    """An amount rounded half up to the smallest of a currency, as NetSuite posts it."""
    return Money(amount, currency).quantized().amount


def _line(key: LineKey, parts: dict[str, Decimal]) -> JournalLine:
    return JournalLine(
        **key._asdict(), amount=-sum(parts.values(), _ZERO), components=tuple(sorted(parts.items()))
    )


def _order(item: tuple[LineKey, dict[str, Decimal]]) -> tuple[str, ...]:
    return tuple(value or "" for value in item[0])

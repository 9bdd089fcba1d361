"""What the two systems say of payouts, and the verdicts on it.

A *payment* is a transfer of TikTok's that carries *statements*. Its *documents* are all Journal Entries and
bank Deposits that book it, however the mapping divides it between them: whatever leaves a statement by one
document and comes back by another is even, so the proof compares their sum, account by account, debit
positive. A document *names* what its external id or memo says that it books.

One proof has rows of three aspects: `statement`, one for each statement of the day; `payout`, one for each
payment that TikTok made on the day and for each document of the day that no payment stands for; `bank`, one
for each of these payments and for each line of the day, where a bank's lines are given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal, NamedTuple

from tiktok_ns_pipeline.reconciliation.results import NotRun, Proof, Side

Aspect = Literal["statement", "payout", "bank"]
Role = Literal["bank", "clearing", "reserve", ""]
"""What an account is for; empty for the accounts of fees and the like."""

_ZERO = Decimal(0)


class Verdict(StrEnum):
    """What the two systems, or the payout and the bank, say about each other."""

    MATCHED = "matched"
    FOOTS = "foots"
    NOT_PAID = "not_paid"
    NOT_EXPECTED = "not_expected"
    WAITING_WITHIN_GRACE = "waiting_within_grace"
    DOES_NOT_FOOT = "does_not_foot"
    JOURNAL_MISSING = "journal_missing"
    JOURNAL_WITHOUT_PAYMENT = "journal_without_payment"
    NOT_POSTED = "not_posted"
    """Its journal waits for approval, so it is not in the ledger."""
    AMOUNT_DIFFERS = "amount_differs"
    DOUBLED = "doubled"
    NOT_IN_BANK = "not_in_bank"
    BANK_WITHOUT_PAYMENT = "bank_without_payment"
    CANNOT_BE_CHECKED = "cannot_be_checked"


_BENIGN = frozenset(
    {Verdict.MATCHED, Verdict.FOOTS, Verdict.NOT_PAID, Verdict.NOT_EXPECTED, Verdict.WAITING_WITHIN_GRACE}
)


class Gap(NamedTuple):
    """A sum that is not what it should be."""

    place: str
    told: Decimal
    summed: Decimal

    def __str__(self) -> str:
        return f"{self.place}: {self.told} told, {self.summed} summed, {self.told - self.summed:+f}"


@dataclass(frozen=True, slots=True)
class Settlement:
    """A statement and what its transactions come to, in its currency."""

    id: str
    day: date
    """The UTC day that it covers."""
    currency: str
    payment_id: str
    """Empty while it is not paid, or carried on."""
    settlement: Decimal
    reserve: Decimal | None
    """None where its version tells none (T 7.7)."""
    accounts: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    """What it should post by account, debit positive, the bank's and the reserve's left out."""
    undecided: tuple[str, ...] = ()
    """Amounts for which the mapping has no account."""
    cleared: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    """What leaves the clearing account by order; empty id for what is about none."""
    refunded: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    """Of this, what buyers gave back, by order; negative."""
    gaps: tuple[Gap, ...] = ()
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class PaidOut:
    """A payment as TikTok tells it. None is what it does not tell."""

    id: str
    status: str
    created_at: datetime | None
    paid_at: datetime | None
    amount: Decimal | None
    """What arrives, in `currency`."""
    currency: str
    settled_currency: str | None
    """Of the amounts before the exchange."""
    settlement: Decimal | None = None
    reserve: Decimal | None = None
    before_exchange: Decimal | None = None
    exchange_rate: Decimal | None = None
    unreadable: str = ""

    @property
    def has_arrived(self) -> bool:
        """Whether the money moved."""
        return self.status == "PAID" and self.paid_at is not None


@dataclass(frozen=True, slots=True)
class PayoutDocument:
    """A Journal Entry or Deposit in NetSuite."""

    netsuite_id: str
    tran_id: str | None
    external_id: str | None
    dated: date
    currency: str
    accounts: Mapping[str, Decimal]
    """Debit positive, in `currency`; accounts that come out even are left out."""
    names: frozenset[str] = frozenset()
    """Payments and statements that it says it books."""
    posts: bool = True
    """False while it waits for approval."""

    @property
    def name(self) -> str:
        """How people call it."""
        return self.tran_id or self.netsuite_id


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of a shop's payouts."""

    bank: str
    clearing: str
    reserve: str | None

    def role(self, account: str) -> Role:
        """What an account is for."""
        roles: tuple[tuple[str | None, Role], ...] = (
            (self.bank, "bank"),
            (self.clearing, "clearing"),
            (self.reserve, "reserve"),
        )
        for own, role in roles:
            if own == account:
                return role
        return ""


class LineDifference(NamedTuple):
    """An account on which documents are not what the payment comes to."""

    account: str
    role: Role
    expected: Decimal
    posted: Decimal

    def __str__(self) -> str:
        name = f"{self.role} ({self.account})" if self.role else self.account
        return f"account {name}: {self.posted} instead of {self.expected}, {self.posted - self.expected:+f}"


@dataclass(frozen=True, slots=True)
class BankLine:
    """A movement on the bank account. `number` is its place in the file."""

    number: int
    dated: date
    amount: Decimal
    currency: str
    reference: str


@dataclass(frozen=True, slots=True)
class Row:
    """One statement, payment, document or line of the bank, and the verdict on it."""

    aspect: Aspect
    verdict: Verdict
    subject: str
    """The statement's or payment's id; the document's or the bank line's where no payment is known."""
    currency: str = ""
    expected: Decimal | None = None
    """What TikTok settles or pays, before exchange; in aspect `bank`, what arrives."""
    posted: Decimal | None = None
    """What documents put on the bank account, or the bank's own line has."""
    documents: tuple[str, ...] = ()
    """What people call the records, or the reference of the bank's line."""
    differences: tuple[LineDifference, ...] = ()
    note: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether somebody has to look at it."""
        return self.verdict not in _BENIGN

    @property
    def difference(self) -> Decimal | None:
        """posted - expected; None where one is missing."""
        return None if self.expected is None or self.posted is None else self.posted - self.expected

    @property
    def at_stake(self) -> Decimal:
        """How much money is in question, whatever the currency."""
        lines = sum((abs(line.posted - line.expected) for line in self.differences), _ZERO)
        return max(lines, abs(self.difference or _ZERO)) or max(
            abs(self.expected or _ZERO), abs(self.posted or _ZERO)
        )


@dataclass(frozen=True, slots=True)
class PayoutProof(Proof[Row]):
    """What a proof of payouts concluded."""

    bank_is_given: bool = False

    def of(self, aspect: Aspect) -> tuple[Row, ...]:
        """The rows of an aspect."""
        return tuple(row for row in self.rows if row.aspect == aspect)

    def amounts(self) -> dict[str, tuple[Decimal, Decimal]]:
        """What TikTok paid and what documents put on the bank account, by currency."""
        sums: dict[str, list[Decimal]] = {}
        for row in self.of("payout"):
            if row.verdict in (Verdict.NOT_PAID, Verdict.NOT_EXPECTED) or not row.currency:
                continue
            own = sums.setdefault(row.currency, [_ZERO, _ZERO])
            own[0] += row.expected or _ZERO
            own[1] += row.posted or _ZERO
        return {currency: (paid, posted) for currency, (paid, posted) in sorted(sums.items())}

    @property
    def compared(self) -> str:
        """Statements, payouts and lines of the bank, and what payouts come to."""
        counts = Counter(row.aspect for row in self.rows)
        amounts = "".join(
            f"; {paid:,f} {currency} paid, {posted:,f} {currency} posted"
            for currency, (paid, posted) in self.amounts().items()
        )
        bank = f"{counts['bank']} of the bank" if self.bank_is_given else "no bank file given"
        return f"{counts['statement']} statements, {counts['payout']} payouts, {bank}{amounts}"


def not_run(side: Side, reason: str, at: datetime) -> PayoutProof:
    """The result of a proof that could not take place, which is not a clean one."""
    return PayoutProof((), at, at, NotRun(side, reason))

"""How often what happens to the money of the sandbox's shops, besides orders that simply settle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class StatementFault(StrEnum):
    """Ways in which a statement, payment or list is shown wrongly; what really happened stays (T 11).

    A fault's subject is a statement's or payment's id, or for the last two a shop's key.
    """

    unknown_fee = "unknown_fee"
    """A part of a fee stands under a key that nobody knows; the sums are right."""
    unknown_type = "unknown_type"
    """A transaction has a type that nobody knows."""
    residual = "residual"
    """A fee is in the declared total, and not among the listed members (T 7.4 no. 8)."""
    cent_off_transaction = "cent_off_transaction"
    """One row settles a unit of the currency's smallest more than its parts and its statement say."""
    cent_off_statement = "cent_off_statement"
    """The statement's total is such a unit more than its rows."""
    cent_off_payment = "cent_off_payment"
    """The payment is such a unit more than its statements."""
    missing_page = "missing_page"
    """Only the first page of the rows is there, though the count tells of more."""
    moving_pages = "moving_pages"
    """Every further page begins one row too early: one row comes twice, the last one never."""
    blank_zeros = "blank_zeros"
    """Zeros are written with a blank behind (`"0 "`)."""
    duplicate_statement = "duplicate_statement"
    """The list of statements holds it twice."""
    late_rows = "late_rows"
    """The newer half of the rows is not there yet, though the totals count them."""
    only_202309 = "only_202309"
    """The shop is answered in the oldest shapes only."""
    without_202309 = "without_202309"
    """The oldest shapes of transactions and payments are gone for the shop."""


@dataclass(frozen=True, slots=True)
class SettlementHabits:
    """Probabilities, and how the shops are paid."""

    refunded: float = 0.04
    """Delivered orders of which a unit, or everything, is refunded."""
    adjusted: float = 0.03
    """Settled orders that bring an adjustment (T 7.8)."""
    reserved: float = 0.1
    """Settled orders of the US and UK of which a part is withheld for a while (T 7.11)."""
    reserve_percent: int = 10
    statement_late: float = 0.03
    """Statements that are shown up to five working days late."""
    negative_parked: float = 0.3
    """Statements of the US below zero that a NET_EARNINGS pair moves to the next day; others are carried
    until a payment covers them (T 7.8)."""
    payment_failed: float = 0.02
    """Payments and withdrawals that fail."""
    odd_adjustments: float = 0.0
    """Adjustments that show their money elsewhere than in `adjustment_amount` (T 7.5)."""
    payout_currency: Mapping[str, str] = field(default_factory=dict[str, str])
    """Shop key -> currency of its bank account, where that is another one than the shop's."""
    faults: Mapping[StatementFault, float] = field(default_factory=dict[StatementFault, float])
    """Statements that are shown wrongly, by how."""

    @classmethod
    def quiet(cls) -> SettlementHabits:
        """Orders settle and are paid, and nothing else happens."""
        return cls(0, 0, 0, 10, 0, 0, 0)

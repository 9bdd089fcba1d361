"""What is shown wrongly of statements, where a fault was told to (`StatementFault`).

The amounts that are kept stay right: a fault changes what one answer shows, the same way each time.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox.settling_habits import StatementFault
from tiktok_ns_pipeline.sandbox.settling_rules import REPEATED_AFFILIATE, Amounts, percent_of, step_of
from tiktok_ns_pipeline.sandbox.statements import Transaction

UNKNOWN_FEE = "creator_gift_service_fee_amount"
UNKNOWN_TYPE = "CREATOR_GIFT_BALANCE"
"""Names that no documentation has."""


@dataclass(frozen=True, slots=True)
class Spoils:
    """(kind, subject) of everything that is shown wrongly."""

    active: Set[tuple[str, str]]

    def strikes(self, kind: StatementFault, subject: str) -> bool:
        """Whether that is shown wrongly so."""
        return (kind.value, subject) in self.active

    def off(self, kind: StatementFault, subject: str, currency: str) -> Decimal:
        """What is added to an amount: the currency's smallest, or nothing."""
        return step_of(currency) if self.strikes(kind, subject) else Decimal(0)


@dataclass(frozen=True, slots=True)
class Row:
    """A transaction as it is shown. Totals are those of `one`, but for `settlement`."""

    one: Transaction
    type: str
    listed: Amounts
    """The members that are listed."""
    settlement: Decimal


def row_of(one: Transaction) -> Row:
    """A transaction shown rightly."""
    return Row(one, one.type, one.amounts, one.amounts.settlement)


def spoiled_row(one: Transaction, statement_id: str, spoils: Spoils) -> Row:
    """The row that a statement's faults strike."""
    row = row_of(one)
    if spoils.strikes(StatementFault.unknown_type, statement_id):
        row = replace(row, type=UNKNOWN_TYPE)
    row = replace(
        row,
        settlement=row.settlement
        + spoils.off(StatementFault.cent_off_transaction, statement_id, one.currency),
    )
    name = next((name for name, amount in one.amounts.fee.items() if amount), None)
    if name is None or name == REPEATED_AFFILIATE:
        return row
    fee = dict(row.listed.fee)
    if spoils.strikes(StatementFault.unknown_fee, statement_id):
        fee[UNKNOWN_FEE] = percent_of(fee[name], Decimal(40), one.currency)
        fee[name] -= fee[UNKNOWN_FEE]
    if spoils.strikes(StatementFault.residual, statement_id):
        del fee[name]
    return replace(row, listed=replace(row.listed, fee=fee))


def with_blanks(document: Any) -> Any:
    """Every zero with a blank behind."""
    if isinstance(document, dict):
        return {key: with_blanks(value) for key, value in document.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(document, list):
        return [with_blanks(value) for value in document]  # pyright: ignore[reportUnknownVariableType]
    return "0 " if document == "0" else document

"""What a proof of orders means for those who watch it: three questions, each with its offenders.

Every wrong row offends exactly one of them. A question that had nothing to look at, or a side that
could not be read, is `not_run`, which is not the same as passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tiktok_ns_pipeline.reconciliation.orders import Reconciliation, Row, Verdict, shown

CheckState = Literal["passed", "failed", "not_run"]

_LISTED = 50
"""Offenders in the table; the others are counted, and all are in the lake."""

_HEADINGS = ("order", "verdict", "Sales Order", "owed", "posted", "difference", "note")


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """The answer to one question. `offenders` are the rows that make it fail."""

    name: str
    state: CheckState
    description: str
    offenders: tuple[Row, ...] = ()

    @property
    def names(self) -> list[str]:
        """The offenders' orders; the external id of a Sales Order that names none."""
        return [row.order_id or row.external_id for row in self.offenders]

    @property
    def table(self) -> str:
        """The offenders as a markdown table, worst first; empty when there are none."""
        return table_of(_HEADINGS, [_cells(row) for row in self.offenders], "order_reconciliation")


def table_of(
    headings: Sequence[str], rows: Sequence[Sequence[str]], table: str, listed: int = _LISTED
) -> str:
    """Rows as a markdown table; those that it leaves out are counted and are in the lake's `table`."""
    if not rows:
        return ""
    lines = ["| " + " | ".join(map(_cell, row)) + " |" for row in (headings, *rows[:listed])]
    lines.insert(1, "|" + "---|" * len(headings))
    more = len(rows) - listed
    rest = [f"\nand {more} more, in table `{table}`"] if more > 0 else []
    return "\n".join([*lines, *rest])


def no_missing_orders(proof: Reconciliation) -> CheckOutcome:
    """Every order that should be in NetSuite is shown to be there."""
    return _answer(
        "no_missing_orders",
        proof,
        looked_at=[row for row in proof.rows if row.tiktok is not None],
        offends=lambda row: (
            row.verdict is Verdict.MISSING_IN_NETSUITE
            or (row.verdict is Verdict.CANNOT_BE_CHECKED and not row.netsuite)
        ),
        nothing="no orders at TikTok",
        good="orders at TikTok have their Sales Order, wait within the grace or need none",
        bad="orders at TikTok are not shown to have a Sales Order",
    )


def no_orphan_sales_orders(proof: Reconciliation) -> CheckOutcome:
    """Every open Sales Order of the shop is the only one of an order that should have one."""
    return _answer(
        "no_orphan_sales_orders",
        proof,
        looked_at=[row for row in proof.rows if row.netsuite],
        offends=lambda row: (
            row.verdict in (Verdict.MISSING_IN_TIKTOK, Verdict.DUPLICATE_IN_NETSUITE)
            or row.has_unwanted_sales_order
        ),
        nothing="no Sales Orders in NetSuite",
        good="orders with Sales Orders have one each, rightly",
        bad="orders have Sales Orders that should not be there",
    )


def order_amounts_agree(proof: Reconciliation) -> CheckOutcome:
    """Every Sales Order comes to what TikTok owes the seller, to the cent."""
    return _answer(
        "order_amounts_agree",
        proof,
        looked_at=[
            row for row in proof.rows if row.netsuite and row.verdict in (Verdict.MATCHED, *_NOT_AGREED)
        ],
        offends=lambda row: bool(row.netsuite) and row.verdict in _NOT_AGREED,
        nothing="no order with a Sales Order to compare it with",
        good="Sales Orders come to what TikTok owes",
        bad="Sales Orders are not shown to come to what TikTok owes",
    )


_NOT_AGREED = (Verdict.AMOUNT_DIFFERS, Verdict.CANNOT_BE_CHECKED)

CHECKS: tuple[Callable[[Reconciliation], CheckOutcome], ...] = (
    no_missing_orders,
    no_orphan_sales_orders,
    order_amounts_agree,
)
"""All questions."""


def _answer(
    name: str,
    proof: Reconciliation,
    *,
    looked_at: Sequence[Row],
    offends: Callable[[Row], bool],
    nothing: str,
    good: str,
    bad: str,
) -> CheckOutcome:
    if proof.not_run:
        return CheckOutcome(name, "not_run", proof.statement)
    if not looked_at:
        return CheckOutcome(name, "not_run", f"nothing to look at: {nothing}")
    offenders = sorted((row for row in looked_at if offends(row)), key=_gravity, reverse=True)
    if not offenders:
        return CheckOutcome(name, "passed", f"{len(looked_at)} {good}")
    return CheckOutcome(name, "failed", f"{len(offenders)} of {len(looked_at)} {bad}", tuple(offenders))


def _gravity(row: Row) -> tuple[Decimal, str]:
    """How much money is in question, whatever the currency; the order's id makes it stable."""
    at_stake = row.difference
    if at_stake is None:
        amounts = [amount.amount for amount in (row.owed, row.posted) if amount is not None]
        at_stake = max(amounts, key=abs, default=Decimal(0))
    return abs(at_stake), row.order_id


def _cells(row: Row) -> tuple[str, ...]:
    sales = ", ".join(sale.tran_id or sale.netsuite_id for sale in row.netsuite) or "none"
    return (
        row.order_id or row.external_id,
        row.verdict.replace("_", " "),
        sales,
        shown(row.owed) if row.owed is not None else "?",
        shown(row.posted) if row.posted is not None else "",
        f"{row.difference:+f}" if row.difference is not None else "",
        row.note,
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

"""How a proof's questions are answered: each with its offenders, named and shown worst first.

A question that had nothing to look at, or a side that could not be read, is `not_run`, which is not the
same as passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from tiktok_ns_pipeline.reconciliation.results import JudgedT, Proof

CheckState = Literal["passed", "failed", "not_run"]

RowT = TypeVar("RowT")

_LISTED = 50
"""Rows in a table; the others are counted, and all are in the lake."""


@dataclass(frozen=True, slots=True)
class CheckOutcome(Generic[RowT]):
    """The answer to one question. `offenders` are the rows that make it fail, worst first."""

    name: str
    state: CheckState
    description: str
    offenders: tuple[RowT, ...] = ()
    names: Sequence[str] = ()
    """What people call the offenders."""
    table: str = ""
    """The offenders as a markdown table; empty when there are none."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[RowT]):
    """How people see the rows of a proof."""

    table: str
    """Where all of them are, in the lake."""
    headings: tuple[str, ...]
    cells: Callable[[RowT], Sequence[str]]
    name: Callable[[RowT], str]
    worst_first: Callable[[Iterable[RowT]], list[RowT]]

    def markdown(self, rows: Sequence[RowT], listed: int = _LISTED) -> str:
        """Rows as a markdown table in the order given; empty for none."""
        if not rows:
            return ""
        shown = [self.headings, *(self.cells(row) for row in rows[:listed])]
        lines = ["| " + " | ".join(map(_cell, row)) + " |" for row in shown]
        lines.insert(1, "|" + "---|" * len(self.headings))
        more = len(rows) - listed
        rest = [f"\nand {more} more, in table `{self.table}`"] if more > 0 else []
        return "\n".join([*lines, *rest])

    def worst(self, rows: Iterable[RowT], count: int) -> str:
        """The worst rows as a markdown table; empty for none."""
        return self.markdown(self.worst_first(rows), count)


def answer(
    listing: Listing[JudgedT],
    name: str,
    proof: Proof[JudgedT],
    *,
    among: Callable[[JudgedT], object],
    offends: Callable[[JudgedT], bool],
    nothing: str,
    good: str,
    bad: str,
) -> CheckOutcome[JudgedT]:
    """The answer to one question: of the rows that it is about, those that offend."""
    if proof.not_run:
        return CheckOutcome(name, "not_run", proof.statement)
    looked_at = [row for row in proof.rows if among(row)]
    if not looked_at:
        return CheckOutcome(name, "not_run", f"nothing to look at: {nothing}")
    offenders = listing.worst_first(row for row in looked_at if offends(row))
    if not offenders:
        return CheckOutcome(name, "passed", f"{len(looked_at)} {good}")
    description = f"{len(offenders)} of {len(looked_at)} {bad}"
    names = [listing.name(row) for row in offenders]
    return CheckOutcome(name, "failed", description, tuple(offenders), names, listing.markdown(offenders))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

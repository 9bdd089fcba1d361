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


@dataclass(frozen=True, slots=True)
class Question(Generic[JudgedT]):
    """What is asked of a proof, and the words for each answer."""

    name: str
    listing: Listing[JudgedT]
    among: Callable[[JudgedT], object]
    """Whether it is about a row."""
    offends: Callable[[JudgedT], bool]
    """Whether such a row makes it fail."""
    nothing: str
    good: str
    bad: str

    def __call__(self, proof: Proof[JudgedT]) -> CheckOutcome[JudgedT]:
        """The answer of one proof."""
        if proof.not_run:
            return CheckOutcome(self.name, "not_run", proof.statement)
        looked_at = [row for row in proof.rows if self.among(row)]
        if not looked_at:
            return CheckOutcome(self.name, "not_run", f"nothing to look at: {self.nothing}")
        found = self.listing.worst_first(row for row in looked_at if self.offends(row))
        if not found:
            return CheckOutcome(self.name, "passed", f"{len(looked_at)} {self.good}")
        description = f"{len(found)} of {len(looked_at)} {self.bad}"
        names = [self.listing.name(row) for row in found]
        return CheckOutcome(
            self.name, "failed", description, tuple(found), names, self.listing.markdown(found)
        )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

"""What the warehouse remembers of each order, kept in one SQLite file beside the books.

A *job* is one Sales Order in the warehouse's hands; a *wave* is what leaves of it together, one Item
Fulfillment. A job is written after each step, so that a warehouse that was stopped goes on where it
was; what it did last is recognised by the fulfilment's external id.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

Step = Literal["pack", "unpick", "ship", "track", "correct", "reopen", "ship again", "done"]
"""What is to be done next with a wave."""


@dataclass(slots=True)
class Taken:
    """Units of one order line in a wave, and the channel's ids that they stand for."""

    line: int
    item: str
    quantity: Decimal
    line_ids: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Wave:
    """One fulfilment on its way. `due` is a Unix time of the warehouse's clock."""

    number: int
    fulfilment: str
    taken: list[Taken]
    step: Step
    due: float
    tracking: list[str] = field(default_factory=list[str])
    has_label: bool = False
    """Whether the tracking number is that of a label which the channel sold."""
    carrier: str | None = None
    """Name of the ship method; None where the warehouse notes none."""
    attempts: int = 0
    shipped_at: float | None = None
    """When it first left."""
    gone: bool = False
    """Whether the fulfilment was deleted; waves that ever left are kept for the record."""


@dataclass(slots=True)
class Job:
    """One Sales Order. `pick_due` is when somebody next goes for its goods."""

    sales_order: str
    """Internal id."""
    order_id: str
    """The channel's order id."""
    pick_due: float | None = None
    left_alone: bool = False
    """Whether people were told to pick nothing more of it."""
    waves_made: int = 0
    picked_at: float | None = None
    waves: list[Wave] = field(default_factory=list[Wave])

    @property
    def standing(self) -> list[Wave]:
        """The waves whose fulfilments were not deleted."""
        return [wave for wave in self.waves if not wave.gone]

    def taken_ids(self, line: int) -> set[str]:
        """The channel's ids of a line that standing waves took."""
        return {
            one for wave in self.standing for part in wave.taken if part.line == line for one in part.line_ids
        }


class JobStore:
    """Jobs by internal id of their Sales Order."""

    def __init__(self, directory: Path | None) -> None:
        self._file: sqlite3.Connection | None = None
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(directory / "warehouse.sqlite", check_same_thread=False)
            self._file.executescript(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                "CREATE TABLE IF NOT EXISTS jobs (sales_order TEXT PRIMARY KEY, job TEXT NOT NULL);"
            )

    def load(self) -> Iterator[Job]:
        """All jobs that were kept."""
        if self._file is None:
            return
        for (text,) in self._file.execute("SELECT job FROM jobs"):
            kept = json.loads(text)
            kept["waves"] = [_wave(wave) for wave in kept["waves"]]
            yield Job(**kept)

    def save(self, job: Job) -> None:
        """Keep a job as it is now."""
        if self._file is not None:
            row = (job.sales_order, json.dumps(asdict(job), default=str))
            self._file.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?)", row)
            self._file.commit()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _wave(kept: dict[str, Any]) -> Wave:
    kept["taken"] = [
        Taken(one["line"], one["item"], Decimal(one["quantity"]), one["line_ids"]) for one in kept["taken"]
    ]
    return Wave(**kept)

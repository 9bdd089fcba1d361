"""The lake against a plain list of everything that landed, through any order of work and crashes."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tiktok_ns_pipeline.lake import Lake, tables

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
ORDERS = tables.RAW_TIKTOK_ORDERS


class LakeAgainstAList(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.instant = START
        self.lake = Lake(str(self.root), self)
        self.landed: list[dict[str, Any]] = []
        self.marks: list[tuple[datetime, int]] = []

    def now(self) -> datetime:
        return self.instant

    def teardown(self) -> None:
        self.lake.close()
        shutil.rmtree(self.root)

    @rule(
        ids=st.lists(st.integers(1, 4), max_size=3, unique=True),
        shop=st.sampled_from(["us", "uk"]),
        day=st.integers(0, 1),
        version=st.integers(0, 5),
    )
    def land(self, ids: list[int], shop: str, day: int, version: int) -> None:
        self.instant += timedelta(seconds=1)
        # An order never moves to another day: its creation time does not change.
        rows = [
            {
                "channel": "tiktok",
                "order_id": f"{day}-{number}",
                "status": f"{len(self.landed)}-{number}",
                "update_time": START + timedelta(minutes=version),
                "read_at": self.instant,
            }
            for number in ids
        ]
        self.lake.land(ORDERS, rows, shop=shop, day=date(2026, 3, 2 + day), run_id="run")
        self.landed += [{**row, "shop": shop} for row in rows]

    @rule()
    def remember_this_moment(self) -> None:
        self.marks.append((self.instant, len(self.landed)))

    @rule(grace=st.sampled_from([0, 3, 60]), at_least=st.integers(2, 4))
    def compact(self, grace: int, at_least: int) -> None:
        self.instant += timedelta(seconds=1)
        self.lake.compact(ORDERS, timedelta(seconds=grace), at_least=at_least)

    @rule()
    def compaction_killed_after_its_note(self) -> None:
        self.instant += timedelta(seconds=1)
        before = set(self.root.rglob("*.parquet"))
        self.lake.compact(ORDERS, timedelta(hours=1), at_least=2)
        for path in set(self.root.rglob("*.parquet")) - before:
            path.unlink()

    @invariant()
    def current_is_the_newest_of_each_order(self) -> None:
        assert self.read(self.lake.current(ORDERS)) == self.newest(self.landed)

    @invariant()
    def every_remembered_moment_is_still_seen_as_it_was(self) -> None:
        for instant, count in self.marks[-2:]:
            assert self.read(self.lake.as_of(ORDERS, instant)) == self.newest(self.landed[:count])

    @staticmethod
    def read(rows: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
        return {(row["shop"], row["order_id"]): row["status"] for row in rows}

    @staticmethod
    def newest(landed: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
        newest: dict[tuple[str, str], dict[str, Any]] = {}
        for row in landed:
            key = (row["shop"], row["order_id"])
            if key not in newest or row["update_time"] >= newest[key]["update_time"]:
                newest[key] = row
        return {key: row["status"] for key, row in newest.items()}


TestLakeAgainstAList = LakeAgainstAList.TestCase
TestLakeAgainstAList.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)

"""Rows of one version, read one after the other."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from tests.lake.test_lake import DAY, NOON, HandClock, order
from tiktok_ns_pipeline.lake import Lake, tables


def test_the_rows_of_one_version_come_one_after_the_other_though_newer_ones_landed(
    tmp_path: Path,
) -> None:
    clock = HandClock()
    lake = Lake(str(tmp_path), clock)
    table, later = tables.RAW_TIKTOK_ORDERS, NOON + timedelta(hours=1)

    def told(read_at: datetime) -> list[str]:
        rows = lake.landed_with(
            table, {"read_at": read_at}, shop="uk", days=[DAY], columns=["order_id", "total_amount"]
        )
        found = list(rows)
        assert all(row["total_amount"] == Decimal("12.34") for row in found)
        return sorted(row["order_id"] for row in found)

    land = {"shop": "uk", "day": DAY, "run_id": "run"}
    lake.land(table, [order("1"), order("2")], **land)
    lake.land(table, [order("3")], **land)
    lake.land(table, [order("1", read_at=later, update_time=later)], **land)
    assert (told(NOON), told(later), told(later + timedelta(1))) == (["1", "2", "3"], ["1"], [])
    # Each once, also where one landing is there twice or was compacted.
    lake.land(table, [order("2")], **land)
    assert told(NOON) == ["1", "2", "3"]
    clock.pass_by(minutes=1)
    lake.compact(table, timedelta(0), at_least=2)
    assert (told(NOON), told(later)) == (["1", "2", "3"], ["1"])

"""A run that follows a table knows what `current` would tell, and reads no more than what is new."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import SetClock
from tiktok_ns_pipeline.lake import Following, Lake, tables
from tiktok_ns_pipeline.lake import lake as lake_module

FULFILMENTS = tables.RAW_NETSUITE_ITEM_FULFILLMENTS
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = NOON.date()
COLUMNS = ("status", "day")


def fulfilment(number: str, order_id: str = "7", status: str = "A", version: int = 0) -> dict[str, Any]:
    return {
        "channel": "tiktok",
        "order_id": order_id,
        "fulfilment_id": number,
        "status": status,
        "gone": False,
        "sales_order_id": "1",
        "modified_at": NOON + timedelta(minutes=version),
        "lines": "[]",
        "tracking": "[]",
        "payload": "{}",
        "read_at": NOON,
    }


def land(lake: Lake, *rows: dict[str, Any], shop: str = "us", day: date = DAY) -> None:
    lake.land(FULFILMENTS, rows, shop=shop, day=day, run_id="run-1")


def statuses(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["fulfilment_id"]: row["status"] for row in rows}


class Bench:
    """A lake, another process's lake over the same folder, and what follows it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch | None = None) -> None:
        self.clock = SetClock(NOON)
        self.lake = Lake(str(folder), self.clock)
        self.other = Lake(str(folder), self.clock)
        self.files_read: list[int] = []
        if monkeypatch is not None:
            all_rows = lake_module.reading.all_rows

            def counted(table: tables.Table, addresses: list[str]) -> str:
                self.files_read.append(len(addresses))
                return all_rows(table, addresses)

            rows_of = lake_module.reading.rows_of

            def counted_one(content: bytes, columns: list[str]) -> list[dict[str, Any]]:
                self.files_read.append(1)
                return rows_of(content, columns)

            monkeypatch.setattr(lake_module.reading, "all_rows", counted)
            monkeypatch.setattr(lake_module.reading, "rows_of", counted_one)

    def follow(self, since: datetime = NOON - timedelta(days=1), by: str = "order_id") -> Following:
        return Following(self.lake, FULFILMENTS, shop="us", by=by, columns=COLUMNS, since=since)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_a_look_reads_only_what_landed_since_the_last_one_and_nothing_where_nothing_did(bench: Bench) -> None:
    land(bench.lake, fulfilment("1"), fulfilment("2", "8"))
    land(bench.lake, fulfilment("3"), day=DAY + timedelta(days=1))
    following = bench.follow()
    assert statuses(following.of(["7"])) == {"1": "A", "3": "A"}
    bench.clock.forward(minutes=1)
    land(bench.other, fulfilment("1", status="C", version=1))

    assert statuses(following.of(["7"])) == {"1": "C", "3": "A"}
    assert statuses(following.of(["8", "9"])) == {"2": "A"}
    assert statuses(following.landed_after(NOON + timedelta(seconds=30))) == {"1": "C"}
    assert sum(bench.files_read) == 2 + 1


def test_an_older_version_that_lands_later_hides_no_newer_one(bench: Bench) -> None:
    following = bench.follow()
    land(bench.lake, fulfilment("1", status="C", version=5))
    assert statuses(following.of(["7"])) == {"1": "C"}
    land(bench.other, fulfilment("1", status="B", version=3))
    assert statuses(following.of(["7"])) == {"1": "C"}
    land(bench.other, fulfilment("1", status="A", version=5))
    assert statuses(following.of(["7"])) == {"1": "A"}, "of equal versions the later landing counts"


def test_what_landed_before_is_read_once_for_those_who_are_asked_for(bench: Bench) -> None:
    land(bench.lake, fulfilment("1", status="C", version=9), fulfilment("2", "8"))
    bench.clock.forward(days=30)
    since = bench.clock.now()
    bench.clock.forward(hours=1)
    land(bench.lake, fulfilment("1", status="B"), fulfilment("3"))
    following = bench.follow(since)

    assert statuses(following.landed_after(since)) == {"1": "B", "3": "A"}
    assert statuses(following.of(["7"])) == {"1": "C", "3": "A"}
    read = len(bench.files_read)
    assert statuses(following.of(["7"])) == {"1": "C", "3": "A"}
    assert len(bench.files_read) == read
    assert statuses(following.of(["7", "8"], days=[DAY])) == {"1": "C", "2": "A", "3": "A"}
    with pytest.raises(ValueError, match="not since"):
        following.landed_after(NOON)


def test_a_compaction_brings_no_news_and_loses_nothing(bench: Bench) -> None:
    land(bench.lake, fulfilment("1", "8"))
    bench.clock.forward(days=30)
    since = bench.clock.now() - timedelta(minutes=1)
    for number in range(2, 6):
        land(bench.lake, fulfilment(str(number)))
    following = bench.follow(since)
    before = statuses(following.of(["7", "8"]))
    bench.clock.forward(hours=1)
    for _ in range(2):
        bench.clock.forward(minutes=1)
        bench.other.compact(FULFILMENTS, timedelta(0), at_least=2)

    assert statuses(following.of(["7", "8"])) == before == dict.fromkeys("12345", "A")
    assert statuses(bench.follow(since).of(["8"])) == {"1": "A"}, "an old row in a young file"
    assert statuses(following.landed_after(since)) == dict.fromkeys("2345", "A")


def test_many_files_and_few_are_read_alike(bench: Bench) -> None:
    few, many = bench.follow(), bench.follow()
    for number in range(9):
        land(bench.lake, fulfilment(str(number % 4), version=number * 2 % 9))
        told = few.of(["7"])
    assert sorted(told, key=repr) == sorted(many.of(["7"]), key=repr)
    assert {row["modified_at"].tzinfo for row in told} == {UTC}


def test_other_shops_are_not_followed(bench: Bench) -> None:
    land(bench.lake, fulfilment("1"), shop="uk")
    assert bench.follow().of(["7"]) == []


def test_a_table_of_whole_listings_is_not_followed(bench: Bench) -> None:
    with pytest.raises(ValueError, match="as a whole"):
        Following(bench.lake, tables.RAW_NETSUITE_ITEMS, shop="us", by="item_id", columns=(), since=NOON)


happenings = st.lists(
    st.tuples(
        st.sampled_from(["land", "land", "land", "compact", "ask"]),
        st.integers(1, 4),
        st.integers(0, 3),
        st.sampled_from([0, 1, 40]),
    ),
    max_size=14,
)


@settings(deadline=None, max_examples=35)
@given(happenings, st.integers(0, 60), st.sampled_from(["order_id", "fulfilment_id"]))
def test_whatever_lands_in_whatever_order_the_follower_tells_what_current_tells(
    tmp_path_factory: pytest.TempPathFactory, happened: list[Any], followed_days: int, by: str
) -> None:
    bench = Bench(tmp_path_factory.mktemp("lake"))
    following = bench.follow(NOON + timedelta(days=followed_days - 30), by)
    columns = following.columns
    for what, number, version, days in [*happened, ("ask", 1, 0, 0)]:
        bench.clock.forward(days=days, minutes=1)
        if what == "land":
            row = fulfilment(str(number), str(number % 2), "ABC"[version % 3], version)
            land(bench.other, row, day=DAY + timedelta(days=version % 2))
        elif what == "compact":
            bench.other.compact(FULFILMENTS, timedelta(0), at_least=2)
        else:
            asked = [str(number), str(number % 2)]
            expected = bench.lake.current(FULFILMENTS, f"{by} IN (?, ?)", asked, shop="us", columns=columns)
            assert sorted(map(repr, following.of(asked))) == sorted(map(repr, expected))


def test_a_file_of_an_older_declaration_is_followed_with_nulls_in_what_it_lacks(bench: Bench) -> None:
    newer = tables.ORDER_RECONCILIATION_STATEMENTS
    older = tables.Table(newer.name, newer.description, newer.columns[:5], newer.key, ("landed_at",))
    bench.lake.land(older, [{"statement": "1 on this side"}], shop="us", day=DAY, run_id="old")
    following = Following(
        bench.lake,
        newer,
        shop="us",
        by="statement",
        columns=("differences",),
        since=NOON - timedelta(days=1),
    )
    [row] = following.of(["1 on this side"])
    assert row["differences"] is row["proved_at"] is None

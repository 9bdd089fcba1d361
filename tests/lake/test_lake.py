"""What the lake promises to those who land and read."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tiktok_ns_pipeline.clock import SystemClock
from tiktok_ns_pipeline.lake import ACCOUNT_WIDE, TABLES, Lake, LandingError, tables

DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class HandClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.instant = NOON

    def now(self) -> datetime:
        return self.instant

    def pass_by(self, **duration: int) -> datetime:
        self.instant += timedelta(**duration)
        return self.instant


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=["folder", "object store"])
def lake(request: pytest.FixtureRequest, tmp_path: Path, clock: HandClock) -> Lake:
    root = str(tmp_path) if request.param == "folder" else f"memory://{uuid4().hex}/lake"
    return Lake(root, clock)


def order(order_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "channel": "tiktok",
        "order_id": order_id,
        "status": "AWAITING_SHIPMENT",
        "update_time": NOON,
        "currency": "USD",
        "total_amount": Decimal("12.34"),
        "payload": "{}",
        "read_at": NOON,
    } | changes


def land(lake: Lake, *rows: dict[str, Any], shop: str = "us", day: date = DAY) -> Any:
    return lake.land(tables.RAW_TIKTOK_ORDERS, rows, shop=shop, day=day, run_id="run-1")


def statuses(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["order_id"]: row["status"] for row in rows}


def test_what_lands_is_read_back_exactly(lake: Lake, clock: HandClock) -> None:
    payload = '{"amount":0.10,"note":"chữ \\u0000 🧾 \'; DROP"}'
    landed = land(lake, order("5764", total_amount=Decimal("434566"), payload=payload))

    [row] = lake.current(tables.RAW_TIKTOK_ORDERS)

    assert row == order("5764", total_amount=Decimal("434566"), payload=payload) | {
        "shop": "us",
        "day": DAY,
        "run_id": "run-1",
        "landed_at": clock.instant,
        "create_time": None,
        "request_id": None,
    }
    assert isinstance(row["total_amount"], Decimal)
    assert str(row["total_amount"]) == "434566"
    assert row["update_time"].tzinfo is UTC
    assert (landed.rows, len(landed.sha256)) == (1, 64)
    assert landed.path.startswith("table=raw_tiktok_orders/shop=us/day=2026-03-02/20260302T120000000000Z-")


@pytest.mark.parametrize("amount", ["0", "0.01", "-0.05", "99999999999999.999999999999", "100", "1E+3"])
def test_an_amount_keeps_its_value_and_is_never_a_float(lake: Lake, amount: str) -> None:
    land(lake, order("1", total_amount=Decimal(amount)))
    assert lake.current(tables.RAW_TIKTOK_ORDERS)[0]["total_amount"] == Decimal(amount)


def test_half_a_surrogate_pair_lands_as_the_json_escape_that_means_it(lake: Lake) -> None:
    land(lake, order("1", payload='{"name":"\ud83d"}'))
    assert lake.current(tables.RAW_TIKTOK_ORDERS)[0]["payload"] == '{"name":"\\ud83d"}'


def test_the_newest_version_of_an_order_is_current_and_all_versions_stay(lake: Lake) -> None:
    land(lake, order("1", status="CANCELLED", update_time=NOON + timedelta(hours=2)), order("2"))
    land(lake, order("1", status="AWAITING_SHIPMENT", update_time=NOON + timedelta(hours=1)))

    assert statuses(lake.current(tables.RAW_TIKTOK_ORDERS)) == {"1": "CANCELLED", "2": "AWAITING_SHIPMENT"}
    with lake.connect() as connection:
        assert connection.execute("SELECT count(*) FROM raw_tiktok_orders_all").fetchone() == (3,)
        assert connection.execute("SELECT count(*) FROM raw_tiktok_orders").fetchone() == (2,)


def test_of_two_equal_versions_the_later_landing_wins_even_at_one_instant(lake: Lake) -> None:
    for status in ("ON_HOLD", "AWAITING_SHIPMENT", "CANCELLED"):
        land(lake, order("1", status=status))
    assert statuses(lake.current(tables.RAW_TIKTOK_ORDERS)) == {"1": "CANCELLED"}


def test_the_same_order_id_in_two_shops_is_two_orders(lake: Lake) -> None:
    land(lake, order("1"), shop="us")
    land(lake, order("1"), shop="uk")
    assert {row["shop"] for row in lake.current(tables.RAW_TIKTOK_ORDERS)} == {"us", "uk"}
    assert [row["shop"] for row in lake.current(tables.RAW_TIKTOK_ORDERS, shop="uk")] == ["uk"]


def test_a_condition_asks_the_current_version_not_an_older_one(lake: Lake) -> None:
    land(lake, order("1", status="UNPAID"))
    land(lake, order("1", status="ON_HOLD", update_time=NOON + timedelta(minutes=1)))
    assert lake.current(tables.RAW_TIKTOK_ORDERS, "status = ?", ["UNPAID"]) == []


def test_columns_and_days_can_be_chosen(lake: Lake) -> None:
    land(lake, order("1"))
    land(lake, order("2"), day=DAY + timedelta(days=1))
    rows = lake.current(tables.RAW_TIKTOK_ORDERS, shop="us", days=[DAY], columns=("order_id",))
    assert rows == [{"order_id": "1"}]
    assert lake.current(tables.RAW_TIKTOK_ORDERS, days=[DAY], columns=("order_id",)) == rows
    with pytest.raises(ValueError, match="no column colour"):
        lake.current(tables.RAW_TIKTOK_ORDERS, columns=("colour",))


def test_the_last_landing_of_a_shop_is_told_by_names(lake: Lake, clock: HandClock) -> None:
    land(lake, order("1"), order("2"))
    assert lake.last_landing(tables.RAW_TIKTOK_ORDERS, shop="us") == clock.instant
    clock.pass_by(minutes=1)
    land(lake, order("2", status="CANCELLED"), order("3"))
    newest = clock.instant
    clock.pass_by(minutes=1)
    land(lake, order("4"), shop="uk")

    assert lake.last_landing(tables.RAW_TIKTOK_ORDERS, shop="us") == newest
    assert lake.last_landing(tables.RAW_TIKTOK_ORDERS, shop="vn") is None


def test_a_compaction_is_a_landing(lake: Lake, clock: HandClock) -> None:
    for number in range(9):
        land(lake, order(str(number)))
    clock.pass_by(minutes=1)
    before = clock.instant
    clock.pass_by(minutes=1)
    lake.compact(tables.RAW_TIKTOK_ORDERS, timedelta(hours=1))

    newest = lake.last_landing(tables.RAW_TIKTOK_ORDERS, shop="us")
    assert newest is not None
    assert newest > before


def test_a_past_day_is_seen_as_it_was_seen_then(lake: Lake, clock: HandClock) -> None:
    land(lake, order("1", status="ON_HOLD"))
    evening = clock.pass_by(hours=8)
    clock.pass_by(hours=8)
    land(lake, order("1", status="CANCELLED", update_time=NOON + timedelta(hours=10)), order("2"))

    assert statuses(lake.as_of(tables.RAW_TIKTOK_ORDERS, evening)) == {"1": "ON_HOLD"}
    assert lake.as_of(tables.RAW_TIKTOK_ORDERS, NOON - timedelta(seconds=1)) == []
    with lake.connect(as_of=evening) as connection:
        assert connection.execute("SELECT status FROM raw_tiktok_orders").fetchall() == [("ON_HOLD",)]
        assert connection.execute("SELECT count(*) FROM raw_tiktok_orders_all").fetchone() == (1,)


def verdict(order_id: str, verdict: str = "matched") -> dict[str, Any]:
    return {
        "order_id": order_id,
        "external_id": f"tts-us-so-{order_id}",
        "verdict": verdict,
        "tiktok_read_at": NOON,
        "netsuite_read_at": NOON,
    }


def test_rows_come_in_the_order_of_their_key(lake: Lake, clock: HandClock) -> None:
    # So many that DuckDB shares them out to its threads.
    ids = [str(1_000 + number * 7_919 % 9_000) for number in range(3_000)]
    for start in range(0, len(ids), 1_000):
        clock.pass_by(seconds=1)
        land(lake, *(order(one) for one in ids[start : start + 1_000]))
    found = [row["order_id"] for row in lake.current(tables.RAW_TIKTOK_ORDERS, columns=("order_id",))]
    assert found == sorted(ids)


def test_a_new_proof_of_a_day_replaces_the_last_one_of_that_day_whole(lake: Lake, clock: HandClock) -> None:
    proofs = tables.ORDER_RECONCILIATION
    other_day = DAY + timedelta(days=1)
    lake.land(proofs, [verdict("1"), verdict("2", "missing_in_tiktok")], shop="us", day=DAY, run_id="a")
    lake.land(proofs, [verdict("3")], shop="us", day=other_day, run_id="a")
    first_seen = clock.pass_by(hours=1)
    clock.pass_by(hours=1)
    lake.land(proofs, [verdict("1")], shop="us", day=DAY, run_id="b")
    assert {row["order_id"] for row in lake.current(proofs)} == {"1", "3"}

    lake.land(proofs, [], shop="us", day=DAY, run_id="c")
    assert {row["order_id"] for row in lake.current(proofs)} == {"3"}
    assert {row["order_id"] for row in lake.as_of(proofs, first_seen)} == {"1", "2", "3"}


def test_an_item_that_left_the_list_is_not_current(lake: Lake) -> None:
    def item(item_id: str) -> dict[str, Any]:
        return {"item_id": item_id, "isinactive": False, "read_at": NOON, "snapshot_id": "s"}

    items = tables.RAW_NETSUITE_ITEMS
    lake.land(items, [item("301"), item("302")], shop=ACCOUNT_WIDE, day=DAY, run_id="a")
    lake.land(items, [item("302")], shop=ACCOUNT_WIDE, day=DAY + timedelta(days=1), run_id="b")
    assert [row["item_id"] for row in lake.current(items)] == ["302"]


def test_no_rows_make_no_file(lake: Lake) -> None:
    assert land(lake).path is None
    assert lake.tables_present() == []
    assert lake.current(tables.RAW_TIKTOK_ORDERS) == []


def test_an_empty_lake_has_every_view_with_its_columns(lake: Lake) -> None:
    with lake.connect() as connection:
        for table in TABLES:
            for view in (table.name, f"{table.name}_all"):
                description = connection.execute(f"DESCRIBE {view}").fetchall()
                told = [(name, kind) for name, kind, *_ in description]
                declared = [
                    (c.name, {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}.get(c.type, c.type))
                    for c in table.columns
                ]
                assert told == declared
                assert connection.execute(f"SELECT * FROM {view}").fetchall() == []


def test_rows_of_several_days_land_in_their_days(lake: Lake) -> None:
    next_day = DAY + timedelta(days=1)
    rows = [order("1", day=DAY), order("2", day=next_day), order("3", day=DAY)]
    landings = lake.land_many(tables.RAW_TIKTOK_ORDERS, rows, shop="us", run_id="run-1")
    assert [landing.rows for landing in landings] == [2, 1]
    assert {r["order_id"] for r in lake.current(tables.RAW_TIKTOK_ORDERS, days=[next_day])} == {"2"}


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (order("1", colour="red"), "no column colour"),
        (order("1", total_amount=12.34), "total_amount"),
        (order("1", total_amount=True), "total_amount"),
        (order("1", total_amount=Decimal("0.0000000000001")), "total_amount"),
        (order("1", update_time=datetime(2026, 3, 2)), "without a time zone"),  # noqa: DTZ001
        (order(None), "order_id is empty in row 2 of 2"),  # type: ignore[arg-type]
        (order("1", status=7), "status"),
        (order("1", shop="uk"), "of shop uk, landed as us"),
        (order("1", day=DAY + timedelta(days=1)), "landed as 2026-03-02"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_and_nothing_lands(
    lake: Lake, row: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(LandingError, match=complaint):
        land(lake, order("2"), row)
    assert lake.tables_present() == []


@pytest.mark.parametrize("shop", ["", "../x", "a/b", "x" * 65, "us='"])
def test_a_shop_code_that_is_no_folder_name_is_refused(lake: Lake, shop: str) -> None:
    with pytest.raises(ValueError, match="no shop code"):
        land(lake, order("1"), shop=shop)


def test_a_file_of_an_older_declaration_reads_as_nulls_in_new_columns(
    tmp_path: Path, clock: HandClock
) -> None:
    lake = Lake(str(tmp_path), clock)
    newer = tables.ORDER_RECONCILIATION_STATEMENTS
    older = tables.Table(newer.name, newer.description, newer.columns[:5], newer.key, ("landed_at",))
    lake.land(older, [{"statement": "1 on this side"}], shop="us", day=DAY, run_id="old")
    row = {"statement": "2 on this side", "differences": 0, "proved_at": NOON}
    lake.land(newer, [row], shop="uk", day=DAY, run_id="new")

    assert {r["shop"]: r["differences"] for r in lake.current(newer)} == {"us": None, "uk": 0}


# --- crashes ---------------------------------------------------------------------------------

KILLED_BEFORE_THE_RENAME = """
import os, signal, sys
from datetime import UTC, date, datetime
from tiktok_ns_pipeline.clock import SystemClock
from tiktok_ns_pipeline.lake import Lake, tables

def kill(event, _):
    if event == "os.rename":
        os.kill(os.getpid(), signal.SIGKILL)

lake = Lake(sys.argv[1], SystemClock())
sys.addaudithook(kill)
row = {"channel": "tiktok", "order_id": "1", "read_at": datetime.now(UTC)}
lake.land(tables.RAW_TIKTOK_ORDERS, [row], shop="us", day=date(2026, 3, 2), run_id="killed")
"""


def test_a_writer_killed_before_the_rename_leaves_nothing_visible_and_is_swept(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_BEFORE_THE_RENAME, str(tmp_path)], check=False)
    assert killed.returncode == -9
    lake = Lake(str(tmp_path), SystemClock())
    [left_over] = [path for path in tmp_path.rglob("*") if path.is_file()]

    assert lake.current(tables.RAW_TIKTOK_ORDERS) == []
    assert lake.tables_present() == []
    assert lake.sweep() == 0, "it may still be at work"
    assert lake.sweep(older_than=timedelta(seconds=-1)) == 1
    assert not left_over.exists()


# --- compaction ------------------------------------------------------------------------------


def test_compaction_puts_a_day_into_one_file_and_removes_the_old_ones_after_the_grace(
    lake: Lake, clock: HandClock
) -> None:
    for number in range(9):
        land(lake, order(str(number)))
    seen_before = clock.instant + timedelta(microseconds=4)
    before = lake.current(tables.RAW_TIKTOK_ORDERS)
    grace = timedelta(hours=1)
    clock.pass_by(minutes=1)

    first = lake.compact(tables.RAW_TIKTOK_ORDERS, grace)
    clock.pass_by(minutes=59)
    early = lake.compact(tables.RAW_TIKTOK_ORDERS, grace)
    clock.pass_by(minutes=2)
    late = lake.compact(tables.RAW_TIKTOK_ORDERS, grace)

    assert (first.merged, first.written, first.removed) == (9, 1, 0)
    assert (early.merged, early.written, early.removed) == (0, 0, 0)
    assert (late.merged, late.written, late.removed) == (0, 0, 9)
    by_id = {row["order_id"]: row for row in lake.current(tables.RAW_TIKTOK_ORDERS)}
    assert by_id == {row["order_id"]: row for row in before}
    assert len(lake.as_of(tables.RAW_TIKTOK_ORDERS, seen_before)) == 5, "history survives compaction"


def test_during_the_grace_no_row_is_read_twice(lake: Lake) -> None:
    for number in range(9):
        land(lake, order(str(number)))
    lake.compact(tables.RAW_TIKTOK_ORDERS, timedelta(hours=1))
    with lake.connect() as connection:
        assert connection.execute("SELECT count(*) FROM raw_tiktok_orders_all").fetchone() == (9,)


def test_a_connection_opened_before_a_compaction_reads_on_through_the_grace(lake: Lake) -> None:
    for number in range(9):
        land(lake, order(str(number)))
    with lake.connect() as connection:
        lake.compact(tables.RAW_TIKTOK_ORDERS, timedelta(hours=1))
        lake.compact(tables.RAW_TIKTOK_ORDERS, timedelta(hours=1))
        assert connection.execute("SELECT count(*) FROM raw_tiktok_orders").fetchone() == (9,)


def test_rows_that_land_after_a_compaction_join_the_next_one(lake: Lake, clock: HandClock) -> None:
    for number in range(3):
        land(lake, order(str(number)))
    lake.compact(tables.RAW_TIKTOK_ORDERS, timedelta(0), at_least=2)
    land(lake, order("3"))
    for _ in range(3):
        clock.pass_by(seconds=1)
        lake.compact(tables.RAW_TIKTOK_ORDERS, timedelta(0), at_least=2)
    assert len(lake.current(tables.RAW_TIKTOK_ORDERS)) == 4


@pytest.mark.parametrize("event", ["note written", "new file written"])
def test_a_compaction_killed_at_any_step_loses_and_doubles_nothing(
    tmp_path: Path, clock: HandClock, event: str
) -> None:
    lake = Lake(str(tmp_path), clock)
    for number in range(4):
        land(lake, order(str(number)))
    lake.compact(tables.RAW_TIKTOK_ORDERS, timedelta(hours=1), at_least=2)
    if event == "note written":
        [note] = tmp_path.rglob("*.replaces")
        note.with_suffix(".parquet").unlink()

    clock.pass_by(hours=2)
    for _ in range(3):
        clock.pass_by(seconds=1)
        lake.compact(tables.RAW_TIKTOK_ORDERS, timedelta(0), at_least=2)
        with lake.connect() as connection:
            assert connection.execute("SELECT count(*) FROM raw_tiktok_orders_all").fetchone() == (4,)
    assert len(list(tmp_path.rglob("*.parquet"))) == 1


def test_readers_never_see_a_row_lost_while_others_write_and_compact(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), SystemClock())
    written: list[str] = []
    done: list[bool] = []

    def write(writer: int) -> None:
        for number in range(40):
            order_id = f"{writer}-{number}"
            land(lake, order(order_id))
            written.append(order_id)

    def compact() -> None:
        while not done:
            lake.compact(tables.RAW_TIKTOK_ORDERS, timedelta(milliseconds=150), at_least=2)

    def read() -> int:
        looks = 0
        while not done:
            before = set(written)
            seen = {row["order_id"] for row in lake.current(tables.RAW_TIKTOK_ORDERS, columns=("order_id",))}
            assert before <= seen
            looks += 1
        return looks

    with ThreadPoolExecutor(6) as pool:
        background = [pool.submit(read), pool.submit(compact), pool.submit(compact)]
        for writer in [pool.submit(write, number) for number in range(3)]:
            writer.result()
        done.append(True)
        looks = background[0].result()
        for compactor in background[1:]:
            compactor.result()
    assert looks > 0
    assert len(lake.current(tables.RAW_TIKTOK_ORDERS)) == 120
    lake.compact(tables.RAW_TIKTOK_ORDERS, timedelta(hours=1), at_least=2)
    with lake.connect() as connection:
        assert connection.execute("SELECT count(*) FROM raw_tiktok_orders_all").fetchone() == (120,)

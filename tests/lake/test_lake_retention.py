"""What may be forgotten of listings that replace each other as a whole."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lake.test_lake import DAY, NOON, HandClock, order
from tiktok_ns_pipeline.lake import ACCOUNT_WIDE, Lake, tables

PROOFS = tables.ORDER_RECONCILIATION
KEPT = timedelta(days=35)


def a_lake() -> tuple[Lake, HandClock]:
    clock = HandClock()
    return Lake(f"memory://{uuid4().hex}/lake", clock), clock


def prove(lake: Lake, order_id: str, *, shop: str = "us", day: date = DAY) -> None:
    row = {
        "order_id": order_id,
        "external_id": f"tts-{shop}-so-{order_id}",
        "verdict": "matched",
        "tiktok_read_at": NOON,
        "netsuite_read_at": NOON,
    }
    lake.land(PROOFS, [row], shop=shop, day=day, run_id="run")


def proved(rows: list[dict[str, Any]]) -> list[tuple[str, date, str]]:
    return [(row["shop"], row["day"], row["order_id"]) for row in rows]


def test_of_old_proofs_the_last_of_each_shop_and_day_stays() -> None:
    lake, clock = a_lake()
    for hour in range(3):
        prove(lake, f"{hour}")
        prove(lake, f"{hour}", shop="uk")
        clock.pass_by(hours=1)
    prove(lake, "other day", day=DAY + timedelta(days=1))
    clock.pass_by(days=36)
    assert lake.forget_replaced(PROOFS, KEPT) == 4
    assert proved(lake.current(PROOFS)) == [
        ("uk", DAY, "2"),
        ("us", DAY, "2"),
        ("us", DAY + timedelta(days=1), "other day"),
    ]
    assert lake.forget_replaced(PROOFS, KEPT) == 0


def test_a_proof_stays_until_it_has_been_replaced_for_so_long() -> None:
    lake, clock = a_lake()
    prove(lake, "first")
    seen = clock.pass_by(days=40)
    prove(lake, "second")
    clock.pass_by(days=34)
    assert lake.forget_replaced(PROOFS, KEPT) == 0
    assert proved(lake.as_of(PROOFS, seen - timedelta(seconds=1))) == [("us", DAY, "first")]
    clock.pass_by(days=2)
    assert lake.forget_replaced(PROOFS, KEPT) == 1
    assert proved(lake.current(PROOFS)) == [("us", DAY, "second")]


def test_what_adds_rows_is_kept_for_ever() -> None:
    lake, clock = a_lake()
    for status in ("UNPAID", "CANCELLED"):
        lake.land(tables.RAW_TIKTOK_ORDERS, [order("1", status=status)], shop="us", day=DAY, run_id="run")
    clock.pass_by(days=4000)
    assert lake.forget_replaced(tables.RAW_TIKTOK_ORDERS, KEPT) == 0
    with lake.connect() as connection:
        assert connection.execute("SELECT count(*) FROM raw_tiktok_orders_all").fetchone() == (2,)


def test_the_newest_list_of_all_items_stays_however_old() -> None:
    lake, clock = a_lake()
    for item_id in ("301", "302"):
        item = {"item_id": item_id, "isinactive": False, "read_at": NOON, "snapshot_id": "s"}
        lake.land(tables.RAW_NETSUITE_ITEMS, [item], shop=ACCOUNT_WIDE, day=DAY, run_id="run")
    clock.pass_by(days=4000)
    assert lake.forget_replaced(tables.RAW_NETSUITE_ITEMS, KEPT) == 1
    assert [row["item_id"] for row in lake.current(tables.RAW_NETSUITE_ITEMS)] == ["302"]


@settings(max_examples=25, deadline=None)
@given(
    landings=st.lists(
        st.tuples(st.sampled_from(["us", "uk"]), st.integers(0, 1), st.integers(1, 30)), max_size=12
    ),
    kept=st.integers(0, 100),
)
def test_whatever_was_proved_when_the_time_kept_is_seen_as_it_was(
    landings: list[tuple[str, int, int]], kept: int
) -> None:
    lake, clock = a_lake()
    for number, (shop, day, days_later) in enumerate(landings):
        prove(lake, f"{number}", shop=shop, day=DAY + timedelta(days=day))
        clock.pass_by(days=days_later)
    instants = [clock.instant - timedelta(days=back) for back in range(0, kept + 1, 5)]
    before = [lake.as_of(PROOFS, instant) for instant in instants]
    lake.forget_replaced(PROOFS, timedelta(days=kept))
    assert [lake.as_of(PROOFS, instant) for instant in instants] == before

"""Orders land whatever state they are in."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.clock import SystemClock
from tiktok_ns_pipeline.lake import Lake, tables
from tiktok_ns_pipeline.lake.orders import business_day, raw_order_row

READ_AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
LOS_ANGELES = ZoneInfo("America/Los_Angeles")

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
broken_orders = st.dictionaries(
    st.sampled_from(["id", "status", "create_time", "update_time", "payment", "line_items"]), json_values
)


def row_of(raw: Any) -> dict[str, Any]:
    return raw_order_row(raw, zone=LOS_ANGELES, read_at=READ_AT, request_id="r-1")


def test_an_order_is_filed_under_the_shops_business_day() -> None:
    # 05:00 UTC is still the evening before in Los Angeles.
    placed = datetime(2026, 3, 2, 5, tzinfo=UTC)
    row = row_of(
        {"id": "5764", "create_time": int(placed.timestamp()), "payment": {"total_amount": " 12.50"}}
    )
    assert (row["day"], row["create_time"], row["total_amount"]) == (
        date(2026, 3, 1),
        placed,
        Decimal("12.50"),
    )
    assert business_day(placed, UTC) == date(2026, 3, 2)


def test_an_amount_that_is_not_stated_is_unknown_and_not_zero() -> None:
    assert row_of({"id": "1", "payment": {"total_amount": ""}})["total_amount"] is None


@pytest.mark.parametrize("identity", [None, "", {}, True, 1.5])
def test_an_order_without_an_id_has_a_name_of_its_own(identity: Any) -> None:
    raw = {"id": identity, "status": "UNPAID"}
    assert row_of(raw)["order_id"].startswith("unreadable-")
    assert (
        row_of(raw)["order_id"] == row_of(dict(raw))["order_id"] != row_of({"status": "ON_HOLD"})["order_id"]
    )


@settings(deadline=None, max_examples=40)
@given(st.lists(broken_orders | json_values, min_size=1, max_size=4))
def test_whatever_came_lands_and_its_payload_is_read_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, orders: list[Any]
) -> None:
    root: Path = tmp_path_factory.mktemp("lake")
    lake = Lake(str(root), SystemClock())
    lake.land_many(tables.RAW_TIKTOK_ORDERS, map(row_of, orders), shop="us", run_id="run-1")
    with lake.connect() as connection:
        payloads = connection.execute("SELECT payload FROM raw_tiktok_orders_all").fetchall()
    read = sorted(exact_json.dumps(exact_json.loads(payload)) for (payload,) in payloads)
    assert read == sorted(map(exact_json.dumps, orders))

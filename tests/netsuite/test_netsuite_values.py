"""Values as NetSuite writes them, and the markers in a query's text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.netsuite.scripted_server import sample
from tiktok_ns_pipeline.netsuite.suiteql import checked, continued, inlined, is_ordered, rows_of
from tiktok_ns_pipeline.netsuite.values import (
    id_of,
    lines_of,
    ref,
    to_account_time,
    to_bool,
    to_decimal,
    to_instant,
)

PACIFIC = ZoneInfo("America/Los_Angeles")


@pytest.mark.parametrize(
    ("text", "number"), [("14", "14"), ("-0.10", "-0.10"), (".5", "0.5"), ("1E3", "1000"), (" 7 ", "7")]
)
def test_number_is_read_exactly(text: str, number: str) -> None:
    assert to_decimal(text) == Decimal(number)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_number_keeps_every_digit(number: Decimal) -> None:
    assert to_decimal(str(number)) == number


@pytest.mark.parametrize("text", ["", "abc", "1,5", "NaN", "Infinity"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="number"):
        to_decimal(text)


def test_flag_is_t_or_f() -> None:
    assert (to_bool("T"), to_bool("F")) == (True, False)
    with pytest.raises(ValueError, match="flag"):
        to_bool("true")


def test_null_stays_unknown() -> None:
    assert (to_decimal(None), to_bool(None), to_instant(None, UTC), id_of(None)) == (None,) * 4


def test_account_time_becomes_utc_by_offset_or_zone() -> None:
    noon = datetime(2026, 1, 16, 20, 1, 6, tzinfo=UTC)
    assert to_instant("2026-01-16 12:01:06", timedelta(hours=-8)) == noon
    assert to_instant("2026-01-16 12:01:06", PACIFIC) == noon
    assert to_instant("2026-07-16 12:01:06", PACIFIC) == datetime(2026, 7, 16, 19, 1, 6, tzinfo=UTC)


@given(st.integers(1_500_000_000, 2_000_000_000), st.integers(-56, 56))
def test_instant_survives_the_way_through_the_account_s_clock(seconds: int, quarters: int) -> None:
    offset = timedelta(minutes=15 * quarters)
    instant = datetime.fromtimestamp(seconds, UTC)
    assert to_instant(to_account_time(instant, offset), offset) == instant


def test_instant_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        to_account_time(datetime.fromtimestamp(0), UTC)  # noqa: DTZ006


def test_reference_is_written_and_read() -> None:
    assert ref(6) == ref("6") == {"id": "6"}
    record = sample("capture.get.record.expanded.json")["response"]["body"]
    assert id_of(record["currency"]) == "1"
    assert id_of(record["emailPreference"]) == "DEFAULT"
    assert id_of(record.get("absent")) is None
    assert id_of("B") == "B"
    with pytest.raises(ValueError, match="reference"):
        id_of(True)


def test_lines_are_read_from_an_expanded_record_only() -> None:
    record = sample("capture.get.record.expanded.json")["response"]["body"]
    assert [id_of(line["currency"]) for line in lines_of(record, "currencyList")] == ["1", "4", "2"]
    assert lines_of(record, "contactList") == []
    assert lines_of(record, "absent") == []
    plain = sample("capture.get.record.json")["response"]["body"]
    with pytest.raises(ValueError, match="not expanded"):
        lines_of(plain, "currencyList")


# The text of a query


def test_rows_lose_their_links_and_keep_missing_columns_missing() -> None:
    rows = rows_of(sample("capture.suiteql.json")["response"]["body"])
    assert rows[:2] == [{"id": "-3"}, {"id": "8", "companyname": "Example Vendor"}]


def test_keyset_marker_becomes_a_bound_value_in_its_place() -> None:
    query = "SELECT id -- it's {after} or ?\nFROM t WHERE a = ? AND b = '{after}?' AND id > {after} AND c = ?"
    text, values = continued(query, ["x", "y"], 7)
    assert values == ["x", 7, "y"]
    assert text == query.replace("id > {after}", "id > ?")


@pytest.mark.parametrize("query", ["SELECT 1", "SELECT {after}, {after}", "SELECT '{after}'"])
def test_keyset_query_carries_its_marker_once(query: str) -> None:
    with pytest.raises(ValueError, match="exactly once"):
        continued(query, [], 0)


def test_values_are_inlined_as_quoted_literals() -> None:
    query = "SELECT '?' FROM t WHERE a = ? AND b > ? AND c = ?"
    text = inlined(query, ["O'Neill", 5, Decimal("1E+2")])
    assert text == "SELECT '?' FROM t WHERE a = 'O''Neill' AND b > 5 AND c = 100"
    for params in (["x"], ["a", "b", "c", "d"]):
        with pytest.raises(ValueError, match="markers than values"):
            inlined(query, params)


@given(st.text())
def test_inlined_text_cannot_leave_its_literal(value: str) -> None:
    literal = inlined("?", [value])
    assert literal[0] == literal[-1] == "'"
    assert literal[1:-1].replace("''", "'") == value
    assert "'" not in literal[1:-1].replace("''", "")


@pytest.mark.parametrize("value", [None, 1.5, True, datetime(2026, 1, 1, tzinfo=UTC)])
def test_value_that_netsuite_would_misread_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="parameter 1"):
        checked(["x", value])


def test_order_is_recognised() -> None:
    assert is_ordered("SELECT id FROM t order   BY id")
    assert not is_ordered("SELECT reorder_by FROM t")

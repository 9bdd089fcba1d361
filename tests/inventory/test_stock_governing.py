"""What others take in NetSuite: what of it tells of the next seconds."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from tests.conftest import SetClock
from tiktok_ns_pipeline.inventory.governing import rate_of, stream_of

NOW = SetClock().now()


def took(*units: int) -> list[tuple[object, Decimal]]:
    """So many units at a time, a minute apart, the last one now."""
    return [(NOW - timedelta(minutes=ago), Decimal(each)) for ago, each in enumerate(reversed(units))]


def units_of(*units: int, is_rush: bool) -> list[int]:
    return sorted(int(each) for _, each in stream_of(took(*units), is_rush=is_rush))


def test_a_few_movements_say_nothing_while_tiktok_sells_nothing() -> None:
    assert units_of(1, 2, is_rush=False) == []
    assert units_of(is_rush=True) == []


def test_a_count_of_thousands_counts_like_an_ordinary_movement() -> None:
    assert units_of(1, 5_000, 2, is_rush=False) == [1, 2, 2]


def test_in_a_rush_a_single_movement_counts_as_a_unit() -> None:
    assert units_of(5_000, is_rush=True) == [1]
    assert units_of(3, 5_000, is_rush=True) == [3, 3]


def test_a_movement_more_makes_no_lower_rate() -> None:
    fewer, more = took(1, 4, 2), took(1, 4, 2, 9)
    assert rate_of(stream_of(fewer, is_rush=True), NOW) <= rate_of(stream_of(more, is_rush=True), NOW)

"""Raw rows of many pages come back as they came, however few of them are held in memory."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.tiktok.long_rows import LongRows

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(),
    st.decimals(allow_nan=False, allow_infinity=False, places=2),
    st.just("half of a pair \ud83d"),
)
rows = st.dictionaries(st.text(max_size=5), values | st.dictionaries(st.text(max_size=5), values), max_size=3)
told = st.dictionaries(
    st.text(max_size=5), st.text(max_size=5) | st.decimals(places=2, allow_nan=False, allow_infinity=False)
)


@given(st.lists(st.lists(rows, max_size=4), max_size=6), st.integers(1, 5))
def test_rows_are_those_that_were_added_each_time_somebody_goes_through_them(
    pages: list[list[dict[str, object]]], portion: int
) -> None:
    long = LongRows(portion)
    for page in pages:
        long.add(page)
    expected = [row for page in pages for row in page]
    assert len(long) == len(expected)
    assert list(long) == expected
    assert [first for first, _ in zip(long, long, strict=True)] == expected


def test_an_amount_that_was_put_aside_is_still_exact() -> None:
    long = LongRows(portion=1)
    long.add([{"amount": Decimal("0.10"), "id": 7673672914201216785}] * 3)
    assert [(str(row["amount"]), row["id"]) for row in long] == [("0.10", 7673672914201216785)] * 3


@given(told, st.lists(told, max_size=4))
def test_rows_have_the_hash_that_they_have_in_memory(
    head: dict[str, object], own: list[dict[str, object]]
) -> None:
    assert exact_json.fingerprint_of_rows(head, iter(own)) == exact_json.fingerprint([head, own])

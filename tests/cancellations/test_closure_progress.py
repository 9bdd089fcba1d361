"""How far a Sales Order is, read from its record, and what that means for closing and answering."""

from __future__ import annotations

from typing import Any

import pytest

from tests.orders.order_builder import mapping_with
from tiktok_ns_pipeline.cancellations.progress import Progress, progress_of
from tiktok_ns_pipeline.cancellations.replying import answer_to

COUNTS = ("quantityPicked", "quantityPacked", "quantityFulfilled", "quantityBilled")


def line(number: int, *counts: int, closed: bool = False, item_type: str = "InvtPart") -> dict[str, Any]:
    return {
        "line": number,
        "isClosed": closed,
        "itemType": {"id": item_type},
        **dict(zip(COUNTS, (*counts, 0, 0, 0, 0), strict=False)),
    }


def progress(status: str, *lines: dict[str, Any]) -> Progress:
    return progress_of({"status": {"id": status}, "item": {"items": list(lines)}})


@pytest.mark.parametrize(
    ("counts", "begun"),
    [
        ((), "nothing"),
        ((1,), "picked"),
        ((1, 1), "packed"),
        ((1, 1, 1), "shipped"),
        ((0, 0, 1), "shipped"),
        ((1, 1, 1, 1), "billed"),
        ((0, 0, 0, 1), "billed"),
    ],
)
def test_the_furthest_line_says_how_far_the_order_is(counts: tuple[int, ...], begun: str) -> None:
    assert progress("B", line(1), line(2, *counts)).begun == begun


@pytest.mark.parametrize(
    ("status", "begun"), [("D", "shipped"), ("E", "shipped"), ("F", "shipped"), ("G", "billed")]
)
def test_where_lines_do_not_count_the_state_decides(status: str, begun: str) -> None:
    silent = {"line": 1, "isClosed": False, "itemType": {"id": "InvtPart"}}
    assert progress(status, silent).begun == begun


def test_a_charge_that_is_left_of_closed_goods_has_not_begun() -> None:
    left = progress("F", line(1, closed=True), line(2, item_type="Discount"))
    assert (left.begun, left.is_closed, left.open_lines) == ("nothing", False, (2,))


@pytest.mark.parametrize("status", ["H", "C"])
def test_closed_and_cancelled_orders_are_closed(status: str) -> None:
    assert progress(status, line(1)).is_closed
    assert progress("B", line(1, closed=True)).is_closed
    assert not progress("A", line(1)).is_closed


def test_only_goods_of_which_nothing_began_are_untouched() -> None:
    found = progress("B", line(1, 1), line(2), line(3, item_type="Discount"), line(4, closed=True))
    assert (found.open_lines, found.untouched_goods) == ((1, 2, 3), (2,))


@pytest.mark.parametrize("begun", ["nothing", "picked", "packed", "shipped", "billed"])
@pytest.mark.parametrize("cutoff", ["picked", "packed", "shipped"])
def test_the_cutoff_begins_with_its_own_state(begun: str, cutoff: str) -> None:
    order = ["nothing", "picked", "packed", "shipped", "billed"]
    beyond = order.index(begun) >= order.index(cutoff)
    found = Progress(begun, False, (1,), (1,))  # type: ignore[arg-type]
    assert found.is_beyond(cutoff) is beyond  # type: ignore[arg-type]
    rules = "requests: {unfulfilled: approve, fulfilled: reject, reject_reason: no}"
    mapping = mapping_with(f"cancellations: {{cutoff: {cutoff}, {rules}}}")
    assert answer_to(found, mapping) == ("reject" if beyond else "approve")


def test_what_was_never_posted_is_not_fulfilled_and_a_person_decides_by_default() -> None:
    assert answer_to(None, mapping_with()) == "person"
    assert answer_to(None, mapping_with("cancellations: {requests: {unfulfilled: approve}}")) == "approve"

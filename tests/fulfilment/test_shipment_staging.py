"""What is staged of an order's fulfilments: the pure rules, without any system."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.fulfilment.fulfilment_builder import SAVED_AT, fulfilment, order_line
from tiktok_ns_pipeline.fulfilment.documents import Fulfilment, OrderLine, ShipmentDocument, StagedShipments
from tiktok_ns_pipeline.fulfilment.staging import Evidence, stage_shipments
from tiktok_ns_pipeline.mapping import load_mapping
from tiktok_ns_pipeline.sandbox.rig import MAPPING
from tiktok_ns_pipeline.tiktok.models import Order

MAPPED = load_mapping(MAPPING)
SOON = SAVED_AT + timedelta(minutes=1)


def order(*unit_ids: str, cancelled: str = "", **fields: Any) -> Order:
    lines = [
        {"id": each, "display_status": "CANCELLED" if each in cancelled.split() else "AWAITING_SHIPMENT"}
        for each in unit_ids
    ]
    placed = {"create_time": int(datetime(2026, 8, 1, tzinfo=UTC).timestamp())}
    return Order.parse({"id": "577", "status": "AWAITING_SHIPMENT", **placed, "line_items": lines, **fields})


def stage(
    *fulfilments: Fulfilment,
    of: Order | None,
    now: datetime = SOON,
    told: dict[str, dict[int, ShipmentDocument]] | None = None,
) -> StagedShipments:
    evidence = Evidence("577", fulfilments, of, told or {})
    return stage_shipments(evidence, MAPPED.shops["us"], MAPPED.fulfilment, now)


def problem(staged: StagedShipments) -> tuple[str, str]:
    [one] = staged.problems
    return one.kind, one.subject


ONE = [order_line(1, ["a"])]
TWO = [order_line(1, ["a", "b"])]


def test_a_shipped_fulfilment_is_one_parcel_with_its_key_and_what_tiktok_needs():
    [document] = stage(fulfilment("90", {1: 2}, TWO), of=order("a", "b")).shipments
    assert document.key == "577.90.1"
    assert (document.unit_ids, document.tracking, document.carrier) == (("a", "b"), "TRACK1", "UPS Ground")


def test_what_is_picked_or_packed_waits():
    assert stage(fulfilment("90", {1: 1}, ONE, status="A"), of=order("a")).waiting.startswith("it is picked")
    assert stage(fulfilment("90", {1: 1}, ONE, status="B"), of=order("a")).waiting.startswith("it is packed")


def test_a_fulfilment_that_is_gone_ships_nothing():
    staged = stage(fulfilment("90", {1: 1}, ONE, is_gone=True), of=order("a"))
    assert (staged.outcome, staged.shipments) == ("waiting", ())


def test_tiktoks_own_warehouse_is_skipped_with_its_rule():
    staged = stage(fulfilment("90", {1: 1}, ONE), of=order("a", fulfillment_type="FULFILLMENT_BY_TIKTOK"))
    assert staged.outcome == "skipped"
    assert "T 4.1" in staged.skipped


def test_an_order_from_before_the_go_live_is_skipped():
    before = int(datetime(2025, 12, 1, tzinfo=UTC).timestamp())
    staged = stage(fulfilment("90", {1: 1}, ONE), of=order("a", create_time=before))
    assert "orders_since" in staged.skipped


def test_an_order_that_tiktok_does_not_show_is_a_problem_of_its_fulfilment():
    assert problem(stage(fulfilment("90", {1: 1}, ONE), of=None)) == (
        "malformed_fulfilment",
        "fulfilment 577.90",
    )


def test_a_sales_order_without_line_ids_says_so():
    bare = [OrderLine(1, "301", ONE[0].quantity, ())]
    assert problem(stage(fulfilment("90", {1: 1}, bare), of=order("a")))[0] == "malformed_fulfilment"


def test_line_ids_of_another_order_are_not_told():
    staged = stage(fulfilment("90", {1: 1}, ONE), of=order("x"))
    assert problem(staged)[0] == "malformed_fulfilment"
    assert staged.shipments == ()


def test_one_sick_fulfilment_does_not_hold_up_another_of_its_order():
    sick = fulfilment("90", {1: 1}, [order_line(1, ["z"])])
    staged = stage(sick, fulfilment("91", {1: 1}, ONE), of=order("a"))
    assert [each.key for each in staged.shipments] == ["577.91.1"]
    assert problem(staged) == ("malformed_fulfilment", "fulfilment 577.90")


def test_a_missing_tracking_number_is_awaited_for_the_mappings_hours():
    bare = fulfilment("90", {1: 1}, ONE, tracking=[])
    assert stage(bare, of=order("a")).outcome == "waiting"
    late = SAVED_AT + timedelta(hours=MAPPED.fulfilment.tracking_wait_hours)
    assert problem(stage(bare, of=order("a"), now=late))[0] == "tracking_missing"


def test_a_missing_tracking_number_is_awaited_no_longer_than_the_dispatch_deadline():
    bare = fulfilment("90", {1: 1}, ONE, tracking=[])
    deadline = SAVED_AT + timedelta(hours=2)
    urgent = order("a", rts_sla_time=int(deadline.timestamp()))
    assert stage(bare, of=urgent, now=deadline - timedelta(minutes=1)).problems == ()
    assert problem(stage(bare, of=urgent, now=deadline))[0] == "tracking_missing"


def test_half_a_pack_is_awaited_and_then_told():
    lines = [order_line(1, ["a"], pieces=6)]
    half = fulfilment("90", {1: 3}, lines)
    assert stage(half, of=order("a")).outcome == "waiting"
    assert (
        problem(stage(half, of=order("a"), now=SAVED_AT + timedelta(days=2)))[0] == "shipped_quantity_differs"
    )


def test_too_much_is_told_at_once_and_what_is_certain_is_shipped():
    staged = stage(fulfilment("90", {1: 2}, ONE), of=order("a"))
    assert problem(staged)[0] == "shipped_quantity_differs"
    assert [each.unit_ids for each in staged.shipments] == [("a",)]


def test_cancelled_units_are_left_out_and_told_if_they_were_shipped():
    staged = stage(fulfilment("90", {1: 2}, TWO), of=order("a", "b", cancelled="a"))
    assert [each.unit_ids for each in staged.shipments] == [("b",)]
    assert problem(staged)[0] == "shipped_after_cancellation"


def test_a_parcel_that_tiktok_knew_of_before_it_was_cancelled_is_no_problem():
    left = fulfilment("90", {1: 1}, ONE)
    [document] = stage(left, of=order("a")).shipments
    staged = stage(left, of=order("a", cancelled="a"), told={"90": {1: document}})
    assert staged.problems == ()
    assert [each.fingerprint() for each in staged.shipments] == [document.fingerprint()]


def test_more_numbers_than_units_are_noted():
    staged = stage(fulfilment("90", {1: 1}, ONE, tracking=["X", "Y"]), of=order("a"))
    assert [each.tracking for each in staged.shipments] == ["X"]
    assert "Y tells nothing" in staged.reason


def test_a_later_save_that_changes_nothing_to_tell_is_no_new_revision():
    first, second = (
        stage(fulfilment("90", {1: 1}, ONE, modified_at=at), of=order("a")).shipments[0]
        for at in (SAVED_AT, SAVED_AT + timedelta(hours=1))
    )
    assert first.fingerprint() == second.fingerprint()


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=4),
    st.lists(st.sampled_from(["T1", "T2", "T3"]), unique=True, min_size=1),
)
def test_staging_again_what_was_told_is_the_same(counts: list[int], tracking: list[str]):
    ids = [f"u{index}" for index in range(sum(counts) or 1)]
    lines = [order_line(1, ids)]
    fulfilments = [
        fulfilment(str(90 + index), {1: count}, lines, tracking=[f"{one}-{index}" for one in tracking])
        for index, count in enumerate(counts)
        if count
    ]
    first = stage(*fulfilments, of=order(*ids))
    told: dict[str, dict[int, ShipmentDocument]] = {}
    for each in first.shipments:
        told.setdefault(each.fulfilment_id, {})[each.number] = each
    again = stage(*fulfilments, of=order(*ids), told=told)
    assert {each.key: each.fingerprint() for each in again.shipments} == {
        each.key: each.fingerprint() for each in first.shipments
    }
    units = [unit for each in first.shipments for unit in each.unit_ids]
    assert len(units) == len(set(units)) == sum(counts)

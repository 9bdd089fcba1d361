"""Which units a fulfilment ships: packs, kits, bundles, partial shipments, and what does not add up."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.fulfilment.fulfilment_builder import fulfilment, order_line, units
from tiktok_ns_pipeline.fulfilment.allocation import allocate, spread
from tiktok_ns_pipeline.fulfilment.documents import Fulfilment, OrderLine


def shipped(lines: list[OrderLine], *fulfilments: Fulfilment, **shown: object) -> dict[str, list[str]]:
    """Units by fulfilment, where all adds up."""
    ids = [unit for line in lines for unit in line.unit_ids]
    found = allocate(lines, fulfilments, units(*ids, **shown), {})  # type: ignore[arg-type]
    assert found.differences == ()
    return {key: list(taken) for key, taken in found.units.items()}


def causes(lines: list[OrderLine], *fulfilments: Fulfilment) -> list[str]:
    ids = [unit for line in lines for unit in line.unit_ids]
    return [each.cause for each in allocate(lines, fulfilments, units(*ids), {}).differences]


def test_one_fulfilment_of_everything_ships_every_unit():
    lines = [order_line(1, ["a", "b"]), order_line(2, ["c"])]
    assert shipped(lines, fulfilment("9", {1: 2, 2: 1}, lines)) == {"9": ["a", "b", "c"]}


def test_fulfilments_over_days_ship_each_unit_once():
    lines = [order_line(1, ["a", "b", "c"])]
    parts = [fulfilment("9", {1: 1}, lines), fulfilment("10", {1: 2}, lines)]
    assert shipped(lines, *parts) == {"9": ["a"], "10": ["b", "c"]}


def test_a_pack_is_one_unit_of_several_pieces():
    lines = [order_line(1, ["a", "b"], pieces=6)]
    assert shipped(lines, fulfilment("9", {1: 6}, lines)) == {"9": ["a"]}


def test_a_pack_divided_over_two_fulfilments_is_shipped_by_the_one_that_completes_it():
    lines = [order_line(1, ["a"], pieces=6)]
    parts = [fulfilment("9", {1: 4}, lines), fulfilment("10", {1: 2}, lines)]
    assert shipped(lines, *parts) == {"9": [], "10": ["a"]}


def test_a_pack_whose_rates_are_a_cent_apart_stands_on_two_lines():
    # Two packs of two pieces: three at one rate, one a cent dearer; both lines stand for both units.
    lines = [
        OrderLine(1, "301", Decimal(3), ("a", "b")),
        OrderLine(2, "301", Decimal(1), ("a", "b")),
    ]
    parts = [fulfilment("9", {1: 2}, lines), fulfilment("10", {1: 1, 2: 1}, lines)]
    assert shipped(lines, *parts) == {"9": ["a"], "10": ["b"]}


def test_a_unit_of_a_bundle_has_left_once_all_its_parts_have():
    lines = [order_line(1, ["a", "b"]), order_line(2, ["a", "b"], pieces=2)]
    parts = [fulfilment("9", {1: 2, 2: 2}, lines), fulfilment("10", {2: 2}, lines)]
    assert shipped(lines, *parts) == {"9": ["a"], "10": ["b"]}


def test_parts_of_a_bundle_count_together_whatever_line_of_their_item_they_came_from():
    lines = [
        order_line(1, ["a"], item="shirt"),
        order_line(2, ["b"], item="shirt"),
        order_line(3, ["a", "b"], item="cap"),
    ]
    assert shipped(lines, fulfilment("9", {2: 1, 3: 1}, lines)) == {"9": ["a"]}


def test_lines_without_units_such_as_shipping_ship_nothing():
    lines = [order_line(1, ["a"]), OrderLine(2, "901", Decimal(1), ())]
    assert shipped(lines, fulfilment("9", {1: 1, 2: 1}, lines)) == {"9": ["a"]}


def test_units_that_tiktok_shows_under_the_fulfilments_number_are_in_it():
    lines = [order_line(1, ["a", "b", "c"])]
    parts = [
        fulfilment("9", {1: 1}, lines, tracking=["X"]),
        fulfilment("10", {1: 1}, lines, tracking=["Y"]),
    ]
    assert shipped(lines, *parts, tracking={"a": "Y", "c": "X"}) == {"9": ["c"], "10": ["a"]}


def test_cancelled_units_are_the_last_to_have_been_shipped():
    lines = [order_line(1, ["a", "b"])]
    assert shipped(lines, fulfilment("9", {1: 1}, lines), cancelled="a") == {"9": ["b"]}


def test_what_tiktok_was_told_stays_as_it_was_told():
    lines = [order_line(1, ["a", "b"])]
    parts = [fulfilment("9", {1: 1}, lines), fulfilment("10", {1: 1}, lines)]
    found = allocate(lines, parts, units("a", "b"), {"10": ["a"]})
    assert found.units == {"9": ("b",), "10": ("a",)}


def test_a_fulfilment_entered_again_ships_the_units_of_the_one_that_is_gone():
    lines = [order_line(1, ["a", "b"])]
    again = fulfilment("10", {1: 1}, lines, tracking=["X"])
    found = allocate(lines, [again], units("a", "b", tracking={"b": "X"}), {"9": ["b"]})
    assert found.units == {"10": ("b",)}


def test_half_a_unit_is_told_as_a_difference_that_may_be_completed():
    lines = [order_line(1, ["a"], pieces=6)]
    [difference] = allocate(lines, [fulfilment("9", {1: 4}, lines)], units("a"), {}).differences
    assert difference.may_be_completed
    assert "4 of item item-1 left over" in difference.message


def test_more_than_was_ordered_is_never_told_as_units():
    lines = [order_line(1, ["a"])]
    assert causes(lines, fulfilment("9", {1: 2}, lines)) == ["too_much"]


def test_a_line_that_somebody_changed_to_no_whole_number_of_pieces_is_not_guessed():
    lines = [OrderLine(1, "301", Decimal(3), ("a", "b"))]
    assert causes(lines, fulfilment("9", {1: 3}, lines)) == ["pieces"]


def test_a_quantity_lowered_after_it_was_told_is_a_difference():
    lines = [order_line(1, ["a", "b"])]
    found = allocate(lines, [fulfilment("9", {1: 1}, lines)], units("a", "b"), {"9": ["a", "b"]})
    assert [each.cause for each in found.differences] == ["told_more"]
    assert found.units == {"9": ("a", "b")}


@st.composite
def orders_and_fulfilments(draw: st.DrawFn) -> tuple[list[OrderLine], list[Fulfilment], bool]:
    """Bundles of one to three parts with packs, shipped in parts; whether all of it was."""
    lines: list[OrderLine] = []
    for bundle in range(draw(st.integers(1, 3))):
        ids = [f"{bundle}-{index}" for index in range(draw(st.integers(1, 4)))]
        for _part in range(draw(st.integers(1, 3))):
            number = len(lines) + 1
            lines.append(order_line(number, ids, pieces=draw(st.integers(1, 4))))
    left = {line.number: int(line.quantity) for line in lines}
    fulfilments: list[Fulfilment] = []
    for index in range(draw(st.integers(1, 4))):
        taken = {number: draw(st.integers(0, count)) for number, count in left.items()}
        left = {number: count - taken[number] for number, count in left.items()}
        fulfilments.append(
            fulfilment(str(90 + index), {key: count for key, count in taken.items() if count}, lines)
        )
    if draw(st.booleans()):
        fulfilments.append(fulfilment("99", left, lines))
        left = {}
    return lines, fulfilments, not any(left.values())


@given(orders_and_fulfilments())
def test_every_unit_is_shipped_at_most_once_and_all_of_them_when_all_has_left(
    case: tuple[list[OrderLine], list[Fulfilment], bool],
):
    lines, fulfilments, everything_left = case
    ids = {unit for line in lines for unit in line.unit_ids}
    found = allocate(lines, fulfilments, units(*ids), {})
    taken = [unit for unit_ids in found.units.values() for unit in unit_ids]
    assert len(taken) == len(set(taken))
    assert set(taken) <= ids
    if everything_left:
        assert set(taken) == ids
        assert found.differences == ()


@given(orders_and_fulfilments())
def test_pieces_shipped_are_units_told_plus_what_is_left_over(
    case: tuple[list[OrderLine], list[Fulfilment], bool],
):
    lines, fulfilments, _ = case
    found = allocate(lines, fulfilments, units(*(u for line in lines for u in line.unit_ids)), {})
    taken = {unit for unit_ids in found.units.values() for unit in unit_ids}
    uneven = {each.cause for each in found.differences}
    for line in lines:
        pieces = line.quantity / len(line.unit_ids)
        sent = sum(
            (s.quantity for f in fulfilments for s in f.lines if s.order_line == line.number), Decimal(0)
        )
        told = pieces * len(taken & set(line.unit_ids))
        assert told <= sent
        assert told == sent or uneven == {"part_of_unit"}


@given(orders_and_fulfilments(), st.randoms())
def test_telling_again_changes_nothing(case: tuple[list[OrderLine], list[Fulfilment], bool], random: object):
    lines, fulfilments, _ = case
    known = units(*(u for line in lines for u in line.unit_ids))
    first = allocate(lines, fulfilments, known, {})
    mixed = sorted(fulfilments, key=lambda _each: random.random())  # type: ignore[attr-defined]
    assert allocate(lines, mixed, known, first.units).units == first.units


def test_units_are_spread_evenly_over_several_tracking_numbers_in_line_order():
    shares, spare = spread(["a", "b", "c"], ["X", "Y"], units("a", "b", "c"), {})
    assert [(s.number, s.tracking, s.unit_ids) for s in shares] == [(1, "X", ("a", "b")), (2, "Y", ("c",))]
    assert spare == ()


def test_numbers_beyond_the_units_hold_none():
    shares, spare = spread(["a"], ["X", "Y"], units("a"), {})
    assert [(s.tracking, s.unit_ids) for s in shares] == [("X", ("a",))]
    assert spare == ("Y",)


def test_a_unit_is_in_the_parcel_whose_number_tiktok_shows_for_it():
    shares, _ = spread(["a", "b"], ["X", "Y"], units("a", "b", tracking={"a": "Y"}), {})
    assert {s.tracking: s.unit_ids for s in shares} == {"X": ("b",), "Y": ("a",)}


def test_a_corrected_number_is_the_same_parcel():
    shares, spare = spread(["a"], ["Z"], units("a"), {1: ("X", ["a"])})
    assert [(s.number, s.tracking, s.unit_ids) for s in shares] == [(1, "Z", ("a",))]
    assert spare == ()


def test_a_number_that_is_taken_away_is_no_correction():
    shares, _ = spread(["a"], [], units("a"), {1: ("X", ["a"])})
    assert [(s.tracking, s.unit_ids) for s in shares] == [("X", ("a",))]


def test_without_any_number_the_parcel_is_known_and_its_tracking_is_not():
    shares, _ = spread(["a", "b"], [], units("a", "b"), {})
    assert [(s.number, s.tracking, s.unit_ids) for s in shares] == [(1, None, ("a", "b"))]


@given(st.lists(st.integers(0, 9), unique=True, min_size=1), st.lists(st.sampled_from("TUVWX"), unique=True))
def test_spreading_loses_and_doubles_no_unit(numbers: list[int], tracking: list[str]):
    ids = [str(number) for number in numbers]
    shares, spare = spread(ids, tracking, units(*ids), {})
    assert [unit for share in shares for unit in share.unit_ids] == ids
    sizes = [len(share.unit_ids) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert len(shares) + len(spare) == max(1, len(tracking))

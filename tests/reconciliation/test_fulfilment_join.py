"""Units that left against units that TikTok shows: every one once, every disturbance named."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktok_ns_pipeline.reconciliation.fulfilments.checking import CHECKS
from tiktok_ns_pipeline.reconciliation.fulfilments.model import (
    Fulfilment,
    OrderLine,
    TikTokOrder,
    Unit,
    Verdict,
    not_run,
)

from .fulfilment_builder import (
    GRACE,
    LONG,
    LONG_AGO,
    NOW,
    Case,
    case,
    prove,
    rows_of,
    shipments,
    still_open,
    unit,
)

JUST_NOW = timedelta(minutes=1)
UNTOLD: dict[str, Any] = {"status": "AWAITING_SHIPMENT", "state": "open", "tracking": None, "told": False}


def test_an_order_that_both_show_as_shipped_matches() -> None:
    proof = prove(case())
    assert proof.wrong == ()
    assert shipments(case()) == [Verdict.MATCHED] * 2
    assert (proof.shipped_in_netsuite, proof.shipped_at_tiktok) == (2, 2)


def test_a_shipment_that_tiktok_does_not_show_is_not_told_once_the_grace_is_over() -> None:
    untold = case().with_units(**UNTOLD)
    assert shipments(untold) == [Verdict.NOT_TOLD] * 2
    young = untold.with_fulfilment(unchanged_for=GRACE - timedelta(seconds=1))
    assert shipments(young) == [Verdict.WAITING_WITHIN_GRACE] * 2


def test_a_shipment_without_a_number_waits_for_it_and_then_no_longer() -> None:
    untold = case().with_units(**UNTOLD)
    waiting = untold.with_fulfilment(tracking=(), unchanged_for=timedelta(hours=2))
    assert shipments(waiting) == [Verdict.WAITS_FOR_TRACKING] * 2
    assert prove(waiting).wrong == ()
    assert shipments(waiting.with_fulfilment(unchanged_for=LONG)) == [Verdict.NOT_TOLD] * 2


def test_what_tiktoks_carrier_takes_needs_no_number_of_ours() -> None:
    untold = case().with_units(**UNTOLD).with_order(carried_by="channel")
    waiting = untold.with_fulfilment(tracking=(), unchanged_for=timedelta(hours=2))
    assert shipments(waiting) == [Verdict.NOT_TOLD] * 2


def test_only_what_is_shipped_has_left() -> None:
    packed = case(bills=[]).with_units(**UNTOLD).with_fulfilment(status="B")
    assert shipments(packed) == [Verdict.NOT_SHIPPED] * 2


@pytest.mark.parametrize("shown", ["OTHER", None])
def test_another_number_at_tiktok_is_a_difference(shown: str | None) -> None:
    wrong = case(units=1).with_units(tracking=shown)
    assert shipments(wrong) == [Verdict.TRACKING_DIFFERS]
    assert shipments(wrong.with_fulfilment(unchanged_for=JUST_NOW)) == [Verdict.WAITING_WITHIN_GRACE]


def test_the_number_of_tiktoks_carrier_is_tiktoks_own() -> None:
    assert shipments(case(units=1).with_units(tracking="OTHER").with_order(carried_by="channel")) == [
        Verdict.MATCHED
    ]


def test_numbers_are_compared_as_people_write_them() -> None:
    assert shipments(case(units=1).with_units(tracking="1z 99-A").with_fulfilment(tracking=("1Z99A",))) == [
        Verdict.MATCHED
    ]


def test_what_tiktok_shows_as_shipped_needs_a_fulfilment() -> None:
    assert shipments(case(fulfilments=[], bills=[])) == [Verdict.SHIPPED_WITHOUT_FULFILMENT] * 2
    no_sale = case(sales=[], fulfilments=[], bills=[])
    [row, _] = prove(no_sale).wrong
    assert (row.verdict, row.note) == (Verdict.SHIPPED_WITHOUT_FULFILMENT, "there is no Sales Order")


def test_what_tiktok_has_just_heard_of_may_be_on_its_way_to_netsuite() -> None:
    young = case(fulfilments=[], bills=[]).with_units(moved_at=NOW - JUST_NOW)
    assert shipments(young) == [Verdict.WAITING_WITHIN_GRACE] * 2


def test_a_label_of_tiktoks_carrier_is_bought_before_the_parcel_is_packed() -> None:
    labelled = case(fulfilments=[], bills=[]).with_order(carried_by="channel")
    assert shipments(labelled.with_units(state="arranged")) == [Verdict.NOT_SHIPPED] * 2
    assert shipments(labelled) == [Verdict.SHIPPED_WITHOUT_FULFILMENT] * 2


def test_what_tiktoks_warehouse_shipped_must_be_in_netsuite() -> None:
    fbt = case(fulfilments=[], bills=[]).with_order(packed_by="channel", carried_by="channel")
    assert shipments(fbt) == [Verdict.FBT_NOT_IN_NETSUITE] * 2


def test_an_order_that_is_none_of_ours_needs_no_fulfilment() -> None:
    skipped = case(sales=[], fulfilments=[], bills=[]).with_order(not_expected="before the shop's first day")
    assert shipments(skipped) == [Verdict.NOT_EXPECTED] * 2


def test_what_was_placed_before_the_shops_first_day_is_not_ours_to_tell() -> None:
    untold = case().with_units(**UNTOLD).with_order(is_before_go_live=True)
    assert shipments(untold) == [Verdict.NOT_EXPECTED] * 2


def test_goods_of_a_cancelled_order_are_called_back_or_expected_back() -> None:
    cancelled = case(units=1).with_order(status="CANCELLED", state="cancelled")
    never_told = cancelled.with_units(status="CANCELLED", state="cancelled", told=False)
    on_its_way = cancelled.with_units(status="CANCELLED", state="cancelled", told=True)
    for one, wrong in ((never_told, True), (on_its_way, False)):
        [row] = rows_of(prove(one), "shipment")
        assert (row.verdict, row.is_wrong) == (Verdict.SHIPPED_BUT_CANCELLED, wrong)


def test_a_status_that_is_not_known_is_named() -> None:
    strange = case(units=1).with_units(status="TELEPORTED", state="unknown")
    for one in (strange, replace(strange, fulfilments=[])):
        [row] = rows_of(prove(one), "shipment")
        assert row.verdict is Verdict.CANNOT_BE_CHECKED
        assert "TELEPORTED" in row.note
    odd = case(units=1, bills=[]).with_units(**UNTOLD).with_fulfilment(status="X")
    assert shipments(odd) == [Verdict.NOT_SHIPPED, Verdict.CANNOT_BE_CHECKED]


def test_an_order_that_cannot_be_read_stays_in_the_proof() -> None:
    broken = case(
        order=TikTokOrder(case().order_id, None, "unknown", unreadable="line_items[0].id is missing")
    )
    [row] = rows_of(prove(broken), "shipment")
    assert (row.verdict, row.documents) == (Verdict.CANNOT_BE_CHECKED, ("Item Fulfillment IF1",))


def test_a_part_that_left_is_laid_over_the_unit_that_tiktok_shows_under_its_number() -> None:
    first, second = case().order.units
    half = case(bills=[]).with_order(units=(still_open(first.line_id), second))
    half = half.with_fulfilment(quantities={"1": Decimal(1)}, tracking=(second.tracking,))
    assert shipments(half) == [Verdict.NOT_SHIPPED, Verdict.MATCHED]


def test_two_parcels_that_swapped_their_units_match_by_number() -> None:
    one = case(units=3)
    parcels = [
        Fulfilment("21", "1001", "IF21", "C", {"1": Decimal(1)}, ("X",), LONG),
        Fulfilment("22", "1001", "IF22", "C", {"1": Decimal(2)}, ("X", "Y"), LONG),
    ]
    tracking = ("Y", "X", "X")
    shown = tuple(unit(u.line_id, tracking=t) for u, t in zip(one.order.units, tracking, strict=True))
    assert shipments(replace(one.with_order(units=shown), fulfilments=parcels)) == [Verdict.MATCHED] * 3


def test_a_pack_has_left_when_all_its_pieces_have() -> None:
    pack = case()
    [goods, shipping] = pack.sales[0].lines
    pack = pack.with_sale(lines=(replace(goods, ordered=Decimal(12)), shipping))
    assert shipments(pack.with_fulfilment(quantities={"1": Decimal(12)})) == [Verdict.MATCHED] * 2
    partly = pack.with_fulfilment(quantities={"1": Decimal(11)})
    assert sorted(shipments(partly)) == [Verdict.MATCHED, Verdict.SHIPPED_WITHOUT_FULFILMENT]


def test_an_exploded_kit_has_left_when_its_last_part_has() -> None:
    kit = case(units=1)
    [unit_id] = kit.sales[0].lines[0].unit_ids
    parts = (
        OrderLine("1", "303", (unit_id,), Decimal(1), Decimal(4)),
        OrderLine("2", "304", (unit_id,), Decimal(2), Decimal(6)),
    )
    kit = kit.with_sale(lines=parts)
    a = Fulfilment("21", "1001", None, "C", {"1": Decimal(1), "2": Decimal(1)}, ("A",), LONG)
    b = Fulfilment("22", "1001", None, "C", {"2": Decimal(1)}, (f"TRACK{unit_id}",), LONG)
    assert shipments(replace(kit, fulfilments=[a, b])) == [Verdict.MATCHED]
    assert shipments(replace(kit, fulfilments=[a])) == [Verdict.SHIPPED_WITHOUT_FULFILMENT]


def test_more_than_was_sold_is_named_with_its_fulfilment() -> None:
    twice = case(units=1)
    again = replace(twice.fulfilments[0], netsuite_id="9999", tran_id="IF29")
    [row] = prove(replace(twice, fulfilments=[*twice.fulfilments, again], bills=[]), shop_bills=False).wrong
    assert (row.verdict, row.subject, row.shipped_in_netsuite) == (Verdict.UNKNOWN_AT_TIKTOK, "9999", 1)


def test_a_fulfilment_whose_order_tiktok_does_not_know_is_an_orphan() -> None:
    stray = case(2)
    proof = prove(case(1), replace(stray, order=case(3, fulfilments=[], bills=[]).with_units(**UNTOLD).order))
    assert [(row.verdict, row.order_id, row.subject) for row in proof.wrong] == [
        (Verdict.UNKNOWN_AT_TIKTOK, stray.order_id, "2002")
    ]


def test_a_sales_order_that_names_no_units_cannot_be_checked() -> None:
    silent = case(units=1)
    silent = silent.with_sale(lines=tuple(replace(line, unit_ids=()) for line in silent.sales[0].lines))
    assert shipments(silent) == [Verdict.CANNOT_BE_CHECKED] * 2


def test_what_a_person_added_and_shipped_is_not_tiktoks() -> None:
    own = case(units=1)
    gift = Fulfilment("28", "1001", "IF28", "C", {"2": Decimal(1)}, (), LONG)
    assert shipments(replace(own, fulfilments=[*own.fulfilments, gift])) == [
        Verdict.MATCHED,
        Verdict.NOT_EXPECTED,
    ]


def test_a_record_that_is_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="more than once"):
        prove(case(), case())


def test_the_statement_counts_both_sides_and_the_money() -> None:
    late = case(2, units=1, bills=[]).with_units(**UNTOLD)
    assert prove(case(1), late).statement == (
        "3 units shipped in NetSuite, 2 at TikTok; 38.00 USD to bill, 24.00 USD billed; "
        "difference = 1 not billed, 1 not told; otherwise 5 matched; "
        "read at 2026-03-03 06:00:00Z (TikTok) and 2026-03-03 06:00:00Z (NetSuite)"
    )


# --- the four checks -------------------------------------------------------------------------


def states(*cases: Case) -> list[str]:
    return [check(prove(*cases)).state for check in CHECKS]


def test_agreement_passes_and_nothing_to_look_at_did_not_run() -> None:
    assert states(case()) == ["passed"] * 4
    assert states() == ["not_run"] * 4
    young = case(fulfilments=[], bills=[]).with_units(**UNTOLD)
    assert states(young) == ["not_run", "not_run", "passed", "not_run"]


def test_a_side_that_could_not_be_read_is_not_clean() -> None:
    unread = not_run("netsuite", "no answer", NOW)
    assert [check(unread).state for check in CHECKS] == ["not_run"] * 4
    assert unread.statement == "not run: netsuite could not be read: no answer"


def test_the_table_names_the_offender_most_money_first() -> None:
    cases = [case(1, units=1, bills=[]), case(2, units=9, bills=[])]
    outcome = CHECKS[3](prove(*cases))
    assert outcome.description == "2 of 2 orders of which something left are not billed once and to the cent"
    assert outcome.names == [cases[1].order_id, cases[0].order_id]
    assert outcome.table.splitlines()[2] == (
        "| 5764000002 |  | not billed | IN_TRANSIT | G | 94.00 USD | 0.00 USD |  |"
    )


# --- any two systems -------------------------------------------------------------------------

states_of_units = st.sampled_from(["open", "arranged", "collected", "cancelled", "unknown"])
trackings = st.sampled_from([None, "A", "B", "C"])


@st.composite
def any_case(draw: st.DrawFn, number: int) -> Case:
    base = case(number, units=draw(st.integers(1, 5)))
    ids = [one.line_id for one in base.order.units]
    units = tuple(
        Unit(line_id, "S", draw(states_of_units), draw(trackings), draw(st.booleans()), LONG_AGO)
        for line_id in ids
        if draw(st.integers(0, 5))
    )
    cut = draw(st.integers(0, len(ids)))
    lines = tuple(
        OrderLine(
            str(index), str(300 + index), tuple(own), Decimal(len(own) * draw(st.integers(1, 3))), Decimal(9)
        )
        for index, own in enumerate((ids[:cut], ids[cut:], ids[: draw(st.integers(0, 2))]), start=1)
    )
    fulfilments = [
        Fulfilment(
            f"{number}{index}",
            base.sales[0].netsuite_id,
            None,
            draw(st.sampled_from(["A", "B", "C", "C", "C", "?"])),
            {line.number: Decimal(draw(st.integers(0, 4))) for line in lines},
            tuple(draw(st.sets(st.sampled_from("ABC")))),
            draw(st.sampled_from([LONG, JUST_NOW, None])),
        )
        for index in range(draw(st.integers(0, 4)))
    ]
    order = draw(st.sampled_from(["alive", "cancelled", "waits", "unknown"]))
    return replace(base.with_order(units=units, state=order).with_sale(lines=lines), fulfilments=fulfilments)


any_cases = st.tuples(any_case(1), any_case(2)).map(list)


@given(any_cases)
def test_every_unit_is_in_exactly_one_row_and_every_departure_is_counted_once(cases: list[Case]) -> None:
    proof = prove(*cases)
    keys = Counter((row.aspect, row.order_id, row.subject) for row in proof.rows)
    assert max(keys.values()) == 1
    units = {(one.order_id, u.line_id) for one in cases for u in one.order.units}
    assert units <= {(row.order_id, row.subject) for row in rows_of(proof, "shipment")}
    for one in cases:
        own = [row for row in rows_of(proof, "shipment") if row.order_id == one.order_id]
        gone = [f for f in one.fulfilments if f.has_left]
        assert bool(sum(row.shipped_in_netsuite for row in own)) <= bool(gone)
        matched = [row for row in own if row.verdict is Verdict.MATCHED]
        assert all(row.shipped_in_netsuite == 1 and row.shipped_at_tiktok for row in matched)


@given(any_cases)
def test_every_wrong_row_offends_exactly_one_check_and_no_other_row_does(cases: list[Case]) -> None:
    proof = prove(*cases)
    offenders = Counter(
        (row.aspect, row.order_id, row.subject) for check in CHECKS for row in check(proof).offenders
    )
    assert offenders == Counter((row.aspect, row.order_id, row.subject) for row in proof.wrong)


@given(any_cases, st.randoms())
def test_the_order_of_what_was_read_does_not_matter(cases: list[Case], random: Any) -> None:
    before = {(row.aspect, row.order_id, row.subject): row.verdict for row in prove(*cases).rows}
    for one in cases:
        random.shuffle(one.fulfilments)
    random.shuffle(cases)
    assert before == {(row.aspect, row.order_id, row.subject): row.verdict for row in prove(*cases).rows}

"""The formula of a level, term by term."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.inventory.stock_listings import POOL, levels_of, listing, shelf, supply
from tiktok_ns_pipeline.goods.items import Part
from tiktok_ns_pipeline.inventory.governing import Outlook
from tiktok_ns_pipeline.inventory.levels import writes
from tiktok_ns_pipeline.inventory.pools import Draw, components, draws_of

DIVIDED = Outlook("divided", need=9)


def test_a_level_is_what_netsuite_can_promise_less_what_it_does_not_know_yet() -> None:
    one = listing("A", item=1)
    level = levels_of([one], {shelf("item"): supply(12, uncommitted=5)})[one.slot]
    assert level.quantity == 7
    assert level.parts[0].supply is not None
    assert level.parts[0].supply.available == {"7": Decimal(12)}
    assert level.parts[0].supply.uncommitted == {"W1": Decimal(5)}


@pytest.mark.parametrize(
    ("rules", "level"),
    [
        ({}, 20),
        ({"buffer": 3}, 17),
        ({"buffer": 30}, 0),
        ({"cap": 6}, 6),
        ({"share": Decimal(50)}, 10),
        ({"share": Decimal(50), "buffer": 3, "cap": 9}, 7),
    ],
)
def test_share_comes_before_buffer_before_cap(rules: dict[str, Decimal], level: int) -> None:
    one = listing("A", item=1, **rules)
    assert levels_of([one], {shelf("item"): supply(20)})[one.slot].quantity == level


def test_packs_and_kits_show_their_scarcest_part() -> None:
    kit = listing("KIT", box=1, bottle=6)
    level = levels_of([kit], {shelf("box"): supply(9), shelf("bottle"): supply(29)})[kit.slot]
    assert level.quantity == 4
    assert level.scarcest is not None
    assert level.scarcest.shelf == shelf("bottle")


def test_a_part_of_unknown_stock_leaves_no_level() -> None:
    kit = listing("KIT", box=1, bottle=6)
    level = levels_of([kit], {shelf("box"): supply(9)})[kit.slot]
    assert level.quantity is None
    assert level.unknown == ("bottle",)
    assert writes([kit], {kit.slot: level}) == {}


def test_what_is_oversold_is_shown_as_nothing() -> None:
    one = listing("A", item=1)
    assert levels_of([one], {shelf("item"): supply(2, uncommitted=5)})[one.slot].quantity == 0


def test_shares_above_the_whole_are_scaled_down_and_no_unit_is_lost() -> None:
    us, uk = listing("A", shop="us", item=1), listing("A", shop="uk", item=1)
    levels = levels_of([us, uk], {shelf("item"): supply(11)})
    assert sorted(level.quantity or 0 for level in levels.values()) == [5, 6]
    assert {level.parts[0].share for level in levels.values()} == {Decimal(50)}
    last = levels_of([us, uk], {shelf("item"): supply(1)})
    assert sum(level.quantity or 0 for level in last.values()) == 1


def test_plenty_is_shown_whole_by_every_listing() -> None:
    one, other = listing("A", item=1), listing("B", item=1)
    levels = levels_of([one, other], {shelf("item"): supply(500)})
    assert [level.quantity for level in levels.values()] == [500, 500]
    assert levels[one.slot].siblings == (other.slot,)


def test_what_is_short_is_divided_by_sales_with_one_for_each() -> None:
    fast, slow, pack = listing("A", item=1), listing("B", item=1), listing("P", item=6)
    levels = levels_of(
        [fast, slow, pack],
        {shelf("item"): supply(30)},
        {shelf("item"): DIVIDED},
        rates={fast.slot: 1.0, slow.slot: 0.1, pack.slot: 0.05},
    )
    given = {level.slot.sku_id: level.quantity or 0 for level in levels.values()}
    assert given["A"] > given["B"] >= 1
    assert given["P"] >= 1
    assert given["A"] + given["B"] + 6 * given["P"] == 30
    assert levels[fast.slot].undivided == 30


def test_what_others_take_in_netsuite_is_kept_back_where_it_is_short() -> None:
    one = listing("A", item=1)
    level = levels_of([one], {shelf("item"): supply(5)}, {shelf("item"): Outlook("divided", 4, elsewhere=2)})
    assert level[one.slot].quantity == 3


def test_a_listing_that_is_not_ours_to_change_keeps_what_it_shows() -> None:
    ours, locked = listing("A", item=1), listing("L", item=1, shown=4, publishes=False)
    levels = levels_of([ours, locked], {shelf("item"): supply(10)}, {shelf("item"): DIVIDED})
    assert list(levels) == [ours.slot]
    assert levels[ours.slot].quantity == 6


def test_a_raise_never_goes_beyond_what_siblings_show() -> None:
    low, high = listing("A", item=1, shown=1), listing("B", item=1, shown=9)
    given = {shelf("item"): supply(10)}
    levels = levels_of([low, high], given, {shelf("item"): DIVIDED})
    assert writes([low, high], levels) == {high.slot: 5}

    lowered = listing("B", item=1, shown=5)
    assert writes([low, lowered], levels) == {low.slot: 5}


def test_where_it_is_short_a_small_raise_is_not_worth_its_race() -> None:
    one = listing("A", item=1, shown=4)
    for there, due in ((8, {}), (9, {one.slot: 5}), (3, {one.slot: 1})):
        levels = levels_of(
            [one], {shelf("item"): supply(there)}, {shelf("item"): DIVIDED}, reserves={one.slot: 2}
        )
        assert writes([one], levels) == due
    sold_out = listing("A", item=1, shown=0)
    levels = levels_of(
        [sold_out], {shelf("item"): supply(1)}, {shelf("item"): DIVIDED}, reserves={one.slot: 2}
    )
    assert writes([sold_out], levels) == {one.slot: 1}
    open_again = levels_of([one], {shelf("item"): supply(6)}, reserves={one.slot: 2})
    assert writes([one], open_again) == {one.slot: 6}


def test_a_number_that_tiktok_did_not_state_is_not_written_and_lets_no_sibling_rise() -> None:
    one, unread = listing("A", item=1, shown=1), listing("B", item=1, shown=None)
    levels = levels_of([one, unread], {shelf("item"): supply(10)}, {shelf("item"): DIVIDED})
    assert writes([one, unread], levels) == {}


def test_listings_that_share_an_item_in_a_pool_are_decided_together() -> None:
    a, kit, b = listing("A", box=1), listing("KIT", box=1, bottle=1), listing("B", bottle=1)
    elsewhere = listing("A", warehouse="W2", pool=("8",), box=1)
    assert components([elsewhere, b, kit, a]) == [(a, b, kit), (elsewhere,)]


def test_netsuite_kits_are_drawn_by_their_members() -> None:
    kits = {"1": [Draw("2", Decimal(2)), Draw("3", Decimal(1))], "3": [Draw("2", Decimal("0.5"))]}
    parts = [Part("1", 2, Decimal(1)), Part("2", 1, Decimal(1))]
    assert draws_of(parts, kits) == (Draw("2", Decimal(6)),)
    with pytest.raises(ValueError, match="contains itself"):
        draws_of(parts, {"1": [Draw("1", Decimal(1))]})


def test_a_pool_is_several_locations() -> None:
    one = listing("A", item=1, pool=("7", "9"))
    stock = supply(0, available={"7": Decimal(3), "9": Decimal(4)})
    assert levels_of([one], {shelf("item", ("7", "9")): stock})[one.slot].quantity == 7
    assert POOL == ("7",)

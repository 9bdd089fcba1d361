"""What TikTok shows against what NetSuite can promise: the verdicts, case by case and for any numbers."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktok_ns_pipeline.reconciliation.stock.join import covers_standing, standing
from tiktok_ns_pipeline.reconciliation.stock.model import Blind, StockProof, Verdict, not_run

from .stock_builder import GRACE, NOW, RED, covers, levels, slot, wanted

MORE, LESS = Verdict.SHOWS_MORE_THAN_EXISTS, Verdict.SHOWS_LESS
SELLING = {RED: Decimal(1)}
"""What was taken just now, for which seven units may be kept back."""
counts = st.integers(min_value=0, max_value=500)


def verdicts(found: list) -> list[Verdict]:
    return [level.verdict for level in found]


def test_what_netsuite_can_promise_is_what_tiktok_may_show() -> None:
    [level] = levels(slot(10), available={("301", "6"): 10})
    assert (level.verdict, level.may_show, level.difference) == (Verdict.AGREES, 10, 0)


def test_more_than_exists_is_told_with_its_units() -> None:
    [level] = levels(slot(12), available={("301", "6"): 10})
    assert (level.verdict, level.difference, level.is_wrong) == (MORE, 2, True)


def test_less_than_could_be_sold_is_told_with_its_units() -> None:
    [level] = levels(slot(7), available={("301", "6"): 10})
    assert (level.verdict, level.difference, level.is_wrong) == (LESS, -3, True)


def test_an_order_that_netsuite_does_not_know_is_taken_off() -> None:
    [level] = levels(slot(8), available={("301", "6"): 10}, orders=(wanted(2),))
    assert level.verdict is Verdict.AGREES


def test_an_order_that_netsuite_holds_is_not_taken_off_twice() -> None:
    [level] = levels(slot(8), available={("301", "6"): 8}, orders=(wanted(2, is_claim=False),))
    assert level.verdict is Verdict.AGREES


def test_a_pool_is_the_sum_of_its_locations() -> None:
    pooled = slot(9, pool=("6", "7"))
    assert verdicts(levels(pooled, available={("301", "6"): 4, ("301", "7"): 5})) == [Verdict.AGREES]


def test_claims_beyond_the_stock_leave_nothing_to_show() -> None:
    [level] = levels(slot(0), available={("301", "6"): 1}, orders=(wanted(5),))
    assert (level.verdict, level.may_show) == (Verdict.AGREES, 0)


def test_packs_kits_buffers_caps_and_shares() -> None:
    stock = {("301", "6"): 20, ("302", "6"): 7}
    assert levels(slot(3, draws={"301": 6}), available=stock)[0].may_show == 3
    assert levels(slot(3, draws={"301": 1, "302": 2}), available=stock)[0].may_show == 3
    assert levels(slot(18, buffer=2), available=stock)[0].verdict is Verdict.AGREES
    assert levels(slot(5, cap=5), available=stock)[0].verdict is Verdict.AGREES
    assert levels(slot(6, cap=5), available=stock)[0].difference == 1
    assert levels(slot(5, share=Decimal(25)), available=stock)[0].verdict is Verdict.AGREES


def test_shares_of_shops_that_come_to_more_than_everything_are_scaled_down() -> None:
    us, uk = (slot(10, shop=shop, share=Decimal(75)) for shop in ("us", "uk"))
    assert verdicts(levels(us, uk, available={("301", "6"): 20})) == [Verdict.AGREES] * 2


@pytest.mark.parametrize(
    ("shown", "verdict"), [(9, LESS), (10, Verdict.AGREES), (11, Verdict.AGREES), (12, MORE)]
)
def test_the_odd_unit_of_shared_stock_may_be_either_shops(shown: int, verdict: Verdict) -> None:
    us, uk = slot(shown, shop="us"), slot(0, shop="uk")
    assert verdicts(levels(us, uk, available={("301", "6"): 21}))[0] is verdict


def test_listings_that_divide_scarce_stock_are_right_together() -> None:
    found = levels(slot(2, "1"), slot(1, "2"), available={("301", "6"): 3}, taken=SELLING)
    assert verdicts(found) == [Verdict.DIVIDED] * 2


def test_listings_that_leave_goods_unshown_are_not_divided() -> None:
    found = levels(slot(2, "1"), slot(1, "2"), available={("301", "6"): 30}, taken=SELLING)
    assert verdicts(found) == [LESS] * 2


def test_listings_of_plenty_or_of_what_nobody_takes_are_not_divided() -> None:
    plenty = levels(slot(500, "1"), slot(0, "2"), available={("301", "6"): 500}, taken=SELLING)
    asleep = levels(slot(2, "1"), slot(1, "2"), available={("301", "6"): 3})
    assert (verdicts(plenty), verdicts(asleep)) == ([Verdict.AGREES, LESS], [LESS] * 2)


def test_a_kit_is_not_divided_by_a_part_that_others_show_in_full_more_than_once() -> None:
    stock = {("301", "6"): 20, ("302", "6"): 20}
    found = levels(slot(20, "1"), slot(20, "2"), slot(0, "3", draws={"301": 1, "302": 1}), available=stock)
    assert verdicts(found) == [Verdict.AGREES, Verdict.AGREES, LESS]


def test_what_a_listing_shows_that_is_not_ours_to_push_is_shown_all_the_same() -> None:
    by_hand = slot(20, "2", standing="not_pushed")
    found = levels(slot(10, "1"), by_hand, available={("301", "6"): 30}, taken=SELLING)
    assert verdicts(found) == [Verdict.DIVIDED, Verdict.NOT_PUSHED]


def test_listings_that_each_show_all_agree() -> None:
    assert verdicts(levels(slot(9, "1"), slot(9, "2"), available={("301", "6"): 9})) == [Verdict.AGREES] * 2


def test_what_was_sold_just_now_may_be_kept_back() -> None:
    sold = wanted(4, is_claim=False, placed_at=NOW - GRACE / 2)
    stock = {("301", "6"): 90}
    # As many again, and what chance may add to them.
    assert verdicts(levels(slot(76), available=stock, orders=(sold,))) == [Verdict.HELD_BACK]
    assert verdicts(levels(slot(75), available=stock, orders=(sold,))) == [LESS]
    long_ago = replace(sold, placed_at=NOW - 2 * GRACE)
    assert verdicts(levels(slot(89), available=stock, orders=(long_ago,))) == [LESS]


def test_what_others_took_in_netsuite_just_now_may_be_kept_back_too() -> None:
    stock, taken = {("301", "6"): 90}, {RED: Decimal(4)}
    assert verdicts(levels(slot(76), available=stock, taken=taken)) == [Verdict.HELD_BACK]
    assert verdicts(levels(slot(91), available=stock, taken=taken)) == [MORE]


def test_an_item_that_netsuite_does_not_tell_is_unknown_and_not_zero() -> None:
    [level] = levels(slot(0), available={("999", "6"): 1})
    assert level.verdict is Verdict.CANNOT_BE_CHECKED
    assert "item 301" in level.note


def test_a_number_that_tiktok_does_not_state_cannot_be_checked() -> None:
    assert verdicts(levels(slot(None), available={("301", "6"): 1})) == [Verdict.CANNOT_BE_CHECKED]


@pytest.mark.parametrize(
    ("standing", "verdict"),
    [
        ("not_pushed", Verdict.NOT_PUSHED),
        ("unmapped", Verdict.UNMAPPED),
        ("fbt", Verdict.FBT),
        ("unclear", Verdict.CANNOT_BE_CHECKED),
    ],
)
def test_what_is_not_compared_says_why(standing: str, verdict: Verdict) -> None:
    [level] = levels(slot(99, standing=standing, reason="as it is"), available={})
    assert (level.verdict, level.note, level.difference) == (verdict, "as it is", 0)


def test_an_order_that_cannot_be_read_makes_differences_of_its_goods_uncertain() -> None:
    blind = Blind("order 5771: it has no status", frozenset({RED}))
    other = slot(4, "2", draws={"302": 1})
    stock = {("301", "6"): 10, ("302", "6"): 5}
    found = levels(slot(12), other, available=stock, blind=(blind,))
    assert verdicts(found) == [Verdict.CANNOT_BE_CHECKED, LESS]
    assert "order 5771" in found[0].note
    assert verdicts(levels(slot(10), available=stock, blind=(blind,))) == [Verdict.AGREES]


def test_a_number_that_moves_while_it_is_read_is_waited_for() -> None:
    assert verdicts(levels(slot(3, is_moving=True), available={("301", "6"): 9})) == [Verdict.WAITING]


def test_a_difference_counts_as_far_as_it_stands_in_both_looks() -> None:
    stock = {("301", "6"): 10}
    by_five, by_two, agreed = (levels(slot(n), available=stock) for n in (15, 12, 10))
    [level] = standing(by_five, by_two)
    assert (level.verdict, level.difference) == (MORE, 2)
    assert verdicts(list(standing(by_five, agreed))) == [Verdict.AGREES]
    [level] = standing(agreed, by_two)
    assert (level.verdict, level.difference) == (Verdict.WAITING, 0)
    assert verdicts(list(standing(by_five, levels(slot(1), available=stock)))) == [Verdict.WAITING]


def test_slots_that_were_not_looked_at_again_keep_their_verdict() -> None:
    stock = {("301", "6"): 10}
    first = levels(slot(10, "1"), slot(11, "2"), available=stock)
    assert verdicts(list(standing(first, levels(slot(11, "2"), available=stock)))) == [Verdict.AGREES, MORE]


def test_the_same_slot_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="more than once"):
        levels(slot(1), slot(1), available={})


def test_orders_beyond_the_stock_are_oversold_and_named() -> None:
    [cover] = covers({("301", "6"): 3}, wanted(2, "5770"), wanted(4, "5771"))
    assert (cover.claimed, cover.oversold, cover.is_oversold) == (6, 3, True)
    assert cover.orders == ("us/5770", "us/5771")


def test_what_netsuite_could_not_commit_is_oversold_and_named() -> None:
    held = wanted(5, "5770", is_claim=False, backordered=Decimal(2))
    [cover] = covers({("301", "6"): 0}, held, wanted(1, "5772", is_claim=False))
    assert (cover.oversold, cover.orders) == (2, ("us/5770",))


def test_covered_orders_are_no_finding() -> None:
    [cover] = covers({("301", "6"): 6}, wanted(6))
    assert (cover.oversold, cover.is_oversold, cover.orders) == (0, False, ())


def test_an_item_without_a_known_stock_is_no_finding() -> None:
    [cover] = covers({}, wanted(6))
    assert not cover.is_oversold


def test_of_two_looks_the_less_oversold_counts() -> None:
    first = covers({("301", "6"): 0}, wanted(6))
    assert covers_standing(first, covers({("301", "6"): 4}, wanted(6)))[0].oversold == 2
    assert covers_standing(first, ()) == ()


def test_the_statement_tells_totals_differences_and_instants() -> None:
    found = levels(slot(12), slot(5, "2", standing="fbt"), available={("301", "6"): 10})
    oversold = covers({("301", "6"): 0}, wanted(2))
    proof = StockProof(tuple(found), tuple(oversold), NOW, NOW, open_orders=1, available=Decimal(10))
    assert proof.statement == (
        "1 levels at TikTok show 12 units, NetSuite has 10 available, of which 0 are claimed; 1 open orders; "
        "difference = 1 shows more than exists by 2 units, 1 items oversold by 2 units; otherwise 1 fbt; "
        "read at 2026-11-22 12:00:00Z (TikTok) and 2026-11-22 12:00:00Z (NetSuite)"
    )


def test_a_proof_that_did_not_run_says_which_side_was_unread() -> None:
    proof = not_run("netsuite", "it is down", NOW, ["us"])
    assert proof.statement == "not run: shop us not proved: netsuite could not be read: it is down"


@given(
    available=st.integers(-20, 500),
    claimed=counts,
    units=st.integers(1, 12),
    share=st.integers(1, 100),
    buffer=st.integers(0, 5),
    cap=st.none() | st.integers(1, 300),
    off_by=st.integers(-400, 400),
)
def test_any_difference_of_a_lone_listing_is_found_exactly(
    available: int, claimed: int, units: int, share: int, buffer: int, cap: int | None, off_by: int
) -> None:
    hundredths = max(0, available - claimed) * share
    limit = 10**6 if cap is None else cap
    # A share that is no whole number of units may be rounded either way.
    least, most = (
        max(0, min(whole // units - buffer, limit)) for whole in (hundredths // 100, -(-hundredths // 100))
    )
    right = least if off_by < 0 else most
    listing = slot(max(0, right + off_by), draws={"301": units}, share=Decimal(share), buffer=buffer, cap=cap)
    [level] = levels(listing, available={("301", "6"): available}, orders=(wanted(claimed),))
    assert level.may_show == right
    assert level.difference == max(0, right + off_by) - right
    expected = Verdict.AGREES if level.difference == 0 else MORE if level.difference > 0 else LESS
    assert level.verdict is expected


@given(shown=st.lists(st.integers(0, 9), min_size=2, max_size=6), hidden=st.integers(0, 80))
def test_however_scarce_goods_are_divided_only_hidden_ones_are_missed(shown: list[int], hidden: int) -> None:
    listings = [slot(number, str(index)) for index, number in enumerate(shown)]
    found = levels(*listings, available={("301", "6"): sum(shown) + hidden}, taken=SELLING)
    assert not any(level.verdict is MORE for level in found)
    if hidden == 0:
        assert set(verdicts(found)) <= {Verdict.DIVIDED, Verdict.AGREES}
    if hidden >= len(shown) + 7:
        assert set(verdicts(found)) == {LESS}


@given(
    stock=st.lists(counts, min_size=3, max_size=3),
    kits=st.lists(
        st.dictionaries(st.sampled_from(["301", "302", "303"]), st.integers(1, 4), min_size=1), max_size=6
    ),
    shown=st.lists(counts, min_size=6, max_size=6),
    claims=st.lists(st.tuples(st.sampled_from(["301", "302", "303"]), st.integers(0, 90)), max_size=5),
)
def test_no_listing_that_exceeds_its_scarcest_part_goes_unseen(
    stock: list[int], kits: list[dict[str, int]], shown: list[int], claims: list[tuple[str, int]]
) -> None:
    listings = [slot(shown[index], str(index), draws=draws) for index, draws in enumerate(kits)]
    orders = tuple(
        wanted(quantity, str(index), stock=(item, ("6",))) for index, (item, quantity) in enumerate(claims)
    )
    on_shelf = dict(zip(("301", "302", "303"), stock, strict=True))
    found = levels(*listings, available={(item, "6"): n for item, n in on_shelf.items()}, orders=orders)
    assert len(found) == len(listings)
    for level, draws in zip(found, kits, strict=True):
        left = {item: on_shelf[item] - sum(n for of, n in claims if of == item) for item in draws}
        exceeds = any((level.slot.shown or 0) * count > max(0, left[item]) for item, count in draws.items())
        assert (level.verdict is MORE) == exceeds


@given(available=counts, claims=st.lists(counts, max_size=5), backordered=st.lists(counts, max_size=3))
def test_oversold_is_what_nobody_holds(available: int, claims: list[int], backordered: list[int]) -> None:
    orders = [wanted(n, f"c{index}") for index, n in enumerate(claims)]
    orders += [
        wanted(n, f"b{index}", is_claim=False, backordered=Decimal(n)) for index, n in enumerate(backordered)
    ]
    found = covers({("301", "6"): available}, *orders)
    missing = sum(backordered) + max(0, sum(claims) - available)
    assert sum(cover.oversold for cover in found) == (missing if orders else 0)
    assert all(bool(cover.orders) == (cover.oversold > 0) for cover in found)

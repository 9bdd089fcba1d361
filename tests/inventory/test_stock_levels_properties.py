"""What holds of levels whatever the listings, the stock and the sales are."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import floor

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import SetClock
from tests.inventory.stock_listings import levels_of, listing, shelf, supply
from tiktok_ns_pipeline.inventory.governing import (
    Outlook,
    latency_of,
    most_likely_sold,
    outlook,
    rate_of,
)
from tiktok_ns_pipeline.inventory.levels import Level, writes
from tiktok_ns_pipeline.inventory.pools import Listing, Shelf
from tiktok_ns_pipeline.tiktok.slot import Slot

ITEMS = ("box", "cup", "jar")

drawn = st.dictionaries(st.sampled_from(ITEMS), st.integers(1, 6), min_size=1, max_size=3)
rules = st.fixed_dictionaries(
    {
        "share": st.sampled_from([Decimal(100), Decimal(50), Decimal("33.3")]),
        "buffer": st.integers(0, 3),
        "cap": st.none() | st.integers(1, 50),
        "shown": st.none() | st.integers(0, 30),
        "publishes": st.sampled_from([True, True, True, False]),
    }
)


@st.composite
def shops_full(draw: st.DrawFn) -> list[Listing]:
    return [
        listing(f"S{number}", shop=draw(st.sampled_from(["us", "uk"])), **draw(drawn), **draw(rules))
        for number in range(draw(st.integers(1, 5)))
    ]


stock = st.fixed_dictionaries({shelf(item): st.builds(supply, st.integers(-5, 80)) for item in ITEMS})
outlooks = st.fixed_dictionaries(
    {
        shelf(item): st.builds(Outlook, st.sampled_from(["open", "divided"]), st.just(9), st.integers(0, 3))
        for item in ITEMS
    }
)
speeds = st.lists(st.floats(0, 10), min_size=5, max_size=5)


def rates_of(listings: list[Listing], some: list[float]) -> dict[Slot, float]:
    return {each.slot: some[int(each.slot.sku_id[1:])] for each in listings}


def promised(listings: list[Listing], numbers: dict[Slot, int], on: Shelf) -> Decimal:
    return sum(
        (
            draw.quantity * numbers.get(each.slot, 0)
            for each in listings
            for draw in each.draws
            if Shelf(draw.item_id, each.pool) == on
        ),
        Decimal(0),
    )


def numbers_of(levels: dict[Slot, Level]) -> dict[Slot, int]:
    return {slot: level.quantity or 0 for slot, level in levels.items()}


@given(shops_full(), stock, outlooks, speeds)
def test_nothing_is_promised_that_does_not_exist(listings, supplies, outlooks, some) -> None:
    levels = levels_of(listings, supplies, outlooks, rates=rates_of(listings, some))
    for level in levels.values():
        assert level.quantity is not None
        assert level.undivided is not None
        assert 0 <= level.quantity <= level.undivided
        for part in level.parts:
            assert level.quantity * part.quantity <= max(0, supplies[part.shelf].free)
    ours = [each for each in listings if each.publishes]
    for on, there in supplies.items():
        if outlooks[on].mode == "divided":
            assert promised(ours, numbers_of(levels), on) <= max(0, there.free)


@given(shops_full(), stock, outlooks, speeds, st.randoms(use_true_random=False))
def test_the_order_of_listings_does_not_matter(listings, supplies, outlooks, some, random) -> None:
    rates = rates_of(listings, some)
    levels = levels_of(listings, supplies, outlooks, rates=rates)
    shuffled = random.sample(listings, len(listings))
    again = levels_of(shuffled, supplies, outlooks, rates=rates)
    assert again == levels
    assert writes(shuffled, again) == writes(listings, levels)


@given(st.lists(rules, min_size=1, max_size=5), st.integers(0, 80), st.integers(1, 20), speeds, st.booleans())
def test_more_stock_gives_no_listing_less(some_rules, there, more, some, is_divided) -> None:
    listings = [
        listing(f"S{number}", shop=("us", "uk")[number % 2], box=1, **each)
        for number, each in enumerate(some_rules)
    ]
    outlooks = {shelf("box"): Outlook("divided" if is_divided else "open")}
    rates = rates_of(listings, some)
    less = levels_of(listings, {shelf("box"): supply(there)}, outlooks, rates=rates)
    greater = levels_of(listings, {shelf("box"): supply(there + more)}, outlooks, rates=rates)
    for slot in less:
        assert (less[slot].quantity or 0) <= (greater[slot].quantity or 0)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=5), st.integers(0, 60))
def test_nobody_goes_without_while_there_is_a_unit_for_each(some, there) -> None:
    listings = [listing(f"S{number}", box=1) for number in range(len(some))]
    rates = {each.slot: rate for each, rate in zip(listings, some, strict=True)}
    levels = levels_of(
        listings, {shelf("box"): supply(there)}, {shelf("box"): Outlook("divided")}, rates=rates
    )
    given_ = numbers_of(levels)
    assert sum(given_.values()) == there
    assert sum(number > 0 for number in given_.values()) == min(there, len(listings))


@given(shops_full(), stock, outlooks, speeds, st.integers(0, 3))
def test_written_numbers_never_promise_more_while_they_are_written_one_by_one(
    listings, supplies, outlooks, some, reserve
) -> None:
    reserves = {each.slot: reserve for each in listings}
    levels = levels_of(listings, supplies, outlooks, rates=rates_of(listings, some), reserves=reserves)
    due = writes(listings, levels)
    shown = {each.slot: each.shown or 0 for each in listings}
    lowered = {slot: number for slot, number in due.items() if number < shown[slot]}
    for slot, number in due.items():
        assert number <= (levels[slot].quantity or 0)
        assert number != shown[slot]
    for on, there in supplies.items():
        if outlooks[on].mode == "divided":
            before = promised(listings, shown, on)
            raised = promised(listings, {**shown, **{s: n for s, n in due.items() if s not in lowered}}, on)
            assert raised <= max(before, there.free)


def test_rounds_of_writing_reach_the_levels() -> None:
    listings = [listing(f"S{number}", box=1, shown=number * 5) for number in range(4)]
    levels = levels_of(listings, {shelf("box"): supply(20)}, {shelf("box"): Outlook("divided")})
    for _ in range(2):
        due = writes(listings, levels)
        listings = [replace(each, shown=due.get(each.slot, each.shown)) for each in listings]
    assert {each.slot: each.shown for each in listings} == numbers_of(levels)


@given(st.floats(0, 50), st.floats(0, 600))
def test_what_is_likely_sold_is_at_least_the_mean(rate: float, seconds: float) -> None:
    assert most_likely_sold(rate, seconds) >= floor(rate * seconds)


def test_a_shelf_does_not_flutter_between_open_and_divided() -> None:
    need = outlook(Decimal(0), sale_rate=1.0, latency_s=10).need
    assert need == 21

    def mode(free: int, before) -> str:
        return outlook(Decimal(free), sale_rate=1.0, latency_s=10, before=before).mode

    assert (mode(2 * need, "open"), mode(2 * need - 1, "open")) == ("open", "divided")
    assert (mode(4 * need - 1, "divided"), mode(4 * need, "divided")) == ("divided", "open")
    assert outlook(Decimal(0), sale_rate=0, latency_s=10).mode == "open"


def test_a_rush_is_believed_at_once_and_forgotten_slowly() -> None:
    now = SetClock().now()
    rush = [(now - timedelta(seconds=second), Decimal(3)) for second in range(30)]
    assert 1.5 < rate_of(rush, now) < 3.5
    later = rate_of(rush, now + timedelta(minutes=2))
    assert 0.1 < later < 0.5
    assert rate_of(rush, now + timedelta(hours=1)) < 0.01
    assert rate_of([], now) == 0


def test_latency_is_measured_within_bounds() -> None:
    assert latency_of([]) == 60
    assert latency_of([1.0] * 50) == 5
    assert latency_of([9000.0] * 50) == 600
    assert latency_of([8.0] * 95 + [90.0] * 5) == 8
    assert latency_of([8.0] * 90 + [90.0] * 10) == 90


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(10, 60), st.integers(1, 4))
def test_a_flash_sale_over_several_listings_never_oversells(seed: int, there: int, count: int) -> None:
    """Buyers take from listings of one item; we know of a sale after a delay and write exactly."""
    chance = random.Random(seed)
    start = SetClock().now()
    shown = {listing(f"S{number}", box=1).slot: 0 for number in range(count)}
    sales: list[tuple[int, Slot]] = []
    wanted: dict[Slot, float] = {slot: chance.uniform(0, 0.6) for slot in shown}
    for second in range(200):
        for slot, number in list(shown.items()):
            if number and chance.random() < wanted[slot]:
                shown[slot] -= 1
                sales.append((second, slot))
        if second % 5:
            continue
        # TikTok's numbers tell of all sales up to now, so that what is free is exact when it is read.
        now = start + timedelta(seconds=second)
        rates = {
            slot: rate_of(
                [(start + timedelta(seconds=at), Decimal(1)) for at, of in sales if of == slot], now
            )
            for slot in shown
        }
        expected = outlook(Decimal(there - len(sales)), sale_rate=max(0.5, sum(rates.values())), latency_s=60)
        for _ in range(2):
            listings = [listing(slot.sku_id, box=1, shown=number) for slot, number in shown.items()]
            levels = levels_of(
                listings,
                {shelf("box"): supply(there, uncommitted=len(sales))},
                {shelf("box"): expected},
                rates=rates,
            )
            shown |= writes(listings, levels)
    assert len(sales) <= there
    assert sum(shown.values()) <= there - len(sales)

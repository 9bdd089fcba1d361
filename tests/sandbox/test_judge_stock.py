"""The judge of stock finds what was sold and is not there, and numbers that are not what they should be."""

from collections.abc import Iterable
from decimal import Decimal as D
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.netsuite_account import account, customer, line, order
from tiktok_ns_pipeline.sandbox.books import Books
from tiktok_ns_pipeline.sandbox.books.stock import Figures
from tiktok_ns_pipeline.sandbox.catalogue import listing_of
from tiktok_ns_pipeline.sandbox.judge_stock import (
    Demand,
    Evidence,
    OversoldTally,
    Shelf,
    Shown,
    StockJudgement,
    Terms,
    gathered,
    judge_stock,
)
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.stockroom import count_stock
from tiktok_ns_pipeline.sandbox.world import World

POOLS = {"W": ("6", "7"), "V": ("8",)}
SHELF = Shelf("301", ("6", "7"))


def judged(
    on_hand: dict[str, int] | None = None,
    *,
    others: int = 0,
    sold: Iterable[tuple[str, int]] = (),
    shown: Iterable[Shown] = (),
) -> StockJudgement:
    """Stock of items at Location 6, what others hold of 301 there, and what TikTok sold and shows."""
    held = on_hand or {"301": 10}
    return judge_stock(
        Evidence(
            {(item, "6"): Figures(on_hand=D(number)) for item, number in held.items()},
            {("301", "6"): D(others)},
            [Demand(f"{index}", "W", item, D(number)) for index, (item, number) in enumerate(sold)],
            list(shown),
        ),
        POOLS,
    )


def slot(available: int, parts: dict[str, int] | None = None, warehouse: str = "W", **terms: Any) -> Shown:
    units = {item: D(number) for item, number in (parts or {"301": 1}).items()}
    return Shown("us", "1", warehouse, available, units, Terms(**terms))


class TestOversold:
    def test_are_units_sold_beyond_what_is_there(self) -> None:
        found = judged(sold=[("301", 8), ("301", 5)])
        assert (found.oversold, found.oversold_units) == ({SHELF: D(3)}, 3)

    def test_what_others_hold_is_not_there_for_tiktok(self) -> None:
        assert judged(others=4, sold=[("301", 6)]).oversold == {}
        assert judged(others=5, sold=[("301", 6)]).oversold == {SHELF: D(1)}

    def test_never_are_more_than_tiktok_sold(self) -> None:
        assert judged(others=40, sold=[("301", 6)]).oversold == {SHELF: D(6)}

    def test_stock_at_every_location_of_the_warehouse_counts_and_no_other(self) -> None:
        stock = {("301", "6"): Figures(D(3)), ("301", "7"): Figures(D(2)), ("301", "8"): Figures(D(100))}
        found = judge_stock(Evidence(stock, {}, [Demand("1", "W", "301", D(6))], []), POOLS)
        assert found.oversold == {SHELF: D(1)}

    def test_orders_of_a_warehouse_without_locations_are_left_out(self) -> None:
        assert judge_stock(Evidence({}, {}, [Demand("1", "FBT", "301", D(6))], []), POOLS).is_clean

    def test_are_counted_once_over_many_looks(self) -> None:
        tally = OversoldTally()
        for sold in (8, 12, 12, 15, 9, 11):
            tally.look(judged(sold=[("301", sold)]))
        assert tally.units == 2 + 3 + 1


class TestNumbers:
    def test_agree_when_they_are_what_can_be_promised(self) -> None:
        assert judged(others=2, sold=[("301", 3)], shown=[slot(5)]).is_clean

    def test_too_high_and_too_low_are_told_apart(self) -> None:
        found = judged(sold=[("301", 3)], shown=[slot(9), slot(7), slot(4)])
        assert [(one.slot.available, one.excess) for one in found.disagreements] == [(9, 2), (4, -3)]
        assert [one.slot.available for one in found.shown_in_excess] == [9]
        assert found.slots == 3

    def test_a_set_is_as_many_as_its_scarcest_part_allows(self) -> None:
        stock = {"301": 10, "302": 7}
        assert judged(stock, shown=[slot(3, {"301": 1, "302": 2})]).is_clean
        assert not judged(stock, shown=[slot(10, {"301": 1, "302": 2})]).is_clean

    def test_a_pack_takes_its_pieces(self) -> None:
        assert judged(shown=[slot(1, {"301": 6})]).is_clean

    def test_below_nothing_is_nothing(self) -> None:
        assert judged(sold=[("301", 12)], shown=[slot(0)]).disagreements == []

    def test_what_nobody_ever_stocked_is_none(self) -> None:
        assert judged(shown=[slot(0, {"399": 1})]).is_clean

    def test_what_a_seller_keeps_back_is_not_missed(self) -> None:
        assert judged(shown=[slot(5, share=D(50))]).is_clean
        assert judged(shown=[slot(7, buffer=3)]).is_clean
        assert judged(shown=[slot(4, cap=4)]).is_clean
        assert judged(shown=[slot(0, buffer=30)]).is_clean

    @given(st.integers(0, 50), st.integers(0, 50), st.lists(st.integers(1, 9), max_size=8), st.integers(1, 6))
    def test_the_right_number_never_sells_what_is_not_there(
        self, on_hand: int, others: int, sold: list[int], pack: int
    ) -> None:
        orders = [("301", one) for one in sold]
        found = judged({"301": on_hand}, others=others, sold=orders, shown=[slot(-1, {"301": pack})])
        right = found.disagreements[0].should
        before = found.oversold_units
        after = judged({"301": on_hand}, others=others, sold=[*orders, ("301", right * pack)]).oversold_units
        one_more = judged(
            {"301": on_hand}, others=others, sold=[*orders, ("301", (right + 1) * pack)]
        ).oversold_units
        assert after == before < one_more


def scene() -> tuple[World, Books]:
    """A world in which TikTok shows 10 of each SKU and 10 lie in each warehouse."""
    books = account()
    for item in books.listed(books.kind("inventoryItem"), None):
        for location in ("6", "7", "9", "10"):
            books.set_stock(item.id, location, 10)
    world = World(None, clock=books.clock, mix=Mix(stock="kept", stock_at_start=10))
    return world, books


def posted(books: Books, order_id: str, *lines: dict[str, Any]) -> str:
    return order(books, *lines, custbody_tts_order_id=order_id)


class TestWorldAndBooks:
    def test_what_tiktok_sold_is_no_longer_promised_be_it_in_the_books_or_not(self) -> None:
        world, books = scene()
        first = world.place_order("us", ["SKU-001", "SKU-001"])
        second = world.place_order("us", ["SKU-001"])
        posted(books, first, line("301", 2))
        truth = judge_stock(gathered(world, books)).shelves[Shelf("301", ("6",))]
        assert (truth.on_hand, truth.netsuite_promises, truth.sold, truth.can_promise) == (10, 8, 3, 7)
        world.cancel_order(second)
        assert judge_stock(gathered(world, books)).shelves[Shelf("301", ("6",))].can_promise == 8

    def test_what_left_is_counted_once(self) -> None:
        world, books = scene()
        made = posted(books, world.place_order("us", ["KIT-001"]), line("350", 1))
        before = judge_stock(gathered(world, books)).shelves
        books.transform("salesOrder", made, "itemFulfillment", {"shipStatus": {"id": "C"}})
        after = judge_stock(gathered(world, books)).shelves
        for item, number in (("301", 9), ("302", 8)):
            shelf = Shelf(item, ("6",))
            assert before[shelf].can_promise == after[shelf].can_promise == number
        assert after[Shelf("302", ("6",))].sold == 0

    def test_an_oversold_unit_that_others_took_is_found(self) -> None:
        world, books = scene()
        buyer = customer(books)
        order(books, line("301", 9), customer_id=buyer)
        assert judge_stock(gathered(world, books)).oversold == {}
        world.place_order("us", ["SKU-001"] * 3)
        assert judge_stock(gathered(world, books)).oversold == {Shelf("301", ("6",)): D(2)}

    def test_a_number_that_nobody_corrected_after_a_count_is_found(self) -> None:
        world, books = scene()
        count_stock(books, "304", "7", 4)
        found = judge_stock(gathered(world, books))
        place = ("us", "7000000000000000071")
        excess = {
            one.slot.sku_id: one.excess
            for one in found.disagreements
            if (one.slot.shop, one.slot.warehouse_id) == place and "304" in one.slot.parts
        }
        own = listing_of("SKU-004")
        assert own is not None
        assert excess[own.sku_id] == 6

    def test_what_a_shop_keeps_back_is_told_by_its_terms(self) -> None:
        world, books = scene()
        found = judge_stock(gathered(world, books, {"us": Terms(buffer=2)}))
        wrong = {
            (one.slot.shop, one.excess) for one in found.disagreements if one.slot.parts == {"305": D(1)}
        }
        assert wrong == {("us", 2)}

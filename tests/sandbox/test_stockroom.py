"""People and other channels move stock, in the world's time and by documents."""

from collections import Counter
from pathlib import Path

import pytest

from tests.rigging import in_world
from tests.sandbox.netsuite_account import account, select
from tiktok_ns_pipeline.sandbox.books import Books
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.serve import SandboxOptions, open_sandbox
from tiktok_ns_pipeline.sandbox.stockroom import Stockroom, StockroomHabits, count_stock
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock

DAY = 86_400
DOCUMENTS = """
    SELECT type, COUNT(*) AS number FROM transaction GROUP BY type ORDER BY type
"""


def days(books: Books, room: Stockroom, number: float, look_every_s: float = 3_600) -> int:
    """Let days pass, with somebody looking every now and then; tells how many steps were done."""
    done = 0
    for _ in range(int(number * DAY / look_every_s)):
        books.clock.advance(look_every_s)  # type: ignore[attr-defined]
        done += room.catch_up()
    return done


def documents(books: Books) -> dict[str, int]:
    return {row["type"]: int(row["number"]) for row in select(books, DOCUMENTS)}


def total(books: Books) -> Counter[str]:
    sums: Counter[str] = Counter()
    for figures in books.all_stock().values():
        sums.update({name: int(value) for name, value in figures._asdict().items()})
    return sums


def test_without_habits_nothing_happens() -> None:
    books = account()
    room = Stockroom(books, books.clock, 1, StockroomHabits.still())
    assert (days(books, room, 3), room.next_due(), documents(books)) == (0, None, {})


def test_nothing_happens_once_all_went_home() -> None:
    books = account()
    room = Stockroom(books, books.clock, 3)
    days(books, room, 0.5)
    made = documents(books)
    room.go_home()
    assert (days(books, room, 2), room.next_due(), documents(books)) == (0, None, made)


def test_a_day_has_about_what_the_habits_say_of_everything() -> None:
    books = account()
    room = Stockroom(books, books.clock, 3)
    days(books, room, 6)
    made = documents(books)
    assert 380 <= made["SalesOrd"] == len(room.orders) <= 580
    assert 25 <= made["InvAdjst"] <= 75
    assert 18 <= made["PurchOrd"] <= 56
    assert 4 <= made["TrnfrOrd"] <= 36
    # What was begun comes to its end.
    assert made["ItemShip"] > made["SalesOrd"] * 0.8
    assert made["ItemRcpt"] > made["PurchOrd"] * 0.6


def test_the_same_seed_makes_the_same_days_however_often_somebody_looks() -> None:
    def lived(seed: int, look_every_s: float) -> list[tuple[str, ...]]:
        books = account()
        room = Stockroom(books, books.clock, seed, StockroomHabits(orders=20))
        days(books, room, 2, look_every_s)
        moved = "SELECT item, location, quantity FROM transactionline WHERE item IS NOT NULL"
        return sorted(tuple(row.values()) for row in select(books, moved))

    assert lived(5, 600) == lived(5, 7_200)
    assert lived(5, 600) != lived(6, 600)


def test_goods_sold_elsewhere_are_held_and_then_gone() -> None:
    books = account()
    habits = StockroomHabits.still(orders=50, cancelled=0.0, kits=0.0, items=("301",), locations=("6",))
    room = Stockroom(books, books.clock, 1, habits)
    days(books, room, 2)
    ordered = sum(
        int(one["quantity"]) for id_ in room.orders for one in books.record("salesOrder", id_).lines()
    )
    place = books.stock("301", "6")
    assert place.committed > 0
    assert ordered == 5_000 - place.on_hand + place.committed


def test_orders_pending_approval_hold_nothing_until_then() -> None:
    books = account()
    until = (20 * 3_600.0, 20 * 3_600.0)
    habits = StockroomHabits.still(orders=30, pending=1.0, cancelled=0.0, until_approved=until)
    room = Stockroom(books, books.clock, 1, habits)
    days(books, room, 0.75)
    assert (len(room.orders) > 5, total(books)["committed"]) == (True, 0)
    days(books, room, 0.5)
    assert total(books)["committed"] > 0


def test_orders_that_are_called_off_give_back_what_they_held() -> None:
    books = account()
    habits = StockroomHabits.still(orders=50, pending=0.0, cancelled=1.0)
    room = Stockroom(books, books.clock, 1, habits)
    days(books, room, 1)
    room.catch_up()
    closed = [one for one in room.orders if books.record("salesOrder", one).get("status") == "H"]
    assert len(closed) > 20
    assert total(books)["on_hand"] == 200 * 5_000


def test_nobody_sends_off_what_is_not_there() -> None:
    books = account()
    for location in ("6", "7", "9", "10"):
        books.set_stock("301", location, 4)
    habits = StockroomHabits(orders=60, kits=0.0, difference=(-3, 1), received=(1, 6), items=("301",))
    room = Stockroom(books, books.clock, 2, habits)
    for _ in range(7 * 24):
        days(books, room, 1 / 24)
        places = [books.stock("301", location) for location in habits.locations]
        assert all(place.on_hand >= 0 for place in places)
        assert all(place.committed <= place.on_hand for place in places)
    assert documents(books)["ItemShip"] > 10


def test_a_count_is_an_adjustment_that_queries_find() -> None:
    books = account()
    made = count_stock(books, "301", "6", 4_990)
    assert made is not None
    query = "SELECT quantity FROM transactionline WHERE transaction = ? AND item = 301"
    assert select(books, query, made.id) == [{"quantity": "-10"}]
    assert count_stock(books, "301", "6", 4_990) is None
    with pytest.raises(LookupError, match="no location 66"):
        count_stock(books, "301", "66", 1)


def test_what_is_under_way_goes_on_when_the_account_is_opened_again(tmp_path: Path) -> None:
    habits = StockroomHabits(orders=10, until_received=(DAY, DAY), until_shipped=(DAY, DAY))
    first = account(tmp_path)
    room = Stockroom(first, first.clock, 1, habits)
    days(first, room, 1)
    held, coming = total(first)["committed"], total(first)["on_order"]
    assert held > 0 < coming
    first.close()
    second = account(tmp_path, clock=first.clock)
    again = Stockroom(second, second.clock, 1, StockroomHabits.still())
    assert len(again.orders) > 0
    days(second, again, 4)
    assert (total(second)["committed"], total(second)["on_order"], total(second)["in_transit"]) == (0, 0, 0)
    second.close()


def test_months_that_are_closed_stop_nobody_for_good() -> None:
    books = account()
    books.close_period("Jun 2026")
    room = Stockroom(books, books.clock, 1, StockroomHabits(orders=20))
    days(books, room, 1)
    assert "InvAdjst" not in documents(books)
    books.set_period("Jun 2026", "open")
    days(books, room, 1)
    assert documents(books)["InvAdjst"] > 0


def test_in_the_rig_it_lives_with_the_requests_to_netsuite_and_the_judge_leaves_its_orders_alone() -> None:
    async def trade(rig: Rig) -> None:
        assert rig.stockroom is not None
        rig.world.place_order("us", ["SKU-001"])
        await rig.run()
        await rig.run()
        assert len(rig.stockroom.orders) > 0
        assert rig.judged().is_clean

    in_world(trade, stockroom=StockroomHabits(orders=200_000))


def test_without_habits_the_rig_keeps_stock_still() -> None:
    async def trade(rig: Rig) -> None:
        assert rig.stockroom is None
        assert {figures.on_hand for figures in rig.books.all_stock().values()} == {5_000}

    in_world(trade)


def test_a_sandbox_that_is_served_has_it_when_asked_to() -> None:
    for habits in (None, StockroomHabits()):
        clock = VirtualClock()
        sandbox = open_sandbox(SandboxOptions(stockroom=habits, clock=clock))
        clock.advance(DAY)
        sandbox.catch_up()
        assert bool(documents(sandbox.books)) is (habits is not None)
        sandbox.close()

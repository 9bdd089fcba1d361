"""The books of stock: one sum of NetSuite's number, what it does not know yet, and TikTok's number."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.conftest import SetClock
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.stock import (
    Mismatch,
    Movement,
    OrderHold,
    Reading,
    StockKey,
    netsuite_key,
    tiktok_key,
    uncommitted_key,
)
from tiktok_ns_pipeline.tiktok.slot import Slot

SLOT = Slot("us", "1729", "W1")
SHOWN = tiktok_key(SLOT)
SOLD = uncommitted_key("us", "40", "W1")
PARTS = {("us", "1729"): {"40": Decimal(6)}}


def quantity_of(ledger: Ledger, key: StockKey) -> Decimal | None:
    with ledger.read() as tx:
        balance = tx.stock.balances([key]).get(key)
    return balance.quantity if balance else None


def order(clock: SetClock, order_id: str = "577", units: int = 1, **more) -> OrderHold:
    """An order of packs of six."""
    fields = {
        "placed_at": clock.now(),
        "uncommitted": {("40", "W1"): Decimal(6 * units)} if units else {},
        "sold": {("1729", "W1"): Decimal(units)} if units else {},
    }
    return OrderHold("us", order_id, **{**fields, **more})


def show(ledger: Ledger, units: int) -> dict[Slot, int]:
    with ledger.begin() as tx:
        return tx.stock.read_back({SLOT: units}, PARTS)


def hold(ledger: Ledger, *orders: OrderHold) -> list[Movement]:
    with ledger.begin() as tx:
        return tx.stock.hold(orders)


@pytest.fixture(autouse=True)
def in_the_end_everything_sums_up(ledger: Ledger):
    yield
    with ledger.read() as tx:
        assert tx.stock.verify() == []


def test_a_snapshot_is_posted_as_the_difference_less_what_is_known(ledger: Ledger) -> None:
    key, other = netsuite_key("40", "7"), netsuite_key("41", "7")
    with ledger.begin() as tx:
        first = tx.stock.set_balances("snapshot", [Reading(key, Decimal("10.5")), Reading(other, Decimal(0))])
        commit = Movement(key, "commit", Decimal(-6), "577")
        second = tx.stock.set_balances("snapshot", [Reading(key, Decimal("3.5"))], known=[commit])
        unchanged = tx.stock.set_balances("snapshot", [Reading(key, Decimal("3.5"))])

    assert [(row.movement, row.quantity) for row in first] == [("snapshot", Decimal("10.5")), ("snapshot", 0)]
    assert second == [commit, Movement(key, "snapshot", Decimal(-1))]
    assert unchanged == []
    assert quantity_of(ledger, key) == Decimal("3.5")
    assert quantity_of(ledger, other) == 0
    assert quantity_of(ledger, netsuite_key("42", "7")) is None


def test_a_balance_knows_its_newest_row_and_when_it_was_last_read(ledger: Ledger, clock: SetClock) -> None:
    key = netsuite_key("40", "7")
    with ledger.begin() as tx:
        tx.stock.set_balances("snapshot", [Reading(key, Decimal(10))])
    began = clock.now()
    clock.forward(minutes=5)
    with ledger.begin() as tx:
        tx.stock.set_balances("snapshot", [Reading(key, Decimal(10))])
        balance = tx.stock.balances([key])[key]
        version = tx.stock.newest("netsuite", ["40", "41"])
        [row] = tx.stock.positions("netsuite", "40", place="7")

    assert (balance.changed_at, balance.read_at) == (began, clock.now())
    assert version == {"40": balance.position_id} == {"40": row.id}


def test_an_order_seen_twice_changes_nothing(ledger: Ledger, clock: SetClock) -> None:
    show(ledger, 10)
    clock.forward(seconds=1)
    assert len(hold(ledger, order(clock))) == 2
    assert hold(ledger, order(clock)) == []
    assert quantity_of(ledger, SHOWN) == 9
    assert quantity_of(ledger, SOLD) == 6


def test_an_order_that_netsuite_shows_is_off_tiktoks_number_still(ledger: Ledger, clock: SetClock) -> None:
    show(ledger, 10)
    clock.forward(seconds=1)
    hold(ledger, order(clock), order(clock, "578"))
    [row] = hold(ledger, order(clock, uncommitted={}, leaves_by="commit"))

    assert (row.key, row.movement, row.quantity) == (SOLD, "commit", -6)
    assert quantity_of(ledger, SHOWN) == 8
    with ledger.read() as tx:
        assert tx.stock.uncommitted_orders() == [("us", "578")]
        assert tx.stock.uncommitted_orders("uk") == []
        assert tx.stock.held([("us", "577")])[("us", "577")].sold == {("1729", "W1"): 1}


def test_a_cancelled_unit_comes_back(ledger: Ledger, clock: SetClock) -> None:
    show(ledger, 10)
    clock.forward(seconds=1)
    hold(ledger, order(clock, units=3))
    clock.forward(seconds=1)
    rows = hold(ledger, order(clock, units=2, changed_at=clock.now()))

    assert {(row.key.account, row.movement, row.quantity) for row in rows} == {
        ("uncommitted", "cancellation", -6),
        ("tiktok", "cancellation", 1),
    }
    assert quantity_of(ledger, SHOWN) == 8


def test_a_sale_that_a_reading_had_counted_explains_what_was_unseen(ledger: Ledger, clock: SetClock) -> None:
    show(ledger, 10)
    clock.forward(seconds=30)
    late = order(clock)
    clock.forward(seconds=1)

    assert show(ledger, 8) == {SLOT: -2}
    assert quantity_of(ledger, SOLD) == 12
    with ledger.read() as tx:
        assert tx.stock.unseen()[SLOT].units == 2
        assert tx.stock.uncommitted_orders() == []

    hold(ledger, late)
    assert quantity_of(ledger, SHOWN) == 8
    assert quantity_of(ledger, SOLD) == 12
    with ledger.read() as tx:
        assert tx.stock.unseen([SLOT])[SLOT].units == 1
        assert tx.stock.uncommitted_orders() == [("us", "577")]


def test_a_sale_after_the_reading_explains_nothing(ledger: Ledger, clock: SetClock) -> None:
    show(ledger, 10)
    show(ledger, 9)
    clock.forward(seconds=1)
    hold(ledger, order(clock))

    assert quantity_of(ledger, SHOWN) == 8
    assert quantity_of(ledger, SOLD) == 12


def test_a_sale_that_a_push_wrote_over_is_not_taken_off_twice(ledger: Ledger, clock: SetClock) -> None:
    show(ledger, 10)
    overwritten = order(clock)
    clock.forward(seconds=2)
    with ledger.begin() as tx:
        tx.stock.set_balances("push", [Reading(SHOWN, Decimal(5), "v12")])
    hold(ledger, overwritten)

    assert quantity_of(ledger, SHOWN) == 5
    assert quantity_of(ledger, SOLD) == 6


def test_unseen_units_end_when_tiktok_shows_them_again_or_nobody_ordered_them(ledger: Ledger) -> None:
    show(ledger, 10)
    show(ledger, 6)
    assert show(ledger, 7) == {SLOT: 1}
    assert quantity_of(ledger, SOLD) == 18
    with ledger.begin() as tx:
        tx.stock.dismiss_unseen(SLOT, Decimal(1))
        assert tx.stock.unseen()[SLOT].units == 2
        tx.stock.dismiss_unseen(SLOT)
        assert tx.stock.unseen() == {}
        assert tx.stock.dismiss_unseen(SLOT) == []
    assert quantity_of(ledger, SOLD) == 0
    assert quantity_of(ledger, SHOWN) == 7


def test_no_more_is_unseen_than_can_have_been_sold(ledger: Ledger) -> None:
    show(ledger, 100)
    with ledger.begin() as tx:
        assert tx.stock.read_back({SLOT: 0}, PARTS, most=lambda fallen: {SLOT: 25}) == {SLOT: -100}
    assert (quantity_of(ledger, SHOWN), quantity_of(ledger, SOLD)) == (0, 6 * 25)


def test_what_is_unseen_since_long_is_told_apart_from_what_was_sold_since(
    ledger: Ledger, clock: SetClock
) -> None:
    show(ledger, 40)
    show(ledger, 37)
    clock.forward(seconds=60)
    show(ledger, 35)
    instant = clock.now()
    hold(ledger, order(clock, "577", 2, placed_at=instant - timedelta(seconds=90)))
    with ledger.begin() as tx:
        assert tx.stock.unseen()[SLOT].units == 3
        assert tx.stock.unseen_since_before(instant) == {SLOT: 1}
        tx.stock.dismiss_unseen(SLOT, Decimal(1))
        assert tx.stock.unseen_since_before(instant) == {}
        assert tx.stock.unseen()[SLOT].units == 2


def test_a_first_reading_differs_from_nothing(ledger: Ledger, clock: SetClock) -> None:
    hold(ledger, order(clock))
    assert show(ledger, 4) == {}
    assert quantity_of(ledger, SHOWN) == 4
    with ledger.read() as tx:
        assert tx.stock.unseen() == {}


def test_who_holds_an_item_is_told(ledger: Ledger, clock: SetClock) -> None:
    show(ledger, 10)
    clock.forward(seconds=1)
    hold(ledger, order(clock, units=2), order(clock, "578", uncommitted={}))
    clock.forward(seconds=1)
    show(ledger, 6)
    with ledger.read() as tx:
        holders = tx.stock.holders("40")
        assert tx.stock.holders("41") == {}
    assert holders == {("us", "577", "W1"): 12, ("us", "unseen 1729", "W1"): 6}


def test_what_moved_since_a_row_is_told_with_the_first_instant(ledger: Ledger, clock: SetClock) -> None:
    show(ledger, 10)
    with ledger.read() as tx:
        before = tx.stock.newest_position()
        assert tx.stock.moved_after(before) == {}
    clock.forward(seconds=1)
    sold_at = clock.now()
    hold(ledger, order(clock, "577"))
    clock.forward(seconds=1)
    hold(ledger, order(clock, "578"))
    show(ledger, 8)
    with ledger.read() as tx:
        assert tx.stock.moved_after(before) == {SOLD: sold_at, SHOWN: sold_at}
        assert tx.stock.newest_position() > before


def test_what_the_other_system_did_not_tell_again_is_found(ledger: Ledger, clock: SetClock) -> None:
    told, untold, empty = (netsuite_key(item, "6") for item in ("40", "41", "42"))
    first = clock.now()
    for items in ((told, untold, empty), (told,)):
        with ledger.begin() as tx:
            units = {told: 5, untold: 5, empty: 0}
            tx.stock.set_balances("snapshot", [Reading(key, Decimal(units[key])) for key in items])
        clock.forward(seconds=60)
    with ledger.read() as tx:
        assert tx.stock.not_read_since("netsuite", first + timedelta(seconds=30)) == {untold: first}


def test_rolled_up_rows_leave_every_balance_as_it_was(ledger: Ledger, clock: SetClock) -> None:
    show(ledger, 10)
    clock.forward(seconds=1)
    known, waiting = order(clock), order(clock, "578")
    hold(ledger, known, waiting)
    hold(ledger, order(clock, uncommitted={}, leaves_by="commit"))
    with ledger.read() as tx:
        before = tx.stock.of_account("tiktok") | tx.stock.of_account("uncommitted")
    clock.forward(days=90)
    with ledger.begin() as tx:
        assert tx.stock.roll_up(clock.now() - timedelta(days=60), limit=1) > 0
        while tx.stock.roll_up(clock.now() - timedelta(days=60)):
            pass
        assert tx.stock.of_account("tiktok") | tx.stock.of_account("uncommitted") == before
        assert [row.movement for row in tx.stock.positions("tiktok", "1729")] == ["opening"]
        assert tx.stock.uncommitted_orders() == [("us", "578")]

    # TikTok may change an order long after: what it had taken is not taken again.
    assert hold(ledger, known, waiting) == []


def test_rates_are_made_of_the_rows_since_an_instant(ledger: Ledger, clock: SetClock) -> None:
    show(ledger, 10)
    clock.forward(minutes=1)
    hold(ledger, order(clock))
    since = clock.now()
    clock.forward(minutes=1)
    hold(ledger, order(clock, "578", units=2))
    with ledger.read() as tx:
        assert [row.quantity for row in tx.stock.since("tiktok", "sale", since)] == [-1, -2]
        assert [row.quantity for row in tx.stock.since("tiktok", "sale", clock.now())] == [-2]


def test_a_sale_knows_when_it_was_placed(ledger: Ledger, clock: SetClock) -> None:
    placed_at = clock.now() - timedelta(hours=2)
    hold(ledger, order(clock, placed_at=placed_at))
    with ledger.read() as tx:
        [row] = tx.stock.since("tiktok", "sale", clock.now())
    assert (row.at, row.happened_at) == (clock.now(), placed_at)


def test_thousands_of_balances_are_set_and_read_at_once(ledger: Ledger) -> None:
    readings = [Reading(netsuite_key(str(item), "7"), Decimal(item)) for item in range(3_000)]
    with ledger.begin() as tx:
        assert len(tx.stock.set_balances("snapshot", readings)) == 3_000
        assert tx.stock.set_balances("snapshot", readings) == []
        assert len(tx.stock.balances([reading.key for reading in readings])) == 3_000


def test_a_quantity_finer_than_a_millionth_is_refused(ledger: Ledger) -> None:
    with pytest.raises(Exception, match="finer than a millionth"), ledger.begin() as tx:
        tx.stock.post([Movement(SOLD, "sale", Decimal("0.0000001"))])


def test_a_balance_that_its_rows_do_not_explain_is_found(ledger: Ledger, clock: SetClock) -> None:
    hold(ledger, order(clock))
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE stock_balances SET quantity = quantity + quantity")
    with ledger.read() as tx:
        assert tx.stock.verify() == [
            Mismatch(SHOWN, Decimal(-2), Decimal(-1), "positions"),
            Mismatch(SOLD, Decimal(12), Decimal(6), "positions"),
            Mismatch(SOLD, Decimal(12), Decimal(6), "holds"),
        ]
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE stock_balances SET quantity = quantity / 2")

"""Units that TikTok shows less of: how many are believed to be sold, and for how long."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import SetClock
from tests.inventory.stock_desk import AT_ONCE, MAIN, count, post, push, shown, sku_of, told
from tests.sandbox.netsuite_account import line, order
from tiktok_ns_pipeline.inventory.governing import most_sold_unseen
from tiktok_ns_pipeline.inventory.looking import look_for_work
from tiktok_ns_pipeline.sandbox.rig import Rig

NOW = SetClock().now()
LISTED_WITHIN = timedelta(seconds=30)


def possible(*seconds_ago: float, silent_for: float = 0) -> int:
    """Units that can have been sold unseen, where one was sold at each of these times."""
    sold = [(NOW - timedelta(seconds=each), Decimal(1)) for each in seconds_ago]
    return most_sold_unseen(sold, NOW - timedelta(seconds=silent_for), NOW, LISTED_WITHIN)


class TestHowMany:
    def test_some_are_possible_though_nothing_was_ever_sold(self) -> None:
        assert possible() == possible(silent_for=3600) == 20

    def test_a_rush_makes_many_possible_within_seconds(self) -> None:
        rush = [age / 5 for age in range(100)]
        assert possible(*rush) > 20 + 5 * 15

    def test_the_longer_orders_were_not_read_the_more(self) -> None:
        steady = [float(age) for age in range(600, 1200, 10)]
        assert 20 < possible(*steady, silent_for=600) < possible(*steady, silent_for=3600)

    @given(st.lists(st.floats(0, 1200), max_size=60), st.floats(0, 7200))
    def test_a_sale_more_makes_no_fewer_possible(self, ages: list[float], silent_for: float) -> None:
        assert possible(*ages, silent_for=silent_for) <= possible(0, *ages, silent_for=silent_for)


class TestStories:
    def test_a_person_who_sets_a_level_to_nothing_blanks_no_sibling(self) -> None:
        async def story(rig: Rig) -> None:
            count(rig, "SKU-001", "6", 120)
            await push(rig)
            assert (shown(rig), shown(rig, "PACK-6-001")) == (120, 20)
            rig.world.place_order("us", ["SKU-002"])
            await post(rig)
            rig.world.stock.edit("us", sku_of("SKU-001"), MAIN, 0)
            await asyncio.sleep(3600)
            await push(rig, AT_ONCE)
            # Twenty may have been sold; that the others were taken away is set right at once.
            assert (shown(rig), shown(rig, "PACK-6-001")) == (100, 16)

        told(story)

    def test_units_are_nobodys_once_the_orders_of_after_are_booked(self) -> None:
        async def story(rig: Rig) -> None:
            count(rig, "SKU-001", "6", 40)
            await push(rig)
            rig.world.stock.edit("us", sku_of("SKU-001"), MAIN, 33)
            await asyncio.sleep(3600)
            await push(rig)
            assert shown(rig) == 33
            await asyncio.sleep(31)
            rig.world.place_order("us", ["SKU-002"])
            await post(rig)
            assert (await push(rig)).dismissed == 1
            assert shown(rig) == 40

        told(story)

    def test_in_a_quiet_shop_tiktok_is_asked_whether_anybody_bought(self) -> None:
        async def story(rig: Rig) -> None:
            count(rig, "SKU-001", "6", 40)
            await push(rig)
            rig.world.place_order("us", ["SKU-002"])
            await post(rig)
            await push(rig)
            await asyncio.sleep(3600)
            rig.world.stock.edit("us", sku_of("SKU-001"), MAIN, 33)
            await push(rig, AT_ONCE)
            assert shown(rig) == 33
            await asyncio.sleep(20)
            look = look_for_work(rig.settings, timedelta(seconds=20), rig.clock)
            assert (look.is_due, look.reason) == (True, "units are missing that no order explains")
            assert (await push(rig)).dismissed == 1
            assert shown(rig) == 40

        told(story, poll_s=10.0)

    def test_units_of_an_order_that_was_not_booked_yet_stay_held_however_long(self) -> None:
        async def story(rig: Rig) -> None:
            count(rig, "SKU-001", "6", 40)
            await push(rig)
            rig.world.place_order("us", ["SKU-002"])
            await post(rig)
            await push(rig)
            await asyncio.sleep(3600)
            rig.world.place_order("us", ["SKU-001"] * 5)
            for _ in range(2):
                await push(rig)
                await asyncio.sleep(900)
            assert shown(rig) == 35
            await post(rig)
            await push(rig)
            assert shown(rig) == 35

        told(story, poll_s=20.0)

    def test_an_order_that_is_first_seen_cancelled_leaves_nothing_unseen(self) -> None:
        async def story(rig: Rig) -> None:
            count(rig, "SKU-001", "6", 40)
            await push(rig)
            order_id = rig.world.place_order("us", ["SKU-001"] * 3)
            await asyncio.sleep(3600)
            await push(rig)
            assert shown(rig, "PACK-6-001") == 6
            rig.world.cancel_order(order_id)
            count(rig, "SKU-001", "6", 41)
            await asyncio.sleep(31)
            rig.world.place_order("us", ["SKU-002"])
            await post(rig)
            await push(rig)
            ledger = rig.ledger()
            with ledger.read() as tx:
                assert tx.stock.unseen() == {}
            ledger.close()
            assert (shown(rig), shown(rig, "PACK-6-001")) == (41, 6)

        told(story)

    def test_a_unit_that_nobody_bought_does_not_hide_behind_sales_that_go_on(self) -> None:
        async def story(rig: Rig) -> None:
            count(rig, "SKU-001", "6", 40)
            await push(rig)
            rig.world.stock.edit("us", sku_of("SKU-001"), MAIN, 38)
            await asyncio.sleep(3600)
            await push(rig)
            for _ in range(2):
                await asyncio.sleep(40)
                rig.world.place_order("us", ["SKU-001"])
                await post(rig)
                await push(rig)
            ledger = rig.ledger()
            with ledger.read() as tx:
                assert tx.stock.unseen() == {}
            ledger.close()
            assert shown(rig) == 38

        told(story, poll_s=10.0)


class TestKits:
    def test_what_another_channel_sells_as_a_kit_moves_its_members_within_a_run(self) -> None:
        async def story(rig: Rig) -> None:
            [member, *_] = rig.books.query(
                "SELECT m.item, m.quantity, m.parentitem, i.itemid FROM itemmember m "
                "JOIN item i ON i.id = m.item JOIN item k ON k.id = m.parentitem WHERE k.itemid = 'KIT-001'"
            ).as_dicts()
            count(rig, member["itemid"], "6", 40)
            await push(rig)
            order(rig.books, line(member["parentitem"], 1))
            report = await push(rig)
            assert report.snapshots == 0
            assert shown(rig, member["itemid"]) == 40 - int(member["quantity"])

        told(story)

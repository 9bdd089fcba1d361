"""The stock flow in company: events, the closures flow, TikTok's own warehouses, a second process."""

from __future__ import annotations

import asyncio
import json

from tests.cancellations.closing_desk import close
from tests.inventory.stock_desk import (
    MAIN,
    count,
    item_of,
    post,
    push,
    shown,
    sku_of,
    told,
    with_mapping,
)
from tests.rigging import exceptions, kinds
from tiktok_ns_pipeline.inventory import observing, reading
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.webhooks.events import event_of


def changed(rig: Rig, sku_id: str) -> bytes:
    """What TikTok posts when a number changed (T 8.3)."""
    told_at = int(rig.clock.now().timestamp())
    body = {
        "type": 71,
        "shop_id": "7495000000000000001",
        "tts_notification_id": "1",
        "timestamp": told_at,
        "data": {"product_id": "17", "sku_id": sku_id},
    }
    return json.dumps(body).encode()


class TestEvents:
    def test_a_level_that_an_event_names_is_set_right_long_before_the_slow_cycle(self) -> None:
        async def story(rig: Rig) -> None:
            count(rig, "SKU-001", "6", 40)
            await push(rig)
            rig.world.stock.edit("us", sku_of("SKU-001"), MAIN, 90)
            await asyncio.sleep(60)
            await push(rig)
            assert shown(rig) == 90
            event = event_of(changed(rig, sku_of("SKU-001")))
            ledger = rig.ledger()
            with ledger.begin() as tx:
                tx.inbox.store([event])
            ledger.close()
            report = await push(rig)
            assert (report.events, report.differed) == (1, 1)
            assert shown(rig) == 40

        told(story)


class TestClosures:
    def test_a_cancelled_order_gives_its_units_back_once_its_sales_order_is_closed(self) -> None:
        async def story(rig: Rig) -> None:
            count(rig, "SKU-020", "6", 40)
            await push(rig)
            order_id = rig.world.place_order("us", ["SKU-020", "SKU-020"])
            await post(rig)
            await push(rig)
            rig.world.cancel_order(order_id)
            await close(rig)
            await push(rig)
            assert rig.books.stock(item_of(rig, "SKU-020"), "6").available == 40
            assert shown(rig, "SKU-020") == 40
            ledger = rig.ledger()
            with ledger.read() as tx:
                assert tx.stock.holders(item_of(rig, "SKU-020")) == {}
            ledger.close()

        told(story)


class TestManyOrders:
    def test_more_sales_orders_than_one_statement_asks_for_are_seen_in_turn(self, monkeypatch) -> None:
        for module in (observing, reading):
            monkeypatch.setattr(module, "MOST_CANDIDATES", 3)

        async def story(rig: Rig) -> None:
            count(rig, "SKU-020", "6", 40)
            await push(rig)
            for _ in range(8):
                rig.world.place_order("us", ["SKU-020"])
            await post(rig)
            report = await push(rig)
            assert report.sales_orders_shown == 8
            assert shown(rig, "SKU-020") == 32
            ledger = rig.ledger()
            with ledger.read() as tx:
                assert tx.stock.uncommitted_orders() == []
            ledger.close()

        told(story)


class TestFbt:
    def test_a_lasting_difference_is_mirrored_and_proposed_and_never_pushed(self) -> None:
        async def story(rig: Rig) -> None:
            count(rig, "SKU-020", "8", 12)
            place = shop_of("us").fbt_warehouse or ""
            rig.world.stock.receive_fbt("us", sku_of("SKU-020"), 5)
            before = shown(rig, "SKU-020", place)
            await push(rig)
            assert "fbt_stock_differs" not in kinds(rig)
            await asyncio.sleep(3600)
            report = await push(rig)
            assert report.fbt_differ > 0
            [asked] = [
                one
                for one in exceptions(rig)
                if one.kind == "fbt_stock_differs" and one.subject == f"item {item_of(rig, 'SKU-020')}"
            ]
            assert f"Proposed Inventory Adjustment: {before - 12:+d} of item" in asked.message
            assert shown(rig, "SKU-020", place) == before
            count(rig, "SKU-020", "8", before)
            await asyncio.sleep(3600)
            await push(rig)
            assert asked.subject not in [one.subject for one in exceptions(rig)]

        told(story, with_mapping(("      fbt: report ", "      fbt: propose ")))


class TestTwoProcesses:
    def test_beside_each_other_leave_one_number_and_balanced_books(self, postgres_database: str) -> None:
        async def story(rig: Rig) -> None:
            count(rig, "SKU-010", "6", 40)
            await asyncio.gather(push(rig), push(rig))
            rig.world.place_order("us", ["SKU-010"])
            await post(rig)
            count(rig, "SKU-010", "6", 25)
            await asyncio.gather(push(rig), push(rig))
            assert shown(rig, "SKU-010") == rig.books.stock(item_of(rig, "SKU-010"), "6").available

        told(story, database_url=postgres_database)

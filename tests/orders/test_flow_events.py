"""Webhooks as hints for the orders flow: sooner than the list, and never needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from tests.rigging import SOON, in_world, sales_orders
from tiktok_ns_pipeline.orders.flow import RunRequest
from tiktok_ns_pipeline.orders.looking import look_for_work
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Status


def waiting(rig: Rig) -> int:
    ledger = rig.ledger()
    with ledger.read() as tx:
        events = len(tx.inbox.take("orders", 1_000))
    ledger.close()
    return events


def test_an_order_that_no_list_shows_is_posted_because_a_webhook_names_it() -> None:
    async def story(rig: Rig) -> None:
        async with rig.webhooks():
            order_id = rig.world.place_order("us", ["SKU-001"])
            rig.world.hide_order(order_id)
            await asyncio.sleep(5)
            report = await rig.run(SOON)
        assert [record["externalId"] for record in sales_orders(rig)] == [f"tts-us-so-{order_id}"]
        assert report.events == 1
        assert waiting(rig) == 0
        assert rig.judged().is_clean

    in_world(story)


def test_what_the_list_shows_is_not_read_again_because_of_a_webhook() -> None:
    calls: list[int] = []

    def story_with(webhooks: bool) -> Callable[[Rig], Awaitable[None]]:
        async def story(rig: Rig) -> None:
            async with rig.webhooks() as emitter:
                if not webhooks:
                    emitter.default_address = None
                for _ in range(5):
                    rig.world.place_order("us", ["SKU-001"])
                await asyncio.sleep(5)
                before = rig.faults.asked["tiktok"]
                report = await rig.run(SOON)
                calls.append(rig.faults.asked["tiktok"] - before)
            assert report.events == (5 if webhooks else 0)
            assert report.observed == 5

        return story

    in_world(story_with(webhooks=True))
    in_world(story_with(webhooks=False))
    assert calls[0] == calls[1]


def test_doubled_late_and_overtaking_events_post_nothing_twice() -> None:
    async def story(rig: Rig) -> None:
        for kind in (FaultKind.webhook_duplicate, FaultKind.webhook_reorder, FaultKind.webhook_delay):
            rig.faults.set_rate("tiktok", kind, 0.5)
        async with rig.webhooks() as emitter:
            for _ in range(20):
                rig.world.draw_orders(1)
                await asyncio.sleep(60)
            while emitter.next_due() is not None:
                await asyncio.sleep(60)
                await rig.run(SOON)
            await asyncio.sleep(3 * 3600)
            await rig.run(SOON)
        assert waiting(rig) == 0
        assert rig.judged().is_clean

    in_world(story)


def test_events_wait_for_a_run_that_reads_their_shop() -> None:
    async def story(rig: Rig) -> None:
        async with rig.webhooks():
            rig.world.place_order("uk", ["SKU-001"])
            await asyncio.sleep(5)
            await rig.run(RunRequest(shops=("us",), budget_s=60, idle_s=1))
            assert waiting(rig) == 1
            await rig.run(SOON)
        assert waiting(rig) == 0

    in_world(story)


def test_waiting_events_ask_for_a_run_but_not_for_ever() -> None:
    async def story(rig: Rig) -> None:
        await rig.run(SOON)
        async with rig.webhooks():
            order_id = rig.world.place_order("us", ["SKU-001"], status=Status.unpaid)
            rig.world.hide_order(order_id)
            await asyncio.sleep(5)

        def looked(seconds: float) -> str:
            return look_for_work(rig.settings, timedelta(seconds=seconds), rig.clock).reason

        # The look makes a loop of its own, which a running one does not allow.
        assert await asyncio.to_thread(looked, 60) == "webhooks name orders"
        assert "webhooks" not in await asyncio.to_thread(looked, 5)

    in_world(story)

"""What is decided anew: what moved and what time may have changed, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.inventory.stock_desk import (
    MAIN,
    WEST,
    count,
    left_to_write,
    post,
    push,
    shown,
    told,
    with_mapping,
)
from tiktok_ns_pipeline.flows.turning import TurnRequest
from tiktok_ns_pipeline.sandbox.rig import Rig


def test_what_did_not_move_is_not_decided_again_by_the_next_run() -> None:
    async def story(rig: Rig) -> None:
        count(rig, "SKU-020", "6", 40)
        assert (await push(rig)).plan.decided > 100
        assert (await push(rig)).plan.decided == 0

        count(rig, "SKU-020", "6", 41)
        # Both warehouses of the one SKU that moved, when it moved and when its push was read back.
        assert (await push(rig)).plan.decided == 2 * len((MAIN, WEST))
        assert shown(rig, "SKU-020") == 41

    told(story)


def test_a_full_reading_that_tells_nothing_new_decides_nothing() -> None:
    async def story(rig: Rig) -> None:
        count(rig, "SKU-020", "6", 40)
        await push(rig)
        report = await push(rig, TurnRequest(budget_s=1200, idle_s=1200))
        assert report.snapshots > 2
        assert report.plan.decided == 0

    told(story, poll_s=60.0)


def test_a_run_that_finds_nothing_new_asks_netsuite_once_a_turn() -> None:
    async def story(rig: Rig) -> None:
        count(rig, "SKU-020", "6", 40)
        await push(rig)
        asked = rig.faults.asked["netsuite"]
        report = await push(rig)
        assert rig.faults.asked["netsuite"] - asked == report.turns

    told(story)


def test_another_mapping_lets_nothing_rest() -> None:
    async def story(rig: Rig) -> None:
        count(rig, "SKU-020", "6", 40)
        await push(rig)
        _replaced(rig.settings.mapping_path, ("      buffer: 0 ", "      buffer: 3 "))
        await push(rig)
        assert shown(rig, "SKU-020") == 37
        assert left_to_write(rig) == {}

    told(story, with_mapping())


def test_a_run_that_stays_ends_when_the_mapping_is_written() -> None:
    async def story(rig: Rig) -> None:
        staying = asyncio.create_task(push(rig, TurnRequest(budget_s=1200, idle_s=1200)))
        await asyncio.sleep(60)
        began = rig.clock.now()
        _replaced(rig.settings.mapping_path, ("      buffer: 0 ", "      buffer: 3 "))
        await staying
        assert (rig.clock.now() - began).total_seconds() < 30

    told(story, with_mapping())


def test_a_sale_is_decided_with_its_siblings_and_again_while_it_counts_to_a_rate() -> None:
    async def story(rig: Rig) -> None:
        count(rig, "SKU-001", "6", 12)
        await push(rig)
        rig.world.place_order("us", ["SKU-001"])
        await post(rig)
        sold = await push(rig)
        # The piece and its pack, in two warehouses.
        assert sold.plan.decided >= 4
        assert shown(rig, "PACK-6-001") == 1
        await asyncio.sleep(300)
        assert (await push(rig)).plan.decided >= 4
        await asyncio.sleep(3000)
        await push(rig)
        assert (await push(rig)).plan.decided == 0
        assert left_to_write(rig) == {}

    told(story)


def _replaced(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)

"""Faults, crashes, refusals and numbers that cannot be true."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

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
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import Rig, SimulatedCrash

UPDATE = "inventory/update"


async def push_until_alive(rig: Rig) -> None:
    """Processes one after the other, as the daemon starts them."""
    for _ in range(4):
        try:
            await push(rig)
        except SimulatedCrash:
            await asyncio.sleep(60)
        else:
            return


def hide(rig: Rig, names: Sequence[str]) -> Any:
    """NetSuite no longer returns these items' stock; gives what brings it back."""
    hidden = {item_of(rig, name) for name in names}
    original = rig.books.query

    def without(*args: Any, **options: Any) -> Any:
        rows = original(*args, **options)
        if "inventoryitemlocations" not in args[0]:
            return rows
        at = rows.names.index("item")
        kept = [row for row in rows.rows if row[at] not in hidden]
        return type(rows)(rows.names, kept, len(kept))

    rig.books.query = without  # type: ignore[method-assign]

    def back() -> None:
        rig.books.query = original  # type: ignore[method-assign]

    return back


class TestFaults:
    @pytest.mark.parametrize(
        "kind", [FaultKind.timeout_before_commit, FaultKind.timeout_after_commit, FaultKind.http_500_after]
    )
    def test_a_push_of_unclear_end_is_done_again(self, kind: FaultKind) -> None:
        async def story(rig: Rig) -> None:
            await push(rig)
            count(rig, "SKU-010", "6", 25)
            rig.faults.inject(kind, "tiktok", UPDATE)
            await push(rig)
            await asyncio.sleep(120)
            await push(rig)
            assert shown(rig, "SKU-010") == 25
            assert set(kinds(rig)) == {"unmapped_listing"}

        told(story)

    def test_wherever_the_process_dies_the_next_one_shows_the_right_number(self) -> None:
        points = ["sold", "landed", "booked", "staged", "planned", "pushing", "pushed", "read back"]

        async def story(rig: Rig) -> None:
            await push(rig)
            for number, point in enumerate(points, start=1):
                rig.world.place_order("us", ["SKU-010"])
                await post(rig)
                count(rig, "SKU-010", "6", 25 + 3 * number)
                rig.faults.inject(FaultKind.crash, "pipeline", point)
                await push_until_alive(rig)
                assert rig.faults.counts["pipeline", FaultKind.crash] == number, point
                assert shown(rig, "SKU-010") == rig_level(rig), point

        told(story)


def rig_level(rig: Rig) -> int:
    """What NetSuite can promise of SKU-010 at location 6."""
    [row] = rig.books.query(
        "SELECT q.quantityavailable AS available FROM inventoryitemlocations q "
        "JOIN item i ON i.id = q.item WHERE i.itemid = 'SKU-010' AND q.location = 6"
    ).as_dicts()
    return int(row["available"])


class TestRefusals:
    def test_a_campaign_that_holds_more_is_told_and_passes_by_itself(self) -> None:
        async def story(rig: Rig) -> None:
            count(rig, "SKU-010", "6", 40)
            await push(rig)
            rig.world.stock.lock("us", sku_of("SKU-010"), MAIN, 30)
            count(rig, "SKU-010", "6", 20)
            await push(rig)
            assert shown(rig, "SKU-010") == 40
            assert "stock_locked" in kinds(rig)
            rig.world.stock.lock("us", sku_of("SKU-010"), MAIN, 0)
            await asyncio.sleep(900)
            await push(rig)
            assert shown(rig, "SKU-010") == 20
            assert "stock_locked" not in kinds(rig)

        told(story)


class TestUnbelievable:
    def test_a_reading_that_loses_too_many_items_is_not_used_until_a_person_agrees(self) -> None:
        names = [f"SKU-{number:03}" for number in range(10, 30)]

        async def story(rig: Rig) -> None:
            await push(rig)
            before = [shown(rig, name) for name in names]
            for name in names:
                for location in ("6", "7", "9", "10"):
                    count(rig, name, location, 0)
            ledger = rig.ledger()
            with ledger.begin() as tx:
                # Nobody saw these transactions: the next reading is of all stock.
                tx.cursors.set("stock:netsuite:saved-until", None)
            await push(rig)
            assert [shown(rig, name) for name in names] == before
            [asked] = [one for one in exceptions(rig) if one.kind == "stock_snapshot_implausible"]
            assert asked.subject == "stock snapshot"
            with ledger.begin() as tx:
                tx.exceptions.request_replay([asked.id], "a person")
            ledger.close()
            await push(rig)
            assert {shown(rig, name) for name in names} == {0}
            assert "stock_snapshot_implausible" not in kinds(rig)

        told(story)

    @pytest.mark.parametrize(("then", "level"), [("hold", 40), ("zero", 0)])
    def test_an_item_that_is_not_returned_keeps_its_level_for_a_time(self, then: str, level: int) -> None:
        async def story(rig: Rig) -> None:
            count(rig, "SKU-010", "6", 40)
            await push(rig)
            back = hide(rig, ["SKU-010"])
            await asyncio.sleep(301)
            await push(rig)
            [told_of] = [one for one in exceptions(rig) if one.kind == "stock_unknown"]
            assert told_of.subject == f"item {item_of(rig, 'SKU-010')}"
            assert shown(rig, "SKU-010") == 40
            await asyncio.sleep(3600)
            await push(rig)
            assert shown(rig, "SKU-010") == level
            back()
            await asyncio.sleep(301)
            await push(rig)
            assert shown(rig, "SKU-010") == 40
            assert "stock_unknown" not in kinds(rig)

        told(story, with_mapping(("then: hold", f"then: {then}")))


class TestOversold:
    def test_what_was_sold_and_is_not_there_is_told_with_how_many(self) -> None:
        async def story(rig: Rig) -> None:
            count(rig, "SKU-020", "6", 3)
            await push(rig)
            rig.world.place_order("us", ["SKU-020", "SKU-020"], status="ON_HOLD")
            count(rig, "SKU-020", "6", 0)
            await post(rig)
            await push(rig)
            [oversold] = [one for one in exceptions(rig) if one.kind == "oversold_sku"]
            assert "short of 2 units" in oversold.message
            count(rig, "SKU-020", "6", 5)
            await push(rig)
            assert "oversold_sku" not in kinds(rig)
            assert shown(rig, "SKU-020") == 3

        told(story)

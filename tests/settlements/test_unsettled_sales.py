"""What TikTok owes and has not paid, beside the world's truth."""

from __future__ import annotations

from decimal import Decimal as D

from tests.settlements.desk import delivered, pass_days, settle, settling
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line
from tiktok_ns_pipeline.settlements.unsettled import forecast, newest_owed


def owed(rig: Rig, shop: str) -> dict[str, D]:
    """By state."""
    clock: Clock = rig.clock
    lake = Lake(rig.settings.lake_url, clock)
    sums: dict[str, D] = {}
    for row in newest_owed(lake, shop):
        sums[row["state"]] = sums.get(row["state"], D(0)) + row["amount"]
    assert sum(forecast(newest_owed(lake, shop)).values()) == sum(sums.values())
    lake.close()
    return sums


def test_what_is_owed_is_the_truth_to_the_cent_on_every_day() -> None:
    async def story(rig: Rig) -> None:
        for day in range(24):
            if day < 12:
                delivered(rig, "us", Line("SKU-001", 1 + day % 3, "19.99", seller_discount="0.37"))
                rig.world.place_order("us", [Line("SKU-002", 1, "7.77")])
            if day == 11:
                rig.world.finance.adjust("us", "PLATFORM_PENALTY", D("-3.33"))
            # Just after a statement day has ended, so that nothing is hidden between two lists.
            await pass_days(rig, 1)
            if day % 6 == 5:
                await settle(rig)
                true = rig.world.finance.truth().shops["us"]
                sums = owed(rig, "us")
                open_ = sums.get("on_its_way", D(0)) + sums.get("delivered", D(0))
                assert open_ == true.unsettled
                assert sums.get("in_statement", D(0)) + sums.get("carried", D(0)) == true.unpaid
                # That a part of what settled just now is withheld, TikTok shows with the statement.
                hidden = sums.get("settled", D(0)) + sums.get("reserve", D(0))
                assert hidden == true.waiting - true.withheld
                assert sum(sums.values()) == true.unsettled + true.waiting + true.unpaid - true.withheld

    settling(story, {"seed": 3}, reserved=0.5)


def test_what_settled_and_no_statement_shows_yet_is_kept_with_its_last_estimate() -> None:
    async def story(rig: Rig) -> None:
        delivered(rig)
        await pass_days(rig, 14.9)
        await settle(rig)
        before = owed(rig, "vn")
        await pass_days(rig, 0.2)
        await settle(rig)
        now = owed(rig, "vn")
        assert set(before) == {"delivered"}
        assert now == {"settled": before["delivered"]}
        assert rig.world.finance.truth().shops["vn"].waiting == before["delivered"]
        await pass_days(rig, 1)
        await settle(rig)
        assert "settled" not in owed(rig, "vn")

    settling(story)


def test_an_order_that_was_cancelled_is_not_owed() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await settle(rig)
        assert set(owed(rig, "us")) == {"on_its_way"}
        rig.world.cancel_order(order_id)
        await settle(rig)
        assert owed(rig, "us") == {}

    settling(story)

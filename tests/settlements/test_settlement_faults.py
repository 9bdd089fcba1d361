"""Settling when something fails: each payout is posted exactly once in effect."""

from __future__ import annotations

import asyncio

import pytest

from tests.settlements.desk import SOON, delivered, journals, judged, pass_days, settle, settling, told
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import Rig, SimulatedCrash
from tiktok_ns_pipeline.settlements.flow import SettlementsFlow

CREATE = "POST /services/rest/record/v1/journalEntry"


@pytest.mark.parametrize(
    "kind",
    [FaultKind.timeout_before_commit, FaultKind.timeout_after_commit, FaultKind.http_500_after],
)
def test_a_journal_that_fails_twice_is_there_exactly_once(kind: FaultKind) -> None:
    async def story(rig: Rig) -> None:
        delivered(rig)
        await pass_days(rig, 17)
        rig.faults.inject(kind, "netsuite", CREATE, times=2)
        await settle(rig)
        await asyncio.sleep(3600)
        await settle(rig)
        assert (len(journals(rig)), judged(rig).right, told(rig)) == (1, 1, [])

    settling(story)


POINTS = ("transactions landed", "observed", "staged", "planned", "claimed", "answered", "stored")


def test_crashes_at_one_point_after_the_other_lose_and_double_nothing() -> None:
    async def story(rig: Rig) -> None:
        delivered(rig)
        await pass_days(rig, 1.1)
        delivered(rig)
        await pass_days(rig, 17)
        for point in POINTS:
            rig.faults.inject(FaultKind.crash, "pipeline", point)
            with pytest.raises(SimulatedCrash, match=point):
                await settle(rig)
            await asyncio.sleep(60)
        await settle(rig)
        assert (len(journals(rig)), judged(rig).right, told(rig)) == (2, 2, [])

    settling(story)


def test_two_processes_at_once_post_a_payout_once() -> None:
    async def story(rig: Rig) -> None:
        delivered(rig)
        await pass_days(rig, 17)

        async def process() -> None:
            async with rig.runtime(governor_renew_s=2.0) as runtime:
                await SettlementsFlow(runtime, "run").run(SOON)

        await asyncio.gather(process(), process())
        assert (len(journals(rig)), judged(rig).right, told(rig)) == (1, 1, [])

    settling(story)

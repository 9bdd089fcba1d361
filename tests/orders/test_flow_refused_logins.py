"""A refused login is somebody's to mend; once the system answers again, nobody is bothered any more."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.rigging import SOON, exceptions, in_world, sales_orders
from tiktok_ns_pipeline.engine.logins import HOLD
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import Rig, SimulatedCrash


def subjects(rig: Rig) -> list[str]:
    return [exception.subject for exception in exceptions(rig)]


def test_reading_orders_again_settles_the_exception_about_tiktok() -> None:
    async def story(rig: Rig) -> None:
        rig.faults.set_rate("tiktok", FaultKind.unauthorized, 1.0)
        await rig.run(replace(SOON, budget_s=60))
        assert subjects(rig) == ["system tiktok"]
        rig.faults.stop()
        await asyncio.sleep(HOLD.total_seconds())
        await rig.run(SOON)
        assert subjects(rig) == []

    in_world(story)


def test_reading_back_settles_the_exception_about_netsuite() -> None:
    async def story(rig: Rig) -> None:
        rig.world.place_order("us", ["SKU-001"])
        while not sales_orders(rig):  # every process dies before it could read back
            rig.faults.inject(FaultKind.crash, "pipeline", "stored")
            try:
                await rig.run(SOON)
            except SimulatedCrash:
                await asyncio.sleep(60)
        rig.faults.set_rate("netsuite", FaultKind.unauthorized, 1.0)
        await rig.run(replace(SOON, budget_s=60))
        assert subjects(rig) == ["system netsuite"]
        rig.faults.stop()
        await asyncio.sleep(HOLD.total_seconds())
        await rig.run(SOON)
        assert subjects(rig) == []

    in_world(story)

"""What buyers give back becomes Return Authorizations and credits: each claim once, to the cent."""

from __future__ import annotations

from decimal import Decimal as D

from tests.refunds.give_back import (
    approve,
    credited,
    pass_hours,
    refund,
    sold,
)
from tests.rigging import exceptions, in_world
from tiktok_ns_pipeline.sandbox.returns import REFUND
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line


def test_money_without_goods_is_credited_when_tiktok_has_refunded_it() -> None:
    async def story(rig: Rig) -> None:
        [sale] = await sold(rig, (Line("SKU-001", 1, "10.00"),))
        return_id = rig.world.returns.ask(sale.order_id, kind=REFUND)
        await refund(rig)
        approve(rig, return_id)
        await refund(rig)
        assert credited(rig, return_id) == []
        await pass_hours(rig, 2)
        await refund(rig)
        assert credited(rig, return_id) == [D(10)]
        assert exceptions(rig) == []

    in_world(story)

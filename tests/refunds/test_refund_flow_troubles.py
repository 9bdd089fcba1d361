"""Whatever fails, and whoever runs beside: each claim is credited once, and none is lost."""

from __future__ import annotations

import asyncio
from decimal import Decimal as D

import pytest

from tests.billing.shipped import Sale
from tests.refunds.give_back import (
    approve,
    credited,
    credits,
    pass_hours,
    refund,
    said,
    sold,
)
from tests.rigging import exceptions, in_world
from tiktok_ns_pipeline.refunds.flow import RefundsFlow, RefundsRequest
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.returns import REFUND
from tiktok_ns_pipeline.sandbox.rig import Rig, SimulatedCrash
from tiktok_ns_pipeline.sandbox.world import Line

ONE = Line("SKU-001", 1, "10.00")
TWO = Line("SKU-001", 2, "10.00")
POINTS = ("landed", "told", "staged", "planned", "claimed", "answered", "stored", "read back")
TRANSFORM = "POST /services/rest/record/v1/returnAuthorization"
CREATE = "POST /services/rest/record/v1/cashRefund"
QUERY = "POST /services/rest/query/v1/suiteql"
LIST = "POST /return_refund/202602/returns/search"


async def refunded(rig: Rig, *sales: Sale) -> list[str]:
    """Each unit of these orders is a claim that TikTok has refunded."""
    claims: list[str] = []
    for sale in sales:
        units = [line["id"] for line in rig.world.order(sale.order_id)["line_items"]]
        claims += [rig.world.returns.ask(sale.order_id, [unit], kind=REFUND) for unit in units]
    for claim in claims:
        approve(rig, claim)
    await pass_hours(rig, 2)
    return claims


def test_a_process_may_die_at_any_point() -> None:
    async def story(rig: Rig) -> None:
        sales = await sold(rig, *[(TWO,)] * len(POINTS))
        for point, sale in zip(POINTS, sales, strict=True):
            claims = await refunded(rig, sale)
            rig.faults.inject(FaultKind.crash, "pipeline", point)
            with pytest.raises(SimulatedCrash, match=point):
                await refund(rig)
            await asyncio.sleep(60)
            await refund(rig)
            assert [credited(rig, claim) for claim in claims] == [[D(10)], [D(10)]], point
            assert exceptions(rig) == [], point

    in_world(story)


def test_two_processes_at_once_credit_nothing_twice() -> None:
    async def story(rig: Rig) -> None:
        claims = await refunded(rig, *await sold(rig, *[(TWO,)] * 3))
        await asyncio.gather(refund(rig, governor_renew_s=2), refund(rig, governor_renew_s=2))
        assert [credited(rig, claim) for claim in claims] == [[D(10)]] * 6
        assert len(credits(rig)) == 6 and exceptions(rig) == []

    in_world(story)


@pytest.mark.parametrize("kind", [FaultKind.timeout_after_commit, FaultKind.http_503])
def test_faults_of_both_systems_cost_time_only(kind: FaultKind) -> None:
    async def story(rig: Rig) -> None:
        claims = await refunded(rig, *await sold(rig, (TWO,)))
        rig.faults.inject(kind, "tiktok", LIST, times=2)
        for call in (CREATE, QUERY):
            rig.faults.inject(kind, "netsuite", call, times=2)
        await refund(rig, RefundsRequest(budget_s=3600, idle_s=60))
        await pass_hours(rig, 1)
        await refund(rig)
        assert [credited(rig, claim) for claim in claims] == [[D(10)], [D(10)]]
        assert exceptions(rig) == []

    in_world(story)


def test_what_is_told_while_a_claim_is_decided_is_decided_once_more() -> None:
    async def story(rig: Rig) -> None:
        [first, second] = await refunded(rig, *await sold(rig, (TWO,)))
        async with rig.runtime() as runtime:
            flow = RefundsFlow(runtime, "told")
            points: list[str] = []

            def tells(point: str) -> None:
                """Between the look and the plan TikTok takes one of the refunds back."""
                points.append(point)
                if points.count("staged") == 1 and point == "staged":
                    said(rig, first, "status", "'REFUND_OR_RETURN_REQUEST_REJECT'")
                    with runtime.ledger.begin() as tx:
                        tx.claims.wake("tiktok", "us", claim_ids=[first])

            object.__setattr__(runtime, "probe", tells)
            report = await flow.run(RefundsRequest(budget_s=600, idle_s=5))
        # The first look came to nothing; the second knows better.
        assert report.plan.decided == 2
        assert (credited(rig, first), credited(rig, second)) == ([], [D(10)])
        assert exceptions(rig) == []

    in_world(story)

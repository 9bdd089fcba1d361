"""The last line of defence: the whole pipeline, every kind of fault, virtual months, outside judges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.settling_habits import StatementFault
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.simulate import LIVELY, NOT_IN_ALL, simulate


@pytest.mark.timeout(600)
def test_months_with_every_fault_end_with_nothing_lost_doubled_wrong_oversold_or_unexplained() -> None:
    # More often than usual buyers change their orders, and TikTok shows statements wrongly for good.
    shown = {StatementFault.cent_off_statement: 0.15, StatementFault.unknown_fee: 0.1}
    mix = Mix(
        shipped_by="warehouse",
        stock="kept",
        settles=True,
        settlement=replace(LIVELY, faults={**LIVELY.faults, **shown}),
        returned=0.3,
        address_changed=0.12,
        line_cancelled=0.12,
    )
    report = simulate(seed=1, days=0.1, orders=50, faults="all", rate=0.06, poll_s=450, mix=mix)
    assert report.is_clean, report.as_dict()
    assert report.posted > 30
    assert report.units_told > 50
    assert report.bills > 20
    assert report.levels_pushed > 100
    # Goods of which there is little sell out, and none of them twice.
    assert report.turned_away_units
    assert report.oversold_units == report.wrong_levels == report.unbalanced == 0
    # Each payout is in the books once, but for those that TikTok shows wrongly.
    assert report.payouts > 3
    assert report.payouts_refused
    assert report.refunds > 5
    assert report.goods_received > 2
    assert report.crashes
    struck = {name.partition(".")[2] for name in report.faults}
    assert {kind.value for kind in set(FaultKind) - NOT_IN_ALL} <= struck


@pytest.mark.timeout(600)
def test_the_same_seed_gives_the_same_run() -> None:
    # Without what is settled months later: these two shops are paid day by day.
    mix = Mix(
        shops={"uk": 2, "vn": 1},
        shipped_by="warehouse",
        stock="kept",
        settles=True,
        settlement=replace(LIVELY, reserved=0.0),
        returned=0.5,
    )
    first, second = (
        simulate(seed=5, days=0.02, orders=8, faults="all", rate=0.05, poll_s=600, mix=mix) for _ in range(2)
    )
    assert first.payouts
    first.seconds = second.seconds = 0
    assert first.as_dict() == second.as_dict()

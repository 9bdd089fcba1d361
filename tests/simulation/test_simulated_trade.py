"""The last line of defence: the whole pipeline, every kind of fault, virtual days, outside judges."""

from __future__ import annotations

import pytest

from tiktok_ns_pipeline.sandbox.simulate import simulate


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [21, 11])
def test_trade_with_every_fault_ends_with_nothing_lost_doubled_or_wrong(seed: int) -> None:
    report = simulate(seed=seed, days=0.25, orders=100, faults="all", rate=0.03)
    assert report.is_clean, report.as_dict()
    assert report.posted > 60
    assert report.units_told > 90
    assert report.bills > 40
    assert report.crashes

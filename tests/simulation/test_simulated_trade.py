"""The last line of defence: the whole pipeline, every kind of fault, virtual days, outside judges."""

from __future__ import annotations

import pytest

from tiktok_ns_pipeline.sandbox.simulate import simulate


@pytest.mark.timeout(600)
def test_trade_with_every_fault_ends_with_nothing_lost_doubled_or_wrong() -> None:
    report = simulate(seed=21, days=0.2, orders=70, faults="all", rate=0.04)
    assert report.is_clean, report.as_dict()
    assert report.posted > 40
    assert report.units_told > 60
    assert report.bills > 25
    assert report.crashes

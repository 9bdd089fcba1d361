"""Every kind of fault is met in the simulation, and equal seeds meet the same."""

from __future__ import annotations

import pytest

from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.simulate import NOT_IN_ALL, simulate


@pytest.mark.timeout(600)
def test_every_fault_kind_strikes_in_the_simulated_trade() -> None:
    report = simulate(seed=99, days=0.2, orders=80, faults="all", rate=0.06)
    assert report.is_clean, report.as_dict()
    struck = {name.partition(".")[2] for name in report.faults}
    assert struck == {kind.value for kind in FaultKind} - {kind.value for kind in NOT_IN_ALL}


@pytest.mark.timeout(600)
def test_the_same_seed_gives_the_same_run() -> None:
    first, second = (simulate(seed=5, days=0.05, orders=15, faults="all", rate=0.05) for _ in range(2))
    first.seconds = second.seconds = 0
    assert first.as_dict() == second.as_dict()

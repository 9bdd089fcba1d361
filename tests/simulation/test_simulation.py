"""The last line of defence: the whole pipeline, every kind of fault, virtual days, an outside judge."""

from __future__ import annotations

import pytest

from tests.rigging import SOON, in_world, sales_orders
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.simulate import NOT_IN_ALL, simulate
from tiktok_ns_pipeline.sandbox.world import Line


@pytest.mark.parametrize("seed", range(4))
def test_days_of_trade_with_every_fault_end_with_nothing_lost_doubled_or_wrong(seed: int) -> None:
    report = simulate(seed=seed, days=0.5, orders=120, faults="all", rate=0.04)
    assert report.is_clean, report.as_dict()
    assert report.posted > 60
    assert report.crashes


def test_every_fault_kind_strikes_in_the_simulated_trade() -> None:
    report = simulate(seed=99, days=0.5, orders=300, faults="all", rate=0.04)
    assert report.is_clean, report.as_dict()
    struck = {name.partition(".")[2] for name in report.faults}
    assert struck == {kind.value for kind in FaultKind} - {kind.value for kind in NOT_IN_ALL}


def test_the_same_seed_gives_the_same_run() -> None:
    first, second = (simulate(seed=5, days=0.2, orders=40, faults="all", rate=0.05) for _ in range(2))
    first.seconds = second.seconds = 0
    assert first.as_dict() == second.as_dict()


def test_the_judge_names_what_is_lost_doubled_and_a_cent_off() -> None:
    async def story(rig: Rig) -> None:
        lost, doubled, wrong = (rig.world.place_order("us", [Line("SKU-001", 1, "10.00")]) for _ in range(3))
        await rig.run(SOON)
        assert rig.judged().is_clean
        by_order = {record["custbody_tts_order_id"]: record for record in sales_orders(rig)}
        rig.books.delete("salesOrder", by_order[lost]["id"])
        second = {
            name: by_order[doubled][name]
            for name in ("entity", "subsidiary", "currency", "custbody_tts_order_id", "otherRefNum")
        }
        line = {"item": {"id": "301"}, "quantity": 1, "price": {"id": "-1"}, "rate": 10}
        line["location"] = {"id": "6"}
        rig.books.create("salesOrder", {**second, "item": {"items": [line]}})
        cent = {"item": {"items": [{"line": 1, "rate": 10.01, "amount": 10.01}]}}
        rig.books.patch("salesOrder", by_order[wrong]["id"], cent)
        found = rig.judged()
        assert (found.lost, found.doubled, found.wrong_cents) == ([lost], [doubled], [wrong])

    in_world(story)

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import SetClock
from tiktok_ns_pipeline.engine.governor import BreakerOpen, Governor, share_out
from tiktok_ns_pipeline.gate import LANES, Lane
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.netsuite.errors import NetSuiteThrottled
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock, run_virtual

demands = st.dictionaries(
    st.sampled_from("abcdef"),
    st.dictionaries(st.sampled_from(LANES), st.integers(0, 20), max_size=5),
    min_size=1,
)


@given(ceiling=st.integers(1, 45), wanted=demands)
def test_shares_use_the_ceiling_and_never_exceed_it(ceiling: int, wanted: dict[str, dict[str, int]]) -> None:
    shares = share_out(ceiling, wanted)
    total_wanted = sum(sum(lanes.values()) for lanes in wanted.values())
    assert sum(shares.values()) == min(ceiling, total_wanted)
    assert all(shares[holder] <= sum(lanes.values()) for holder, lanes in wanted.items())


@given(ceiling=st.integers(1, 45), wanted=demands)
def test_urgent_demand_is_served_before_any_other(ceiling: int, wanted: dict[str, dict[str, int]]) -> None:
    shares = share_out(ceiling, wanted)
    urgent = {holder: lanes.get("urgent", 0) for holder, lanes in wanted.items()}
    if sum(urgent.values()) <= ceiling:
        assert all(shares[holder] >= urgent[holder] for holder in wanted)


def governor(ledger: Ledger, clock, budget: int = 2, holder: str = "one") -> Governor:
    return Governor("netsuite", ledger, clock, holder=holder, budget=budget)


def in_virtual_time(work) -> None:
    async def body(clock: VirtualClock) -> None:
        ledger = Ledger.open("sqlite://", clock)
        await work(ledger, clock)
        ledger.close()

    run_virtual(body, SetClock().instant)


def test_no_more_requests_are_under_way_than_the_budget() -> None:
    async def work(ledger: Ledger, clock: VirtualClock) -> None:
        most = now = 0
        async with governor(ledger, clock, budget=3) as gate:

            async def request() -> None:
                nonlocal most, now
                async with gate.slot("orders"):
                    now += 1
                    most = max(most, now)
                    await asyncio.sleep(1)
                    now -= 1

            await asyncio.gather(*(request() for _ in range(20)))
        assert most == 3

    in_virtual_time(work)


def test_a_backfill_does_not_starve_a_cancellation_nor_the_other_way_round() -> None:
    async def work(ledger: Ledger, clock: VirtualClock) -> None:
        served: list[Lane] = []
        async with governor(ledger, clock, budget=1) as gate:

            async def request(lane: Lane) -> None:
                async with gate.slot(lane):
                    served.append(lane)
                    await asyncio.sleep(1)

            backlog = [asyncio.create_task(request("bulk")) for _ in range(40)]
            orders = [asyncio.create_task(request("orders")) for _ in range(40)]
            await asyncio.sleep(3.5)
            await request("urgent")
            assert served.index("urgent") <= 5
            await asyncio.gather(*backlog, *orders)
        first = served[:20]
        assert first.count("orders") > first.count("bulk") > 0

    in_virtual_time(work)


def test_a_concurrency_error_lowers_the_ceiling_for_every_process_and_it_climbs_again() -> None:
    async def work(ledger: Ledger, clock: VirtualClock) -> None:
        async with governor(ledger, clock, budget=9) as gate:
            with pytest.raises(NetSuiteThrottled):
                async with gate.slot("orders"):
                    raise NetSuiteThrottled("full")
            assert gate.slots == 6
            async with governor(ledger, clock, budget=9, holder="two") as other:
                assert other.slots <= 6
            await asyncio.sleep(60)
            assert gate.slots == 9

    in_virtual_time(work)


def test_two_processes_share_the_budget_without_exceeding_it() -> None:
    async def work(ledger: Ledger, clock: VirtualClock) -> None:
        now = {"one": 0, "two": 0}
        most = 0

        async def load(gate: Governor, holder: str, requests: int) -> None:
            async def request() -> None:
                nonlocal most
                async with gate.slot("orders"):
                    now[holder] += 1
                    most = max(most, sum(now.values()))
                    await asyncio.sleep(1)
                    now[holder] -= 1

            await asyncio.gather(*(request() for _ in range(requests)))

        second = governor(ledger, clock, budget=4, holder="two")
        async with governor(ledger, clock, budget=4) as one, second as two:
            first = asyncio.create_task(load(one, "one", 60))
            await asyncio.sleep(3)
            later = asyncio.create_task(load(two, "two", 20))
            await asyncio.sleep(6)
            assert now["one"] >= 1
            assert now["two"] >= 1
            await asyncio.gather(first, later)
        assert most == 4

    in_virtual_time(work)


def test_a_vanished_process_gives_its_slots_back_when_its_lease_ends() -> None:
    async def work(ledger: Ledger, clock: VirtualClock) -> None:
        lost = governor(ledger, clock, budget=2, holder="lost")
        await lost.__aenter__()
        lost._renewing.cancel()  # the process is gone: nobody renews, nobody says good-bye
        async with governor(ledger, clock, budget=2) as gate:
            started = clock.now()
            async with gate.slot("orders"):
                assert clock.now() - started <= timedelta(seconds=10)

    in_virtual_time(work)


def test_a_refused_login_stops_waiting_and_new_requests_in_every_process() -> None:
    async def work(ledger: Ledger, clock: VirtualClock) -> None:
        second = governor(ledger, clock, budget=1, holder="two")
        async with governor(ledger, clock, budget=1) as one, second as two:

            async def hold() -> None:
                async with one.slot("orders"):
                    await asyncio.sleep(5)

            async def wait() -> None:
                async with one.slot("orders"):
                    pass

            holding, waiting = asyncio.create_task(hold()), asyncio.create_task(wait())
            await asyncio.sleep(1)
            with ledger.begin() as tx:
                one.trip(tx, BreakerOpen("netsuite", clock.now() + timedelta(minutes=31), "bad key"))
            with pytest.raises(BreakerOpen, match="bad key"):
                await waiting
            await asyncio.sleep(4)
            with pytest.raises(BreakerOpen):
                async with two.slot("urgent"):
                    pass
            await holding
            await asyncio.sleep(31 * 60)
            async with one.slot("orders"):
                pass

    in_virtual_time(work)

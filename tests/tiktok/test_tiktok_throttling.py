"""Our own pace (T 2.4)."""

import asyncio
from itertools import chain, pairwise

import pytest

from tiktok_ns_pipeline.gate import LANES, Lane
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock, run_virtual
from tiktok_ns_pipeline.tiktok.throttling import RateLimiter


async def _starts(limiter: RateLimiter, key: str, count: int, lane: Lane = "orders") -> list[float]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    starts: list[float] = []
    for _ in range(count):
        await limiter.wait(key, lane)
        starts.append(loop.time() - began)
    return starts


def test_requests_are_evenly_spaced_after_a_small_burst() -> None:
    starts = asyncio.run(_starts(RateLimiter(50, burst=2), "a", 6))
    assert starts[1] < 0.015
    gaps = [later - earlier for earlier, later in pairwise(starts[1:])]
    assert min(gaps) > 0.015


def test_callers_that_wait_together_start_one_after_the_other() -> None:
    async def run() -> list[float]:
        limiter = RateLimiter(50, burst=1)
        return sorted(chain(*await asyncio.gather(*(_starts(limiter, "a", 1) for _ in range(5)))))

    starts = asyncio.run(run())
    assert starts[-1] > 0.07


def test_shops_do_not_wait_for_each_other() -> None:
    async def run() -> list[float]:
        limiter = RateLimiter(1, burst=1)
        return [*(await _starts(limiter, "a", 1)), *(await _starts(limiter, "b", 1))]

    assert max(asyncio.run(run())) < 0.1


def test_a_stock_write_passes_all_bulk_reads_that_wait_and_they_keep_their_order() -> None:
    async def run(_: VirtualClock) -> list[str]:
        limiter, started = RateLimiter(5, burst=1), list[str]()

        async def request(name: str, lane: Lane) -> None:
            await limiter.wait("a", lane)
            started.append(name)

        reads = [asyncio.create_task(request(f"read {each}", "bulk")) for each in range(20)]
        await asyncio.sleep(0.1)
        await asyncio.gather(*reads, request("write", "urgent"))
        return started

    started = run_virtual(run)
    assert started.index("write") == 1, "only the read that was under way goes first"
    assert [name for name in started if name != "write"] == [f"read {each}" for each in range(20)]


def test_lanes_that_come_together_start_by_urgency() -> None:
    async def run(_: VirtualClock) -> list[Lane]:
        limiter, started = RateLimiter(5, burst=1), list[Lane]()

        async def request(lane: Lane) -> None:
            await limiter.wait("a", lane)
            started.append(lane)

        await limiter.wait("a", "orders")
        await asyncio.gather(*map(request, reversed(LANES)))
        return started

    assert run_virtual(run) == list(LANES)


def test_a_bulk_read_ends_although_urgent_requests_take_every_turn() -> None:
    async def run(_: VirtualClock) -> float:
        limiter = RateLimiter(5, burst=1)
        urgent = [asyncio.create_task(_starts(limiter, "a", 100, "urgent")) for _ in range(3)]
        await asyncio.sleep(1)
        (started,) = await _starts(limiter, "a", 1, "bulk")
        for task in urgent:
            task.cancel()
        return started

    assert 9 < run_virtual(run) < 12


def test_who_gives_up_waiting_holds_nobody_up() -> None:
    async def run(_: VirtualClock) -> float:
        limiter = RateLimiter(1, burst=1)
        await limiter.wait("a", "orders")
        given_up = [asyncio.create_task(limiter.wait("a", "urgent")) for _ in range(50)]
        last = asyncio.create_task(_starts(limiter, "a", 1))
        await asyncio.sleep(0.5)
        for task in given_up:
            task.cancel()
        return (await last)[0]

    assert run_virtual(run) <= 2


def test_a_throttle_halves_the_pace_once_and_stops_the_shop_for_a_moment() -> None:
    async def run() -> tuple[float, list[float]]:
        limiter = RateLimiter(100)
        for _ in range(5):  # answers of requests that were under way together
            limiter.slow_down("a", pause_s=0.1)
        return limiter.per_second("a"), await _starts(limiter, "a", 1)

    pace, starts = asyncio.run(run())
    assert pace == 50
    assert starts[0] > 0.09


def test_success_gives_the_pace_back_little_by_little_up_to_what_was_configured() -> None:
    async def run() -> list[float]:
        limiter = RateLimiter(32)
        limiter.slow_down("a")
        paces: list[float] = []
        for _ in range(20):
            limiter.speed_up("a")
            paces.append(limiter.per_second("a"))
        return paces

    paces = asyncio.run(run())
    assert paces[:3] == [17, 18, 19]
    assert paces[-1] == 32


@pytest.mark.parametrize(("per_second", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_pace_that_never_moves_is_refused(per_second: float, burst: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        RateLimiter(per_second, burst)

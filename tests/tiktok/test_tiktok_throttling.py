"""Our own pace (T 2.4)."""

import asyncio
from itertools import chain, pairwise

import pytest

from tiktok_ns_pipeline.tiktok.throttling import RateLimiter


async def _starts(limiter: RateLimiter, key: str, count: int) -> list[float]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    starts: list[float] = []
    for _ in range(count):
        await limiter.wait(key)
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

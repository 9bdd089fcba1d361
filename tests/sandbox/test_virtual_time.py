import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock, run_virtual

START = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_year_of_sleep_passes_at_once():
    async def main(clock: VirtualClock) -> datetime:
        await asyncio.sleep(365 * 86_400)
        return clock.now()

    began = time.monotonic()
    assert run_virtual(main, START) == START + timedelta(days=365)
    assert time.monotonic() - began < 5


def test_sleepers_wake_in_order_of_their_time():
    async def main(clock: VirtualClock) -> list[int]:
        woken: list[int] = []

        async def sleeper(seconds: int) -> None:
            await asyncio.sleep(seconds)
            woken.append(seconds)

        await asyncio.gather(*(sleeper(seconds) for seconds in (30, 10, 20)))
        return woken

    assert run_virtual(main) == [10, 20, 30]


def test_time_outs_fire_in_virtual_time():
    async def main(clock: VirtualClock) -> timedelta:
        began = clock.now()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.sleep(3600)
        return clock.now() - began

    assert run_virtual(main) == timedelta(seconds=60)


def test_time_stands_still_while_a_thread_works():
    async def main(clock: VirtualClock) -> tuple[list[str], timedelta]:
        order: list[str] = []

        async def ticker() -> None:
            await asyncio.sleep(1)
            order.append("timer")

        task = asyncio.create_task(ticker())
        began = clock.now()
        await asyncio.to_thread(time.sleep, 0.05)
        order.append("thread")
        stood = clock.now() - began
        await task
        return order, stood

    assert run_virtual(main) == (["thread", "timer"], timedelta(0))


def test_many_sleeps_cost_little():
    async def main(clock: VirtualClock) -> None:
        async def sleeper() -> None:
            for _ in range(200):
                await asyncio.sleep(7)

        await asyncio.gather(*(sleeper() for _ in range(100)))

    began = time.process_time()
    run_virtual(main)
    assert time.process_time() - began < 5


def test_a_clock_stands_still_outside_a_loop_and_moves_by_hand():
    clock = VirtualClock(START)
    assert clock.now() == START
    clock.advance(90)
    assert clock.now() == START + timedelta(seconds=90)


def test_a_clock_goes_on_in_the_next_loop():
    clock = VirtualClock(START)

    async def main(_: VirtualClock) -> None:
        clock.now()
        await asyncio.sleep(100)

    run_virtual(main)
    run_virtual(main)
    assert clock.now() == START + timedelta(seconds=200)


def test_a_naive_start_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        VirtualClock(START.replace(tzinfo=None))

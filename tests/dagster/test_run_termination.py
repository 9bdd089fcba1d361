"""A run that somebody terminates ends, whatever its step is doing and however often it may retry."""

from __future__ import annotations

import asyncio
import signal
import time

import dagster as dg

from tiktok_ns_pipeline.dagster_support import STOPPED, in_event_loop


def test_a_terminated_run_ends_at_once_and_is_not_tried_again():
    attempts: list[str] = []
    cleaned_up: list[str] = []

    async def work() -> None:
        attempts.append("begun")
        signal.raise_signal(signal.SIGTERM)
        try:
            await asyncio.sleep(60)
        finally:
            cleaned_up.append("closed")

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=2))
    def orders() -> None:
        in_event_loop(work())

    started = time.monotonic()
    result = dg.materialize([orders], raise_on_error=False)

    assert not result.success
    assert time.monotonic() - started < 10
    assert attempts == ["begun"]
    assert cleaned_up == ["closed"]
    failure = result.failure_data_for_node("orders")
    assert failure is not None and failure.user_failure_data is not None
    assert failure.user_failure_data.description == STOPPED


def test_signals_mean_what_they_meant_before_once_the_work_is_done():
    before = signal.getsignal(signal.SIGTERM)

    async def work() -> str:
        return "done"

    assert in_event_loop(work()) == "done"
    assert signal.getsignal(signal.SIGTERM) == before

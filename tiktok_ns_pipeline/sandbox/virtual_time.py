"""Time that passes only when nobody has anything to do.

`VirtualTimeLoop` is an asyncio loop that never waits: when every task sleeps, its time jumps to the
next timer. `VirtualClock` tells the date that belongs to the loop's time. Months of trade then cost
only the work done in them, and every run takes the same turns in the same order.

Work handed to a thread takes real time; virtual time stands still until it is back. Sockets have no
place here: an answer on its way would be overtaken by the next timer (`transport.InProcessTransport`
takes their place).
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

_Result = TypeVar("_Result")

# Real seconds after which a loop without any timer counts as stuck.
_STUCK_AFTER_S = 30.0

# An arbitrary Monday noon.
DEFAULT_START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` jumps to the next timer when all tasks wait.

    A loop in which every task waits and no timer is set raises RuntimeError instead of hanging.
    """

    def __init__(self) -> None:
        self._virtual_now = 0.0
        self._in_threads = 0
        super().__init__(_JumpingSelector(self._jump, self._threads_at_work))
        # Years of seconds leave a float few digits behind the point: a timer this near is due,
        # or the loop would jump for ever towards an instant that it cannot hit.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual_now

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Run in a thread; virtual time stands still until it returns."""
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._back_from_thread)
        return future

    def _back_from_thread(self, _: asyncio.Future[Any]) -> None:
        self._in_threads -= 1

    def _jump(self, seconds: float) -> None:
        self._virtual_now += seconds

    def _threads_at_work(self) -> bool:
        return self._in_threads > 0


class _JumpingSelector(selectors.DefaultSelector):
    """Looks for events without waiting, and reports the wait that it saved."""

    def __init__(self, jump: Callable[[float], None], must_wait: Callable[[], bool]) -> None:
        super().__init__()
        self._jump = jump
        self._must_wait = must_wait

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Events that are ready now; if there are none, time jumps by `timeout` seconds."""
        if self._must_wait():
            return super().select(None if timeout is None or timeout > 0 else 0)
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is not None:
            self._jump(timeout)
            return ready
        ready = super().select(_STUCK_AFTER_S)
        if not ready:
            raise RuntimeError("virtual time stands still: every task waits and no timer is set")
        return ready


class VirtualClock:
    """A clock that begins at `start` and follows the loop in which it is asked.

    Outside a loop it stands still; `advance` moves it by hand.
    """

    def __init__(self, start: datetime = DEFAULT_START) -> None:
        if start.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        self._start = start
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_start = 0.0

    def now(self) -> datetime:
        """The virtual instant, timezone-aware UTC."""
        with contextlib.suppress(RuntimeError):
            self._follow(asyncio.get_running_loop())
        return self._start + timedelta(seconds=self._elapsed())

    def advance(self, seconds: float) -> None:
        """Move the date without running what is due in between."""
        self._start += timedelta(seconds=seconds)

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self._loop:
            self._start += timedelta(seconds=self._elapsed())
            self._loop, self._loop_start = loop, loop.time()

    def _elapsed(self) -> float:
        return 0.0 if self._loop is None else self._loop.time() - self._loop_start


def run_virtual(
    main: Callable[[VirtualClock], Coroutine[Any, Any, _Result]], start: datetime = DEFAULT_START
) -> _Result:
    """Run `main(clock)` in virtual time that begins at `start`, and give back its result."""

    async def run() -> _Result:
        clock = VirtualClock(start)
        clock.now()  # Binds the clock to this loop.
        return await main(clock)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(run())

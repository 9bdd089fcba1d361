"""Turning a flow's loop: look and plan, and carry out side by side, until nothing is due.

A run observes and applies at the same time: while documents are being saved, new ones are already
read and planned, so that a burst needs no new run. It ends when nothing is due for a while or when
its time is up; what is left then is the next run's. What cannot be read now is noted and read in
the next turn; a refused login stops that system before it is locked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tiktok_ns_pipeline.engine.classification import ErrorClass, classify
from tiktok_ns_pipeline.engine.dispatcher import Dispatcher, DispatchReport
from tiktok_ns_pipeline.engine.governor import BreakerOpen
from tiktok_ns_pipeline.engine.logins import LoginWatch
from tiktok_ns_pipeline.engine.outcomes import Handler
from tiktok_ns_pipeline.flows.shops import OpenedShop, known_shops, mapped, mapped_shops
from tiktok_ns_pipeline.netsuite.errors import NetSuiteError
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.errors import TikTokError, TikTokPermissionError, WireError

SYSTEM_ERRORS = (TikTokError, WireError, NetSuiteError, BreakerOpen)
"""A system could not be read; what was not read is read next time."""


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """How long a run of a flow goes on, and for which shops; all defaults mean «from where we were»."""

    shops: tuple[str, ...] = ()
    budget_s: float = 120.0
    idle_s: float = 4.0


class Troubles:
    """What could not be read in the course of a run, and the logins that it says something about."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._shut_out: set[str] = set()
        self.logins = LoginWatch(runtime.ledger, runtime.governors, runtime.clock, runtime.reporter)
        self.told: list[str] = []
        """In words, for the run's log and its metadata."""

    def note(self, where: str, error: Exception) -> None:
        """Something could not be read now; a refused login opens the breaker of its system."""
        self.told.append(f"{where}: {error}")
        if classify(error) == ErrorClass.AUTHENTICATION:
            system = "tiktok" if isinstance(error, TikTokError) else "netsuite"
            with self._runtime.ledger.begin() as tx:
                self.logins.refused(tx, system, error)

    def note_shop(self, code: str, error: Exception) -> None:
        """One shop could not be read; a shop that is closed to us is not asked again in this run."""
        if isinstance(error, TikTokPermissionError):
            self.told.append(f"shop {code}: {error}")
            self._shut_out.add(code)
            self.logins.shut_out(code, error)
        else:
            self.note(f"shop {code}", error)

    def readable(self, shops: Sequence[OpenedShop]) -> list[OpenedShop]:
        """The shops that TikTok did not refuse us in this run."""
        return [(shop, access) for shop, access in shops if shop.code not in self._shut_out]


async def shops_of_run(runtime: Runtime, only: Sequence[str], troubles: Troubles) -> list[OpenedShop]:
    """The shops; while TikTok does not tell them, those that were read last."""
    try:
        return await mapped_shops(runtime, only)
    except SYSTEM_ERRORS as error:
        troubles.note("authorized shops", error)
        return mapped(runtime, known_shops(runtime), only)


def dispatcher_for(
    runtime: Runtime, handlers: Iterable[Handler], troubles: Troubles, shops: Sequence[OpenedShop]
) -> Dispatcher:
    """The dispatcher of one run for the kinds of these handlers, in these shops."""
    return Dispatcher(
        runtime.ledger,
        handlers,
        runtime.governors,
        runtime.clock,
        holder=runtime.settings.holder,
        reporter=runtime.reporter,
        logins=troubles.logins,
        probe=runtime.probe,
        jitter=runtime.jitter,
        shops=[shop.code for shop, _access in shops],
        look_again_s=max(2.0, runtime.settings.poll_s),
        lease_s=runtime.settings.lease_s,
    )


async def turn_until_idle(
    runtime: Runtime,
    dispatcher: Dispatcher,
    turn: Callable[[], Awaitable[int]],
    *,
    budget_s: float,
    idle_s: float,
    is_over: Callable[[], bool] = lambda: False,
) -> None:
    """Turn and carry out until nothing is due for `idle_s`, or `budget_s` is over, or all `is_over`.

    `turn` looks once and plans what it found; it gives how much that was (0: nothing new).
    """
    stopping = asyncio.Event()
    draining = asyncio.create_task(dispatcher.drain(stop=stopping.is_set))
    try:
        await _turn(runtime, dispatcher, draining, turn, budget_s, idle_s, is_over)
    except BaseException:
        draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)
        raise
    stopping.set()
    dispatcher.nudge()
    await draining


async def _turn(
    runtime: Runtime,
    dispatcher: Dispatcher,
    draining: asyncio.Task[DispatchReport],
    turn: Callable[[], Awaitable[int]],
    budget_s: float,
    idle_s: float,
    is_over: Callable[[], bool],
) -> None:
    clock = runtime.clock
    ends = clock.now() + timedelta(seconds=budget_s)
    busy_at = clock.now()
    while clock.now() < ends and not draining.done() and not is_over():
        changed = await turn()
        dispatcher.nudge()
        if changed or dispatcher.has_work():
            busy_at = clock.now()
        if (clock.now() - busy_at).total_seconds() >= idle_s:
            return
        await asyncio.sleep(runtime.settings.poll_s)

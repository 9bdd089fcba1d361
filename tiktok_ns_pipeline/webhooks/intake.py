"""Group commit: requests hand in their events, and one writer stores all that wait in one transaction.

A commit waits for the disk, so one for each request would be slow; while one is under way, the events
of the requests that come meanwhile gather for the next. No request is answered before its event is
stored, so there is nothing to lose between the two.

A request waits only so long (`patience_s`), then it is told no and the event is dropped, for TikTok
sends it again (T 8.1); as many may wait as fit into `most_waiting`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from tiktok_ns_pipeline.ledger.inbox import NewEvent

_log = logging.getLogger(__name__)

PATIENCE_S = 2.5
"""TikTok waits for three seconds (T 8.1)."""

_PAUSE_S = 0.2
"""Between two tries of a store that fails."""


class NotStored(Exception):
    """The store is away, slow or full; nothing is known to be stored."""


@dataclass(slots=True)
class _Waiting:
    event: NewEvent
    stored: asyncio.Future[None]


class Intake:
    """The queue before the store. `store` blocks, is called from one thread at a time, and gives back
    how many of the events were new."""

    def __init__(
        self,
        store: Callable[[Sequence[NewEvent]], int],
        *,
        patience_s: float = PATIENCE_S,
        most_waiting: int = 5_000,
        most_at_once: int = 500,
    ) -> None:
        self.stored = 0
        """Events that are in the store because of this process."""
        self.duplicates = 0
        """Events that were in the store already."""
        self.failures = 0
        """Transactions that the store refused or broke off."""
        self._store = store
        self._patience_s = patience_s
        self._most_waiting = most_waiting
        self._most_at_once = most_at_once
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        # A thread of its own, for which nothing else makes it wait.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="webhook-intake")

    async def take(self, event: NewEvent) -> None:
        """Gives back once the event is durably stored; raises NotStored when it could not be in time."""
        if len(self._waiting) >= self._most_waiting:
            raise NotStored
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(event, stored))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all(), name="webhook intake")
        try:
            # Giving up cancels the future, by which the writer sees that nobody waits any more.
            await asyncio.wait_for(stored, self._patience_s)
        except TimeoutError:
            raise NotStored from None

    async def finish(self) -> None:
        """Store what still waits, and take no more."""
        if self._writer is not None:
            await self._writer
        self._thread.shutdown(wait=False)

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := self._next_batch():
            try:
                events = [each.event for each in batch]
                new = await loop.run_in_executor(self._thread, self._store, events)
            except (SQLAlchemyError, OSError) as error:
                # Its text may quote a body.
                _log.warning("the inbox could not be written: %s", type(error).__name__)
                self.failures += 1
                self._waiting[:0] = batch
                await asyncio.sleep(_PAUSE_S)
                continue
            self.stored += new
            self.duplicates += len(batch) - new
            for each in batch:
                if not each.stored.done():
                    each.stored.set_result(None)

    def _next_batch(self) -> list[_Waiting]:
        """Those at the front whose requests still wait."""
        wanted = [each for each in self._waiting if not each.stored.done()]
        self._waiting = wanted[self._most_at_once :]
        return wanted[: self._most_at_once]

"""The governor: how many requests may be under way at a system, and whose turn is next.

NetSuite counts concurrent requests per account over everything that the seller runs (N 4.3), so
the budget is a number that we never exceed, over all our processes, and lower by ourselves when the
account tells us that it is full.

- *budget*: the most that we may use; configured or read from the account.
- *ceiling*: what we dare to use now: falls by a third on a concurrency error, climbs by one.
- *grant*: this process's part of the ceiling, kept as a lease in the ledger.
- *lane*: who goes next when slots are scarce. Urgent work goes first; the other lanes share by
  weight, and what one lane leaves idle the others use.

Invariant: the grants of all living processes never sum to more than the ceiling.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.gate import LANES, Lane
from tiktok_ns_pipeline.ledger import Ledger, Transaction
from tiktok_ns_pipeline.ledger.leases import SlotLease

WEIGHTS: Mapping[Lane, int] = {"urgent": 16, "orders": 8, "documents": 4, "finance": 2, "bulk": 1}
"""Shares of the slots when every lane has more to do than it gets (DESIGN 5)."""

_BACK_OFF = 2 / 3
_CLIMB_AFTER_S = 10.0
_ASK_AGAIN_AFTER = timedelta(seconds=0.2)
LEASE_RENEWALS = 3
"""How many renewals of its slots a process may miss before the others take them."""


class BreakerOpen(Exception):
    """Requests to a system are stopped: its login failed, and more failures would lock it (N 1.4)."""

    def __init__(self, system: str, until: datetime, reason: str) -> None:
        super().__init__(f"requests to {system} are stopped until {until:%Y-%m-%d %H:%M:%S} UTC: {reason}")
        self.system = system
        self.until = until
        self.reason = reason


def share_out(ceiling: int, demands: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Divide the ceiling among processes: urgent demand first, the rest as evenly as demand allows.

    `demands` is holder -> lane -> slots wanted. The parts never sum to more than the ceiling and no
    holder gets more than it wants; nothing wanted is left unused.
    """
    shares = dict.fromkeys(demands, 0)
    left = ceiling
    urgent = {holder: lanes.get("urgent", 0) for holder, lanes in demands.items()}
    total = {holder: sum(lanes.values()) for holder, lanes in demands.items()}
    for wanted in (urgent, total):
        while left > 0:
            hungry = sorted((h for h in shares if shares[h] < wanted[h]), key=lambda h: (shares[h], h))
            if not hungry:
                break
            shares[hungry[0]] += 1
            left -= 1
    return shares


class Governor:
    """The `Gate` of one system in one process. Use it as an async context manager."""

    def __init__(
        self,
        system: str,
        ledger: Ledger,
        clock: Clock,
        *,
        holder: str,
        budget: int,
        renew_s: float = 2.0,
    ) -> None:
        if budget < 1:
            raise ValueError(f"the budget of {system} must be at least one concurrent request")
        self.system = system
        self.budget = budget
        self._ledger = ledger
        self._clock = clock
        self._holder = holder
        self._renew_s = renew_s
        self._ceiling = budget
        self._granted = 0
        self._in_use: dict[Lane, int] = dict.fromkeys(LANES, 0)
        self._waiting: dict[Lane, deque[asyncio.Future[None]]] = {lane: deque() for lane in LANES}
        self._served: dict[Lane, float] = dict.fromkeys(LANES, 0.0)
        self._last_change: datetime = clock.now()
        self._renewed_at: datetime = clock.now()
        self._throttled = False
        self._breaker: BreakerOpen | None = None
        self._renewing: asyncio.Task[None] | None = None
        self.throttle_count = 0

    async def __aenter__(self) -> Governor:
        self._renew()
        self._renewing = asyncio.create_task(self._keep_renewing())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
            self._renewing = None
        with self._ledger.begin() as tx:
            tx.leases.drop(self.system, self._holder)

    @property
    def slots(self) -> int:
        """Concurrent requests that this process could have under way now."""
        return max(self._granted, min(self._ceiling, 1))

    @property
    def breaker(self) -> BreakerOpen | None:
        """Why requests are stopped, while they are."""
        if self._breaker is not None and self._breaker.until <= self._clock.now():
            self._breaker = None
        return self._breaker

    @asynccontextmanager
    async def slot(self, lane: Lane) -> AsyncGenerator[None]:
        """Hold one slot. Raises BreakerOpen while requests are stopped."""
        await self._acquire(lane)
        try:
            yield
        except Exception as error:
            if getattr(error, "throttled", False):
                self._slow_down()
            raise
        finally:
            self._release(lane)

    def trip(self, tx: Transaction, breaker: BreakerOpen) -> BreakerOpen:
        """Stop all requests to the system, in every process, until the breaker's instant."""
        tx.leases.lock(self.system, self.budget)
        tx.leases.set_breaker(self.system, breaker.until, breaker.reason)
        self._trip(breaker)
        return breaker

    def close_breaker(self) -> None:
        """Let requests through again: the login was mended."""
        with self._ledger.begin() as tx:
            tx.leases.lock(self.system, self.budget)
            tx.leases.set_breaker(self.system, None, None)
        self._breaker = None

    async def _acquire(self, lane: Lane) -> None:
        if self.breaker is not None:
            raise BreakerOpen(self.system, self.breaker.until, self.breaker.reason)
        if self._free > 0 and not any(self._waiting.values()):
            self._take(lane)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[lane].append(turn)
        stale = self._clock.now() - self._renewed_at >= _ASK_AGAIN_AFTER
        if stale and self._granted < min(self._demand, self._ceiling):
            self._renew()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._release(lane)
            elif turn in self._waiting[lane]:
                self._waiting[lane].remove(turn)
            raise

    def _release(self, lane: Lane) -> None:
        self._in_use[lane] -= 1
        self._wake()

    def _take(self, lane: Lane) -> None:
        self._in_use[lane] += 1
        self._served[lane] += 1 / WEIGHTS[lane]

    def _wake(self) -> None:
        """Give free slots to whoever is next: urgent first, then the lane that had least for its weight."""
        while self._free > 0:
            waiting: list[Lane] = [lane for lane in LANES if self._waiting[lane]]
            if not waiting:
                # An idle lane must not save up a claim on the future.
                self._served = dict.fromkeys(LANES, 0.0)
                return
            lane = self._next_of(waiting)
            turn = self._waiting[lane].popleft()
            if not turn.cancelled():
                self._take(lane)
                turn.set_result(None)

    def _next_of(self, waiting: list[Lane]) -> Lane:
        return "urgent" if "urgent" in waiting else min(waiting, key=lambda lane: self._served[lane])

    @property
    def _free(self) -> int:
        return self._granted - sum(self._in_use.values())

    @property
    def _demand(self) -> int:
        return sum(self._in_use.values()) + sum(len(queue) for queue in self._waiting.values())

    def _slow_down(self) -> None:
        """The account is full (N 4.2): use a third less from now on, in every process."""
        self.throttle_count += 1
        if not self._throttled:
            self._throttled = True
            asyncio.get_running_loop().call_later(1.0, self._after_throttle)
            self._ceiling = max(1, int(self._ceiling * _BACK_OFF))
            self._granted = min(self._granted, self._ceiling)
            self._last_change = self._clock.now()
            with self._ledger.begin() as tx:
                shared = tx.leases.lock(self.system, self.budget)
                tx.leases.set_ceiling(self.system, min(self._ceiling, shared.ceiling))

    def _after_throttle(self) -> None:
        self._throttled = False

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(self._renew_s)
            self._renew()

    def _renew(self) -> None:
        """Tell the other processes what we want, and take our part of what is free."""
        now = self._clock.now()
        with self._ledger.begin() as tx:
            shared = tx.leases.lock(self.system, self.budget)
            ceiling = min(shared.ceiling, self.budget)
            climbs = (now - self._last_change).total_seconds() >= _CLIMB_AFTER_S and not self._throttled
            if climbs and ceiling < self.budget:
                ceiling += 1
                self._last_change = now
                tx.leases.set_ceiling(self.system, ceiling)
            others = [lease for lease in tx.leases.living(self.system) if lease.holder != self._holder]
            wanted = {
                lane: self._in_use[lane] + len(self._waiting[lane])
                for lane in LANES
                if self._in_use[lane] or self._waiting[lane]
            }
            # A process alone keeps the whole ceiling: nothing to share, nothing to ask for later.
            demands = {lease.holder: dict(lease.wanted) for lease in others if lease.wanted or lease.granted}
            fair = share_out(ceiling, {**demands, self._holder: wanted})[self._holder] if demands else ceiling
            free = ceiling - sum(lease.granted for lease in others)
            in_use = sum(self._in_use.values())
            target = max(0, min(fair, free))
            # What is under way cannot be called back: it is given up as it ends.
            granted = max(target, in_use)
            lease_until = now + timedelta(seconds=self._renew_s * LEASE_RENEWALS)
            tx.leases.save(self.system, SlotLease(self._holder, granted, wanted, lease_until))
        self._ceiling = ceiling
        self._granted = target
        self._renewed_at = now
        if shared.breaker_until is not None and shared.breaker_until > now:
            self._trip(
                BreakerOpen(self.system, shared.breaker_until, shared.breaker_reason or "login refused")
            )
        else:
            self._breaker = None
        self._wake()

    def _trip(self, breaker: BreakerOpen) -> None:
        self._breaker = breaker
        for queue in self._waiting.values():
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_exception(BreakerOpen(breaker.system, breaker.until, breaker.reason))

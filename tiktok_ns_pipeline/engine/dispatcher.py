"""The dispatcher: carries stored intents out.

It claims what is due, most urgent lane first, hands it to the handler of its kind, and stores what
came of it. `sending` is in the ledger before a handler is called; results are stored in groups, and
a crash in between only means that the next process looks up what happened.

Invariants: only stored intents are sent; nothing that may have happened is sent again before it was
looked up; one bad intent never stops the others.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.engine.classification import ErrorClass, classify
from tiktok_ns_pipeline.engine.governor import Governor
from tiktok_ns_pipeline.engine.logins import LoginWatch
from tiktok_ns_pipeline.engine.outcomes import Absent, Applied, Handler, NotYet, Outcome, Park, Unclear
from tiktok_ns_pipeline.engine.reporting import Reporter
from tiktok_ns_pipeline.ledger import Ledger, Transaction
from tiktok_ns_pipeline.ledger.audit import AuditEntry
from tiktok_ns_pipeline.ledger.intents import Intent, IntentState
from tiktok_ns_pipeline.mapping.exception_kinds import MAY_PASS

Probe = Callable[[str], None]
"""Called at named points; a simulation crashes the pipeline there."""

_HEARTBEATS_PER_LEASE = 3
_FIRST_LOOK_S = 3.0
_LONGEST_WAIT_S = 300.0
_SOON_S = 5.0
_TELL_AFTER_ATTEMPTS = 5
_PARKED_EVERY = timedelta(minutes=1)
_PARKED_AGAIN_AFTER = timedelta(minutes=10)


@dataclass(slots=True)
class DispatchReport:
    """What a drain did."""

    applied: dict[str, int] = field(default_factory=dict[str, int])
    retried: int = 0
    looked_up: int = 0
    parked: int = 0
    throttled: int = 0
    errors: dict[str, int] = field(default_factory=dict[str, int])

    def count_error(self, meaning: ErrorClass) -> None:
        """Count one error by its class."""
        self.errors[meaning] = self.errors.get(meaning, 0) + 1


@dataclass(frozen=True, slots=True)
class _Result:
    intent: Intent
    outcome: Outcome | Exception


class Dispatcher:
    """Drains the intents of some kinds, in one process."""

    def __init__(
        self,
        ledger: Ledger,
        handlers: Iterable[Handler],
        governors: Mapping[str, Governor],
        clock: Clock,
        *,
        holder: str,
        reporter: Reporter,
        logins: LoginWatch,
        probe: Probe = lambda _point: None,
        jitter: random.Random | None = None,
        shops: Sequence[str] = (),
        look_again_s: float = 2.0,
        lease_s: float = 45.0,
    ) -> None:
        """`governors` by system (`netsuite`, `tiktok`); `reporter` makes exceptions.

        Without a nudge it looks for work of other processes every `look_again_s`. What it claimed is
        another process's to look up when it gave no sign of life for `lease_s`.
        """
        self._ledger = ledger
        self._handlers = {handler.kind: handler for handler in handlers}
        self._governors = governors
        self._clock = clock
        self._holder = holder
        self._reporter = reporter
        self._logins = logins
        self._probe = probe
        self._jitter = jitter or random.Random()
        self._shops = shops
        self._look_again_s = look_again_s
        self._sleep_s = look_again_s
        self._lease = timedelta(seconds=lease_s)
        self._heartbeat_s = lease_s / _HEARTBEATS_PER_LEASE
        self._results: list[_Result] = []
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = dict.fromkeys(governors, 0)
        self._heartbeat = clock.now()
        self._looks_at_parked_at = clock.now()
        self.report = DispatchReport()

    def nudge(self) -> None:
        """New work was planned."""
        self._wake.set()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way in this process."""
        return not any(self._under_way.values()) and not self._results

    async def drain(self, *, stop: Callable[[], bool]) -> DispatchReport:
        """Carry out what is due until `stop` says so; then finish what is under way."""
        try:
            while not stop():
                claimed = self._turn(claiming=True)
                self._start(claimed)
                await self._wait_for_news()
            while self._tasks:
                await asyncio.wait(
                    self._tasks, timeout=self._heartbeat_s, return_when=asyncio.FIRST_COMPLETED
                )
                self._turn(claiming=False)
            self._turn(claiming=False)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        return self.report

    def _turn(self, *, claiming: bool) -> list[Intent]:
        """Store the results so far and claim new work, in one transaction."""
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            task.result()
        results, self._results = self._results, []
        rooms = self._rooms() if claiming else {}
        now = self._clock.now()
        beat = not self.idle and (now - self._heartbeat).total_seconds() >= self._heartbeat_s
        if not results and not rooms and not beat:
            return []
        if results:
            self._probe("answered")
        with self._ledger.begin() as tx:
            self._store(tx, results)
            if beat:
                tx.intents.extend_leases(self._holder, now + self._lease)
                self._heartbeat = now
            if rooms and now >= self._looks_at_parked_at:
                self._take_up_again(tx, now)
                self._looks_at_parked_at = now + _PARKED_EVERY
            claimed: list[Intent] = []
            for system, room in rooms.items() if tx.intents.is_work_due(self._open_kinds()) else ():
                claimed += tx.intents.claim(
                    holder=self._holder,
                    kinds=[kind for kind, handler in self._handlers.items() if handler.system == system],
                    limit=room,
                    lease_until=now + self._lease,
                    shops=self._shops,
                )
            self._sleep_s = self._until_due(tx)
        for result in results:
            self._under_way[self._handlers[result.intent.fact.kind].system] -= 1
        if results:
            self._probe("stored")
        if claimed:
            self._probe("claimed")
        return claimed

    def _take_up_again(self, tx: Transaction, now: datetime) -> None:
        """Try again what was parked for a cause that may have passed since: nobody tells us of its end.

        What a person resolved meanwhile stays as it is.
        """
        held = [kind for kind, one in self._handlers.items() if not set(MAY_PASS).isdisjoint(one.clears)]
        waiting = {
            (one.shop, one.subject)
            for one in (tx.exceptions.list(kinds=MAY_PASS) if held else ())
            if one.last_seen_at <= now - _PARKED_AGAIN_AFTER and (not self._shops or one.shop in self._shops)
        }
        if not waiting:
            return
        tx.intents.take_up_again(
            [
                intent.fact
                for kind in held
                for intent in tx.intents.open_facts(kind=kind)
                if intent.state == IntentState.PARKED and (intent.fact.shop, self._subject(intent)) in waiting
            ]
        )

    def has_work(self) -> bool:
        """Whether anything is under way, or due at a system that may be asked now."""
        if not self.idle:
            return True
        with self._ledger.read() as tx:
            return tx.intents.is_work_due(self._open_kinds())

    def _open_kinds(self) -> list[str]:
        """Kinds of facts whose system's breaker is not open."""
        return [
            kind for kind, handler in self._handlers.items() if not self._governors[handler.system].breaker
        ]

    def _rooms(self) -> dict[str, int]:
        """How many more intents to take per system: enough to keep every slot busy, and a few ahead.

        Small claims keep a late urgent intent from waiting behind a long private queue. A system
        whose breaker is open gets none.
        """
        rooms: dict[str, int] = {}
        for system, governor in self._governors.items():
            sizes = [handler.batch_size for handler in self._handlers.values() if handler.system == system]
            if not sizes or governor.breaker:
                continue
            enough = (governor.slots + max(4, governor.slots // 2)) * max(sizes)
            room = enough - self._under_way[system]
            if room >= max(1, governor.slots // 4):
                rooms[system] = room
        return rooms

    def _start(self, claimed: Sequence[Intent]) -> None:
        batches: dict[tuple[str, str], list[Intent]] = {}
        for intent in claimed:
            handler = self._handlers[intent.fact.kind]
            self._under_way[handler.system] += 1
            if intent.state == IntentState.AMBIGUOUS:
                self.report.looked_up += 1
                self._spawn([intent], self._looked_up(handler, intent))
                continue
            batch = batches.setdefault((intent.fact.kind, intent.fact.shop), [])
            batch.append(intent)
            if len(batch) == handler.batch_size:
                self._spawn(batch, handler.apply(list(batch)))
                batches[(intent.fact.kind, intent.fact.shop)] = []
        for (kind, _shop), batch in batches.items():
            if batch:
                self._spawn(batch, self._handlers[kind].apply(list(batch)))

    def _spawn(self, intents: list[Intent], work: Awaitable[Sequence[Outcome]]) -> None:
        self._tasks.add(asyncio.create_task(self._carry_out(list(intents), work)))

    @staticmethod
    async def _looked_up(handler: Handler, intent: Intent) -> Sequence[Outcome]:
        return [await handler.look_up(intent)]

    async def _carry_out(self, intents: list[Intent], work: Awaitable[Sequence[Outcome]]) -> None:
        try:
            outcomes: Sequence[Outcome | Exception] = await work
            if len(outcomes) != len(intents):
                raise RuntimeError(f"a handler answered {len(outcomes)} times about {len(intents)} intents")
        except Exception as error:  # classified and stored below: nothing is swallowed
            outcomes = [error] * len(intents)
        self._results += [_Result(i, o) for i, o in zip(intents, outcomes, strict=True)]
        self._wake.set()

    def _until_due(self, tx: Transaction) -> float:
        """How long to sleep when no news comes; what is due and was not claimed waits for a result."""
        due = tx.intents.next_due(self._open_kinds())
        seconds = (due - self._clock.now()).total_seconds() if due else self._look_again_s
        return min(seconds, self._look_again_s) if seconds > 0 else self._look_again_s

    async def _wait_for_news(self) -> None:
        """Sleep until a result or a nudge, or until something may have become due."""
        if self._results:
            # Let other results of the same instant join this group.
            await asyncio.sleep(0)
            return
        self._wake.clear()
        try:
            sleep_s = self._sleep_s if self.idle else min(self._sleep_s, self._heartbeat_s)
            async with asyncio.timeout(sleep_s):
                await self._wake.wait()
        except TimeoutError:
            return

    def _store(self, tx: Transaction, results: Sequence[_Result]) -> None:
        applied = [result for result in results if isinstance(result.outcome, Applied)]
        tx.intents.mark_applied([result.intent for result in applied])
        tx.links.save([r.outcome.link for r in applied if isinstance(r.outcome, Applied) and r.outcome.link])
        for handler in {self._handlers[result.intent.fact.kind] for result in applied}:
            self._logins.worked(tx, handler.system)
        for result in applied:
            kind = result.intent.fact.kind
            self.report.applied[kind] = self.report.applied.get(kind, 0) + 1
            if result.intent.attempts or result.intent.revision > 1:
                self._clear(tx, result.intent, "the document was accepted")
        for result in results:
            if isinstance(result.outcome, Exception):
                self._store_error(tx, result.intent, result.outcome)
            elif not isinstance(result.outcome, Applied):
                self._store_answer(tx, result.intent, result.outcome)
        tx.audit.write([self._audit_entry(result) for result in results])

    def _store_answer(
        self, tx: Transaction, intent: Intent, outcome: Absent | Unclear | NotYet | Park
    ) -> None:
        match outcome:
            case Absent():
                if outcome.link is not None:
                    tx.links.save([outcome.link])
                self._put_back(
                    tx,
                    intent,
                    IntentState.PLANNED,
                    # The look-up was answered: the system is back, and the document may go soon.
                    not_before=self._later(intent, longest_s=_SOON_S),
                    counts_as_attempt=False,
                )
            case Unclear():
                self._make_ambiguous(tx, intent, outcome.reason)
            case NotYet():
                looking = intent.state == IntentState.AMBIGUOUS
                self._put_back(
                    tx,
                    intent,
                    IntentState.AMBIGUOUS if looking else IntentState.WAITING,
                    not_before=outcome.retry_at,
                    error=outcome.reason,
                    counts_as_attempt=False,
                )
            case Park():
                self._park(tx, intent, outcome)

    def _store_error(self, tx: Transaction, intent: Intent, error: Exception) -> None:
        meaning = classify(error)
        self.report.count_error(meaning)
        looking = intent.state == IntentState.AMBIGUOUS
        match meaning:
            case ErrorClass.THROTTLED | ErrorClass.AUTHENTICATION:
                if meaning == ErrorClass.THROTTLED:
                    self.report.throttled += 1
                    retry_at = self._clock.now() + timedelta(seconds=1 + self._jitter.random())
                else:
                    system = self._handlers[intent.fact.kind].system
                    retry_at = self._logins.refused(tx, system, error).until
                to = IntentState.AMBIGUOUS if looking else IntentState.WAITING
                self._put_back(tx, intent, to, not_before=retry_at, error=str(error), counts_as_attempt=False)
            case ErrorClass.TRANSIENT:
                self.report.retried += 1
                to = IntentState.AMBIGUOUS if looking else IntentState.WAITING
                if self._put_back(tx, intent, to, not_before=self._later(intent), error=str(error)):
                    self._tell_if_it_lasts(tx, intent, error)
            case ErrorClass.AMBIGUOUS:
                if self._make_ambiguous(tx, intent, str(error)):
                    self._tell_if_it_lasts(tx, intent, error)
            case ErrorClass.BUSINESS:
                system = self._handlers[intent.fact.kind].system
                self._park(tx, intent, Park(f"{system}_refused", _slug(error), str(error)))
            case ErrorClass.UNKNOWN:
                # The type only: the text of an unforeseen error may quote a buyer's data.
                message = (
                    f"{self._subject(intent)}: unforeseen {type(error).__name__} while it was carried out"
                )
                self._park(tx, intent, Park("unclassified_error", type(error).__name__, message))

    def _put_back(
        self,
        tx: Transaction,
        intent: Intent,
        to: IntentState,
        *,
        not_before: datetime,
        error: str | None = None,
        counts_as_attempt: bool = True,
    ) -> bool:
        """Let it be tried again later; what certainly did not happen gives way to a newer revision.

        Gives whether it will be: somebody else may have carried it out in the meantime.
        """
        if to != IntentState.AMBIGUOUS and tx.intents.is_overtaken(intent):
            to = IntentState.SUPERSEDED
        moved = tx.intents.move(
            intent, to, not_before=not_before, error=error, counts_as_attempt=counts_as_attempt
        )
        return moved and to != IntentState.SUPERSEDED

    def _make_ambiguous(self, tx: Transaction, intent: Intent, reason: str) -> bool:
        """Not known whether it happened; a save can outlive our time-out, so do not look at once.

        Gives whether it is still to be looked for.
        """
        wait = min(_FIRST_LOOK_S * 2**intent.attempts, _LONGEST_WAIT_S)
        not_before = self._clock.now() + timedelta(seconds=wait)
        return tx.intents.move(intent, IntentState.AMBIGUOUS, not_before=not_before, error=reason)

    def _park(self, tx: Transaction, intent: Intent, park: Park) -> None:
        if tx.intents.is_overtaken(intent):
            # Whether anything is wrong with the newer revision will show by itself.
            tx.intents.move(intent, IntentState.SUPERSEDED, error=park.message)
            return
        self.report.parked += 1
        tx.intents.move(intent, IntentState.PARKED, error=park.message)
        if passed := [kind for kind in self._handlers[intent.fact.kind].clears if kind in MAY_PASS]:
            self._clear(tx, intent, "something else holds it up now", passed, [(park.kind, park.cause)])
        self._open(tx, intent, park)

    def _tell_if_it_lasts(self, tx: Transaction, intent: Intent, error: Exception) -> None:
        """It goes on being tried, but somebody should know."""
        if intent.attempts + 1 == _TELL_AFTER_ATTEMPTS:
            message = (
                f"{self._subject(intent)} failed {_TELL_AFTER_ATTEMPTS} times and is tried again: {error}"
            )
            self._open(tx, intent, Park("still_failing", _slug(error), message))

    def _open(self, tx: Transaction, intent: Intent, park: Park) -> None:
        tx.exceptions.open(
            self._reporter.exception(
                park.kind,
                channel=intent.fact.channel,
                shop=intent.fact.shop,
                subject=self._subject(intent),
                cause=park.cause,
                message=park.message,
                what_to_do=park.what_to_do,
                dispatch_by=intent.deadline,
            )
        )

    def _clear(
        self,
        tx: Transaction,
        intent: Intent,
        reason: str,
        kinds: Sequence[str] = (),
        keep: Sequence[tuple[str, str]] = (),
    ) -> None:
        tx.exceptions.clear(
            channel=intent.fact.channel,
            shop=intent.fact.shop,
            subject=self._subject(intent),
            reason=reason,
            kinds=kinds or self._handlers[intent.fact.kind].clears,
            keep=keep,
        )

    def _later(self, intent: Intent, longest_s: float = _LONGEST_WAIT_S) -> datetime:
        wait = min(2.0**intent.attempts, longest_s) * (0.75 + self._jitter.random() / 2)
        return self._clock.now() + timedelta(seconds=wait)

    def _subject(self, intent: Intent) -> str:
        return self._handlers[intent.fact.kind].subject(intent)

    def _audit_entry(self, result: _Result) -> AuditEntry:
        fact = result.intent.fact
        subject = f"{fact.shop}/{fact.kind}/{fact.business_key}"
        if isinstance(result.outcome, Exception):
            return AuditEntry(
                self._holder, classify(result.outcome), subject, f"revision {result.intent.revision}"
            )
        return AuditEntry(
            self._holder, type(result.outcome).__name__.lower(), subject, f"revision {result.intent.revision}"
        )


def _slug(error: Exception) -> str:
    """Groups equal troubles: the class and code, without ids."""
    code = getattr(error, "code", None)
    detail = getattr(error, "detail", "")
    return f"{type(error).__name__}:{code or ''}:{detail}"[:200]

"""Intend: what was cancelled becomes closures, requests become replies, in one transaction with the
watermark.

From the moment that a cancellation is planned no order that was not sent is ever sent: its Sales Order
is called off in the same transaction, and the orders flow plans nothing for an order whose closure it
finds. What was under way then is resolved first and closed afterwards.

Cancelled is final (T 3.2): an order is closed once, however often and in whichever order its versions
are seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from tiktok_ns_pipeline.cancellations.outcome import (
    CHANNEL,
    Closure,
    Ended,
    Malformed,
    Outcome,
    Request,
)
from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.exceptions import NewException
from tiktok_ns_pipeline.ledger.facts import CANCEL_REPLY, CLOSURE, REFERENCE, SALES_ORDER
from tiktok_ns_pipeline.ledger.intents import OPEN, FactKey, IntentState, NewIntent
from tiktok_ns_pipeline.runtime import Runtime

FLOW = "closures"

MALFORMED = "malformed_cancellation"
REQUESTED = "cancellation_requested"
REPLY_REFUSED = "cancellation_reply_refused"

REQUEST_CAUSE = "request"
"""The one cause of `cancellation_requested`: whoever tells of it, it is the same exception."""

_WHY = "the order was cancelled"
_CANCELLED = "cancelled"
_ASKED = "asked"


@dataclass(slots=True)
class PlanReport:
    """How many records became what."""

    closures: int = 0
    called_off: int = 0
    """Documents that were waiting to be sent and never will be."""
    requests: int = 0
    ended: int = 0
    malformed: int = 0


def closure_fact(shop: str, order_id: str) -> FactKey:
    """The fact that a cancelled order's Sales Order is closed, or never was."""
    return FactKey(CHANNEL, shop, CLOSURE, order_id)


def reply_fact(shop: str, cancel_id: str) -> FactKey:
    """The fact that a buyer's request to cancel is answered."""
    return FactKey(CHANNEL, shop, CANCEL_REPLY, cancel_id)


@dataclass(slots=True)
class ClosurePlanner:
    """Stores what staging decided about one shop."""

    runtime: Runtime
    report: PlanReport = field(default_factory=PlanReport)

    def store(self, tx: Transaction, outcomes: Sequence[Outcome], *, replay: bool = False) -> None:
        """Plan, call off, open and clear, for the newest outcome of each subject."""
        if not outcomes:
            return
        shop = outcomes[0].shop
        tx.intents.take_turns(CHANNEL, shop)
        newest = list({outcome.subject: outcome for outcome in sorted(outcomes, key=_age)}.values())
        self._close(tx, shop, [one for one in newest if isinstance(one, Closure)])
        self._ask(tx, shop, [one for one in newest if isinstance(one, Request)], replay=replay)
        self._end(tx, shop, [one for one in newest if isinstance(one, Ended)])
        self._park(tx, shop, newest)

    def _close(self, tx: Transaction, shop: str, closures: Sequence[Closure]) -> None:
        facts = {closure_fact(shop, one.order_id): one for one in closures}
        known = tx.intents.newest(facts)
        new = {fact: one for fact, one in facts.items() if fact not in known}
        if not new:
            return
        tx.intents.plan([self._closure(fact, one) for fact, one in new.items()], known=known)
        self.report.closures += len(new)
        self._call_off(tx, new)

    def _call_off(self, tx: Transaction, closures: Iterable[FactKey]) -> None:
        """Let nothing more be sent of these orders; what kept a Sales Order from being sent is settled."""
        kinds = (SALES_ORDER, REFERENCE)
        newest = tx.intents.newest([replace(fact, kind=kind) for kind in kinds for fact in closures])
        unfinished = [fact for fact, one in newest.items() if one.state in OPEN]
        self.report.called_off += tx.intents.call_off(unfinished, _WHY)
        for fact in unfinished:
            if fact.kind == SALES_ORDER and newest[fact].state is IntentState.PARKED:
                tx.exceptions.clear(
                    channel=fact.channel,
                    shop=fact.shop,
                    subject=f"order {fact.business_key}",
                    reason=_WHY,
                    kinds=ENGINE_KINDS,
                )

    @staticmethod
    def _closure(fact: FactKey, closure: Closure) -> NewIntent:
        payload = {"order_id": closure.order_id}
        return NewIntent(FLOW, fact, payload, _CANCELLED, "urgent", observed_at=closure.update_time)

    def _ask(self, tx: Transaction, shop: str, requests: Sequence[Request], *, replay: bool) -> None:
        rules = self.runtime.mapping.cancellations.requests
        for request in requests:
            tx.exceptions.open(self._requested(request))
        if (rules.unfulfilled, rules.fulfilled) != ("person", "person"):
            replies = [
                NewIntent(
                    FLOW,
                    reply_fact(shop, request.cancel_id),
                    {"order_id": request.order_id},
                    _ASKED,
                    "urgent",
                    deadline=request.deadline,
                    observed_at=request.update_time,
                )
                for request in requests
            ]
            tx.intents.plan(replies, replay=replay)
        self.report.requests += len(requests)

    def _requested(self, request: Request) -> NewException:
        until = f"{request.deadline:%Y-%m-%d %H:%M}Z" if request.deadline else "a day after the request"
        new = self.runtime.reporter.exception(
            REQUESTED,
            channel=CHANNEL,
            shop=request.shop,
            subject=request.subject,
            cause=REQUEST_CAUSE,
            message=f"The buyer of order {request.order_id} of shop {request.shop} asks to cancel it; TikTok "
            f"approves the request itself at {until}.",
            dispatch_by=request.deadline,
        )
        return replace(new, due_at=request.deadline or new.due_at)

    def _end(self, tx: Transaction, shop: str, ended: Sequence[Ended]) -> None:
        """Nobody has to answer these any more, whoever ended them."""
        self.report.ended += len(ended)
        subjects = {one.subject: one for one in ended}
        for subject in tx.exceptions.unresolved_among(CHANNEL, shop, list(subjects)):
            tx.exceptions.clear(channel=CHANNEL, shop=shop, subject=subject, reason=subjects[subject].reason)
        facts = [reply_fact(shop, one.cancel_id) for one in ended if one.cancel_id]
        planned = list(tx.intents.newest(facts))
        if planned:
            tx.intents.withdraw(planned, "the request was ended")

    def _park(self, tx: Transaction, shop: str, outcomes: Iterable[Outcome]) -> None:
        """Tell of what cannot be read, and clear that of what can be read again."""
        malformed = {one.subject: one for one in outcomes if isinstance(one, Malformed)}
        readable = {one.subject for one in outcomes} - set(malformed)
        for subject, one in malformed.items():
            tx.exceptions.open(
                self.runtime.reporter.exception(
                    MALFORMED,
                    channel=CHANNEL,
                    shop=shop,
                    subject=subject,
                    cause=one.cause,
                    message=one.reason,
                )
            )
        self.report.malformed += len(malformed)
        for subject in tx.exceptions.unresolved_among(CHANNEL, shop, sorted(readable)):
            tx.exceptions.clear(
                channel=CHANNEL, shop=shop, subject=subject, reason="it can be read now", kinds=(MALFORMED,)
            )


def _age(outcome: Outcome) -> tuple[bool, float]:
    updated = outcome.update_time
    return updated is not None, updated.timestamp() if updated else 0.0

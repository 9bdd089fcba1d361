"""How a cancelled order's Sales Order comes to be closed, or is found to be past that.

A Sales Order is closed by closing its lines, by their keys and never replacing any (N 2.7, 2.12); it is
read before and after, since the warehouse works on it at the same time. What happened beyond the
mapping's cutoff is left as it is, and told: to operations, and to whoever expects the goods back.

Closing twice changes nothing, so after an unclear end the record is simply read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tiktok_ns_pipeline.cancellations.progress import Cutoff, Progress, progress_of
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.engine.logins import System
from tiktok_ns_pipeline.engine.outcomes import (
    ENGINE_KINDS,
    Absent,
    Applied,
    NotYet,
    Outcome,
    Park,
)
from tiktok_ns_pipeline.ledger import Ledger, Transaction
from tiktok_ns_pipeline.ledger.facts import CLOSURE, CREDIT, SALES_ORDER
from tiktok_ns_pipeline.ledger.intents import CALLED_OFF, OPEN, UNDER_WAY, FactKey, Intent
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.netsuite.errors import NetSuiteNotFound, NetSuiteRefused

TOO_LATE = "cancelled_too_late"
STOP = "pick_to_be_stopped"
_CAUSE = "fulfilment"

_RECORD = "salesOrder"
_A_SAVE_CAN_OUTLIVE = timedelta(minutes=2)
"""So long after an attempt to create a Sales Order, NetSuite not having it proves nothing (N 2.9)."""
_SOONEST_S, _LATEST_S = 1.0, 30.0


class SalesOrders:
    """Finds the Sales Order of an order, as soon as it is certain whether there is one."""

    def __init__(self, netsuite: NetSuiteClient, ledger: Ledger, clock: Clock, order_id_field: str) -> None:
        """`order_id_field` is the account's custom field that carries the channel's order id."""
        self._netsuite = netsuite
        self._ledger = ledger
        self._clock = clock
        self._order_id_field = order_id_field

    async def find(self, about: FactKey, order_id: str) -> dict[str, Any] | NotYet | None:
        """The record with its lines; None when there is none, `NotYet` while that is not certain."""
        fact = FactKey(about.channel, about.shop, SALES_ORDER, order_id)
        with self._ledger.read() as tx:
            link = tx.links.find(fact)
            history = tx.intents.history(fact)
        if under_way := [one for one in history if one.state in UNDER_WAY]:
            return self._later(f"the Sales Order of order {order_id} is under way", under_way[0])
        if link is not None:
            try:
                return await self._netsuite.get(_RECORD, link.internal_id, lane="urgent")
            except NetSuiteNotFound:
                return None
        return await self._asked(history, order_id) if history else None

    async def _asked(self, history: Sequence[Intent], order_id: str) -> dict[str, Any] | NotYet | None:
        """Planned once and never known to be made: an attempt of unclear end may have come through."""
        external_id = str(history[-1].payload["document"]["external_id"])
        record = await self._netsuite.get_by_external_id(_RECORD, external_id, lane="urgent")
        if record is not None:
            # Somebody else's record under our external id is none of ours to close.
            return record if str(record.get(self._order_id_field) or "") == order_id else None
        attempted = [one for one in history if one.attempts or one.payload_hash == CALLED_OFF]
        last = max(attempted, key=lambda one: one.updated_at, default=None)
        if last is not None and self._clock.now() - last.updated_at < _A_SAVE_CAN_OUTLIVE:
            return self._later(f"the Sales Order of order {order_id} may still be saved", last)
        return None

    def _later(self, reason: str, since: Intent) -> NotYet:
        """Soon at first, then at leisure: whoever is at work on it may be gone for a while."""
        age_s = (self._clock.now() - since.updated_at).total_seconds()
        wait_s = min(max(age_s / 2, _SOONEST_S), _LATEST_S)
        return NotYet(reason, self._clock.now() + timedelta(seconds=wait_s))


@dataclass(slots=True)
class ClosureCounts:
    """What became of closures in one run."""

    closed: int = 0
    never_posted: int = 0
    closed_before: int = 0
    too_late: int = 0
    to_be_stopped: int = 0


class ClosureHandler:
    """Closes the Sales Orders of cancelled orders."""

    kind = CLOSURE
    system: System = "netsuite"
    batch_size = 1
    clears: Sequence[str] = (*ENGINE_KINDS, TOO_LATE, STOP)

    def __init__(
        self, netsuite: NetSuiteClient, ledger: Ledger, clock: Clock, orders: SalesOrders, cutoff: Cutoff
    ) -> None:
        self._netsuite = netsuite
        self._ledger = ledger
        self._clock = clock
        self._orders = orders
        self._cutoff: Cutoff = cutoff
        self.counts = ClosureCounts()

    def subject(self, intent: Intent) -> str:
        """The order."""
        return f"order {intent.fact.business_key}"

    async def apply(self, intents: Sequence[Intent]) -> Sequence[Outcome]:
        """Close what can be closed."""
        return [await self._close(intent) for intent in intents]

    async def look_up(self, intent: Intent) -> Outcome:
        """Whether the Sales Order is closed; if not, closing it once more does no harm."""
        record = await self._orders.find(intent.fact, intent.fact.business_key)
        if isinstance(record, NotYet):
            return record
        return self._ended(intent, record) or Absent()

    async def _close(self, intent: Intent) -> Outcome:
        self._call_off_once_more(intent)
        record = await self._orders.find(intent.fact, intent.fact.business_key)
        if isinstance(record, NotYet):
            return record
        ended = self._ended(intent, record)
        if ended is not None:
            return ended
        assert record is not None
        progress = progress_of(record)
        lines = progress.untouched_goods if self._is_to_be_stopped(progress) else progress.open_lines
        if not lines:
            return self._stop(intent, record, progress)
        if not await self._patch(str(record["id"]), progress, lines):
            return self._again("the order moved on while it was to be closed")
        return await self._read_back(intent, record, lines)

    def _call_off_once_more(self, intent: Intent) -> None:
        """An order that was staged before, and planned after the cancellation, is not sent either."""
        so = FactKey(intent.fact.channel, intent.fact.shop, SALES_ORDER, intent.fact.business_key)
        with self._ledger.read() as tx:
            newest = tx.intents.newest([so]).get(so)
        if newest is not None and newest.state in OPEN and newest.state not in UNDER_WAY:
            with self._ledger.begin() as tx:
                tx.intents.call_off([so], "the order was cancelled")

    def _ended(self, intent: Intent, record: Mapping[str, Any] | None) -> Outcome | None:
        """The end of a closure that has nothing (more) to close; None where it has."""
        if record is None:
            self.counts.never_posted += 1
            return self._applied(intent, "there is no Sales Order")
        progress = progress_of(record)
        if progress.is_beyond(self._cutoff):
            return self._too_late(intent, record, progress)
        if progress.is_closed:
            self.counts.closed_before += 1
            return self._applied(intent, "closed", record)
        return None

    async def _patch(self, internal_id: str, progress: Progress, lines: Sequence[int]) -> bool:
        """Close these lines; False where the order moved on meanwhile. Raises NetSuiteRefused where it
        did not."""
        body = {"item": {"items": [{"line": line, "isClosed": True} for line in lines]}}
        try:
            await self._netsuite.patch(_RECORD, internal_id, body, lane="urgent")
        except NetSuiteRefused:
            record = await self._netsuite.get(_RECORD, internal_id, lane="urgent")
            if progress_of(record) == progress:
                raise
            return False
        return True

    async def _read_back(self, intent: Intent, before: Mapping[str, Any], lines: Sequence[int]) -> Outcome:
        """What the record says now: closed, to be stopped, or overtaken by the warehouse."""
        record = await self._netsuite.get(_RECORD, str(before["id"]), lane="urgent")
        progress = progress_of(record)
        if progress.is_closed and not progress.is_beyond(self._cutoff):
            self.counts.closed += 1
            return self._applied(intent, "closed", record)
        if progress.is_beyond(self._cutoff):
            return self._too_late(intent, record, progress)
        if self._is_to_be_stopped(progress):
            return self._stop(intent, record, progress)
        if set(lines).isdisjoint(progress.open_lines):
            return self._again("it has lines that came while it was closed")
        return Park(
            "netsuite_differs",
            "not_closed",
            f"{_name(intent, record)} is cancelled at TikTok; NetSuite took the closing of its lines, but "
            "shows them open.",
        )

    def _is_to_be_stopped(self, progress: Progress) -> bool:
        return progress.begun != "nothing" and not progress.is_beyond(self._cutoff)

    def _too_late(self, intent: Intent, record: Mapping[str, Any], progress: Progress) -> Outcome:
        fact = intent.fact
        if self._is_credited(fact):
            return self._applied(intent, "it had left, and is credited as a return")
        with self._ledger.begin() as tx:
            tx.expected_returns.expect(fact.channel, fact.shop, fact.business_key, progress.begun)
            self._clear(tx, intent, (STOP,), f"it is {progress.begun} now")
        self.counts.too_late += 1
        return Park(
            TOO_LATE,
            _CAUSE,
            f"{_name(intent, record)} is {progress.begun} already, and the order is cancelled at TikTok; "
            "it was left as it is.",
        )

    def _is_credited(self, fact: FactKey) -> bool:
        """Whether the refunds flow has credited what was cancelled."""
        with self._ledger.read() as tx:
            claims = tx.claims.of_order(fact.channel, fact.shop, fact.business_key)
            credits = [
                FactKey(fact.channel, fact.shop, CREDIT, one.claim_id)
                for one in claims
                if one.source == "cancellation"
            ]
            return bool(tx.links.find_many(credits))

    def _stop(self, intent: Intent, record: Mapping[str, Any], progress: Progress) -> Park:
        fact = intent.fact
        with self._ledger.begin() as tx:
            tx.expected_returns.settle(fact.channel, fact.shop, fact.business_key)
            self._clear(tx, intent, (TOO_LATE,), f"it is only {progress.begun} now")
        self.counts.to_be_stopped += 1
        return Park(
            STOP,
            _CAUSE,
            f"{_name(intent, record)} is {progress.begun}, and the order is cancelled at TikTok; what was "
            "not begun is closed, the rest once its Item Fulfillment is deleted.",
        )

    def _applied(self, intent: Intent, note: str, record: Mapping[str, Any] | None = None) -> Applied:
        """The closure is true: nothing about the order is open any more. What was closed is linked."""
        fact = intent.fact
        with self._ledger.read() as tx:
            expected = tx.expected_returns.find(fact.channel, fact.shop, fact.business_key)
            troubled = tx.exceptions.unresolved_among(fact.channel, fact.shop, [self.subject(intent)])
        if troubled or (expected is not None and expected.settled_at is None):
            with self._ledger.begin() as tx:
                tx.expected_returns.settle(fact.channel, fact.shop, fact.business_key)
                self._clear(tx, intent, self.clears, "the Sales Order is closed, or there is none")
        return Applied(_closed(intent, record) if record else None, note)

    def _again(self, reason: str) -> NotYet:
        return NotYet(reason, self._clock.now() + timedelta(seconds=_SOONEST_S))

    def _clear(self, tx: Transaction, intent: Intent, kinds: Sequence[str], reason: str) -> None:
        tx.exceptions.clear(
            channel=intent.fact.channel,
            shop=intent.fact.shop,
            subject=self.subject(intent),
            reason=reason,
            kinds=kinds,
        )


def _closed(intent: Intent, record: Mapping[str, Any]) -> Link:
    """The Sales Order that stands closed, under a key of its own: its external id is the order's."""
    return Link(
        fact=intent.fact,
        record_type=_RECORD,
        external_id=f"tts-{intent.fact.shop}-{CLOSURE}-{intent.fact.business_key}".lower(),
        internal_id=str(record["id"]),
        document_number=str(record["tranId"]) if record.get("tranId") else None,
        payload_hash=intent.payload_hash,
        version=intent.revision,
    )


def _name(intent: Intent, record: Mapping[str, Any]) -> str:
    number = record.get("tranId") or record["id"]
    return f"Order {intent.fact.business_key} of shop {intent.fact.shop}: Sales Order {number}"

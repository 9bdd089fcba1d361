"""How a buyer's request to cancel is answered, where the mapping lets us.

What to answer is decided at the moment of answering, from the Sales Order as it is then: a request that
came while nothing was picked is rejected if the parcel is packed by now, and the other way round.
TikTok takes the same answer twice as one by its idempotency key (T 6.2); a request that was withdrawn
or answered meanwhile needs none. Approved, TikTok cancels the order, and the closure follows from that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

from tiktok_ns_pipeline.cancellations.applying import SalesOrders
from tiktok_ns_pipeline.cancellations.outcome import Request
from tiktok_ns_pipeline.cancellations.planning import REPLY_REFUSED, REQUEST_CAUSE, REQUESTED
from tiktok_ns_pipeline.cancellations.progress import Cutoff, Progress, progress_of
from tiktok_ns_pipeline.cancellations.staging import stage_cancellation
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.engine.logins import System
from tiktok_ns_pipeline.engine.outcomes import (
    ENGINE_KINDS,
    Absent,
    Applied,
    NotYet,
    Outcome,
    Park,
    Unclear,
)
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.facts import CANCEL_REPLY
from tiktok_ns_pipeline.ledger.intents import Intent
from tiktok_ns_pipeline.mapping import Mapping as SellerMapping
from tiktok_ns_pipeline.netsuite.errors import NetSuiteError
from tiktok_ns_pipeline.tiktok.client import ShopAccess, TikTokClient
from tiktok_ns_pipeline.tiktok.errors import TikTokRefused
from tiktok_ns_pipeline.tiktok.meanings import meaning_of

Answer = Literal["approve", "reject", "person"]

_ASK_NETSUITE_AGAIN = timedelta(seconds=20)


def answer_to(progress: Progress | None, mapping: SellerMapping) -> Answer:
    """What the mapping answers to a request; `progress` is None where there is no Sales Order."""
    cutoff: Cutoff = mapping.cancellations.cutoff
    rules = mapping.cancellations.requests
    return rules.fulfilled if progress is not None and progress.is_beyond(cutoff) else rules.unfulfilled


class ReplyHandler:
    """Approves or rejects requests, or leaves them to a person."""

    kind = CANCEL_REPLY
    system: System = "tiktok"
    batch_size = 1
    clears: Sequence[str] = (*ENGINE_KINDS, REQUESTED, REPLY_REFUSED)

    def __init__(
        self,
        tiktok: TikTokClient,
        ledger: Ledger,
        clock: Clock,
        orders: SalesOrders,
        mapping: SellerMapping,
        shops: Mapping[str, ShopAccess],
    ) -> None:
        self._tiktok = tiktok
        self._ledger = ledger
        self._clock = clock
        self._orders = orders
        self._mapping = mapping
        self._shops = shops

    def subject(self, intent: Intent) -> str:
        """The request; its trouble is not the order's."""
        return f"cancellation {intent.fact.business_key}"

    async def apply(self, intents: Sequence[Intent]) -> Sequence[Outcome]:
        """Answer as the mapping says."""
        return [await self._answer(intent) for intent in intents]

    async def look_up(self, intent: Intent) -> Outcome:
        """Read the cancellation: one that waits for nobody is answered."""
        cancel_id, access = intent.fact.business_key, self._shops[intent.fact.shop]
        async for page in self._tiktok.cancellations.search(access, cancel_ids=[cancel_id]):
            for raw in page.rows:
                outcome = stage_cancellation(raw, intent.fact.shop)
                if outcome.cancel_id == cancel_id:
                    asks = isinstance(outcome, Request)
                    return Absent() if asks else self._answered(intent, outcome.reason)
        return Unclear("TikTok does not show the cancellation now")

    async def _answer(self, intent: Intent) -> Outcome:
        order_id = str(intent.payload["order_id"])
        try:
            record = await self._orders.find(intent.fact, order_id)
        except NetSuiteError as error:
            # The trouble of one system must not be taken for the other's.
            reason = f"NetSuite does not say how far the order is: {error}"
            return NotYet(reason, self._clock.now() + _ASK_NETSUITE_AGAIN)
        if isinstance(record, NotYet):
            return record
        progress = progress_of(record) if record is not None else None
        answer = answer_to(progress, self._mapping)
        if answer == "person":
            return self._for_a_person(intent, order_id, progress)
        try:
            await self._send(intent, answer)
        except TikTokRefused as refusal:
            return self._refused(intent, order_id, answer, refusal)
        return self._answered(intent, f"the pipeline answered it: {answer}")

    async def _send(self, intent: Intent, answer: Literal["approve", "reject"]) -> None:
        fact = intent.fact
        access, calls = self._shops[fact.shop], self._tiktok.cancellations
        key = f"tts-{fact.shop}-{fact.kind}-{fact.business_key}-{answer}"
        if answer == "approve":
            await calls.approve(access, fact.business_key, key)
        else:
            reason = self._mapping.reject_reason_for(self._mapping.shops[fact.shop])
            await calls.reject(access, fact.business_key, key, reason)

    def _refused(self, intent: Intent, order_id: str, answer: Answer, refusal: TikTokRefused) -> Outcome:
        if meaning_of(refusal.code) == "already_answered":
            return self._answered(intent, "it was answered or withdrawn meanwhile")
        return Park(
            REPLY_REFUSED,
            str(refusal.code),
            f"Cancellation {intent.fact.business_key} of order {order_id} of shop {intent.fact.shop}: TikTok "
            f"does not let us {answer} it ({refusal.code}: {refusal.message}).",
        )

    def _for_a_person(self, intent: Intent, order_id: str, progress: Progress | None) -> Park:
        begun = progress.begun if progress is not None else "nothing"
        how_far = "nothing of it is picked yet" if begun == "nothing" else f"it is {begun} already"
        return Park(
            REQUESTED,
            REQUEST_CAUSE,
            f"The buyer of order {order_id} of shop {intent.fact.shop} asks to cancel it; {how_far}.",
        )

    def _answered(self, intent: Intent, reason: str) -> Applied:
        with self._ledger.begin() as tx:
            tx.exceptions.clear(
                channel=intent.fact.channel,
                shop=intent.fact.shop,
                subject=self.subject(intent),
                reason=reason,
                kinds=self.clears,
            )
        return Applied(note=reason)

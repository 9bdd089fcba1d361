"""Who may cancel what, and when: buyers ask, sellers answer or cancel themselves, TikTok cleans up (T 6).

Whatever cancels an order or a unit leaves a cancellation behind. A buyer's request for an order that
may be shipped waits for the seller, at most a day; meanwhile nothing of the order can be shipped.

Everything here runs inside a change of the world; a `Refusal` undoes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tiktok_ns_pipeline.sandbox import cancel_reasons
from tiktok_ns_pipeline.sandbox.cancellations import Cancellation, CancelStatus
from tiktok_ns_pipeline.sandbox.catalogue import Shop, shop_of
from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.markets import MARKETS
from tiktok_ns_pipeline.sandbox.order_store import Event, Order
from tiktok_ns_pipeline.sandbox.refusals import refused
from tiktok_ns_pipeline.sandbox.world_events import cancellation_event

if TYPE_CHECKING:
    from tiktok_ns_pipeline.sandbox.world import World

ANSWER_WITHIN_S = 86_400
_REFUNDED_AFTER_S = 3_600

# Events of a cancellation rather than of an order.
REFUND = "refund"
UNANSWERED = "unanswered"


class Cancelling:
    """The cancellations of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._store = world.store.cancellations

    # What buyers do

    def ask(self, order: Order, at: int, reason: str = cancel_reasons.BY_DEFAULT) -> str:
        """The buyer wants the order cancelled; gives the cancel id. Raises ValueError when it is too
        late, or when a request waits already."""
        facts = order.facts
        if facts.open_request:
            raise ValueError(f"order {facts.order_id} has a request already: {facts.open_request}")
        if facts.status not in {Status.unpaid, Status.on_hold, Status.awaiting_shipment}:
            raise ValueError(f"order {facts.order_id} is {facts.status}: its buyer cannot cancel any more")
        late = at > order.document["rts_sla_time"]
        if facts.status is not Status.awaiting_shipment or late or facts.by_tiktok_warehouse:
            return self._cancel(order, at, reason, "BUYER")
        made = self._made(
            order, at, reason=reason, role="BUYER", line_ids=[one.id for one in facts.active_lines]
        )
        made.status = CancelStatus.pending
        made.deadline = int(at + ANSWER_WITHIN_S / self._world.speed)
        self._store.add(made)
        facts.open_request = made.id
        order.document["request_cancel_time"] = at
        self._show_request(order, at, open_=True)
        self._world.store.schedule(Event(made.deadline, order.number, facts.status.value, UNANSWERED))
        self._tell(made, at)
        return made.id

    def withdraw(self, order: Order, at: int) -> None:
        """The buyer wants the order after all; nothing happens when no request waits."""
        self._close_request(order, at, "withdraw")

    # What sellers do

    def found(self, shop: Shop, cancel_id: str) -> Cancellation:
        """A cancellation of the shop; raises Refusal when it has none such."""
        one = self._store.cancellation(cancel_id)
        if one is None:
            raise refused(25007006)
        if one.shop != shop.key:
            raise refused(25020005)
        return one

    def approve(self, shop: Shop, cancel_id: str, key: str) -> None:
        """The seller lets the order go. The same key twice is one answer."""
        with self._world.changing():
            one = self.found(shop, cancel_id)
            if one.answer == "approve" and key and key in one.keys:
                return
            order = self._world.found(one.order_id)
            if order.facts.by_tiktok_warehouse:
                raise refused(25011026)
            if one.status is CancelStatus.cancelled:
                raise refused(25020009 if one.answer == "withdraw" else 25011012)
            if one.status is not CancelStatus.pending:
                raise refused(25011012)
            one.keys.append(key)
            self._store.save(one)
            at = self._world.epoch()
            self._cancel(order, at, cancel_reasons.text_of(one.reason, shop.region), "BUYER")
            self._world.store.save(order)

    def reject(self, shop: Shop, cancel_id: str, reason: str, key: str) -> None:
        """The seller ships nevertheless. The same key twice is one answer."""
        with self._world.changing():
            one = self.found(shop, cancel_id)
            if one.answer == "reject" and key and key in one.keys:
                return
            order = self._world.found(one.order_id)
            if order.facts.by_tiktok_warehouse:
                raise refused(25011026)
            if one.status in {CancelStatus.success, CancelStatus.complete}:
                raise refused(25020010)
            if one.status is not CancelStatus.pending:
                raise refused(25011011)
            if reason not in cancel_reasons.reject_reasons(shop.region):
                raise refused(25001014)
            one.keys.append(key)
            self._store.save(one)
            self._close_request(order, self._world.epoch(), "reject")
            self._world.store.save(order)

    def by_seller(self, shop: Shop, order_id: str, reason: str, line_ids: Sequence[str]) -> Cancellation:
        """The seller cancels an order, or single units of it that are out of stock (T 6.1, 6.2)."""
        with self._world.changing():
            order = self._world.store.order(order_id)
            if order is None or order.facts.shop != shop.key:
                raise refused(25007006)
            self._check_seller(shop, order, reason)
            at = self._world.epoch()
            text = cancel_reasons.text_of(reason, shop.region)
            named = set(line_ids)
            active = {line.id for line in order.facts.active_lines}
            if not named <= active:
                raise refused(25005011)
            if not named or named == active:
                self._cancel(order, at, text, "SELLER")
            else:
                self._check_units(shop, order, reason, named)
                self._world.life.drop_lines(order, at, sorted(named), text, "SELLER")
            self._world.store.save(order)
            return self._store.of_order(order_id)[-1]

    def _check_seller(self, shop: Shop, order: Order, reason: str) -> None:
        facts = order.facts
        if facts.by_tiktok_warehouse:
            raise refused(25011026)
        if facts.status in {Status.delivered, Status.completed, Status.cancelled}:
            raise refused(25001051)
        if facts.status is Status.in_transit:
            raise refused(25001045)
        if facts.open_request:
            raise refused(25001011)
        paid = facts.status is not Status.unpaid
        if reason in cancel_reasons.seller_reasons(shop.region, paid=paid):
            return
        if reason in cancel_reasons.seller_reasons(shop.region, paid=not paid):
            raise refused(25001021)
        raise refused(25001015 if reason in cancel_reasons.buyer_reasons(shop.region) else 25001014)

    def _check_units(self, shop: Shop, order: Order, reason: str, named: set[str]) -> None:
        if not MARKETS[shop.region].cancels_lines or not reason.startswith(cancel_reasons.OUT_OF_STOCK):
            raise refused(25005010)
        if not named <= {line.id for line in order.facts.open_lines}:
            raise refused(25001045)

    # What follows

    def entered(self, order: Order, at: int) -> None:
        """The order is cancelled: its open request is approved, or a cancellation is made."""
        document, facts = order.document, order.facts
        facts.cancelled_at = at
        role = document.get("cancellation_initiator") or "SYSTEM"
        if facts.open_request and role == "BUYER":
            one = self._store.cancellation(facts.open_request)
            assert one is not None
            self._end_request(order, at)
            one.answer, one.updated_at = "approve", at
            self._refund(order, one, at, add=False)
            return
        self._close_request(order, at, "withdraw")
        line_ids = [line.id for line in facts.active_lines]
        reason = document.get("cancel_reason") or "platform_cancel"
        self._refund(order, self._made(order, at, reason=reason, role=role, line_ids=line_ids), at, add=True)

    def lines_dropped(self, order: Order, at: int, line_ids: Sequence[str], reason: str, role: str) -> None:
        """Units were cancelled while the order lives on."""
        made = self._made(order, at, reason=reason, role=role, line_ids=line_ids)
        made.type, made.whole = "CANCEL", False
        self._refund(order, made, at, add=True)

    def left_behind(self, order: Order, at: int) -> None:
        """The order went on without an answer to its request, which is void now."""
        self._close_request(order, at, "withdraw")

    def unanswered(self, order: Order, at: int) -> None:
        """A day is over: a request that still waits is approved."""
        one = self._store.cancellation(order.facts.open_request or "")
        if one is not None and one.deadline is not None and one.deadline <= at:
            text = cancel_reasons.text_of(one.reason, shop_of(one.shop).region)
            self._cancel(order, at, text, "BUYER")

    def happen(self, what: str, at: int) -> None:
        """An event of a cancellation: the buyer has the money back."""
        one = self._store.cancellation(what.split(":")[1])
        if one is not None and one.status is CancelStatus.success:
            one.status, one.updated_at = CancelStatus.complete, at
            self._store.save(one)
            self._tell(one, at)

    # Within

    def _cancel(self, order: Order, at: int, reason: str, role: str) -> str:
        self._world.life.cancel(order, at, reason, role)
        return self._store.of_order(order.facts.order_id)[-1].id

    def _made(
        self, order: Order, at: int, *, reason: str, role: str, line_ids: Sequence[str]
    ) -> Cancellation:
        facts, document = order.facts, order.document
        return Cancellation(
            id=self._store.new_id(facts.order_id),
            shop=facts.shop,
            order_id=facts.order_id,
            user_id=str(document.get("user_id")),
            type="BUYER_CANCEL" if role == "BUYER" else "CANCEL",
            role=role,
            status=CancelStatus.success,
            reason=cancel_reasons.name_of(reason, shop_of(facts.shop).region),
            line_ids=list(line_ids),
            whole=True,
            created_at=at,
            updated_at=at,
            paid=bool(document.get("paid_time")),
        )

    def _refund(self, order: Order, one: Cancellation, at: int, *, add: bool) -> None:
        """The cancellation is done; money that was paid is back a little later."""
        one.status = CancelStatus.success if one.paid else CancelStatus.complete
        if add:
            self._store.add(one)
        else:
            self._store.save(one)
        if one.paid:
            due = at + _REFUNDED_AFTER_S / self._world.speed
            self._world.store.schedule(Event(due, order.number, "", f"{REFUND}:{one.id}"))
        self._tell(one, at)

    def _close_request(self, order: Order, at: int, answer: str) -> None:
        if not order.facts.open_request:
            return
        one = self._store.cancellation(order.facts.open_request)
        assert one is not None
        self._end_request(order, at)
        one.status, one.answer, one.updated_at = CancelStatus.cancelled, answer, at
        self._store.save(one)
        self._tell(one, at)

    def _end_request(self, order: Order, at: int) -> None:
        order.facts.open_request = None
        self._show_request(order, at, open_=False)

    def _show_request(self, order: Order, at: int, *, open_: bool) -> None:
        order.document["is_buyer_request_cancel"] = open_
        order.document["update_time"] = max(at, order.document.get("update_time") or 0)

    def _tell(self, one: Cancellation, at: int) -> None:
        self._world.tell(
            cancellation_event(
                one.shop,
                one.order_id,
                one.id,
                role=one.role,
                status=one.status.value,
                created=one.created_at,
                at=at,
            )
        )

"""Buyers send back or want their money back; sellers answer, and TikTok answers for them (T 6.1, 6.4).

    pending -> [awaiting the buyer -> on its way -> received] -> success -> complete
       |-> rejected, withdrawn          |-> parcel refused

A request that nobody answers within two days is approved. What is complete is refunded: where the world
settles, its transaction follows. While a return is open, its order does not settle.

Everything here runs inside a change of the world; a `Refusal` undoes it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from tiktok_ns_pipeline.sandbox.catalogue import Shop
from tiktok_ns_pipeline.sandbox.facts import ZERO, OrderFacts, Status
from tiktok_ns_pipeline.sandbox.markets import TIKTOK_CARRIER
from tiktok_ns_pipeline.sandbox.order_store import Event, Order
from tiktok_ns_pipeline.sandbox.refusals import refused
from tiktok_ns_pipeline.sandbox.returns import (
    IN_VAIN,
    OVER,
    REFUND,
    RETURN_AND_REFUND,
    Return,
    ReturnStatus,
    ReturnStore,
)
from tiktok_ns_pipeline.sandbox.world_events import return_event

if TYPE_CHECKING:
    from tiktok_ns_pipeline.sandbox.world import World

RETURN = "return"
"""Events of a return rather than of an order: `return:<what>:<return id>`."""

ANSWER_WITHIN_S = 48 * 3_600
_SENDS_WITHIN_S = 5 * 86_400
_HOUR, _DAY = 3_600, 86_400

_RETURNABLE = {Status.delivered, Status.completed}
_REFUNDABLE = _RETURNABLE | {Status.in_transit}

NO_LONGER_NEEDED = "ecom_order_delivered_refund_and_return_reason_no_need"
NOT_RECEIVED = "ecom_order_delivered_refund_reason_not_received"
BY_SELLER = "ecom_order_delivered_refund_reason_missing_product_seller"
REASONS = {
    NO_LONGER_NEEDED: "No longer needed",
    NOT_RECEIVED: "Package not received",
    BY_SELLER: "A product is missing",
}
REJECT_REASONS = {
    "reverse_reject_request_reason_1": "Agreed with the buyer",
    "reverse_reject_request_reason_4": "The return window is over",
    "reverse_reject_return_parcel_reason_1": "The parcel is empty or wrong",
}

# Decision -> (types, the state that it answers, the state that follows).
_APPROVALS: dict[str, tuple[frozenset[str], ReturnStatus, ReturnStatus]] = {
    "APPROVE_REFUND": (
        frozenset({REFUND, RETURN_AND_REFUND}),
        ReturnStatus.pending,
        ReturnStatus.success,
    ),
    "APPROVE_RETURN": (
        frozenset({RETURN_AND_REFUND}),
        ReturnStatus.pending,
        ReturnStatus.awaiting_ship,
    ),
    "APPROVE_RECEIVED_PACKAGE": (
        frozenset({RETURN_AND_REFUND}),
        ReturnStatus.shipped,
        ReturnStatus.success,
    ),
}
_REJECTIONS: dict[str, tuple[frozenset[str], ReturnStatus, ReturnStatus]] = {
    "REJECT_REFUND": (frozenset({REFUND}), ReturnStatus.pending, ReturnStatus.rejected),
    "REJECT_RETURN": (frozenset({RETURN_AND_REFUND}), ReturnStatus.pending, ReturnStatus.rejected),
    "REJECT_RECEIVED_PACKAGE": (
        frozenset({RETURN_AND_REFUND}),
        ReturnStatus.shipped,
        ReturnStatus.not_received,
    ),
}
DECISIONS = (*_APPROVALS, *_REJECTIONS)


@dataclass(frozen=True, slots=True)
class RefundTruth:
    """What the books must show of a return."""

    shop: str
    order_id: str
    return_id: str
    type: str
    status: str
    line_ids: tuple[str, ...]
    refunded: bool
    """The buyer has the money back."""
    goods_come_back: bool
    to_buyer: Decimal
    """What the buyer gets, with tax on top and shipping."""
    owed_less: Decimal
    """By how much TikTok owes the seller less for the order (`OrderTruth.owed`)."""


class Returning:
    """The returns of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.store = ReturnStore(world.store.database)

    # What buyers do

    def ask(
        self,
        order_id: str,
        line_ids: Sequence[str] | None = None,
        *,
        kind: str = RETURN_AND_REFUND,
        reason: str = NO_LONGER_NEEDED,
        quick: bool = False,
    ) -> str:
        """The buyer wants these units' money back (all if none are named); gives the return id.

        Raises ValueError when the order is not there yet, or a unit is in another return.
        """
        with self._world.changing():
            order = self._world.found(order_id)
            at = self._world.epoch()
            return self._begin(order, at, line_ids, kind, reason, "BUYER", quick=quick).id

    def withdraw(self, return_id: str) -> None:
        """The buyer keeps everything after all; raises ValueError when it is too late."""
        with self._world.changing():
            one = self._known(return_id)
            if one.status not in {ReturnStatus.pending, ReturnStatus.awaiting_ship}:
                raise ValueError(f"return {return_id} is {one.status}: it cannot be withdrawn")
            self._enter(one, ReturnStatus.cancelled, self._world.epoch(), "BUYER")

    def send_back(self, return_id: str) -> str:
        """The buyer hands the goods to the carrier; gives the tracking number. Raises ValueError when
        nobody waits for them."""
        with self._world.changing():
            one = self._known(return_id)
            if one.status is not ReturnStatus.awaiting_ship:
                raise ValueError(f"return {return_id} is {one.status}: nothing is to be sent")
            self._sent(one, self._world.epoch())
            return one.tracking

    # What sellers do

    def of_shop(self, shop: Shop, return_id: str) -> Return:
        """A return of the shop; raises Refusal when it has none such."""
        one = self.store.found(return_id)
        if one is None:
            raise refused(25007006)
        if one.shop != shop.key:
            raise refused(25020005)
        return one

    def decide(self, shop: Shop, return_id: str, decision: str, key: str, reason: str = "") -> None:
        """The seller approves or rejects. The same decision with the same key is one answer."""
        rejects = decision in _REJECTIONS
        with self._world.changing():
            one = self.of_shop(shop, return_id)
            taken = f"{decision} {key}"
            if key and taken in one.keys:
                return
            if rejects and reason not in REJECT_REASONS:
                raise refused(25001014)
            types, answers, follows = (_REJECTIONS if rejects else _APPROVALS)[decision]
            if one.type not in types:
                raise refused(25020004)
            if one.status is not answers:
                raise refused(_refusal(one, rejects=rejects))
            one.keys.append(taken)
            self._enter(one, follows, self._world.epoch(), "SELLER")

    def by_seller(self, shop: Shop, order_id: str, kind: str, reason: str, line_ids: Sequence[str]) -> Return:
        """The seller refunds, or lets the buyer send back, without being asked (T 6.2)."""
        with self._world.changing():
            order = self._world.store.order(order_id)
            if order is None or order.facts.shop != shop.key:
                raise refused(25007006)
            if reason not in REASONS:
                raise refused(25001014)
            if order.facts.status not in _REFUNDABLE:
                raise refused(25001003)
            if not set(line_ids) <= {line.id for line in order.facts.active_lines}:
                raise refused(25005011)
            try:
                one = self._begin(order, self._world.epoch(), line_ids or None, kind, reason, "SELLER")
            except ValueError:
                raise refused(25001011) from None
            follows = ReturnStatus.success if kind == REFUND else ReturnStatus.awaiting_ship
            self._enter(one, follows, self._world.epoch(), "SELLER")
            return one

    # What is known

    def is_open(self, order_id: str) -> bool:
        """Whether a return of the order is not over."""
        return any(one.status not in OVER for one in self.store.of_order(order_id))

    def truth(self) -> list[RefundTruth]:
        """What the books must show of every return, oldest first."""
        return [self._truth(one) for one in self.store.all()]

    # What follows

    def followed(self, order: Order, at: int) -> None:
        """The order is delivered: its buyer may think better of it."""
        rate = self._world.mix.returned
        if not rate or order.facts.status is not Status.delivered:
            return
        chance = self._chance(order.facts.order_id)
        if chance.random() < rate:
            due = at + chance.uniform(0.2, 6) * _DAY / self._world.speed
            self._world.store.schedule(Event(due, order.number, "", f"{RETURN}:ask:"))

    def happen(self, event: Event, at: int) -> None:
        """Something of a return is due, unless it has moved on."""
        _, what, return_id = event.what.split(":")
        if what == "ask":
            self._ask_by_chance(self._world.store.order_number(event.number), at)
            return
        one = self._known(return_id)
        match what, one.status:
            case "unanswered", ReturnStatus.pending:
                answered = ReturnStatus.success if one.type == REFUND else ReturnStatus.awaiting_ship
                self._enter(one, answered, at, "SYSTEM")
            case "unanswered", ReturnStatus.shipped:
                self._enter(one, ReturnStatus.success, at, "SYSTEM")
            case "send", ReturnStatus.awaiting_ship:
                self._sent(one, at)
            case "expire", ReturnStatus.awaiting_ship:
                self._enter(one, ReturnStatus.cancelled, at, "SYSTEM")
            case "refund", ReturnStatus.success:
                self._enter(one, ReturnStatus.complete, at, "SYSTEM")
            case _:
                return

    # Within

    def _begin(
        self,
        order: Order,
        at: int,
        line_ids: Sequence[str] | None,
        kind: str,
        reason: str,
        role: str,
        *,
        quick: bool = False,
    ) -> Return:
        facts = order.facts
        if facts.status not in (_REFUNDABLE if kind == REFUND else _RETURNABLE):
            raise ValueError(f"order {facts.order_id} is {facts.status}: nothing of it can be returned")
        past = self.store.of_order(facts.order_id)
        taken = {line_id for one in past if one.status not in IN_VAIN for line_id in one.line_ids}
        free = [line.id for line in facts.active_lines if line.id not in taken]
        wanted = list(free if line_ids is None else line_ids)
        if not wanted or not set(wanted) <= set(free):
            raise ValueError(f"order {facts.order_id} has no such units that are in no return yet")
        one = Return(
            self.store.new_id(),
            facts.shop,
            facts.order_id,
            str(order.document.get("user_id")),
            kind,
            ReturnStatus.pending,
            at,
            at,
            role,
            reason,
            wanted,
            set(wanted) == set(free),
            deadline=int(at + ANSWER_WITHIN_S / self._world.speed),
            quick=quick,
            history=[(at, role, "The request was made")],
        )
        self.store.add(one)
        self._later(one, one.deadline or at, "unanswered")
        self._tell(one)
        return one

    def _enter(self, one: Return, status: ReturnStatus, at: int, role: str) -> None:
        one.status, one.updated_at, one.deadline = status, at, None
        one.history.append((at, role, status.value))
        match status:
            case ReturnStatus.awaiting_ship:
                if self._chance(one.id).random() < 0.9:
                    self._later(one, at + 1.5 * _DAY / self._world.speed, "send")
                self._later(one, at + _SENDS_WITHIN_S / self._world.speed, "expire")
            case ReturnStatus.shipped:
                one.deadline = int(at + (3 * _DAY + ANSWER_WITHIN_S) / self._world.speed)
                self._later(one, one.deadline, "unanswered")
            case ReturnStatus.success:
                self._later(one, at + _HOUR / self._world.speed, "refund")
            case ReturnStatus.complete:
                one.whole = self._is_last(one)
                self._world.finance.refund_units(one.order_id, at, one.line_ids)
            case _:
                pass
        self.store.save(one)
        self._tell(one)

    def _is_last(self, one: Return) -> bool:
        """Whether with this return nothing of the order is left that was not refunded."""
        facts = self._world.found(one.order_id).facts
        done = {
            line_id
            for other in self.store.of_order(one.order_id)
            if other.status is ReturnStatus.complete
            for line_id in other.line_ids
        }
        return {line.id for line in facts.active_lines} <= {*done, *one.line_ids}

    def _sent(self, one: Return, at: int) -> None:
        one.tracking = f"RT{int(one.id) % 10_000_000_000:010d}"
        one.provider_id, one.provider = TIKTOK_CARRIER.id, TIKTOK_CARRIER.name
        self._enter(one, ReturnStatus.shipped, at, "BUYER")
        if one.quick:
            self._enter(one, ReturnStatus.success, at, "SYSTEM")

    def _ask_by_chance(self, order: Order, at: int) -> None:
        if order.facts.status not in _RETURNABLE or self.store.of_order(order.facts.order_id):
            return
        chance = self._chance(f"asks {order.facts.order_id}")
        kind = RETURN_AND_REFUND if chance.random() < 0.7 else REFUND
        lines = order.facts.active_lines
        some = None if chance.random() < 0.5 else [chance.choice(lines).id]
        reason = NO_LONGER_NEEDED if kind == RETURN_AND_REFUND else NOT_RECEIVED
        self._begin(order, at, some, kind, reason, "BUYER", quick=chance.random() < 0.2)

    def _truth(self, one: Return) -> RefundTruth:
        facts = self._world.found(one.order_id).facts
        to_buyer = refund_amounts(facts, one.line_ids, whole=one.whole)
        lines = [line for line in facts.lines if line.id in one.line_ids]
        shipping = facts.shipping.fee if one.whole and facts.by_seller else ZERO
        return RefundTruth(
            shop=one.shop,
            order_id=one.order_id,
            return_id=one.id,
            type=one.type,
            status=one.status.value,
            line_ids=tuple(one.line_ids),
            refunded=one.status is ReturnStatus.complete,
            goods_come_back=bool(one.tracking),
            to_buyer=sum(to_buyer, ZERO),
            owed_less=sum((line.price - line.seller_discount for line in lines), shipping),
        )

    def _known(self, return_id: str) -> Return:
        one = self.store.found(return_id)
        if one is None:
            raise KeyError(f"the world has no return {return_id}")
        return one

    def _chance(self, subject: str) -> random.Random:
        return random.Random(f"returns {self._world.seed} {subject}")

    def _later(self, one: Return, due: float, what: str) -> None:
        self._world.store.schedule(Event(due, 0, "", f"{RETURN}:{what}:{one.id}"))

    def _tell(self, one: Return) -> None:
        self._world.tell(return_event(one))


def refund_amounts(
    facts: OrderFacts, line_ids: Sequence[str], *, whole: bool
) -> tuple[Decimal, Decimal, Decimal]:
    """What the buyer gets for units: goods, shipping, and tax on top (T 6.5)."""
    lines = [line for line in facts.lines if line.id in line_ids]
    tax = sum((line.tax for line in lines), facts.shipping.tax if whole else ZERO)
    fee = facts.shipping.fee if whole else ZERO
    return sum((line.sale_price for line in lines), ZERO), fee, tax


def _refusal(one: Return, *, rejects: bool) -> int:
    if one.status is ReturnStatus.cancelled:
        return 25020009
    if rejects and one.status in {ReturnStatus.success, ReturnStatus.complete, ReturnStatus.awaiting_ship}:
        return 25020010
    return 25011011 if rejects else 25011012

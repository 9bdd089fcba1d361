"""Buyers send back or want their money back; sellers answer, and TikTok answers for them (T 6.1, 6.4).

    pending -> [awaiting the buyer -> on its way -> received] -> success -> complete
       |-> rejected, withdrawn          |-> parcel refused
       |-> a part is offered -> success, or pending again
    replacement pending -> replaced by a new order, or refunded; rejected, withdrawn

A request that nobody answers within two days is approved. What is complete is refunded: where the world
settles, its transaction follows. While a return is open, its order does not settle. What follows where
buyer and seller disagree is in `disputes`.

Everything here runs inside a change of the world; a `Refusal` undoes it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.sandbox.catalogue import Shop, listing_by_id
from tiktok_ns_pipeline.sandbox.disputes import Disputes
from tiktok_ns_pipeline.sandbox.facts import ZERO, Status
from tiktok_ns_pipeline.sandbox.markets import TIKTOK_CARRIER
from tiktok_ns_pipeline.sandbox.order_store import Event, Order
from tiktok_ns_pipeline.sandbox.placing import Line
from tiktok_ns_pipeline.sandbox.refusals import refused
from tiktok_ns_pipeline.sandbox.return_rules import (
    APPROVALS,
    NO_LONGER_NEEDED,
    NOT_RECEIVED,
    OFFER,
    REASONS,
    REJECT_REASONS,
    REJECTIONS,
    buyer_gets,
    owed_less,
    refund_amounts,
    refusal_code,
)
from tiktok_ns_pipeline.sandbox.returns import (
    REFUND,
    REFUNDED,
    REPLACEMENT,
    RETURN_AND_REFUND,
    RefundTruth,
    Return,
    ReturnStatus,
    ReturnStore,
)
from tiktok_ns_pipeline.sandbox.tiktok_stock import TurnedAway
from tiktok_ns_pipeline.sandbox.world_events import return_event

if TYPE_CHECKING:
    from tiktok_ns_pipeline.sandbox.world import World

RETURN = "return"
"""Events of a return rather than of an order: `return:<what>:<return id>`."""

ANSWER_WITHIN_S = 48 * 3_600
_SENDS_WITHIN_S = 5 * 86_400
_HOUR, _DAY = 3_600, 86_400

_WITHDRAWN = {
    ReturnStatus.pending: ReturnStatus.cancelled,
    ReturnStatus.awaiting_ship: ReturnStatus.cancelled,
    ReturnStatus.awaiting_buyer: ReturnStatus.cancelled,
    ReturnStatus.replacement_pending: ReturnStatus.replacement_cancelled,
}
_SENT_ONCE_MORE = {
    Status.awaiting_collection: ((0.5 * _DAY, "collect"),),
    Status.in_transit: ((2.0 * _DAY, "deliver"),),
    Status.delivered: ((7.0 * _DAY, "complete"),),
}
"""What becomes of a parcel that replaces another, once it was handed in."""
_RETURNABLE = {Status.delivered, Status.completed}
_REFUNDABLE = _RETURNABLE | {Status.in_transit}


class Returning:
    """The returns of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.store = ReturnStore(world.store.database)
        self.disputes = Disputes(world, self)

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
            return self.begin(order, at, line_ids, kind, reason, "BUYER", quick=quick).id

    def withdraw(self, return_id: str) -> None:
        """The buyer keeps everything after all; raises ValueError when it is too late."""
        with self._world.changing():
            one = self.known(return_id)
            ends = _WITHDRAWN.get(one.status)
            if ends is None:
                raise ValueError(f"return {return_id} is {one.status}: it cannot be withdrawn")
            self.enter(one, ends, self._world.epoch(), "BUYER")

    def send_back(self, return_id: str) -> str:
        """The buyer hands the goods to the carrier; gives the tracking number. Raises ValueError when
        nobody waits for them."""
        with self._world.changing():
            one = self.known(return_id)
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

    def decide(
        self,
        shop: Shop,
        return_id: str,
        decision: str,
        key: str,
        reason: str = "",
        *,
        keeps: bool = False,
        offer: Decimal | None = None,
    ) -> None:
        """The seller approves or rejects; the buyer may keep the goods, or is offered a part of the money.
        The same decision with the same key is one answer."""
        with self._world.changing():
            one = self.of_shop(shop, return_id)
            taken = f"{decision} {key}"
            if key and taken in one.keys:
                return
            if decision in REJECTIONS and reason not in REJECT_REASONS:
                raise refused(25001014)
            row = (APPROVALS | REJECTIONS)[decision]
            if one.type not in row.types:
                raise refused(25020004)
            order = self._world.found(one.order_id)
            if decision.endswith("_RECEIVED_PACKAGE") and order.facts.by_tiktok_warehouse:
                raise refused(25011026)
            if one.status is not row.answers:
                raise refused(refusal_code(one, decision))
            follows = row.follows
            if decision == OFFER:
                goods, _, _ = refund_amounts(order.facts, one.line_ids, whole=False)
                if offer is None or not ZERO < offer < goods:
                    raise refused(25005005)
                one.offer, one.offer_refused = str(offer), False
            elif keeps and one.type == RETURN_AND_REFUND and decision in APPROVALS:
                one.keeps, follows = True, ReturnStatus.success
            one.keys.append(taken)
            self.enter(one, follows, self._world.epoch(), "SELLER")

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
                one = self.begin(order, self._world.epoch(), line_ids or None, kind, reason, "SELLER")
            except ValueError:
                raise refused(25001011) from None
            follows = ReturnStatus.success if kind == REFUND else ReturnStatus.awaiting_ship
            self.enter(one, follows, self._world.epoch(), "SELLER")
            return one

    # What is known

    def is_open(self, order_id: str) -> bool:
        """Whether a return of the order is not over."""
        return any(not one.is_over for one in self.store.of_order(order_id))

    def taken(self, order_id: str) -> set[str]:
        """Units of the order (line ids) that are in a return which is not in vain."""
        past = self.store.of_order(order_id)
        return {line_id for one in past if not one.is_in_vain for line_id in one.line_ids}

    def truth(self) -> list[RefundTruth]:
        """What the books must show of every return, oldest first."""
        return [self._truth(one) for one in self.store.all()]

    def truth_of(self, return_id: str) -> RefundTruth:
        """What the books must show of a return; raises KeyError when there is none such."""
        return self._truth(self.known(return_id))

    # What follows

    def followed(self, order: Order, at: int) -> None:
        """The order is delivered: its buyer may think better of it."""
        rate = self._world.mix.returned
        if not rate or order.facts.status is not Status.delivered:
            return
        chance = self._chance(order.facts.order_id)
        if chance.random() < rate:
            due = at + chance.uniform(0.2, 6) * _DAY / self._world.later_speed
            self._world.store.schedule(Event(due, order.number, "", f"{RETURN}:ask:"))

    def happen(self, event: Event, at: int) -> None:
        """Something of a return is due, unless it has moved on."""
        _, what, return_id = event.what.split(":")
        if what == "ask":
            self._ask_by_chance(self._world.store.order_number(event.number), at)
            return
        one = self.known(return_id)
        match what, one.status:
            case "unanswered", _ if one.deadline is not None and one.deadline <= at:
                self._unanswered(one, at)
            case "send", ReturnStatus.awaiting_ship:
                self._sent(one, at)
            case "expire", ReturnStatus.awaiting_ship:
                self.enter(one, ReturnStatus.cancelled, at, "SYSTEM")
            case "refund", ReturnStatus.success:
                self.enter(one, ReturnStatus.complete, at, "SYSTEM")
            case _:
                self.disputes.happen(what, one, self._chance(f"{what} {one.id}"))

    # Within

    def begin(
        self,
        order: Order,
        at: int,
        line_ids: Sequence[str] | None,
        kind: str,
        reason: str,
        role: str,
        *,
        quick: bool = False,
        instead_of: str = "",
    ) -> Return:
        """A new return of units that are in none. Raises ValueError when there are no such units."""
        facts = order.facts
        if facts.status not in (_REFUNDABLE if kind == REFUND else _RETURNABLE):
            raise ValueError(f"order {facts.order_id} is {facts.status}: nothing of it can be returned")
        taken = self.taken(facts.order_id)
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
            ReturnStatus.replacement_pending if kind == REPLACEMENT else ReturnStatus.pending,
            at,
            at,
            role,
            reason,
            wanted,
            set(wanted) == set(free),
            deadline=int(at + ANSWER_WITHIN_S / self._world.later_speed),
            quick=quick,
            pre_id=instead_of,
            history=[(at, role, "The request was made")],
        )
        self.store.add(one)
        self.later(one, one.deadline or at, "unanswered")
        self._disputed(one, at)
        self.tell(one)
        return one

    def enter(self, one: Return, status: ReturnStatus, at: int, role: str) -> None:
        """The return enters a state, with all that follows."""
        if status is ReturnStatus.replaced:
            one.new_order_id = self._replace(one, at)
            status = status if one.new_order_id else ReturnStatus.replacement_refunded
        one.status, one.updated_at, one.deadline = status, at, None
        one.history.append((at, role, status.value))
        match status:
            case ReturnStatus.pending | ReturnStatus.awaiting_buyer:
                self._answer_until(one, at + ANSWER_WITHIN_S / self._world.later_speed)
            case ReturnStatus.awaiting_ship:
                if self._chance(one.id).random() < 0.9:
                    self.later(one, at + 1.5 * _DAY / self._world.later_speed, "send")
                self.later(one, at + _SENDS_WITHIN_S / self._world.later_speed, "expire")
            case ReturnStatus.shipped:
                self._answer_until(one, at + (3 * _DAY + ANSWER_WITHIN_S) / self._world.later_speed)
            case ReturnStatus.success:
                self.later(one, at + _HOUR / self._world.later_speed, "refund")
            case ReturnStatus.complete | ReturnStatus.replacement_refunded:
                self._refund(one, at)
            case _:
                pass
        self._disputed(one, at)
        self.store.save(one)
        self.tell(one)

    def _answer_until(self, one: Return, due: float) -> None:
        one.deadline = int(due)
        self.later(one, one.deadline, "unanswered")

    def _unanswered(self, one: Return, at: int) -> None:
        match one.status:
            case ReturnStatus.pending:
                answered = ReturnStatus.success if one.type == REFUND else ReturnStatus.awaiting_ship
            case ReturnStatus.replacement_pending:
                answered = ReturnStatus.replaced
            case ReturnStatus.awaiting_buyer:
                answered = ReturnStatus.cancelled
            case _:
                answered = ReturnStatus.success
        self.enter(one, answered, at, "SYSTEM")

    def _refund(self, one: Return, at: int) -> None:
        finance = self._world.finance
        if one.taken:
            one.whole = False
            finance.refund_part(one.order_id, at, one.line_ids, Decimal(one.offer))
            return
        one.whole = self._is_last(one)
        finance.refund_units(one.order_id, at, one.line_ids)

    def _replace(self, one: Return, at: int) -> str:
        """The order that brings the units once more, free of charge; none where they are sold out."""
        facts = self._world.found(one.order_id).facts
        skus = [listing_by_id(line.sku_id) for line in facts.lines if line.id in one.line_ids]
        flags = {"is_replacement_order": True, "replaced_order_id": one.order_id}
        try:
            return self._world.place_order(
                one.shop,
                [Line(sku.seller_sku, price="0") for sku in skus if sku is not None],
                flags=flags,
                address=facts.address,
                placed_at=from_epoch(at),
                plan={status: list(steps) for status, steps in _SENT_ONCE_MORE.items()},
            )
        except TurnedAway:
            return ""

    def _disputed(self, one: Return, at: int) -> None:
        if self._world.mix.returned:
            chance = self._chance(f"disputes {one.id} {one.status} {len(one.history)}")
            self.disputes.followed(one, at, chance)

    def _is_last(self, one: Return) -> bool:
        """Whether with this return nothing of the order is left that was not refunded."""
        facts = self._world.found(one.order_id).facts
        done = {
            line_id
            for other in self.store.of_order(one.order_id)
            if other.status in REFUNDED and not other.taken
            for line_id in other.line_ids
        }
        return {line.id for line in facts.active_lines} <= {*done, *one.line_ids}

    def _sent(self, one: Return, at: int) -> None:
        one.tracking = f"RT{int(one.id) % 10_000_000_000:010d}"
        one.provider_id, one.provider = TIKTOK_CARRIER.id, TIKTOK_CARRIER.name
        self.enter(one, ReturnStatus.shipped, at, "BUYER")
        if one.quick:
            self.enter(one, ReturnStatus.success, at, "SYSTEM")

    def _ask_by_chance(self, order: Order, at: int) -> None:
        if order.facts.status not in _RETURNABLE or self.store.of_order(order.facts.order_id):
            return
        chance = self._chance(f"asks {order.facts.order_id}")
        kind = RETURN_AND_REFUND if chance.random() < 0.7 else REFUND
        lines = order.facts.active_lines
        some = None if chance.random() < 0.5 else [chance.choice(lines).id]
        reason = NO_LONGER_NEEDED if kind == RETURN_AND_REFUND else NOT_RECEIVED
        quick = chance.random() < 0.2
        if chance.random() < 0.08:
            kind, quick = REPLACEMENT, False
        self.begin(order, at, some, kind, reason, "BUYER", quick=quick)

    def _truth(self, one: Return) -> RefundTruth:
        facts = self._world.found(one.order_id).facts
        return RefundTruth(
            shop=one.shop,
            order_id=one.order_id,
            return_id=one.id,
            type=one.type,
            status=one.status.value,
            line_ids=tuple(one.line_ids),
            refunded=one.status in REFUNDED,
            goods_come_back=bool(one.tracking),
            to_buyer=sum(buyer_gets(one, facts), ZERO),
            owed_less=owed_less(one, facts),
            arbitration=one.arbitration,
            compensated=Decimal(one.compensated or 0),
            next_id=one.next_id,
            new_order_id=one.new_order_id,
        )

    def known(self, return_id: str) -> Return:
        """A return of any shop; raises KeyError when there is none such."""
        one = self.store.found(return_id)
        if one is None:
            raise KeyError(f"the world has no return {return_id}")
        return one

    def _chance(self, subject: str) -> random.Random:
        return random.Random(f"returns {self._world.seed} {subject}")

    def later(self, one: Return, due: float, what: str) -> None:
        """Let something of the return come due."""
        self._world.store.schedule(Event(due, 0, "", f"{RETURN}:{what}:{one.id}"))

    def tell(self, one: Return) -> None:
        """Let the listeners know of its state."""
        self._world.tell(return_event(one))

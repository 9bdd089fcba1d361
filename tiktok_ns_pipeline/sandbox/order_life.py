"""The life of an order: the states that it enters, by itself, by a person, or after its packages (T 3.2).

What an order enters changes its facts, its packages and its cancellations, is shown in its document,
told to the listeners, and lets the next steps of its plan come due. Two ways lead to a state: it is
entered (`enter`), and the packages follow; or packages changed, and the order follows (`settle`).

Everything here runs inside a change of the world, with the order in hand; whoever has it in hand
saves it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tiktok_ns_pipeline.sandbox import shoppers, wire
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.facts import OrderFacts, Status
from tiktok_ns_pipeline.sandbox.order_store import Event, Order
from tiktok_ns_pipeline.sandbox.packages import Package
from tiktok_ns_pipeline.sandbox.parcels import PARCEL
from tiktok_ns_pipeline.sandbox.returning import RETURN
from tiktok_ns_pipeline.sandbox.settling import MONEY
from tiktok_ns_pipeline.sandbox.shown_packages import followed_status
from tiktok_ns_pipeline.sandbox.world_events import address_event, order_status_event

if TYPE_CHECKING:
    from tiktok_ns_pipeline.sandbox.world import World

# TikTok ships nothing of an order whose buyer asks to cancel it; it looks again later.
_LOOK_AT_REQUEST_AGAIN_S = 6 * 3_600


class OrderLife:
    """What happens to the orders of a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def settle(self, order: Order, at: int) -> None:
        """Its packages changed: derive the order's state from them, show it and keep it."""
        self._settle(order, at)
        self._world.store.save(order)

    def cancel(self, order: Order, at: int, reason: str, by: str) -> None:
        """Cancel an order in hand."""
        order.document["cancel_reason"], order.document["cancellation_initiator"] = reason, by
        self.enter(order, Status.cancelled, at)

    def fail_delivery(self, order: Order, at: int) -> None:
        """The parcel of an order in hand comes back: TikTok cancels the order (T 6.1)."""
        self.cancel(order, at, "Parcel refused and returned", "SYSTEM")
        self._world.store.save(order)

    def drop_lines(self, order: Order, at: int, line_ids: Sequence[str], reason: str, by: str) -> None:
        """Cancel units of an order in hand, of which others stay."""
        facts = order.facts
        for line in facts.lines:
            if line.id in line_ids:
                line.cancelled, line.cancelled_at = True, at
                self._world.parcels.release(facts, line, at)
        self._world.cancelling.lines_dropped(order, at, line_ids, reason, by)
        if not facts.spoiled:
            wire.show_lines(order.document, facts, at, reason=reason, by=by)
        self._world.finance.followed(order, at, lines_changed=True)
        self._settle(order, at)

    def schedule(self, number: int, facts: OrderFacts, at: float) -> None:
        """Let come what the order's plan holds for the state that it is in."""
        status = facts.status
        alone = self._world.mix.shipped_by == "itself"
        if not alone and status in _ENDED_BY_PACKAGES:
            return
        for delay, what in facts.plan.get(status, ()):
            if alone or what != "arrange" or facts.by_tiktok_warehouse:
                self._world.store.schedule(Event(at + delay / self._world.speed, number, status, what))

    def happen(self, event: Event) -> int:
        """What was due happens, unless the order has moved on; tells how much did."""
        at = int(event.due)
        if event.what.startswith(MONEY):
            self._world.finance.happen(event, at)
            return 1
        if event.what.startswith(RETURN):
            self._world.returns.happen(event, at)
            return 1
        if not event.during:
            owner = self._world.parcels if event.what.startswith(PARCEL) else self._world.cancelling
            owner.happen(event.what, at)
            return 1
        order = self._world.store.order_number(event.number)
        if order.facts.status != event.during or order.facts.spoiled:
            return 0
        if event.what == "arrange" and order.facts.open_request:
            self._world.store.schedule(
                replace(event, due=event.due + _LOOK_AT_REQUEST_AGAIN_S / self._world.speed)
            )
            return 0
        self._perform(order, event.what, at)
        self._world.store.save(order, only_state=event.what in _ONLY_STATE)
        return 1

    def _perform(self, order: Order, what: str, at: int) -> None:
        status = _ENTERS.get(what)
        if status is not None:
            order.document |= _CANCELLATIONS.get(what, {})
            self.enter(order, status, at)
            return
        match what:
            case "move":
                self.move(order, at, None)
            case "drop_line":
                if len(order.facts.active_lines) > 1:
                    self.drop_line(order, at, None, "BUYER")
            case "ask_to_cancel":
                if not order.facts.open_request:
                    self._world.cancelling.ask(order, at)
            case "withdraw":
                self._world.cancelling.withdraw(order, at)
            case "combine":
                self._world.splitting.combine_by_platform(order)
                self._settle(order, at)
            case _:
                self._world.cancelling.unanswered(order, at)

    def enter(self, order: Order, status: Status, at: int) -> None:
        """The order enters a state; its packages and its cancellations follow."""
        facts, before = order.facts, order.facts.status
        if before is Status.unpaid and status is not Status.cancelled:
            order.document["paid_time"] = at
        facts.status = status
        if status not in {Status.unpaid, Status.on_hold, Status.cancelled} and facts.released_at is None:
            facts.released_at = at
        if status is not Status.cancelled:
            facts.cancelled_at = None
        elif before is not Status.cancelled:
            self._world.cancelling.entered(order, at)
        if status not in BEFORE_SHIPPING:
            self._world.cancelling.left_behind(order, at)
        self._entered(order, self._world.parcels.follow(order.number, facts, at), at)

    def _entered(self, order: Order, packages: Sequence[Package], at: int) -> None:
        if not order.facts.spoiled:
            wire.show_status(order.document, order.facts, packages, at)
        self.tell_status(order.facts, order.document, at)
        self._world.finance.followed(order, at)
        self._world.returns.followed(order, at)
        self.schedule(order.number, order.facts, at)

    def _settle(self, order: Order, at: int) -> None:
        facts = order.facts
        if facts.status not in _LED_BY_PACKAGES:
            return
        before, packages = facts.status, self._world.store.packages.of_order(facts.order_id)
        facts.status = followed_status(facts, packages)
        if facts.status is not before:
            self._entered(order, packages, at)
        elif not facts.spoiled:
            wire.show_packages(order.document, facts, packages, at)

    def move(self, order: Order, at: int, address: Document | None) -> None:
        """The recipient moves, to an invented address if none is given."""
        facts = order.facts
        chance = random.Random(f"move {self._world.seed} {order.number} {at}")
        facts.address = address or shoppers.any_address(shop_of(facts.shop).region, chance)[1]
        order.document["has_updated_recipient_address"] = True
        order.document["update_time"] = max(at, order.document["update_time"])
        self._world.splitting.part_for_address(facts, at)
        self._settle(order, at)
        wire.show_address(order.document, facts)
        self._world.tell(address_event(facts.shop, facts.order_id, at))

    def drop_line(self, order: Order, at: int, line_id: str | None, by: str) -> str:
        """Cancel one unit that is not shipped, the last one if none is named; gives its id."""
        facts = order.facts
        dropped = next((line for line in reversed(facts.open_lines) if line_id in {None, line.id}), None)
        if dropped is None or len(facts.active_lines) == 1:
            raise ValueError(f"order {facts.order_id} has no unit {line_id or ''} to cancel beside others")
        self.drop_lines(order, at, [dropped.id], "Discount not as expected", by)
        return dropped.id

    def tell_status(self, facts: OrderFacts, document: Document, at: int) -> None:
        """Let the listeners know of the state."""
        if self._world.listeners:
            held = document.get("is_on_hold_order") is True
            self._world.tell(order_status_event(facts.shop, facts.order_id, facts.status.value, held, at))


# What happens by itself -> the state that the order enters (T 3.2).
_ENTERS: dict[str, Status] = {
    "pay": Status.on_hold,
    "pay_and_release": Status.awaiting_shipment,
    "release": Status.awaiting_shipment,
    "arrange": Status.awaiting_collection,
    "collect": Status.in_transit,
    "deliver": Status.delivered,
    "complete": Status.completed,
    "time_out": Status.cancelled,
    "regret": Status.cancelled,
    "call_off": Status.cancelled,
    "sla_breach": Status.cancelled,
    "fail_delivery": Status.cancelled,
}
# Of these nothing but the state of an order changes.
_ONLY_STATE = {"pay", "pay_and_release", "release", "collect", "deliver", "complete"}
_CANCELLATIONS: dict[str, Document] = {
    "time_out": {"cancel_reason": "Unpaid", "cancellation_initiator": "SYSTEM"},
    "regret": {"cancel_reason": "No longer needed", "cancellation_initiator": "BUYER"},
    "call_off": {"cancel_reason": "Out of stock", "cancellation_initiator": "SELLER"},
    "sla_breach": {"cancel_reason": "Not shipped in time", "cancellation_initiator": "SYSTEM"},
    "fail_delivery": {"cancel_reason": "Parcel refused and returned", "cancellation_initiator": "SYSTEM"},
}
BEFORE_SHIPPING = {Status.unpaid, Status.on_hold, Status.awaiting_shipment}
# States that follow from the order's packages, and those that end by what happens to a package.
_LED_BY_PACKAGES = {
    Status.awaiting_shipment,
    Status.partially_shipping,
    Status.awaiting_collection,
    Status.in_transit,
    Status.delivered,
}
_ENDED_BY_PACKAGES = {Status.awaiting_collection, Status.in_transit}

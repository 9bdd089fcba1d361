"""What the world tells those who listen: the changes that TikTok announces by webhook (T 8.3).

A `WorldEvent` is told after its change is committed, in the order of the changes, by the thread that
made them and with the world's lock held: a listener notes it down and returns, and does its own work
later. What it raises reaches whoever made the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from tiktok_ns_pipeline.sandbox.returns import Return

EventKind = Literal["order_status", "address", "package", "cancellation", "return"]


@dataclass(frozen=True, slots=True)
class WorldEvent:
    """One change of the world. `at` is its instant in Unix seconds of the world's clock."""

    kind: EventKind
    shop: str
    """Key of the shop, such as `us`."""
    order_id: str
    """The order that changed; of a package of several orders the first one."""
    data: dict[str, Any]
    """The `data` of the webhook, as TikTok spells it (T 8.3)."""
    at: int

    @property
    def webhook_type(self) -> int:
        """The `type` of the webhook that announces it."""
        return _WEBHOOK_TYPES[self.kind]


Listener = Callable[[WorldEvent], None]

_WEBHOOK_TYPES: dict[EventKind, int] = {
    "order_status": 1,
    "address": 3,
    "package": 4,
    "cancellation": 11,
    "return": 12,
}

# The webhook spells one state in its own way and leaves one out (T 3.2, 8.3).
_STATUS_SPELLING = {"CANCELLED": "CANCEL", "PARTIALLY_SHIPPING": "AWAITING_SHIPMENT"}


def order_status_event(shop: str, order_id: str, status: str, on_hold_order: bool, at: int) -> WorldEvent:
    """An order was placed or entered another state."""
    data = {
        "order_id": order_id,
        "order_status": _STATUS_SPELLING.get(status, status),
        "is_on_hold_order": on_hold_order,
        "update_time": at,
    }
    return WorldEvent("order_status", shop, order_id, data, at)


def address_event(shop: str, order_id: str, at: int) -> WorldEvent:
    """The recipient of an order moved."""
    return WorldEvent("address", shop, order_id, {"order_id": order_id, "update_time": at}, at)


def package_event(
    shop: str, packages: Iterable[tuple[str, Iterable[str]]], sc_type: str, role_type: str, at: int
) -> WorldEvent:
    """Packages, each with its order ids, were split, combined or taken apart again (T 4.4)."""
    listed = [{"package_id": package, "order_id_list": list(order_ids)} for package, order_ids in packages]
    data = {"sc_type": sc_type, "role_type": role_type, "package_list": listed, "update_time": at}
    return WorldEvent("package", shop, listed[0]["order_id_list"][0], data, at)


def cancellation_event(
    shop: str, order_id: str, cancel_id: str, *, role: str, status: str, created: int, at: int
) -> WorldEvent:
    """A cancellation was asked for or entered another state."""
    data = {
        "order_id": order_id,
        "cancel_id": cancel_id,
        "cancellations_role": role,
        "cancel_status": status,
        "create_time": created,
    }
    return WorldEvent("cancellation", shop, order_id, data, at)


def return_event(one: Return) -> WorldEvent:
    """A return was asked for or entered another state."""
    data = {
        "order_id": one.order_id,
        "return_id": one.id,
        "return_role": one.role,
        "return_type": one.type,
        "return_status": one.status.value,
        "create_time": one.created_at,
        "update_time": one.updated_at,
    }
    return WorldEvent("return", one.shop, one.order_id, data, one.updated_at)

"""How TikTok shows packages: in an order's document, in lists, and alone (T 3.5, 4.2, 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.facts import OrderFacts, Status
from tiktok_ns_pipeline.sandbox.packages import Package, PackageState

# State of a unit while the order is not in its packages' hands: lines know no hold (T 3.5).
_BEFORE_PACKAGES: dict[Status, str] = {
    Status.unpaid: "UNPAID",
    Status.on_hold: "AWAITING_SHIPMENT",
    Status.cancelled: "CANCELLED",
    Status.completed: "COMPLETED",
}
_IN_PACKAGE: dict[PackageState, str] = {
    PackageState.to_fulfil: "AWAITING_SHIPMENT",
    PackageState.processing: "AWAITING_COLLECTION",
    PackageState.fulfilling: "IN_TRANSIT",
    PackageState.completed: "DELIVERED",
}


def followed_status(facts: OrderFacts, packages: Sequence[Package]) -> Status:
    """The state of a released order that lives, as its units and their packages have it (T 3.2)."""
    state = {line: one.state for one in packages if one.is_live for line in one.lines[facts.order_id]}
    states = {state.get(line.id, PackageState.to_fulfil) for line in facts.active_lines}
    if states <= {PackageState.to_fulfil}:
        return Status.awaiting_shipment
    if PackageState.to_fulfil in states:
        return Status.partially_shipping
    if PackageState.processing in states:
        return Status.awaiting_collection
    if PackageState.fulfilling in states:
        return Status.in_transit
    return Status.completed if facts.status is Status.completed else Status.delivered


def show_packages(order: Document, facts: OrderFacts, packages: Sequence[Package], at: int) -> None:
    """Let an order's document follow its packages; `update_time` moves."""
    order["update_time"] = max(at, order.get("update_time") or 0)
    live = [one for one in packages if one.is_live]
    before = _BEFORE_PACKAGES.get(facts.status)
    holding = {line: one for one in live for line in one.lines[facts.order_id]}
    for line, display in zip(facts.lines, order["line_items"], strict=False):
        package = holding.get(line.id)
        if line.cancelled or facts.status is Status.cancelled:
            _show_cancelled(display)
        elif package is None:
            _show_without_package(display)
            display["display_status"] = before or "AWAITING_SHIPMENT"
        else:
            display["display_status"] = before or _IN_PACKAGE[package.state]
            _show_package_of_line(display, package)
    if facts.status is Status.cancelled:
        return
    if live or order.get("packages"):
        order["packages"] = [{"id": package.id} for package in live]
    arranged = next((package for package in live if package.is_arranged), None)
    if arranged is not None:
        order["tracking_number"] = arranged.tracking
        order["shipping_provider"] = arranged.provider_name
        order["shipping_provider_id"] = arranged.provider_id
    tag = _tag(facts, live)
    if tag or order.get("split_or_combine_tag"):
        order["split_or_combine_tag"] = tag


def _show_cancelled(display: Document) -> None:
    display["display_status"] = Status.cancelled.value
    if display.get("package_id"):
        display["package_status"] = PackageState.cancelled.value


def _show_without_package(display: Document) -> None:
    if display.get("package_id"):
        for name in ("package_id", "package_status", "tracking_number", "shipping_provider_name"):
            display.pop(name, None)


def _show_package_of_line(display: Document, package: Package) -> None:
    display["package_id"] = package.id
    display["package_status"] = package.state.value
    if package.is_arranged:
        display["tracking_number"] = package.tracking
        display["shipping_provider_name"] = package.provider_name
        display["shipping_provider_id"] = package.provider_id
        display["rts_time"] = package.arranged_at


def _tag(facts: OrderFacts, live: Sequence[Package]) -> str:
    if any(len(package.lines) > 1 for package in live):
        return "COMBINED"
    if len(live) > 1 or any(package.tag == "SPLIT" for package in live):
        return "SPLIT"
    return ""


def package_row(package: Package) -> Document:
    """A package as `packages/search` lists it."""
    row: Document = {
        "id": package.id,
        "status": package.state.value,
        "create_time": package.created_at,
        "update_time": package.updated_at,
        "orders": [{"id": order_id} for order_id in package.lines],
        "order_line_item_ids": package.line_ids,
    }
    return row | _carrier(package)


def package_detail(package: Package, orders: Sequence[Document]) -> Document:
    """A package alone; `orders` are the documents of its orders that can be read."""
    skus = {line["sku_id"] for order in orders for line in order["line_items"]}
    first = orders[0] if orders else {}
    detail: Document = {
        "package_id": package.id,
        "package_status": package.state.value,
        "create_time": package.created_at,
        "update_time": package.updated_at,
        "orders": [{"id": order_id, "skus": _skus(package, orders, order_id)} for order_id in package.lines],
        "order_line_item_ids": package.line_ids,
        "has_multi_skus": len(skus) > 1,
        "split_and_combine_tag": package.tag,
        "note_tag": "BUYER_NOTED" if first.get("buyer_message") else "BUYER_UNNOTED",
        "delivery_option_id": first.get("delivery_option_id"),
        "delivery_option_name": first.get("delivery_option_name"),
        "shipping_type": "SELLER" if package.by_seller else "TIKTOK",
    }
    address: Document = first.get("recipient_address") or {}
    detail["recipient_address"] = {
        name: value for name, value in address.items() if isinstance(value, str) and name != "first_name"
    }
    if package.handover_method:
        detail["handover_method"] = package.handover_method
    if package.pickup_slot is not None:
        start, end = package.pickup_slot
        detail["pickup_slot"] = {"start_time": start, "end_time": end}
    return detail | _carrier(package)


def tracking_events(facts: OrderFacts, packages: Sequence[Package]) -> list[Document]:
    """What happened to the parcels of an order, newest first (T 4.2)."""
    events: list[tuple[int, int, str]] = [(facts.placed_at, 10101, "Order placed.")]
    for package in packages:
        for moment, code, text in (
            (package.arranged_at, 20101, "The parcel is packed and waits for its carrier."),
            (package.collected_at, 30301, "The carrier collected the parcel."),
            (package.delivered_at, 50101, "The parcel was delivered."),
        ):
            if moment is not None:
                events.append((moment, code, text))
    return [
        {"action_code": code, "description": text, "update_time_millis": moment * 1000}
        for moment, code, text in sorted(events, reverse=True)
    ]


def _carrier(package: Package) -> Document:
    if not package.tracking:
        return {}
    return {
        "tracking_number": package.tracking,
        "shipping_provider_id": package.provider_id,
        "shipping_provider_name": package.provider_name,
    }


def _skus(package: Package, orders: Sequence[Document], order_id: str) -> list[Document]:
    held = set(package.lines[order_id])
    counts: dict[str, dict[str, Any]] = {}
    for order in orders:
        for line in order["line_items"]:
            if line["id"] in held:
                sku = counts.setdefault(
                    line["sku_id"], {"id": line["sku_id"], "name": line["sku_name"], "quantity": 0}
                )
                sku["quantity"] += 1
    return list(counts.values())

"""The endpoints of packages (T 4.2 to 4.4); their rules are in `parcels` and `splitting`."""

from __future__ import annotations

import json
from typing import Any

from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.packages import Package, PackageFilter, PackageState
from tiktok_ns_pipeline.sandbox.parcels import Handover
from tiktok_ns_pipeline.sandbox.refusals import Refusal, refused
from tiktok_ns_pipeline.sandbox.shown_packages import package_detail, package_row, tracking_events
from tiktok_ns_pipeline.sandbox.splitting import attributes_of
from tiktok_ns_pipeline.sandbox.tiktok_calls import (
    Call,
    objects_in,
    one_of,
    page_size_of,
    sorting_of,
    text_in,
    texts_in,
    times_of,
)
from tiktok_ns_pipeline.sandbox.tiktok_orders import STALE_BY_S
from tiktok_ns_pipeline.sandbox.tiktok_routes import Desks, Route

_MOST_PER_PAGE = 50
_SORTED_BY = ("create_time", "update_time", "order_pay_time")


def search_packages(desks: Desks, call: Call) -> str:
    """A page of the list of packages."""
    body, times = call.json_body(), times_of(call)
    sort_field, ascending = sorting_of(call, _SORTED_BY, "DESC")
    state = body.get("package_status")
    if state is not None:
        one_of("package_status", state, tuple(PackageState))
    wanted = PackageFilter(call.shop.key, sort_field, ascending, **times, state=state)
    size = page_size_of(call.query.get("page_size"), _MOST_PER_PAGE)
    offset = desks.pages.offset(call.query.get("page_token", ""), wanted)
    packages, count = desks.world.store.packages.page(wanted, offset, size)
    rows = [package_row(package) for package in packages]
    token = desks.pages.token(offset + len(rows), wanted) if rows and offset + len(rows) < count else ""
    return page_of_rows(desks, call, "packages", rows, token, count)


def page_of_rows(desks: Desks, call: Call, name: str, rows: list[Document], token: str, count: int) -> str:
    """A page with rows that know their `update_time`, and with what a fault of lists does to it."""
    kind = call.fault.kind if call.fault else None
    if kind is FaultKind.stale_page:
        # A copy that is behind does not know what moved since.
        rows = [row for row in rows if row["update_time"] <= desks.world.epoch() - STALE_BY_S]
    elif kind is FaultKind.duplicate_rows and rows:
        rows = [rows[0], *rows, rows[len(rows) // 2]]
    shown: Document = {"next_page_token": token, "total_count": count}
    return json.dumps(({name: rows} if rows else {}) | shown)


def package_alone(desks: Desks, call: Call) -> str:
    """One package with everything that is known of it."""
    package = desks.world.parcels.found(call.shop, call.path_values["package_id"])
    orders = [desks.world.found(order_id) for order_id in package.lines]
    readable = [order.document for order in orders if not order.facts.spoiled]
    return json.dumps(package_detail(package, readable))


def ship_package(desks: Desks, call: Call) -> str:
    """Arrange the shipment of one package."""
    desks.world.parcels.ship(call.shop, call.path_values["package_id"], _handover(call.json_body()))
    return "{}"


def ship_packages(desks: Desks, call: Call) -> str:
    """Arrange many; what fails is listed under code 0 (T 1.6)."""
    errors: list[Document] = []
    for wish in objects_in(call.json_body(), "packages"):
        package_id, handover = text_in(wish, "id"), _handover(wish)
        try:
            desks.world.parcels.ship(call.shop, package_id, handover)
        except Refusal as refusal:
            detail = {"package_id": package_id}
            errors.append({"code": refusal.code, "message": refusal.message, "detail": detail})
    return json.dumps({"errors": errors} if errors else {})


def mark_shipped(desks: Desks, call: Call) -> str:
    """The seller's own carrier took these units."""
    body = call.json_body()
    tracking, provider_id = text_in(body, "tracking_number"), text_in(body, "shipping_provider_id")
    line_ids = texts_in(body, "order_line_item_ids")
    order_id, parcels = call.path_values["order_id"], desks.world.parcels
    package = parcels.mark_shipped(call.shop, order_id, tracking, provider_id, line_ids)
    told: Document = {
        "order_id": order_id,
        "order_line_item_ids": package.line_ids,
        "package_id": package.id,
    }
    if parcels.tracking.matches_several(call.shop, tracking):
        told["warning"] = {"message": "The number could be that of more than one provider."}
    return json.dumps(told)


def update_order(desks: Desks, call: Call) -> str:
    """Correct the tracking number of an order that went as one package."""
    body, parcels = call.json_body(), desks.world.parcels
    tracking, provider_id = text_in(body, "tracking_number"), text_in(body, "shipping_provider_id")
    order = parcels.order_found(call.shop, call.path_values["order_id"])
    if order.facts.status is Status.cancelled:
        raise refused(21011041)
    live = [one for one in desks.world.packages_of(order.facts.order_id) if one.is_live]
    if not any(package.is_arranged for package in live):
        raise refused(21011043)
    if len(live) > 1 or live[0].tag == "SPLIT":
        raise refused(21011049)
    parcels.update_tracking(call.shop, live[0], tracking, provider_id)
    return "{}"


def update_package(desks: Desks, call: Call) -> str:
    """Correct the tracking number of one package."""
    body, parcels = call.json_body(), desks.world.parcels
    tracking, provider_id = text_in(body, "tracking_number"), text_in(body, "shipping_provider_id")
    package = parcels.found(call.shop, call.path_values["package_id"])
    parcels.update_tracking(call.shop, package, tracking, provider_id)
    return "{}"


def split_attributes(desks: Desks, call: Call) -> str:
    """Which orders can be split; ids of other shops are missing."""
    order_ids = list(dict.fromkeys(filter(None, call.query.get("order_ids", "").split(","))))
    if not order_ids:
        raise Refusal(36009004, "order_ids is a required field", 400)
    orders = [order for one in order_ids if (order := desks.world.store.order(one)) is not None]
    own = [order for order in orders if order.facts.shop == call.shop.key]
    return json.dumps({"split_attributes": [attributes_of(desks.world.splitting, order) for order in own]})


def split_order(desks: Desks, call: Call) -> str:
    """Divide an order into packages before it is shipped."""
    wishes = objects_in(call.json_body(), "splittable_groups")
    groups = {text_in(wish, "id"): texts_in(wish, "order_line_item_ids") for wish in wishes}
    if len(groups) != len(wishes):
        raise refused(21011005)
    made = desks.world.splitting.split(call.shop, call.path_values["order_id"], groups)
    packages = [{"id": package_id, "splittable_group_id": name} for name, package_id in made.items()]
    return json.dumps({"packages": packages})


def combinable_packages(desks: Desks, call: Call) -> str:
    """Packages that could be one."""
    size = page_size_of(call.query.get("page_size"), _MOST_PER_PAGE)
    wanted = ("combinable", call.shop.key)
    offset = desks.pages.offset(call.query.get("page_token", ""), wanted)
    groups = desks.world.splitting.combinable(call.shop)
    rows = [{"id": group[0].id, "order_ids": _orders_of(*group)} for group in groups]
    page, count = rows[offset : offset + size], len(rows)
    token = desks.pages.token(offset + len(page), wanted) if offset + len(page) < count else ""
    return json.dumps({"combinable_packages": page, "next_page_token": token, "total_count": count})


def combine(desks: Desks, call: Call) -> str:
    """Join packages; what fails is listed under code 0 (T 1.6)."""
    made: list[Document] = []
    errors: list[Document] = []
    for wish in objects_in(call.json_body(), "combinable_packages"):
        group_id, order_ids = text_in(wish, "id"), texts_in(wish, "order_ids")
        try:
            package = desks.world.splitting.combine(call.shop, group_id, order_ids)
        except Refusal as refusal:
            detail = {"package_id": group_id}
            errors.append({"code": refusal.code, "message": refusal.message, "detail": detail})
        else:
            made.append({"id": package.id, "order_ids": _orders_of(package)})
    return json.dumps(({"packages": made} if made else {}) | ({"errors": errors} if errors else {}))


def uncombine(desks: Desks, call: Call) -> str:
    """Take orders out of a combined package."""
    order_ids = texts_in(call.json_body(), "order_ids")
    made = desks.world.splitting.uncombine(call.shop, call.path_values["package_id"], order_ids)
    return json.dumps({"packages": [{"id": one.id, "order_ids": _orders_of(one)} for one in made]})


def handover_time_slots(desks: Desks, call: Call) -> str:
    """How and when TikTok's carrier takes a package."""
    parcels = desks.world.parcels
    package = parcels.found(call.shop, call.path_values["package_id"])
    if package.by_seller or not package.is_open:
        raise refused(21001001)
    slots = [
        {"start_time": start, "end_time": end, "avaliable": True} for start, end in parcels.slots(package)
    ]
    return json.dumps(
        {
            "can_drop_off": True,
            "can_pickup": True,
            "can_van_collection": call.shop.region == "GB",
            "drop_off_point_url": "https://drop-off.example/points",
            "pickup_slots": slots,
        }
    )


def tracking(desks: Desks, call: Call) -> str:
    """What happened to the parcels of an order, newest first."""
    order = desks.world.parcels.order_found(call.shop, call.path_values["order_id"])
    packages = desks.world.packages_of(order.facts.order_id)
    return json.dumps({"tracking": tracking_events(order.facts, packages)})


def _orders_of(*packages: Package) -> list[str]:
    return list(dict.fromkeys(order_id for package in packages for order_id in package.lines))


def _handover(wish: dict[str, Any]) -> Handover:
    method = wish.get("handover_method") or ""
    if method:
        one_of("handover_method", method, ("PICKUP", "DROP_OFF"))
    try:
        slot, own = wish.get("pickup_slot"), wish.get("self_shipment")
        return Handover(
            method,
            None if slot is None else (int(slot["start_time"]), int(slot["end_time"])),
            None if own is None else (text_in(own, "tracking_number"), text_in(own, "shipping_provider_id")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise error if isinstance(error, Refusal) else refused(21001001) from None


_BASIC = ("seller.fulfillment.basic", True)
_LOGISTICS = ("seller.logistics", True)
_PACKAGE_WRITE = ("seller.fulfillment.package.write", True)
_F = "/fulfillment/202309"

ROUTES = (
    Route("POST", f"{_F}/packages/search", *_BASIC, search_packages),
    Route("POST", f"{_F}/packages/ship", *_BASIC, ship_packages),
    Route("POST", f"{_F}/packages/combine", *_PACKAGE_WRITE, combine),
    Route("GET", f"{_F}/combinable_packages/search", *_PACKAGE_WRITE, combinable_packages),
    Route("GET", f"{_F}/packages/{{package_id}}", *_BASIC, package_alone),
    Route("POST", f"{_F}/packages/{{package_id}}/ship", *_BASIC, ship_package),
    Route("POST", f"{_F}/packages/{{package_id}}/uncombine", *_PACKAGE_WRITE, uncombine),
    Route("POST", f"{_F}/packages/{{package_id}}/shipping_info/update", *_BASIC, update_package),
    Route("GET", f"{_F}/packages/{{package_id}}/handover_time_slots", *_PACKAGE_WRITE, handover_time_slots),
    Route("GET", f"{_F}/orders/split_attributes", *_PACKAGE_WRITE, split_attributes),
    Route("POST", f"{_F}/orders/{{order_id}}/packages", *_BASIC, mark_shipped),
    Route("POST", f"{_F}/orders/{{order_id}}/shipping_info/update", *_LOGISTICS, update_order),
    Route("POST", f"{_F}/orders/{{order_id}}/split", *_PACKAGE_WRITE, split_order),
    Route("GET", f"{_F}/orders/{{order_id}}/tracking", *_BASIC, tracking),
)

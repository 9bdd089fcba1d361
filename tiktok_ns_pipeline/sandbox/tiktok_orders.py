"""The endpoints of shops and orders (T 1.4, 3.1, 3.7)."""

from __future__ import annotations

import json
from typing import Any

from tiktok_ns_pipeline.sandbox.catalogue import SHOPS, Shop
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.price_detail import price_detail
from tiktok_ns_pipeline.sandbox.refusals import Refusal, refused
from tiktok_ns_pipeline.sandbox.tiktok_calls import (
    Call,
    Reference,
    filter_of,
    page_size_of,
    platform_of,
    reference_of,
)
from tiktok_ns_pipeline.sandbox.tiktok_routes import Desks, Route
from tiktok_ns_pipeline.sandbox.world import World

# How far a stale page is behind. Less than any overlap that a careful reader would choose.
STALE_BY_S = 30


def authorized_shops(desks: Desks, call: Call) -> str:
    """Shops that the seller opened to the app (T 1.4)."""
    names = ("id", "name", "region", "seller_type", "cipher", "code")
    return json.dumps({"shops": [{name: getattr(shop, name) for name in names} for shop in SHOPS]})


def search_orders(desks: Desks, call: Call) -> str:
    """A page of the list of orders (T 3.1)."""
    wanted = filter_of(call)
    query = call.query
    size = page_size_of(query.get("page_size"))
    offset = desks.pages.offset(query.get("page_token", ""), wanted)
    now = int(desks.world.now().timestamp())
    store, kind = desks.world.store, call.fault.kind if call.fault else None
    if kind is FaultKind.stale_page:
        bodies, count = store.page_as_of(wanted, offset, size, now, STALE_BY_S)
    else:
        bodies, count = store.page(wanted, offset, size, now)
    end = offset + len(bodies)
    token = desks.pages.token(end, wanted) if bodies and end < count else ""
    if kind is FaultKind.duplicate_rows and bodies:
        bodies = [*bodies[:1], *bodies, bodies[len(bodies) // 2]]
    shown = [f'"orders":[{",".join(bodies)}]'] if bodies else []
    # The last page has no token, or an empty one.
    shown += [f'"next_page_token":"{token}"'] if token or count % 2 else []
    return f'{{{",".join([*shown, f""""total_count":{count}"""])}}}'


def order_details(desks: Desks, call: Call) -> str:
    """Orders by id, in the order asked for; unknown ones are missing (T 3.1)."""
    given = ",".join(value for name, value in call.pairs if name == "ids")
    ids = list(dict.fromkeys(filter(None, (one.strip() for one in given.split(",")))))
    if not ids:
        raise Refusal(36009004, "ids is a required field", 400)
    if len(ids) > 50:
        raise Refusal(36009004, "ids takes at most 50 values", 400)
    found = desks.world.store.bodies(ids)
    own = [found[one][1] for one in ids if one in found and found[one][0] == call.shop.key]
    if found and not own:
        raise refused(21008111)
    return f'{{"orders":[{",".join(own)}]}}' if own else "{}"


def order_price_detail(desks: Desks, call: Call) -> str:
    """The calculated breakdown of one order (T 3.7)."""
    order = desks.world.store.order(call.path_values["order_id"])
    if order is None or order.facts.shop != call.shop.key:
        raise refused(21008111)
    return json.dumps(price_detail(order.facts))


def attach_external_orders(desks: Desks, call: Call) -> str:
    """Keep the seller's own order numbers; what fails is listed under code 0 (T 1.6, 3.1)."""
    orders: Any = call.json_body().get("orders")
    if not isinstance(orders, list) or not orders:
        raise Refusal(36009004, "orders is a required field", 400)
    given: list[Any] = orders  # pyright: ignore[reportUnknownVariableType]
    if len(given) > 100:
        raise Refusal(36009004, "orders takes at most 100 values", 400)
    references = [reference_of(one) for one in given]
    with desks.world.store.transaction():
        errors = [error for reference in references if (error := _attach(desks.world, call.shop, reference))]
    return json.dumps({"errors": errors} if errors else {})


def external_orders(desks: Desks, call: Call) -> str:
    """The seller's own numbers of one order."""
    platform = platform_of(call.query.get("platform"))
    order_id = call.path_values["order_id"]
    found = desks.world.store.bodies([order_id]).get(order_id)
    if found is None or found[0] != call.shop.key:
        raise refused(21008111)
    references = desks.world.store.references(order_id, platform)
    return json.dumps({"external_orders": references} if references else {})


def search_external_order(desks: Desks, call: Call) -> str:
    """Orders to which one of the seller's own numbers was attached."""
    platform = platform_of(call.query.get("platform"))
    external_id = call.query.get("external_order_id")
    if not external_id:
        raise Refusal(36009004, "external_order_id is a required field", 400)
    store = desks.world.store
    orders = [
        {"id": order_id, "external_order": reference}
        for order_id in store.orders_with_reference(call.shop.key, platform, external_id)
        for reference in store.references(order_id, platform)
    ]
    return json.dumps({"orders": orders} if orders else {})


def _attach(world: World, shop: Shop, reference: Reference) -> dict[str, Any] | None:
    order = world.store.order(reference.order_id)
    problem = None
    if order is None or order.facts.shop != shop.key:
        problem = "There is no such order_id"
    elif not {line["origin_id"] for line in reference.line_items} <= {line.id for line in order.facts.lines}:
        problem = "There is no such line item in the order"
    if problem is None:
        store = world.store
        store.attach(reference.order_id, reference.platform, reference.external_id, reference.line_items)
        return None
    external = {"id": reference.external_id, "platform": reference.platform}
    detail = {"order_id": reference.order_id, "external_order": external}
    return {"code": "36020001", "message": problem, "detail": detail}


_INFO = ("seller.order.info", True)
_READ_REFERENCES = ("seller.order.ext_ref.read", True)
_WRITE_REFERENCES = ("seller.order.ext_ref.write.custom", True)

ROUTES = (
    Route("GET", "/authorization/202309/shops", None, False, authorized_shops),
    Route("POST", "/order/202309/orders/search", *_INFO, search_orders),
    Route("GET", "/order/202309/orders", *_INFO, order_details),
    Route("GET", "/order/202507/orders", *_INFO, order_details),
    Route("GET", "/order/202407/orders/{order_id}/price_detail", *_INFO, order_price_detail),
    Route("POST", "/order/202406/orders/external_orders", *_WRITE_REFERENCES, attach_external_orders),
    Route("GET", "/order/202406/orders/{order_id}/external_orders", *_READ_REFERENCES, external_orders),
    Route("POST", "/order/202406/orders/external_order_search", *_READ_REFERENCES, search_external_order),
)

"""The endpoints of cancellations (T 6.2); their rules are in `cancelling`."""

from __future__ import annotations

import json

from tiktok_ns_pipeline.sandbox import cancel_reasons
from tiktok_ns_pipeline.sandbox.cancellations import CancellationFilter, CancelStatus
from tiktok_ns_pipeline.sandbox.refusals import Refusal, refused
from tiktok_ns_pipeline.sandbox.shown_cancellations import cancellation_row
from tiktok_ns_pipeline.sandbox.tiktok_calls import (
    Call,
    idempotency_key_of,
    objects_in,
    one_of,
    page_size_of,
    sorting_of,
    text_in,
    texts_in,
    times_of,
)
from tiktok_ns_pipeline.sandbox.tiktok_fulfilment import page_of_rows
from tiktok_ns_pipeline.sandbox.tiktok_returns import reject_reasons_of_return
from tiktok_ns_pipeline.sandbox.tiktok_routes import Desks, Route

_MOST_PER_PAGE = 50

# What a filter calls the states; one of them is spelled otherwise in answers (T 6.3).
_STATUS_FILTER = {
    "CANCELLATION_REQUEST_PENDING": CancelStatus.pending.value,
    "CANCELLATION_REQUEST_SUCCESS": CancelStatus.success.value,
    "CANCELLATION_REQUEST_COMPLETE": CancelStatus.complete.value,
    "CANCELLATION_REQUEST_CANCEL": CancelStatus.cancelled.value,
}


def search_cancellations(desks: Desks, call: Call) -> str:
    """A page of the list of cancellations, oldest first unless asked otherwise."""
    body, times = call.json_body(), times_of(call)
    sort_field, ascending = sorting_of(call, ("create_time", "update_time"), "ASC")
    for status in texts_in(body, "cancel_status"):
        one_of("cancel_status", status, tuple(_STATUS_FILTER))
    for kind in texts_in(body, "cancel_types"):
        one_of("cancel_types", kind, ("CANCEL", "BUYER_CANCEL"))
    wanted = CancellationFilter(
        shop=call.shop.key,
        sort_field=sort_field,
        ascending=ascending,
        cancel_ids=texts_in(body, "cancel_ids"),
        order_ids=texts_in(body, "order_ids"),
        user_ids=texts_in(body, "buyer_user_ids"),
        types=texts_in(body, "cancel_types"),
        statuses=tuple(_STATUS_FILTER[status] for status in texts_in(body, "cancel_status")),
        **times,
    )
    size = _page_size(call)
    offset = desks.pages.offset(call.query.get("page_token", ""), wanted)
    found, count = desks.world.store.cancellations.page(wanted, offset, size)
    rows = [cancellation_row(one, desks.world.found(one.order_id)) for one in found]
    token = desks.pages.token(offset + len(rows), wanted) if rows and offset + len(rows) < count else ""
    return page_of_rows(desks, call, "cancellations", rows, token, count)


def approve(desks: Desks, call: Call) -> str:
    """Let the order go."""
    desks.world.cancelling.approve(call.shop, call.path_values["cancel_id"], idempotency_key_of(call))
    return "{}"


def reject(desks: Desks, call: Call) -> str:
    """Ship nevertheless."""
    body = call.json_body()
    if not body.get("reject_reason"):
        raise refused(25001001)
    reason = text_in(body, "reject_reason")
    desks.world.cancelling.reject(call.shop, call.path_values["cancel_id"], reason, idempotency_key_of(call))
    return "{}"


def reject_reasons(desks: Desks, call: Call) -> str:
    """Why a request may be rejected."""
    cancel_id = call.query.get("return_or_cancel_id")
    if not cancel_id:
        raise Refusal(36009004, "return_or_cancel_id is a required field", 400)
    of_return = reject_reasons_of_return(desks, call, cancel_id)
    if of_return is not None:
        return of_return
    desks.world.cancelling.found(call.shop, cancel_id)
    reasons = cancel_reasons.reject_reasons(call.shop.region)
    return json.dumps({"reasons": [{"name": name, "text": text} for name, text in reasons.items()]})


def cancel_by_seller(desks: Desks, call: Call) -> str:
    """The seller cancels an order, or single units of it."""
    body = call.json_body()
    order_id, reason = text_in(body, "order_id"), text_in(body, "cancel_reason")
    line_ids = list(texts_in(body, "order_line_item_ids"))
    if body.get("skus"):
        line_ids += _lines_of_skus(desks, call, order_id)
    made = desks.world.cancelling.by_seller(call.shop, order_id, reason, line_ids)
    return json.dumps({"cancel_id": made.id, "cancel_status": made.status.value})


def _lines_of_skus(desks: Desks, call: Call, order_id: str) -> list[str]:
    """So many open units of each SKU; raises Refusal when there are fewer."""
    order = desks.world.store.order(order_id)
    if order is None or order.facts.shop != call.shop.key:
        raise refused(25007006)
    open_lines = {line.id for line in order.facts.open_lines}
    units = [
        (line["id"], line["sku_id"]) for line in order.document["line_items"] if line["id"] in open_lines
    ]
    chosen: list[str] = []
    for wish in objects_in(call.json_body(), "skus"):
        quantity = wish.get("quantity")
        own = [line for line, sku in units if sku == text_in(wish, "sku_id") and line not in chosen]
        if type(quantity) is not int or not 1 <= quantity <= len(own):
            raise refused(25005011)
        chosen += own[:quantity]
    return chosen


def _page_size(call: Call) -> int:
    try:
        return page_size_of(call.query.get("page_size", "10"), _MOST_PER_PAGE)
    except Refusal:
        raise refused(98001004) from None


_SCOPE = ("seller.return_refund.basic", True)
_R = "/return_refund"

ROUTES = (
    Route("POST", f"{_R}/202309/cancellations/search", *_SCOPE, search_cancellations),
    Route("POST", f"{_R}/202602/cancellations/search", *_SCOPE, search_cancellations),
    Route("POST", f"{_R}/202309/cancellations/{{cancel_id}}/approve", *_SCOPE, approve),
    Route("POST", f"{_R}/202309/cancellations/{{cancel_id}}/reject", *_SCOPE, reject),
    Route("GET", f"{_R}/202309/reject_reasons", *_SCOPE, reject_reasons),
    Route("POST", f"{_R}/202309/cancellations", *_SCOPE, cancel_by_seller),
    Route("POST", f"{_R}/202602/cancellations", *_SCOPE, cancel_by_seller),
)

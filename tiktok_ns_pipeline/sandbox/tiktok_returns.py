"""The endpoints of returns (T 6.2); their rules are in `returning`."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, cast

from tiktok_ns_pipeline.money import MoneyError, exact_decimal
from tiktok_ns_pipeline.sandbox.refusals import Refusal, refused
from tiktok_ns_pipeline.sandbox.return_rules import APPROVALS, OFFER, REJECT_REASONS, REJECTIONS
from tiktok_ns_pipeline.sandbox.returns import (
    REFUND,
    REPLACEMENT,
    RETURN_AND_REFUND,
    ReturnFilter,
    ReturnStatus,
)
from tiktok_ns_pipeline.sandbox.shown_returns import record_rows, return_row
from tiktok_ns_pipeline.sandbox.tiktok_calls import (
    Call,
    idempotency_key_of,
    one_of,
    page_size_of,
    sorting_of,
    text_in,
    texts_in,
    times_of,
)
from tiktok_ns_pipeline.sandbox.tiktok_fulfilment import page_of_rows
from tiktok_ns_pipeline.sandbox.tiktok_routes import Desks, Route

_LEAST_PER_PAGE, _MOST_PER_PAGE = 10, 50
_TYPES = (REFUND, RETURN_AND_REFUND, REPLACEMENT)
_ARBITRATIONS = ("IN_PROGRESS", "SUPPORT_BUYER", "SUPPORT_SELLER", "CLOSED")


def search_returns(desks: Desks, call: Call) -> str:
    """A page of the list of returns, oldest first unless asked otherwise."""
    body, times = call.json_body(), times_of(call)
    sort_field, ascending = sorting_of(call, ("create_time", "update_time"), "ASC")
    types, statuses = texts_in(body, "return_types"), texts_in(body, "return_status")
    for kind in types:
        one_of("return_types", kind, _TYPES)
    for status in statuses:
        one_of("return_status", status, tuple(ReturnStatus))
    arbitrations = texts_in(body, "arbitration_status")
    for arbitration in arbitrations:
        one_of("arbitration_status", arbitration, _ARBITRATIONS)
    proposed = texts_in(body, "seller_proposed_return_type")
    for kind in proposed:
        one_of("seller_proposed_return_type", kind, ("PARTIAL_REFUND",))
    wanted = ReturnFilter(
        shop=call.shop.key,
        sort_field=sort_field,
        ascending=ascending,
        return_ids=texts_in(body, "return_ids"),
        order_ids=texts_in(body, "order_ids", 50),
        user_ids=texts_in(body, "buyer_user_ids"),
        types=types,
        statuses=statuses,
        arbitrations=arbitrations,
        has_offer=bool(proposed),
        **times,
    )
    size = _page_size(call)
    offset = desks.pages.offset(call.query.get("page_token", ""), wanted)
    found, count = desks.world.returns.store.page(wanted, offset, size)
    rows = [return_row(one, desks.world.found(one.order_id)) for one in found]
    token = desks.pages.token(offset + len(rows), wanted) if rows and offset + len(rows) < count else ""
    return page_of_rows(desks, call, "return_orders", rows, token, count)


def approve(desks: Desks, call: Call) -> str:
    """Refund, let the goods come, accept what came, replace it, or offer a part of the money."""
    body = call.json_body()
    decision = text_in(body, "decision")
    if decision not in APPROVALS:
        raise refused(25001001)
    desks.world.returns.decide(
        call.shop,
        call.path_values["return_id"],
        decision,
        idempotency_key_of(call),
        keeps=body.get("buyer_keep_item") is True,
        offer=_offer(call, body) if decision == OFFER else None,
    )
    return "{}"


def reject(desks: Desks, call: Call) -> str:
    """Refuse the refund, the return, the replacement or the parcel."""
    body = call.json_body()
    decision = text_in(body, "decision")
    if decision not in REJECTIONS:
        raise refused(25001001)
    reason = text_in(body, "reject_reason")
    desks.world.returns.decide(
        call.shop, call.path_values["return_id"], decision, idempotency_key_of(call), reason
    )
    return "{}"


def records(desks: Desks, call: Call) -> str:
    """What happened to a return."""
    one = desks.world.returns.of_shop(call.shop, call.path_values["return_id"])
    return json.dumps({"records": record_rows(one)})


def create_return(desks: Desks, call: Call) -> str:
    """The seller refunds units, or takes them back, without being asked."""
    body = call.json_body()
    kind = one_of("return_type", text_in(body, "return_type"), (REFUND, RETURN_AND_REFUND))
    one = desks.world.returns.by_seller(
        call.shop,
        text_in(body, "order_id"),
        kind,
        text_in(body, "return_reason"),
        texts_in(body, "order_line_item_ids"),
    )
    return json.dumps({"return_id": one.id, "return_status": one.status.value})


def _offer(call: Call, body: dict[str, Any]) -> Decimal:
    """The part of the money, in the shop's currency."""
    offered: object = body.get("partial_refund")
    if not isinstance(offered, dict):
        raise Refusal(36009004, "partial_refund is a required field", 400)
    given = cast(dict[str, Any], offered)
    one_of("currency", text_in(given, "currency"), (call.shop.currency,))
    try:
        return exact_decimal(text_in(given, "amount"))
    except MoneyError:
        raise refused(25001001) from None


def reject_reasons_of_return(desks: Desks, call: Call, return_id: str) -> str | None:
    """Why a return may be rejected; None when it is no return's id."""
    if desks.world.returns.store.found(return_id) is None:
        return None
    desks.world.returns.of_shop(call.shop, return_id)
    return json.dumps({"reasons": [{"name": name, "text": text} for name, text in REJECT_REASONS.items()]})


def _page_size(call: Call) -> int:
    try:
        size = page_size_of(call.query.get("page_size", "10"), _MOST_PER_PAGE)
    except Refusal:
        raise refused(98001004) from None
    if size < _LEAST_PER_PAGE:
        raise refused(98001004)
    return size


_SCOPE = ("seller.return_refund.basic", True)
_R = "/return_refund"

ROUTES = (
    Route("POST", f"{_R}/202309/returns/search", *_SCOPE, search_returns),
    Route("POST", f"{_R}/202602/returns/search", *_SCOPE, search_returns),
    Route("POST", f"{_R}/202309/returns/{{return_id}}/approve", *_SCOPE, approve),
    Route("POST", f"{_R}/202309/returns/{{return_id}}/reject", *_SCOPE, reject),
    Route("POST", f"{_R}/202606/returns/{{return_id}}/reject", *_SCOPE, reject),
    Route("GET", f"{_R}/202309/returns/{{return_id}}/records", *_SCOPE, records),
    Route("POST", f"{_R}/202309/returns", *_SCOPE, create_return),
    Route("POST", f"{_R}/202602/returns", *_SCOPE, create_return),
)

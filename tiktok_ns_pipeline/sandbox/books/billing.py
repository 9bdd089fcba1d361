"""Invoices and cash sales: what an order becomes once it is billed (N 2.8, 5.6).

Made from an order they bill what was fulfilled, and lines that need no fulfilment, as far as not yet
billed (`shares` says how the parts sum to the whole); made alone they bill what the body says.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox.books.catalogue import RecordType, catalogue
from tiktok_ns_pipeline.sandbox.books.desk import Desk, record_type
from tiktok_ns_pipeline.sandbox.books.errors import missing, refused
from tiktok_ns_pipeline.sandbox.books.merging import merged_header, merged_lines, merged_sublists
from tiktok_ns_pipeline.sandbox.books.orders import (
    check_account,
    check_subsidiary,
    numbered,
    party,
    to_bill,
    with_status,
)
from tiktok_ns_pipeline.sandbox.books.pricing import priced_line, taxed, totalled
from tiktok_ns_pipeline.sandbox.books.shares import BILLED, CREDITED, left_of, parts, take_tax
from tiktok_ns_pipeline.sandbox.books.store import Record

KINDS = frozenset({record_type("invoice"), record_type("cashSale")})
"""Types of records that are bills."""
RECEIVABLE_ACCOUNT = "119"
"""Account that invoices are owed on, unless they name another."""

_ZERO = Decimal(0)
_NOT_BILLABLE = {"A", "C", "G", "H"}
INHERITED = (
    "entity",
    "subsidiary",
    "currency",
    "exchangeRate",
    "location",
    "department",
    "class",
    "otherRefNum",
    "shippingAddress",
    "memo",
    "taxDetailsOverride",
)
"""Header fields that a follow-up document takes over from what it is made from."""


def billed_order(
    desk: Desk, kind: RecordType, order: Record, given: Mapping[str, Any]
) -> tuple[Record, Record]:
    """An invoice or cash sale of an order, and the order after it. Raises BookError; commits nothing."""
    if order.get("status") in _NOT_BILLABLE:
        raise refused(f"You can not initialize {kind.path}: invalid reference {order.id}.")
    inherited = {name: order.get(name) for name in INHERITED if order.get(name) is not None}
    body = merged_header(kind.schema, inherited, given)
    body["createdFrom"] = order.id
    body.setdefault("tranDate", desk.today())
    setting = desk.setting(body["currency"], body["subsidiary"])
    body["item"] = parts(
        setting,
        "bill",
        order.lines(),
        given.get("item") or (),
        lambda line: left_of(BILLED, line, to_bill(line)),
    )
    take_tax(setting, order.lines("taxDetails"), body, given.get("taxDetails"))
    first_bill = not any(line["quantityBilled"] for line in order.lines())
    for name in ("shippingCost", "shipMethod", "handlingCost", "discountItem", "discountRate"):
        if first_bill and order.get(name) is not None:
            body.setdefault(name, order.get(name))
    totalled(setting, body)
    _booked(desk, kind, body, given)
    record = numbered(desk, kind, None, body)
    return record, order_after(desk, order, record, +1)


def saved_bill(
    desk: Desk,
    kind: RecordType,
    old: Record | None,
    given: Mapping[str, Any],
) -> Record:
    """A bill made without an order, or any bill after a change of its header."""
    body = merged_header(kind.schema, old.fields if old else {}, given)
    if old is not None and given.get("item"):
        raise refused("The lines of a saved bill cannot be changed here.")
    party(desk, body, old)
    if old is None:
        price_alone(desk, kind, body, given)
    _booked(desk, kind, body, given)
    return numbered(desk, kind, old, body)


def price_alone(desk: Desk, kind: RecordType, body: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Lines, tax and totals of a document that is made from no other (changes `body`)."""
    setting = desk.setting(body["currency"], body["subsidiary"])
    schema = catalogue().schemas[f"{kind.name}.item"]
    merged = merged_lines(schema, [], given.get("item") or [], replace=False, last_number=0, path="item")
    if not merged.lines:
        raise missing("Items list: Item")
    for index, line in enumerate(merged.lines):
        check_subsidiary(desk, body["subsidiary"], "item", line.get("item"), f"item.items[{index}].item")
    body["item"] = [priced_line(setting, line, merged.given[i], i) for i, line in enumerate(merged.lines)]
    body.update(merged_sublists(kind.schema, {}, given, frozenset(), skip="item"))
    taxed(setting, body, {line["line"]: merged.given[i] for i, line in enumerate(merged.lines)})
    totalled(setting, body)


def order_after(desk: Desk, order: Record, bill: Record, sign: int) -> Record:
    """The order once a bill of it is made (+1) or deleted (-1)."""
    lines = {line["line"]: dict(line) for line in order.lines()}
    for line in bill.lines():
        own = lines[line["orderLine"]]
        BILLED.add(own, line, sign)
        if BILLED.of(own) < CREDITED.of(own):
            raise refused("This record cannot be deleted because it has dependent records.")
    body = {**order.fields, "item": list(lines.values()), "lastModifiedDate": desk.now_text()}
    return Record(order.type, order.id, with_status(body))


def _booked(desk: Desk, kind: RecordType, body: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Account, state and period of a bill."""
    if kind.name == "invoice":
        body.setdefault("account", RECEIVABLE_ACCOUNT)
        body["amountPaid"] = body.get("amountPaid", _ZERO)
        body["amountRemaining"] = body["total"] - body["amountPaid"]
        body["status"] = "A" if body["amountRemaining"] else "B"
    else:
        if not body.get("account") and body.get("undepFunds") != "true":
            raise missing("Account")
        body["status"] = "C" if body.get("account") else "B"
    check_account(desk, body, body.get("account"), "account")
    body["postingPeriod"] = desk.posting_period(body, given, receivable=True)

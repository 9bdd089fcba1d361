"""Item fulfilments: what leaves the warehouse for a sales order (N 2.8, 5.5).

A fulfilment is made from an order only. Picked (A) and packed (B) reserve the order's quantity, only
shipped (C) lowers stock and moves the order on. Lines that the caller does not mention are fulfilled
with all that is open. Shipped goods may come back by deletion or by an earlier state (N 8); either
restores the order's counts and the stock.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox.books.catalogue import catalogue
from tiktok_ns_pipeline.sandbox.books.desk import Desk, record_type
from tiktok_ns_pipeline.sandbox.books.errors import invalid_value, missing, refused
from tiktok_ns_pipeline.sandbox.books.merging import Line, merged_header, merged_sublists
from tiktok_ns_pipeline.sandbox.books.orders import (
    check_subsidiary,
    item_of,
    members,
    numbered,
    with_status,
)
from tiktok_ns_pipeline.sandbox.books.pricing import FULFILLABLE
from tiktok_ns_pipeline.sandbox.books.store import Record

ITEM_FULFILLMENT = record_type("itemFulfillment")

_ZERO = Decimal(0)
# Header fields that a fulfilment takes over from its order.
_INHERITED = (
    "entity",
    "subsidiary",
    "currency",
    "exchangeRate",
    "shippingAddress",
    "department",
    "shipMethod",
)
# The day of each state; leaving a state behind forgets its day.
_DATES = {"A": "pickedDate", "B": "packedDate", "C": "shippedDate"}
# States of an order from which goods may leave.
_FULFILLABLE_STATES = {"B", "D", "E"}
# shipStatus -> counts of the order line that a quantity in that state belongs to.
_COUNTED_AS = {
    "A": ("quantityPicked",),
    "B": ("quantityPicked", "quantityPacked"),
    "C": ("quantityPicked", "quantityPacked", "quantityFulfilled"),
}


def fulfilled(desk: Desk, order: Record, given: Mapping[str, Any]) -> tuple[Record, Record]:
    """A new fulfilment of an order, and the order after it. Raises BookError; commits nothing."""
    if order.get("status") not in _FULFILLABLE_STATES:
        raise refused(f"You can not initialize itemfulfillment: invalid reference {order.id}.")
    body: dict[str, Any] = {name: order.get(name) for name in _INHERITED if order.get(name) is not None}
    body.update(merged_header(ITEM_FULFILLMENT.schema, {}, given))
    body["createdFrom"], body["orderId"], body["orderType"] = order.id, int(order.id), "SalesOrd"
    body.setdefault("shipStatus", "A")
    body.setdefault("tranDate", desk.today())
    body["item"] = _lines(desk, order, given.get("item") or ())
    body.update(merged_sublists(ITEM_FULFILLMENT.schema, {}, given, frozenset(), skip="item"))
    _dated(desk, None, body)
    record = numbered(desk, ITEM_FULFILLMENT, None, body)
    return record, order_after(desk, order, None, record)


def changed_fulfilment(
    desk: Desk, old: Record, given: Mapping[str, Any], replace: frozenset[str]
) -> tuple[Record, Record]:
    """A fulfilment after a change of its header or packages, and its order after it."""
    if old.get("orderType") != "SalesOrd":
        raise refused("The item fulfillment of a transfer order cannot be changed here.")
    if given.get("item"):
        raise refused("The lines of a saved item fulfillment cannot be changed here.")
    body = merged_header(ITEM_FULFILLMENT.schema, old.fields, given)
    body.update(merged_sublists(ITEM_FULFILLMENT.schema, old.fields, given, replace, skip="item"))
    _dated(desk, old, body)
    record = numbered(desk, ITEM_FULFILLMENT, old, body)
    order = desk.the("salesOrder", old.get("createdFrom"))
    return record, order_after(desk, order, old, record)


def order_after(desk: Desk, order: Record, old: Record | None, new: Record | None) -> Record:
    """The order once a fulfilment is made, changed or (`new` is None) deleted."""
    lines = {line["line"]: dict(line) for line in order.lines()}
    for fulfilment, sign in ((old, -1), (new, 1)):
        for line in fulfilment.lines() if fulfilment else ():
            if line.get("kitMemberOf") is not None:
                continue
            for count in _COUNTED_AS[fulfilment.get("shipStatus")] if fulfilment else ():
                lines[line["orderLine"]][count] += sign * line["quantity"]
    body = {**order.fields, "item": list(lines.values()), "lastModifiedDate": desk.now_text()}
    return Record(order.type, order.id, with_status(body))


def _dated(desk: Desk, old: Record | None, body: dict[str, Any]) -> None:
    """State, dates and period. Only what ships posts to the ledger, and only that needs open periods."""
    status = body["status"] = body["shipStatus"]
    for state, name in _DATES.items():
        if state > status:
            body.pop(name, None)
    body.setdefault(_DATES[status], body["tranDate"])
    posted = old is not None and old.get("shipStatus") == "C"
    same_day = old is not None and old.get("tranDate") == body["tranDate"]
    moves_ledger = posted != (status == "C") or (posted and not same_day)
    if old is not None and posted and moves_ledger:
        desk.check_open(old)
    body["postingPeriod"] = desk.period_of(body["tranDate"], must_be_open=status == "C" and moves_ledger)


def _lines(desk: Desk, order: Record, given: Any) -> list[Line]:
    wanted: dict[int, tuple[int, Line]] = {}
    known = {line["line"] for line in order.lines()}
    for index, element in enumerate(given):
        number = element.get("orderLine")
        if number not in known:
            raise invalid_value(number, "orderLine", f"item.items[{index}].orderLine")
        wanted[number] = (index, element)
    lines: list[Line] = []
    for line in order.lines():
        index, element = wanted.get(line["line"], (-1, {}))
        if line["isClosed"] and element.get("itemReceive", element.get("quantity")):
            raise refused(f"Line {line['line']} is closed and cannot be fulfilled.")
        if line["itemType"] not in FULFILLABLE or line["isClosed"]:
            continue
        lines.extend(_line(desk, order, line, element, index, len(lines)))
    if not lines:
        raise refused("You must have at least one valid line item for this transaction.")
    return lines


def _line(
    desk: Desk, order: Record, line: Mapping[str, Any], element: Line, index: int, before: int
) -> list[Line]:
    still_open = line["quantity"] - line["quantityPicked"]
    quantity = element.get("quantity", still_open)
    if element.get("itemReceive") is False or (not element and still_open <= 0) or quantity == 0:
        return []
    if quantity < 0 or quantity > still_open:
        raise invalid_value(quantity, "quantity", f"item.items[{index}].quantity")
    location = element.get("location") or line.get("location")
    if location is None:
        raise missing("Items list: Location")
    check_subsidiary(desk, order.get("subsidiary"), "location", location, f"item.items[{index}].location")
    item = item_of(desk, line)
    own: Line = {
        # It counts in the unit of its order's line.
        **({"units": line["units"]} if line.get("units") else {}),
        **{name: value for name, value in element.items() if name in _CARRIED or name.startswith("custcol")},
        "orderLine": line["line"],
        "line": before + 1,
        "item": item.id,
        "itemName": item.get("itemId"),
        "itemReceive": True,
        "itemType": item.type.code,
        "location": location,
        "quantity": quantity,
        "quantityRemaining": still_open,
        "lineUniqueKey": "",
    }
    parts = members(desk, line)
    if item.type.code != "Kit":
        for _, number in parts:
            own["_stockQuantity"] = quantity * number
        return [own]
    return [own, *member_lines(desk, own, parts)]


_CARRIED = frozenset(catalogue().schemas["itemFulfillment.item"].fields) & {
    "class",
    "department",
    "description",
    "units",
}


def member_lines(desk: Desk, kit: Line, parts: list[tuple[str, Decimal]]) -> list[Line]:
    """What leaves or reaches a warehouse with a kit's line, as lines beside it."""
    lines: list[Line] = []
    for offset, (identifier, number) in enumerate(parts, start=1):
        item = desk.the("item", identifier)
        lines.append(
            {
                **kit,
                "line": kit["line"] + offset,
                "item": identifier,
                "itemName": item.get("itemId"),
                "itemType": item.type.code,
                "kitMemberOf": kit["line"],
                "quantity": kit["quantity"] * number,
                "quantityRemaining": kit["quantityRemaining"] * number,
                "_stockQuantity": kit["quantity"] * number,
            }
        )
    return lines

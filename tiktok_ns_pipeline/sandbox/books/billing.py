"""Invoices and cash sales: what an order becomes once it is billed (N 2.8, 5.6).

Made from an order they bill what was fulfilled, and lines that need no fulfilment, as far as not yet
billed; made alone they bill what the body says. The last bill of a line takes what is left of its
amount and tax, so bills sum to the order to the cent.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox.books.catalogue import RecordType, catalogue
from tiktok_ns_pipeline.sandbox.books.desk import Desk
from tiktok_ns_pipeline.sandbox.books.errors import invalid_value, missing, refused
from tiktok_ns_pipeline.sandbox.books.merging import Line, merged_header, merged_lines, merged_sublists
from tiktok_ns_pipeline.sandbox.books.orders import numbered, ordered, party, with_status
from tiktok_ns_pipeline.sandbox.books.pricing import (
    FULFILLABLE,
    Setting,
    priced_line,
    taxed,
    totalled,
)
from tiktok_ns_pipeline.sandbox.books.store import Record

_ZERO = Decimal(0)
_NOT_BILLABLE = {"A", "C", "G", "H"}
_RECEIVABLE = "119"
# Header fields that a bill takes over from its order.
_INHERITED = (
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
# What a bill's line takes over from the order's line.
_LINE_INHERITED = (
    "item",
    "rate",
    "price",
    "description",
    "location",
    "department",
    "class",
    "units",
    "itemType",
    "taxCode",
    "taxRate1",
    "taxDetailsReference",
)


def billed_order(
    desk: Desk, kind: RecordType, order: Record, given: Mapping[str, Any]
) -> tuple[Record, Record]:
    """An invoice or cash sale of an order, and the order after it. Raises BookError; commits nothing."""
    if order.get("status") in _NOT_BILLABLE:
        raise refused(f"You can not initialize {kind.path}: invalid reference {order.id}.")
    inherited = {name: order.get(name) for name in _INHERITED if order.get(name) is not None}
    body = merged_header(kind.schema, inherited, given)
    body["createdFrom"] = order.id
    body.setdefault("tranDate", desk.today())
    setting = desk.setting(body["currency"], body["subsidiary"])
    body["item"] = _bill_lines(setting, order, given.get("item") or ())
    _take_tax(setting, order, body)
    first_bill = not any(line["quantityBilled"] for line in order.lines())
    for name in ("shippingCost", "shipMethod", "handlingCost", "discountItem", "discountRate"):
        if first_bill and order.get(name) is not None:
            body.setdefault(name, order.get(name))
    totalled(setting, body)
    _booked(desk, kind, body)
    record = numbered(desk, kind, None, body)
    return record, order_after(desk, order, record, +1)


def saved_bill(
    desk: Desk,
    kind: RecordType,
    old: Record | None,
    given: Mapping[str, Any],
    replace: frozenset[str] = frozenset(),
) -> Record:
    """A bill made without an order, or any bill after a change of its header."""
    body = merged_header(kind.schema, old.fields if old else {}, given)
    if old is not None and given.get("item"):
        raise refused("The lines of a saved bill cannot be changed here.")
    party(desk, body, old)
    if old is None:
        setting = desk.setting(body["currency"], body["subsidiary"])
        schema = catalogue().schemas[f"{kind.name}.item"]
        merged = merged_lines(schema, [], given.get("item") or [], replace=False, last_number=0, path="item")
        if not merged.lines:
            raise missing("Items list: Item")
        body["item"] = [priced_line(setting, line, merged.given[i], i) for i, line in enumerate(merged.lines)]
        body.update(merged_sublists(kind.schema, {}, given, replace, skip="item"))
        taxed(setting, body, {line["line"]: merged.given[i] for i, line in enumerate(merged.lines)})
        totalled(setting, body)
    _booked(desk, kind, body)
    return numbered(desk, kind, old, body)


def order_after(desk: Desk, order: Record, bill: Record, sign: int) -> Record:
    """The order once a bill of it is made (+1) or deleted (-1)."""
    lines = {line["line"]: dict(line) for line in order.lines()}
    for line in bill.lines():
        own = lines[line["orderLine"]]
        own["quantityBilled"] += sign * ordered(line)
        for name in ("amount", "taxAmount", "tax1Amt"):
            if name in line:
                own[f"_billed_{name}"] = Decimal(own.get(f"_billed_{name}", 0)) + sign * line[name]
    body = {**order.fields, "item": list(lines.values()), "lastModifiedDate": desk.now_text()}
    return Record(order.type, order.id, with_status(body))


def _bill_lines(setting: Setting, order: Record, given: Any) -> list[Line]:
    wanted: dict[int, Line] = {}
    known = {line["line"] for line in order.lines()}
    for index, element in enumerate(given):
        if element.get("orderLine") not in known:
            raise invalid_value(element.get("orderLine"), "orderLine", f"item.items[{index}].orderLine")
        wanted[element["orderLine"]] = element
    lines: list[Line] = []
    for line in order.lines():
        source = line["quantityFulfilled"] if line["itemType"] in FULFILLABLE else ordered(line)
        due = source - line["quantityBilled"]
        quantity = wanted.get(line["line"], {}).get("quantity", max(due, _ZERO))
        if quantity > due:
            raise refused(f"Line {line['line']} has {due} to bill, not {quantity}.")
        if quantity > 0:
            lines.append(_bill_line(setting, line, wanted.get(line["line"], {}), quantity, len(lines) + 1))
    if not lines:
        raise refused("You must have at least one valid line item for this transaction.")
    return lines


def _bill_line(setting: Setting, line: Line, element: Line, quantity: Decimal, number: int) -> Line:
    own: Line = {name: line[name] for name in _LINE_INHERITED if name in line}
    own.update({name: value for name, value in line.items() if name.startswith("custcol")})
    own.update({name: value for name, value in element.items() if name.startswith("custcol")})
    own.update(orderLine=line["line"], line=number, quantity=quantity)
    last = line["quantityBilled"] + quantity >= ordered(line)
    for name in ("amount", "taxAmount", "tax1Amt"):
        if name not in line:
            continue
        rest = line[name] - Decimal(line.get(f"_billed_{name}", 0))
        own[name] = rest if last else setting.rounded(line[name] * quantity / ordered(line))
    own["grossAmt"] = own["amount"] + own.get("taxAmount", own.get("tax1Amt", _ZERO))
    return own


def _take_tax(setting: Setting, order: Record, body: dict[str, Any]) -> None:
    by_reference = {line.get("taxDetailsReference"): line for line in body["item"]}
    body["taxDetails"] = [
        {
            **detail,
            "taxBasis": by_reference[detail["taxDetailsReference"]]["amount"],
            "taxAmount": by_reference[detail["taxDetailsReference"]]["taxAmount"],
        }
        for detail in order.lines("taxDetails")
        if detail["taxDetailsReference"] in by_reference
    ]
    name = "tax1Amt" if setting.tax_engine == "legacy" else "taxAmount"
    body["taxTotal"] = sum((line.get(name, _ZERO) for line in body["item"]), _ZERO)


def _booked(desk: Desk, kind: RecordType, body: dict[str, Any]) -> None:
    """Account, state and period of a bill."""
    if kind.name == "invoice":
        body.setdefault("account", _RECEIVABLE)
        body["amountPaid"] = body.get("amountPaid", _ZERO)
        body["amountRemaining"] = body["total"] - body["amountPaid"]
        body["status"] = "A" if body["amountRemaining"] else "B"
    else:
        if not body.get("account") and body.get("undepFunds") != "true":
            raise missing("Account")
        body["status"] = "C" if body.get("account") else "B"
    body["postingPeriod"] = desk.period_of(body["tranDate"], must_be_open=True)

"""Invoices and cash sales: what an order becomes once it is billed (N 2.8, 5.6).

Made from an order they bill what was fulfilled, and lines that need no fulfilment, as far as not yet
billed; made alone they bill what the body says. A bill takes its part of what is left of a line's
amount and tax, the last one all of it, so bills sum to the order to the cent.

A body may say a line's `amount`: that is how a share of a line without quantity, such as a discount,
is billed. Of such lines the same share of their quantity counts as billed.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox.books.catalogue import RecordType, catalogue
from tiktok_ns_pipeline.sandbox.books.desk import Desk
from tiktok_ns_pipeline.sandbox.books.errors import invalid_value, missing, refused
from tiktok_ns_pipeline.sandbox.books.merging import Line, merged_header, merged_lines, merged_sublists
from tiktok_ns_pipeline.sandbox.books.orders import numbered, ordered, party, to_bill, with_status
from tiktok_ns_pipeline.sandbox.books.pricing import (
    FULFILLABLE,
    Setting,
    completed_details,
    priced_line,
    taxed,
    totalled,
)
from tiktok_ns_pipeline.sandbox.books.store import Record

_ZERO = Decimal(0)
_ONE = Decimal(1)
# Shares of a quantity are kept so fine; the last share takes what is left.
_FINEST_SHARE = Decimal("1e-12")
_AMOUNTS = ("amount", "taxAmount", "tax1Amt")
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
    _take_tax(setting, order, body, given.get("taxDetails"))
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
    _booked(desk, kind, body, given)
    return numbered(desk, kind, old, body)


def order_after(desk: Desk, order: Record, bill: Record, sign: int) -> Record:
    """The order once a bill of it is made (+1) or deleted (-1)."""
    lines = {line["line"]: dict(line) for line in order.lines()}
    for line in bill.lines():
        own = lines[line["orderLine"]]
        own["quantityBilled"] += sign * Decimal(line.get("_share", ordered(line)))
        for name in _AMOUNTS:
            if name in line:
                own[f"_billed_{name}"] = _billed(own, name) + sign * line[name]
    body = {**order.fields, "item": list(lines.values()), "lastModifiedDate": desk.now_text()}
    return Record(order.type, order.id, with_status(body))


def _bill_lines(setting: Setting, order: Record, given: Any) -> list[Line]:
    wanted: dict[int, tuple[int, Line]] = {}
    known = {line["line"] for line in order.lines()}
    for index, element in enumerate(given):
        if element.get("orderLine") not in known:
            raise invalid_value(element.get("orderLine"), "orderLine", f"item.items[{index}].orderLine")
        wanted[element["orderLine"]] = (index, element)
    lines: list[Line] = []
    for line in order.lines():
        index, element = wanted.get(line["line"], (-1, {}))
        share = _share_to_bill(setting, line, element, f"item.items[{index}]")
        if share > 0:
            lines.append(_bill_line(setting, line, element, share, len(lines) + 1))
    if not lines:
        raise refused("You must have at least one valid line item for this transaction.")
    return lines


def _share_to_bill(setting: Setting, line: Line, element: Line, path: str) -> Decimal:
    """How much of a line's quantity a bill takes: what is said, what its amount stands for, or all."""
    due = to_bill(line)
    left = line["amount"] - _billed(line, "amount")
    amount = element.get("amount")
    if amount is not None:
        amount = setting.rounded(amount)
        if amount * left < 0 or abs(amount) > abs(left):
            raise invalid_value(amount, "amount", f"{path}.amount")
        if amount and not due:
            raise refused(f"Line {line['line']} has nothing to bill.")
    quantity = element.get("quantity")
    if quantity is not None:
        if quantity < 0 or quantity > due:
            raise refused(f"Line {line['line']} has {due} to bill, not {quantity}.")
        return quantity
    if amount is None or amount == left or line["itemType"] in FULFILLABLE:
        return due
    share = min((due * amount / left).quantize(_FINEST_SHARE), due)
    return max(share, _FINEST_SHARE) if amount else _ZERO


def _bill_line(setting: Setting, line: Line, element: Line, share: Decimal, number: int) -> Line:
    own: Line = {name: line[name] for name in _LINE_INHERITED if name in line}
    own.update({name: value for name, value in line.items() if name.startswith("custcol")})
    own.update({name: value for name, value in element.items() if name.startswith("custcol")})
    own.update(orderLine=line["line"], line=number)
    if "quantity" in line:
        own["quantity"] = share
    else:
        own["_share"] = share
    part = share / (ordered(line) - line["quantityBilled"])
    if element.get("amount") is not None:
        own["amount"] = setting.rounded(element["amount"])
        own["rate"] = own["amount"] / own.get("quantity", _ONE)
        left = line["amount"] - _billed(line, "amount")
        part = own["amount"] / left if left else part
    for name in _AMOUNTS:
        if name in line and name not in own:
            own[name] = setting.rounded((line[name] - _billed(line, name)) * part)
    if setting.tax_engine == "legacy" and element.get("tax1Amt") is not None:
        own["tax1Amt"] = setting.rounded(element["tax1Amt"])
    return own


def _billed(line: Line, name: str) -> Decimal:
    """How much of an amount of an order line is on bills."""
    return Decimal(line.get(f"_billed_{name}", 0))


def _take_tax(setting: Setting, order: Record, body: dict[str, Any], given: Any) -> None:
    """Tax as the body details it, else the bill's share of the order's."""
    if setting.tax_engine == "suitetax" and given is not None:
        body["taxDetails"] = completed_details(setting, given, body["item"])
        for line in body["item"]:
            reference = line.get("taxDetailsReference")
            line["taxAmount"] = sum(
                (one["taxAmount"] for one in body["taxDetails"] if one["taxDetailsReference"] == reference),
                _ZERO,
            )
    else:
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
    for line in body["item"]:
        line["grossAmt"] = line["amount"] + line.get("taxAmount", line.get("tax1Amt", _ZERO))
    name = "tax1Amt" if setting.tax_engine == "legacy" else "taxAmount"
    body["taxTotal"] = sum((line.get(name, _ZERO) for line in body["item"]), _ZERO)


def _booked(desk: Desk, kind: RecordType, body: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Account, state and period of a bill. The period follows the day unless the caller names one."""
    if kind.name == "invoice":
        body.setdefault("account", _RECEIVABLE)
        body["amountPaid"] = body.get("amountPaid", _ZERO)
        body["amountRemaining"] = body["total"] - body["amountPaid"]
        body["status"] = "A" if body["amountRemaining"] else "B"
    else:
        if not body.get("account") and body.get("undepFunds") != "true":
            raise missing("Account")
        body["status"] = "C" if body.get("account") else "B"
    named = body.get("postingPeriod") if "tranDate" not in given else given.get("postingPeriod")
    if named is not None:
        body["postingPeriod"] = desk.open_month(named, receivable=True)
    else:
        body["postingPeriod"] = desk.period_of(body["tranDate"], must_be_open=True, receivable=True)

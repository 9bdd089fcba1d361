"""Return authorizations and the receipts of what comes back (N 2.8, 2.12, 5.7).

An authorization is made from an order or from a bill of it, or alone. Its states: A pending approval,
B pending receipt, D partially received, E the same with something to refund, F pending refund,
G refunded, H closed. Closing a line gives back what has neither come nor been credited.

Invariant: of no line more is authorized than left the warehouse or was billed, received than authorized,
or credited than billed, whichever way the documents are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox.books.billing import INHERITED, KINDS, price_alone
from tiktok_ns_pipeline.sandbox.books.catalogue import catalogue
from tiktok_ns_pipeline.sandbox.books.desk import Desk, record_type
from tiktok_ns_pipeline.sandbox.books.errors import invalid_value, missing, refused
from tiktok_ns_pipeline.sandbox.books.fulfilments import member_lines
from tiktok_ns_pipeline.sandbox.books.merging import Line, merged_header, merged_lines, merged_sublists
from tiktok_ns_pipeline.sandbox.books.orders import SALES_ORDER, check_subsidiary, members, numbered, party
from tiktok_ns_pipeline.sandbox.books.pricing import FULFILLABLE, item_of, totalled
from tiktok_ns_pipeline.sandbox.books.shares import (
    AMOUNTS,
    BILLED,
    CREDITED,
    RETURNED,
    Count,
    Left,
    left_of,
    parts,
    share_of,
    take_tax,
)
from tiktok_ns_pipeline.sandbox.books.store import Record

RETURN = record_type("returnAuthorization")
RECEIPT = record_type("itemReceipt")
SOLD = frozenset({SALES_ORDER, *KINDS})
"""Types of records that something can be returned of."""

_ZERO = Decimal(0)
# States of an order of which nothing left yet.
_NOTHING_LEFT = {"A", "B", "C"}
_RECEIVABLE_STATES = {"B", "D", "E"}


def authorized(desk: Desk, source: Record, given: Mapping[str, Any]) -> tuple[Record, list[Record]]:
    """A return authorization of an order or a bill, and what it was made from after it. Raises BookError."""
    if source.type is SALES_ORDER and source.get("status") in _NOTHING_LEFT:
        raise refused(f"You can not initialize {RETURN.path}: invalid reference {source.id}.")
    inherited = {name: source.get(name) for name in INHERITED if source.get(name) is not None}
    body = merged_header(RETURN.schema, inherited, given)
    body["createdFrom"] = source.id
    body.setdefault("tranDate", desk.today())
    body.setdefault("orderStatus", "A")
    setting = desk.setting(body["currency"], body["subsidiary"])
    given_lines = given.get("item") or ()
    body["item"] = parts(
        setting, "return", source.lines(), given_lines, lambda line: _left(desk, source, line)
    )
    take_tax(setting, source.lines("taxDetails"), body, given.get("taxDetails"))
    totalled(setting, body)
    return _made(desk, None, body)


def saved_return(
    desk: Desk, old: Record | None, given: Mapping[str, Any], replace: frozenset[str]
) -> tuple[Record, list[Record]]:
    """A return authorization made alone, or one after a change. Raises BookError; commits nothing."""
    body = merged_header(RETURN.schema, old.fields if old else {}, given)
    party(desk, body, old)
    body.setdefault("orderStatus", "A")
    if old is None:
        price_alone(desk, RETURN, body, given)
        return _made(desk, None, body)
    if "item" in replace and "item" in given:
        raise refused("The lines of a saved return authorization can only be closed here.")
    schema = catalogue().schemas["returnAuthorization.item"]
    lines = list(old.lines())
    merged = merged_lines(
        schema, lines, given.get("item") or [], replace=False, last_number=len(lines), path="item"
    )
    body["item"] = merged.lines
    for before, after in zip(lines, merged.lines, strict=False):
        if {**before, "isClosed": after["isClosed"]} != after:
            raise refused("The lines of a saved return authorization can only be closed here.")
    if len(merged.lines) != len(lines):
        raise refused("The lines of a saved return authorization can only be closed here.")
    body.update(merged_sublists(RETURN.schema, old.fields, given, replace, skip="item"))
    return _made(desk, old, body)


def _made(desk: Desk, old: Record | None, body: dict[str, Any]) -> tuple[Record, list[Record]]:
    for line in body["item"]:
        line.setdefault("quantityReceived", _ZERO)
        line.setdefault("quantityBilled", _ZERO)
        line.setdefault("isClosed", False)
    record = numbered(desk, RETURN, old, _with_status(body))
    return record, sources_after(desk, old, record)


def received(desk: Desk, source: Record, given: Mapping[str, Any]) -> tuple[Record, list[Record]]:
    """An item receipt of what a return authorization allows, and the authorization after it."""
    if source.get("status") not in _RECEIVABLE_STATES:
        raise refused(f"You can not initialize {RECEIPT.path}: invalid reference {source.id}.")
    taken = ("entity", "subsidiary", "currency", "exchangeRate")
    body = merged_header(RECEIPT.schema, {name: source.get(name) for name in taken}, given)
    body["createdFrom"], body["orderId"], body["orderType"] = source.id, int(source.id), RETURN.code
    body.setdefault("tranDate", desk.today())
    body["postingPeriod"] = desk.posting_period(body, given)
    body["item"] = _received_lines(desk, source, given.get("item") or ())
    record = numbered(desk, RECEIPT, None, body)
    return record, [received_after(desk, source, record, +1)]


def received_after(desk: Desk, source: Record, receipt: Record, sign: int) -> Record:
    """The return authorization once a receipt of it is made (+1) or deleted (-1)."""
    lines = {line["line"]: dict(line) for line in source.lines()}
    for line in receipt.lines():
        if line.get("kitMemberOf") is None:
            lines[line["orderLine"]]["quantityReceived"] += sign * line["quantity"]
    if not desk.refunds_in_advance and any(
        line["itemType"] in FULFILLABLE and line["quantityBilled"] > line["quantityReceived"]
        for line in lines.values()
    ):
        raise refused("This record cannot be deleted because it has dependent records.")
    return _changed(desk, source, lines)


def to_credit(desk: Desk, line: Mapping[str, Any]) -> Decimal:
    """Quantity of an authorization's line that can be credited now."""
    is_goods = line["itemType"] in FULFILLABLE
    waits = line["isClosed"] or (is_goods and not desk.refunds_in_advance)
    source = line["quantityReceived"] if waits else share_of(line)
    return max(source - line["quantityBilled"], _ZERO)


def sources_after(desk: Desk, old: Record | None, new: Record | None) -> list[Record]:
    """What a return or credit was made from, directly or not, once that is made, changed or deleted.

    Raises BookError when more would be returned or credited than there is.
    """
    records: dict[str, Record] = {}
    changed: dict[str, dict[int, Line]] = {}
    raised: list[tuple[Record, Line, Count]] = []
    for document, sign in ((old, -1), (new, +1)):
        if document is None or not document.get("createdFrom"):
            continue
        via_return = desk.the("transaction", document.get("createdFrom")).type is RETURN
        for line in document.lines():
            for source, number in _lineage(desk, document, line):
                records.setdefault(source.id, source)
                lines = changed.setdefault(source.id, {one["line"]: dict(one) for one in source.lines()})
                for count, quantity in _takes(document, line, source, via_return):
                    count.add(lines[number], line, sign, quantity)
                    raised.append((source, lines[number], count))
    for source, line, count in raised:
        if count.of(line) > _limit(source, line, count):
            raise refused(f"Line {line['line']} of {source.get('tranId')} has less left than that.")
    return [_changed(desk, records[identifier], lines) for identifier, lines in changed.items()]


def _lineage(desk: Desk, document: Record, line: Mapping[str, Any]) -> Iterator[tuple[Record, int]]:
    """The documents, and the number of the line in each, that a line came from; the nearest first."""
    while document.get("createdFrom") and "orderLine" in line:
        source = desk.the("transaction", document.get("createdFrom"))
        number = line["orderLine"]
        yield source, number
        document, line = source, next(one for one in source.lines() if one["line"] == number)


def _takes(
    document: Record, line: Mapping[str, Any], source: Record, via_return: bool
) -> Iterator[tuple[Count, Decimal | None]]:
    """What a line of a return or credit counts as on a document it came from; None is all of it."""
    if document.type is RETURN:
        ended = max(line["quantityReceived"], line["quantityBilled"])
        yield RETURNED, ended if line["isClosed"] else None
    elif source.type is RETURN:
        yield BILLED, None
    else:
        yield CREDITED, None
        if not via_return:
            yield RETURNED, None


def _limit(source: Record, line: Mapping[str, Any], count: Count) -> Decimal:
    if source.type is not SALES_ORDER:
        return share_of(line)
    if count is CREDITED:
        return BILLED.of(line)
    return max(_left_the_house(line), BILLED.of(line))


def _left_the_house(line: Mapping[str, Any]) -> Decimal:
    return line["quantityFulfilled"] if line["itemType"] in FULFILLABLE else _ZERO


def _left(desk: Desk, source: Record, line: Line) -> Left:
    """What of a line of an order or a bill can still be returned."""
    limit = _limit(source, line, RETURNED)
    # A bill's amounts are those of its lines; an order's are what was billed, once all that left is.
    is_billed = source.type is SALES_ORDER and BILLED.of(line) >= _left_the_house(line)
    whole = left_of(RETURNED, line, max(limit - RETURNED.of(line), _ZERO))
    if not is_billed:
        return whole
    amounts = {name: BILLED.of(line, name) - RETURNED.of(line, name) for name in AMOUNTS if name in line}
    return Left(whole.due, BILLED.of(line) - RETURNED.of(line), amounts)


def _changed(desk: Desk, source: Record, lines: Mapping[int, Line]) -> Record:
    body = {**source.fields, "item": list(lines.values())}
    if source.type is RETURN:
        body["lastModifiedDate"] = desk.now_text()
        _with_status(body)
    return Record(source.type, source.id, body)


def _with_status(body: dict[str, Any]) -> dict[str, Any]:
    body["status"] = _status(body)
    return body


def _status(body: Mapping[str, Any]) -> str:
    lines: list[Line] = body["item"]
    if all(line["isClosed"] for line in lines):
        owed = any(line["quantityReceived"] > line["quantityBilled"] for line in lines)
        return "F" if owed else "H"
    if body["orderStatus"] == "A":
        return "A"
    if not any(_is_awaited(line) for line in lines):
        return "G" if all(_is_settled(line) for line in lines) else "F"
    if not any(line["quantityReceived"] for line in lines):
        return "B"
    return "E" if any(line["quantityReceived"] > line["quantityBilled"] for line in lines) else "D"


def _is_awaited(line: Mapping[str, Any]) -> bool:
    is_goods = line["itemType"] in FULFILLABLE and not line["isClosed"]
    return is_goods and line["quantityReceived"] < line["quantity"]


def _is_settled(line: Mapping[str, Any]) -> bool:
    wanted = line["quantityReceived"] if line["isClosed"] else share_of(line)
    return line["quantityBilled"] >= wanted


def _received_lines(desk: Desk, source: Record, given: Any) -> list[Line]:
    wanted = {element.get("orderLine"): (index, element) for index, element in enumerate(given)}
    lines: list[Line] = []
    for line in source.lines():
        index, element = wanted.pop(line["line"], (-1, {}))
        if line["itemType"] not in FULFILLABLE or line["isClosed"]:
            continue
        still_open = line["quantity"] - line["quantityReceived"]
        quantity = element.get("quantity", still_open)
        if element.get("itemReceive") is False or quantity == 0:
            continue
        if quantity < 0 or quantity > still_open:
            raise invalid_value(quantity, "quantity", f"item.items[{index}].quantity")
        lines.extend(_received_line(desk, source, line, element, quantity, len(lines)))
    if wanted:
        raise invalid_value(next(iter(wanted)), "orderLine", "item.items.orderLine")
    if not lines:
        raise refused("You must have at least one valid line item for this transaction.")
    return lines


def _received_line(
    desk: Desk, source: Record, line: Line, element: Line, quantity: Decimal, before: int
) -> list[Line]:
    location = element.get("location") or line.get("location") or source.get("location")
    if location is None:
        raise missing("Items list: Location")
    check_subsidiary(desk, source.get("subsidiary"), "location", location, "item.items.location")
    item = item_of(desk, line)
    restock = element.get("restock", True)
    own: Line = {
        **({"units": line["units"]} if line.get("units") else {}),
        "orderLine": line["line"],
        "line": before + 1,
        "item": item.id,
        "itemName": item.get("itemId"),
        "itemReceive": True,
        "itemType": item.type.code,
        "location": location,
        "quantity": quantity,
        "quantityRemaining": line["quantity"] - line["quantityReceived"],
        "restock": restock,
    }
    goods = members(desk, line)
    if item.type.code == "Kit":
        parts_of_kit = member_lines(desk, own, goods)
        for one in parts_of_kit if not restock else ():
            del one["_stockQuantity"]
        return [own, *parts_of_kit]
    # What is not restocked was thrown away: it counts as received and never lies on a shelf.
    for _, number in goods if restock else ():
        own["_stockQuantity"] = quantity * number
    return [own]

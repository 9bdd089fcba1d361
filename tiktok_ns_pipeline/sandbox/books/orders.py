"""Sales orders: what a save makes of a body, which state an order is in, what it holds of the stock.

States (N 2.12): A pending approval, B pending fulfilment, D partially fulfilled, E the same with
something to bill, F pending billing, G billed, H closed. Only A and B are set, all others follow from
the lines. A closed line ends what has not begun: what left of it before can still be billed.

Words: a line is *open* while it is neither closed nor wholly picked. Quantities on order lines are in
the line's unit, stock is kept in stock units.

Invariant: no line is ordered for less than is picked, and none is closed while goods of it are on
their way out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox.books.catalogue import RecordType, catalogue
from tiktok_ns_pipeline.sandbox.books.desk import Desk, record_type
from tiktok_ns_pipeline.sandbox.books.errors import invalid_value, missing, refused
from tiktok_ns_pipeline.sandbox.books.merging import (
    Line,
    Merged,
    merged_header,
    merged_lines,
    merged_sublists,
)
from tiktok_ns_pipeline.sandbox.books.pricing import (
    FULFILLABLE,
    Setting,
    item_of,
    priced_line,
    taxed,
    totalled,
)
from tiktok_ns_pipeline.sandbox.books.shares import ordered
from tiktok_ns_pipeline.sandbox.books.stock import Holder, Place
from tiktok_ns_pipeline.sandbox.books.store import Record

SALES_ORDER = record_type("salesOrder")

Held = Callable[[Place, Holder], Decimal]
"""What an order line holds at a place, in stock units."""

_ZERO = Decimal(0)
# Counts that follow-up documents keep on an order line.
COUNTS = ("quantityPicked", "quantityPacked", "quantityFulfilled", "quantityBilled")
# States in which an order waits for goods and therefore holds stock.
_WAITING = {"B", "D", "E"}
# The body's references that a subsidiary restricts.
_OF_SUBSIDIARY = ("location", "department", "class")


def saved_order(
    desk: Desk, old: Record | None, given: Mapping[str, Any], replace: frozenset[str] = frozenset()
) -> Record:
    """The order after a create (`old` is None) or a change. Raises BookError; commits nothing."""
    schema = SALES_ORDER.schema
    body = merged_header(schema, old.fields if old else {}, given)
    party(desk, body, old)
    body.setdefault("orderStatus", "A")
    body.setdefault("customForm", "68")
    body.setdefault("shipDate", body["tranDate"])
    setting = desk.setting(body["currency"], body["subsidiary"])
    merged = _lines(desk, old, given, replace)
    body["item"] = [_checked(desk, setting, body, line, merged, i) for i, line in enumerate(merged.lines)]
    _check_closing(old, body["item"])
    body["_lastLine"] = merged.last_number
    _keep_details(body, old, given, replace)
    taxed(setting, body, _by_number(merged))
    totalled(setting, body)
    return numbered(desk, SALES_ORDER, old, with_status(body))


def party(desk: Desk, body: dict[str, Any], old: Record | None) -> None:
    """Complete customer, subsidiary, currency, date and rate of a sales document in `body`."""
    if not body.get("entity"):
        raise missing("Customer")
    customer = desk.the("customer", body["entity"])
    if customer.get("isInactive"):
        raise invalid_value(customer.id, "entity", "entity")
    subsidiary = customer.get("subsidiary")
    if body.setdefault("subsidiary", subsidiary) != subsidiary:
        raise invalid_value(body["subsidiary"], "subsidiary", "subsidiary")
    if old is not None and (old.get("entity"), old.get("currency")) != (
        body["entity"],
        body.get("currency", old.get("currency")),
    ):
        raise refused("The customer and the currency of a saved transaction cannot be changed.")
    currency = body.setdefault("currency", customer.get("currency"))
    held = {customer.get("currency"), *(line["currency"] for line in customer.lines("currencyList"))}
    if currency not in held:
        raise invalid_value(currency, "currency", "currency")
    body.setdefault("tranDate", desk.today())
    body.setdefault("exchangeRate", desk.exchange_rate(currency, subsidiary))
    for name in _OF_SUBSIDIARY:
        check_subsidiary(desk, subsidiary, name, body.get(name), name)


def check_subsidiary(desk: Desk, subsidiary: str, name: str, identifier: str | None, path: str) -> None:
    """Refuse a reference to what belongs to other subsidiaries only."""
    if identifier is None:
        return
    target = "classification" if name == "class" else name
    allowed = desk.the(target, identifier).get("subsidiary")
    if allowed and subsidiary not in allowed:
        raise invalid_value(identifier, name, path)


def check_account(desk: Desk, body: Mapping[str, Any], identifier: str | None, path: str) -> None:
    """Refuse an account that `body`'s subsidiary does not have, or that is kept in a foreign currency.

    An account with a currency takes its own and, where it is the subsidiary's base currency, any (N 6
    no. 11).
    """
    if identifier is None:
        return
    check_subsidiary(desk, body["subsidiary"], "account", identifier, path)
    account = desk.the("account", identifier)
    base = desk.the("subsidiary", body["subsidiary"]).get("currency")
    fits = account.get("currency") in {None, body["currency"], base}
    if not fits or account.get("isInactive") or account.get("isSummary"):
        raise invalid_value(identifier, "account", path)


def numbered(desk: Desk, kind: RecordType, old: Record | None, body: dict[str, Any]) -> Record:
    """The transaction with id, number and dates; `body` is complete but for these."""
    identifier = old.id if old else None
    desk.check_external_id(kind, body.get("externalId"), identifier)
    now = desk.now_text()
    if identifier is None:
        identifier = desk.new_id(kind)
        number = desk.new_document_number(kind)
        body.setdefault("tranId", f"{kind.prefix}{number}")
        body["transactionNumber"] = f"{kind.code.upper()}{number}"
        body["createdDate"] = now
    for line in body.get("item", ()):
        line.setdefault("lineUniqueKey", "")
        line["lineUniqueKey"] = line["lineUniqueKey"] or desk.new_line_key()
    body["lastModifiedDate"] = now
    return Record(kind, identifier, body)


def with_status(body: dict[str, Any]) -> dict[str, Any]:
    """`body` with the state that its lines say."""
    body["status"] = _status(body)
    return body


def _status(body: Mapping[str, Any]) -> str:
    lines: list[Line] = body["item"]
    if lines and all(line.get("isClosed") for line in lines):
        return "F" if any(to_bill(line) for line in lines) else "H"
    if body["orderStatus"] == "A":
        return "A"
    if not any(_awaits_goods(line) for line in lines):
        return "G" if all(_is_settled(line) for line in lines) else "F"
    if not any(line["quantityFulfilled"] for line in lines):
        return "B"
    unbilled = any(line["quantityFulfilled"] > line["quantityBilled"] for line in lines)
    return "E" if unbilled else "D"


def _awaits_goods(line: Mapping[str, Any]) -> bool:
    is_goods = line["itemType"] in FULFILLABLE and not line.get("isClosed")
    return is_goods and line["quantityFulfilled"] < line["quantity"]


def _is_settled(line: Mapping[str, Any]) -> bool:
    return not to_bill(line) if line.get("isClosed") else is_billed(line)


def is_billed(line: Mapping[str, Any]) -> bool:
    """Whether an order line is billed as ordered."""
    return line["quantityBilled"] >= ordered(line)


def to_bill(line: Mapping[str, Any]) -> Decimal:
    """Quantity of an order line that can be billed now: goods that left, else what is not closed."""
    if line["itemType"] in FULFILLABLE:
        source = line["quantityFulfilled"]
    else:
        source = _ZERO if line.get("isClosed") else ordered(line)
    return max(source - line["quantityBilled"], _ZERO)


def _lines(desk: Desk, old: Record | None, given: Mapping[str, Any], replace: frozenset[str]) -> Merged:
    elements: list[Line] | None = given.get("item", [])
    if old is None and not elements:
        raise missing("Items list: Item")
    schema = catalogue().schemas["salesOrder.item"]
    if elements is None:
        elements, replace = [], frozenset({"item"})
    before = list(old.lines()) if old else []
    last = old.get("_lastLine") if old else 0
    # Replacement concerns sublists that the body carries.
    replaced = "item" in replace and "item" in given
    merged = merged_lines(schema, before, elements, replace=replaced, last_number=last, path="item")
    for line in merged.dropped:
        if any(line[count] for count in COUNTS):
            raise refused(f"Line {line['line']} has been fulfilled or billed and cannot be deleted.")
    if not merged.lines:
        raise missing("Items list: Item")
    return merged


def _checked(
    desk: Desk, setting: Setting, body: Mapping[str, Any], line: Line, merged: Merged, index: int
) -> Line:
    """A line with its prices; untouched lines pass as they are."""
    given = merged.given.get(index)
    if given is None:
        return line
    path = f"item.items[{index}]"
    item = item_of(desk, line)
    check_subsidiary(desk, body["subsidiary"], "item", item.id, f"{path}.item")
    for name in _OF_SUBSIDIARY:
        check_subsidiary(desk, body["subsidiary"], name, line.get(name), f"{path}.{name}")
    for count in COUNTS:
        line.setdefault(count, _ZERO)
    line.setdefault("isClosed", False)
    line.setdefault("commitInventory", "1")
    line = priced_line(setting, line, given, index)
    units_factor(desk, item, line, path)
    if max(line["quantityPicked"], line["quantityBilled"]) > ordered(line):
        raise refused("The quantity cannot be less than what has been fulfilled or billed already.")
    if body.get("location") and line["itemType"] in FULFILLABLE:
        line.setdefault("location", body["location"])
    return line


def _check_closing(old: Record | None, lines: list[Line]) -> None:
    """Goods on their way out cannot be called off by closing: the fulfilment is to be deleted first."""
    before = {line["line"] for line in old.lines() if line["isClosed"]} if old else set[int]()
    for line in lines:
        if (
            line["isClosed"]
            and line["line"] not in before
            and line["quantityPicked"] > line["quantityFulfilled"]
        ):
            raise refused(f"Line {line['line']} has been picked and cannot be closed.")


def units_factor(desk: Desk, item: Record, line: Mapping[str, Any], path: str = "item") -> Decimal:
    """Stock units in one unit of the line. Raises BookError when the item has no such unit."""
    unit = line.get("units")
    if unit is None:
        return Decimal(1)
    units = desk.find("unitsType", item.get("unitsType") or "")
    for one in units.lines("uom") if units else ():
        if str(one["internalId"]) == unit:
            return one["conversionRate"]
    raise invalid_value(unit, "units", f"{path}.units")


def _keep_details(
    body: dict[str, Any], old: Record | None, given: Mapping[str, Any], replace: frozenset[str]
) -> None:
    """Merge the other sublists; tax details of lines that are gone go with them."""
    before = dict(old.fields) if old else {}
    references = {line.get("taxDetailsReference") for line in body["item"]}
    kept = [one for one in before.get("taxDetails", ()) if one["taxDetailsReference"] in references]
    before["taxDetails"] = kept
    body["taxDetails"] = kept
    body.update(merged_sublists(SALES_ORDER.schema, before, given, replace, skip="item"))


def _by_number(merged: Merged) -> dict[int, Mapping[str, Any]]:
    return {merged.lines[index]["line"]: given for index, given in merged.given.items()}


def members(desk: Desk, line: Mapping[str, Any]) -> list[tuple[str, Decimal]]:
    """What leaves the warehouse for one unit of a line: stocked items and their number in stock units."""
    item = item_of(desk, line)
    if item.type.code == "Kit":
        return [(one["item"], Decimal(one["quantity"])) for one in item.lines("member")]
    if item.type.code in {"InvtPart", "Assembly"}:
        return [(item.id, units_factor(desk, item, line))]
    return []


def demands(desk: Desk, order: Record) -> Iterator[tuple[Place, Holder, Decimal]]:
    """What each line of an order wants from where, in stock units."""
    waiting = order.get("status") in _WAITING
    for line in order.lines():
        if line.get("location") is None:
            continue
        wanted = line.get("quantity", _ZERO) - line["quantityFulfilled"]
        if not waiting or line["isClosed"] or line.get("commitInventory") == "3":
            wanted = _ZERO
        for item, number in members(desk, line):
            yield (item, line["location"]), (order.id, line["line"]), wanted * number


def _committed_of(desk: Desk, order: Record, line: Mapping[str, Any], held: Held) -> Decimal:
    """How much of a line, in its own unit, is promised from stock."""
    if line.get("location") is None:
        return _ZERO
    shares = [
        held((item, line["location"]), (order.id, line["line"])) // number
        for item, number in members(desk, line)
    ]
    return min(shares, default=_ZERO)


def live_lines(desk: Desk, order: Record, held: Held | None = None) -> list[Line]:
    """The order's lines with the figures that answers carry beside what is kept.

    `held` tells what a line holds at a place; without it that is what it holds now.
    """
    held = held or desk.stock.committed
    lines: list[Line] = []
    waiting = order.get("status") in _WAITING
    for line in order.lines():
        shown = dict(line)
        shown["isOpen"] = not line["isClosed"] and not is_billed(line)
        if line["itemType"] in FULFILLABLE:
            committed = _committed_of(desk, order, line, held)
            open_quantity = line["quantity"] - line["quantityFulfilled"]
            backordered = open_quantity - committed if waiting and not line["isClosed"] else _ZERO
            shown["quantityCommitted"] = committed
            shown["quantityBackOrdered"] = max(backordered, _ZERO)
        lines.append(shown)
    return lines

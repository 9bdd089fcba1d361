"""Documents that move stock beside sales: counts, transfers, purchases and what comes of them (N 2.8).

- An *inventory adjustment* says what a count found: stock appears or is gone at once.
- An *inventory transfer* moves stock between two places at once; a *transfer order* takes time: it holds
  stock at its source like a Sales Order, an Item Fulfillment sends it off, and until an Item Receipt it
  is in transit to where it goes.
- A *purchase order* announces stock, an Item Receipt brings it.

Every document tells its *effects* on places and the *demands* that it makes of them. Stock follows the
difference between a document before and after a change, so undoing a document undoes its effects.

Invariant: nothing is sent or received beyond what is ordered, or received before it was sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from tiktok_ns_pipeline.sandbox.books import orders
from tiktok_ns_pipeline.sandbox.books.catalogue import RecordType, catalogue
from tiktok_ns_pipeline.sandbox.books.desk import Desk, record_type
from tiktok_ns_pipeline.sandbox.books.errors import invalid_value, missing, refused
from tiktok_ns_pipeline.sandbox.books.fulfilments import ITEM_FULFILLMENT
from tiktok_ns_pipeline.sandbox.books.merging import Line, merged_header, merged_lines
from tiktok_ns_pipeline.sandbox.books.stock import Effect, Holder, Place
from tiktok_ns_pipeline.sandbox.books.store import Record

ADJUSTMENT = record_type("inventoryAdjustment")
TRANSFER = record_type("inventoryTransfer")
TRANSFER_ORDER = record_type("transferOrder")
PURCHASE_ORDER = record_type("purchaseOrder")
RECEIPT = record_type("itemReceipt")

_ZERO = Decimal(0)
_STOCKED = {"InvtPart", "Assembly"}
# The sublist that says what moves, and the name of its quantity.
_SUBLISTS = {
    ADJUSTMENT: ("inventory", "adjustQtyBy"),
    TRANSFER: ("inventory", "adjustQtyBy"),
    TRANSFER_ORDER: ("item", "quantity"),
    PURCHASE_ORDER: ("item", "quantity"),
}
# What a save demands, with the labels of the form.
_NEEDED = {
    ADJUSTMENT: (("account", "Adjustment Account"),),
    TRANSFER: (("location", "From Location"), ("transferLocation", "To Location")),
    TRANSFER_ORDER: (("location", "From Location"), ("transferLocation", "To Location")),
    PURCHASE_ORDER: (("location", "Location"),),
}
# (order, follow-up document): the count on the order's line that the document raises.
_COUNTS = {
    (TRANSFER_ORDER, ITEM_FULFILLMENT): "quantityFulfilled",
    (TRANSFER_ORDER, RECEIPT): "quantityReceived",
    (PURCHASE_ORDER, RECEIPT): "quantityReceived",
}
# Where the receiving side of a transfer's line stands among the lines that queries show.
_RECEIVING_LINES = 500_000

SAVED = frozenset(_SUBLISTS)
"""Types of records that `saved_movement` makes."""
ORDERED = frozenset({TRANSFER_ORDER, PURCHASE_ORDER})
"""Types of records that `followed_up` makes documents of."""


class Moved(NamedTuple):
    """One line as queries show it: positive where stock arrives."""

    number: int
    item: str
    location: str
    quantity: Decimal
    done: Decimal | None = None
    """How much of it was sent or received, for orders."""


def saved_movement(
    desk: Desk, kind: RecordType, old: Record | None, given: Mapping[str, Any], replace: frozenset[str]
) -> Record:
    """The document after a create (`old` is None) or a change. Raises BookError; commits nothing."""
    body = merged_header(kind.schema, old.fields if old else {}, given)
    labels = [label for name, label in _NEEDED[kind] if not body.get(name)]
    if not body.get("subsidiary"):
        labels.append("Subsidiary")
    if labels:
        raise missing(*labels)
    for name in ("location", "adjLocation", "transferLocation"):
        orders.check_subsidiary(desk, body["subsidiary"], "location", body.get(name), name)
    if body.get("location") is not None and body.get("location") == body.get("transferLocation"):
        raise invalid_value(body["transferLocation"], "transferLocation", "transferLocation")
    body.setdefault("tranDate", desk.today())
    if kind not in ORDERED:
        if old is not None:
            desk.check_open(old)
        body["postingPeriod"] = desk.period_of(body["tranDate"], must_be_open=True)
    sublist, _ = _SUBLISTS[kind]
    merged = merged_lines(
        catalogue().schemas[f"{kind.name}.{sublist}"],
        list(old.lines(sublist)) if old else [],
        given.get(sublist) or [],
        replace=sublist in replace and sublist in given,
        last_number=old.get("_lastLine") if old else 0,
        path=sublist,
    )
    if not merged.lines:
        raise missing(f"{sublist.title()} list: Item")
    if any(line.get(count) for line in merged.dropped for count in _COUNTS.values()):
        raise refused("A line that was fulfilled or received cannot be deleted.")
    body[sublist] = [_checked(desk, kind, body, line, index) for index, line in enumerate(merged.lines)]
    body["_lastLine"] = merged.last_number
    return orders.numbered(desk, kind, old, _with_status(kind, body))


def _checked(desk: Desk, kind: RecordType, body: Mapping[str, Any], line: Line, index: int) -> Line:
    sublist, name = _SUBLISTS[kind]
    path = f"{sublist}.items[{index}]"
    item = desk.the("item", line["item"]) if line.get("item") else None
    if item is None:
        raise missing(f"{sublist.title()} list: Item")
    if item.type.code not in _STOCKED:
        raise invalid_value(item.id, "item", f"{path}.item")
    quantity: Decimal | None = line.get(name)
    if not quantity or (quantity < 0 and kind is not ADJUSTMENT):
        raise invalid_value(quantity, name, f"{path}.{name}")
    if kind is ADJUSTMENT:
        location = line.setdefault("location", body.get("adjLocation"))
        if location is None:
            raise missing("Inventory list: Location")
        orders.check_subsidiary(desk, body["subsidiary"], "location", location, f"{path}.location")
    if kind is PURCHASE_ORDER:
        line.setdefault("location", body["location"])
    for count in _counts_of(kind):
        line.setdefault(count, _ZERO)
        if line[count] > quantity:
            raise refused("The quantity cannot be less than what has been fulfilled or received already.")
    return line


def _counts_of(kind: RecordType) -> list[str]:
    return [count for (order, _), count in _COUNTS.items() if order is kind]


def followed_up(
    desk: Desk, target: RecordType, order: Record, given: Mapping[str, Any]
) -> tuple[Record, Record]:
    """A shipment or receipt of a transfer or purchase order, and the order after it. Raises BookError."""
    count = _COUNTS.get((order.type, target))
    if count is None or order.get("status") not in {"B", "D", "E", "F"}:
        raise refused(f"You can not initialize {target.path}: invalid reference {order.id}.")
    body: dict[str, Any] = {"subsidiary": order.get("subsidiary"), **merged_header(target.schema, {}, given)}
    if body.setdefault("shipStatus", "C") != "C":
        raise refused("A transfer order is fulfilled as shipped here.")
    body["createdFrom"], body["orderId"], body["orderType"] = order.id, int(order.id), order.type.code
    body.setdefault("tranDate", desk.today())
    body["postingPeriod"] = desk.period_of(body["tranDate"], must_be_open=True)
    body["status"] = "C"
    if target is RECEIPT:
        del body["shipStatus"], body["status"]
    body["item"] = _followed_lines(desk, target, order, count, given.get("item") or ())
    record = orders.numbered(desk, target, None, body)
    return record, order_after(desk, order, record, 1)


def _followed_lines(desk: Desk, target: RecordType, order: Record, count: str, given: Any) -> list[Line]:
    wanted = {element.get("orderLine"): element for element in given}
    lines: list[Line] = []
    for line in order.lines():
        element = wanted.pop(line["line"], {})
        # What is in transit can be received, what is ordered can be sent or bought in.
        is_arrival = order.type is TRANSFER_ORDER and target is RECEIPT
        still_open = line["quantityFulfilled" if is_arrival else "quantity"] - line[count]
        quantity = element.get("quantity", still_open)
        if element.get("itemReceive") is False or quantity == 0:
            continue
        if quantity < 0 or quantity > still_open:
            raise invalid_value(quantity, "quantity", "item.items.quantity")
        source = order.get("location") if target is ITEM_FULFILLMENT else order.get("transferLocation")
        item = desk.the("item", line["item"])
        own: Line = {
            "orderLine": line["line"],
            "line": len(lines) + 1,
            "item": item.id,
            "itemName": item.get("itemId"),
            "itemReceive": True,
            "itemType": item.type.code,
            "location": source or line["location"],
            "quantity": quantity,
            "quantityRemaining": still_open,
            "_stockQuantity": quantity,
        }
        lines.append(own)
    if wanted:
        raise invalid_value(next(iter(wanted)), "orderLine", "item.items.orderLine")
    if not lines:
        raise refused("You must have at least one valid line item for this transaction.")
    return lines


def order_after(desk: Desk, order: Record, document: Record, sign: int) -> Record:
    """The transfer or purchase order once a follow-up is made (`sign` 1) or deleted (-1)."""
    lines = {line["line"]: dict(line) for line in order.lines()}
    count = _COUNTS[order.type, document.type]
    for line in document.lines():
        lines[line["orderLine"]][count] += sign * line["quantity"]
    for line in lines.values():
        if order.type is TRANSFER_ORDER and line["quantityReceived"] > line["quantityFulfilled"]:
            raise refused("This record cannot be deleted because it has dependent records.")
    body = {**order.fields, "item": list(lines.values()), "lastModifiedDate": desk.now_text()}
    return Record(order.type, order.id, _with_status(order.type, body))


def _with_status(kind: RecordType, body: dict[str, Any]) -> dict[str, Any]:
    if kind is TRANSFER_ORDER:
        body["status"] = _transfer_status(body["item"])
    elif kind is PURCHASE_ORDER:
        received = [line["quantityReceived"] for line in body["item"]]
        whole = all(line["quantityReceived"] == line["quantity"] for line in body["item"])
        body["status"] = "F" if whole else "D" if any(received) else "B"
    return body


def _transfer_status(lines: list[Line]) -> str:
    if all(line["quantityReceived"] == line["quantity"] for line in lines):
        return "G"
    if all(line["quantityFulfilled"] == line["quantity"] for line in lines):
        return "F"
    if any(line["quantityReceived"] for line in lines):
        return "E"
    return "D" if any(line["quantityFulfilled"] for line in lines) else "B"


def moved(record: Record) -> Iterator[Moved]:
    """The lines of a document as queries show them; a transfer shows each line on both sides."""
    sublist, name = _SUBLISTS.get(record.type, ("item", "quantity"))
    for line in record.lines(sublist):
        number, item, quantity = line["line"], line["item"], line[name]
        if record.type in {TRANSFER, TRANSFER_ORDER}:
            sent, received = line.get("quantityFulfilled"), line.get("quantityReceived")
            yield Moved(number, item, record.get("location"), -quantity, sent)
            arriving = number + _RECEIVING_LINES
            yield Moved(arriving, item, record.get("transferLocation"), quantity, received)
        else:
            yield Moved(number, item, line["location"], quantity, line.get("quantityReceived"))


def effects(record: Record | None) -> Iterator[tuple[Place, Effect]]:
    """What a document adds to places, in stock units."""
    if record is None:
        return
    if record.type in {ADJUSTMENT, TRANSFER}:
        for line in moved(record):
            yield (line.item, line.location), Effect(on_hand=line.quantity)
    elif record.type is RECEIPT or record.get("shipStatus") == "C":
        sign = 1 if record.type is RECEIPT else -1
        for line in record.lines():
            if "_stockQuantity" in line:
                quantity = sign * Decimal(line["_stockQuantity"])
                yield (line["item"], line["location"]), Effect(on_hand=quantity)
    elif record.type is TRANSFER_ORDER:
        for line in record.lines():
            under_way = line["quantityFulfilled"] - line["quantityReceived"]
            yield (line["item"], record.get("transferLocation")), Effect(in_transit=under_way)
    elif record.type is PURCHASE_ORDER:
        for line in record.lines():
            coming = line["quantity"] - line["quantityReceived"]
            yield (line["item"], line["location"]), Effect(on_order=coming)


def demands(desk: Desk, record: Record | None) -> Iterator[tuple[Place, Holder, Decimal]]:
    """What each line of an order wants from where, in stock units."""
    if record is None:
        return
    if record.type is orders.SALES_ORDER:
        yield from orders.demands(desk, record)
    elif record.type is TRANSFER_ORDER:
        for line in record.lines():
            place = (line["item"], record.get("location"))
            yield place, (record.id, line["line"]), line["quantity"] - line["quantityFulfilled"]


def follow(desk: Desk, old: Record | None, new: Record | None) -> None:
    """Let stock follow a change of a document; call it once the change is certain."""
    wanted = {(place, holder): asked for place, holder, asked in demands(desk, new)}
    for place, holder, _ in demands(desk, old):
        if (place, holder) not in wanted:
            desk.stock.ask(place, holder, _ZERO)
    for (place, holder), asked in wanted.items():
        desk.stock.ask(place, holder, asked)
    total: dict[Place, Effect] = {}
    for record, sign in ((old, -1), (new, 1)):
        for place, effect in effects(record):
            before = total.get(place, Effect())
            total[place] = Effect(*(was + sign * more for was, more in zip(before, effect, strict=True)))
    for place, effect in total.items():
        if any(effect):
            desk.stock.add(place, effect)


def follow_again(desk: Desk, record: Record) -> None:
    """What a document holds and announces, when an account is opened again; what lies there is kept."""
    for place, holder, asked in demands(desk, record):
        desk.stock.ask(place, holder, asked)
    for place, effect in effects(record):
        if effect.in_transit or effect.on_order:
            desk.stock.add(place, effect._replace(on_hand=_ZERO))

"""What of an order can be picked, and which of the channel's units that is.

An order line carries the channel's line ids of the units that it stands for. Lines that share ids are
one thing to the buyer (the components of a kit, say) and are picked together. Where a line counts as
the channel does, a unit is an id, and a part of the line takes so many ids.

Invariant: what is offered is open (neither picked nor closed) and in stock.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Any

from tiktok_ns_pipeline.sandbox.books import Books, Record
from tiktok_ns_pipeline.sandbox.books.pricing import FULFILLABLE
from tiktok_ns_pipeline.sandbox.warehouse.jobs import Job, Taken

OrderLine = dict[str, Any]

WAITING = {"B", "D", "E"}
"""States of an order that waits for goods (N 2.12)."""

_WEIGHT = Decimal("1.2")


def open_quantity(line: OrderLine) -> Decimal:
    """How much of a line nobody picked yet."""
    return line["quantity"] - line["quantityPicked"]


def open_lines(order: Record) -> list[OrderLine]:
    """The lines of an order from which goods are still to be picked."""
    return [line for line in goods_lines(order) if open_quantity(line) > 0]


def goods_lines(order: Record) -> list[OrderLine]:
    """The lines of an order that a fulfilment is made of."""
    return [line for line in order.lines() if line["itemType"] in FULFILLABLE and not line["isClosed"]]


def pickable(books: Books, job: Job, order: Record) -> list[list[Taken]]:
    """What can be picked now, in groups that leave together."""
    lines = {line["line"]: line for line in books.live_lines(order, "item")}
    groups: list[list[Taken]] = []
    for numbers in _sharing_ids(open_lines(order)):
        group = [Taken(number, lines[number]["item"], _available(lines[number])) for number in numbers]
        whole = all(one.quantity == open_quantity(lines[one.line]) for one in group)
        some = len(group) == 1 and group[0].quantity > 0 and _counts_alike(lines[numbers[0]])
        if whole or some:
            give_ids(job, order, group)
            groups.append(group)
    return groups


def first_part(groups: list[list[Taken]], chance: Random) -> list[Taken]:
    """The part of an order that leaves first: one group, or some units of the only one."""
    if len(groups) > 1:
        return chance.choice(groups)
    [only] = groups
    units = only[0]
    if len(only) > 1 or units.quantity < 2 or len(units.line_ids) != units.quantity:
        return only
    count = chance.randint(1, int(units.quantity) - 1)
    return [Taken(units.line, units.item, Decimal(count), units.line_ids[:count])]


def asked_for(job: Job, order: Record, wanted: dict[int, Decimal] | None) -> list[Taken]:
    """What a person asks for by line number, or all that is open; stock is not looked at."""
    if order.get("status") not in WAITING:
        return []
    lines = {line["line"]: line for line in open_lines(order)}
    if wanted is None:
        wanted = {number: open_quantity(line) for number, line in lines.items()}
    for number in wanted:
        if number not in lines:
            raise ValueError(f"line {number} of order {job.order_id} has nothing open to ship")
    taken = [Taken(number, lines[number]["item"], quantity) for number, quantity in wanted.items()]
    give_ids(job, order, taken)
    return taken


def give_ids(job: Job, order: Record, taken: list[Taken]) -> None:
    """Note which of the channel's ids these units stand for."""
    lines = {line["line"]: line for line in order.lines()}
    for one in taken:
        line = lines[one.line]
        ids = _ids_of(line)
        if _counts_alike(line):
            used = job.taken_ids(one.line)
            ids = [identifier for identifier in ids if identifier not in used][: int(one.quantity)]
        one.line_ids = ids


def fulfilment_lines(order: Record, taken: Sequence[Taken]) -> list[dict[str, Any]]:
    """The lines of a fulfilment's body; what is not taken is left out by name (N 2.8)."""
    wanted = {one.line: one.quantity for one in taken}
    return [
        {"orderLine": line["line"], "itemReceive": True, "quantity": wanted[line["line"]]}
        if line["line"] in wanted
        else {"orderLine": line["line"], "itemReceive": False}
        for line in goods_lines(order)
    ]


def country_of(books: Books, location: str | None) -> str:
    """Country of the first subsidiary that a location serves; the US where there is none."""
    place = books.find("location", location) if location else None
    subsidiaries: tuple[str, ...] = (place.get("subsidiary") or ()) if place else ()
    home = books.find("subsidiary", subsidiaries[0]) if subsidiaries else None
    return home.get("country") if home else "US"


def parcels(tracking: Sequence[str]) -> dict[str, Any]:
    """Parcels as a fulfilment's body has them, one for each number; a nameless one if there is none."""
    numbers: Sequence[str | None] = tracking or (None,)
    boxes: list[dict[str, Any]] = []
    for index, number in enumerate(numbers, start=1):
        box = {"packageDescr": f"Box {index}", "packageWeight": _WEIGHT}
        boxes.append(box if number is None else {**box, "packageTrackingNumber": number})
    return {"package": {"items": boxes}}


def _available(line: OrderLine) -> Decimal:
    """How much of a line is open and in stock."""
    if line.get("location") is None:
        return Decimal(0)
    if line["itemType"] == "NonInvtPart" or line.get("commitInventory") == "3":
        return open_quantity(line)
    under_way = line["quantityPicked"] - line["quantityFulfilled"]
    return max(min(open_quantity(line), line["quantityCommitted"] - under_way), Decimal(0))


def _ids_of(line: OrderLine) -> list[str]:
    return [one for one in (line.get("custcol_tts_line_ids") or "").split(",") if one]


def _counts_alike(line: OrderLine) -> bool:
    """Whether each unit of the line is one unit of the channel."""
    return len(_ids_of(line)) == line["quantity"]


def _sharing_ids(lines: Sequence[OrderLine]) -> list[list[int]]:
    """Line numbers, those together that stand for the same units."""
    groups: list[tuple[set[str], list[int]]] = []
    for line in lines:
        ids, numbers = set(_ids_of(line)), [line["line"]]
        for other in [group for group in groups if group[0] & ids]:
            groups.remove(other)
            ids, numbers = ids | other[0], other[1] + numbers
        groups.append((ids, numbers))
    return [numbers for _, numbers in groups]

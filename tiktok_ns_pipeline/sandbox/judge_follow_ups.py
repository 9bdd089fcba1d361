"""The judge of what follows a Sales Order: parcels, closures, bills.

Like `judge`, it shares no code with the pipeline and believes none of its tables: what the world's
TikTok was told, what really left the warehouse, and what stands in the books are compared.

- *untold*: it left with a tracking number, and TikTok does not know; *told wrongly*: TikTok knows
  another number; *told without goods*: TikTok was told of what never left.
- *unclosed*: cancelled before anybody touched the goods, and the Sales Order is still open; *closed
  alive*: the Sales Order is closed and the order lives; *shipped after cancellation*: the pipeline had
  time to close it, and the warehouse picked it nevertheless.
- *unfulfilled*, *fulfilled twice*: what TikTok's own warehouse shipped, in the books.
- *unbilled*, *billed twice*, *wrong bills*: bills beside what left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.facts import OrderTruth
from tiktok_ns_pipeline.sandbox.judge import SOLD
from tiktok_ns_pipeline.sandbox.markets import MARKETS
from tiktok_ns_pipeline.sandbox.warehouse.truth import FirstSteps, Shipped

Record = Mapping[str, Any]

TIME_TO_CLOSE = timedelta(minutes=75)
"""So long after a cancellation nobody may begin to pick the order: the pipeline must have closed it.

A refused login stops a system for 31 minutes, so that its token is not locked; both may be stopped, one
after the other."""

_CLOSED = "H"
_AT_LEAST_COLLECTED = frozenset({"IN_TRANSIT", "DELIVERED", "COMPLETED"})


@dataclass(slots=True)
class FollowUps:
    """What the judge found; every list names order ids."""

    told: int = 0
    """Units of which TikTok knows the parcel, as it should."""
    closed: int = 0
    too_late: int = 0
    """Cancelled after somebody had begun to pick: a person's matter."""
    bills: int = 0
    untold: list[str] = field(default_factory=list[str])
    told_wrongly: list[str] = field(default_factory=list[str])
    told_without_goods: list[str] = field(default_factory=list[str])
    unclosed: list[str] = field(default_factory=list[str])
    closed_alive: list[str] = field(default_factory=list[str])
    shipped_after_cancellation: list[str] = field(default_factory=list[str])
    unfulfilled: list[str] = field(default_factory=list[str])
    fulfilled_twice: list[str] = field(default_factory=list[str])
    unbilled: list[str] = field(default_factory=list[str])
    billed_twice: list[str] = field(default_factory=list[str])
    wrong_bills: list[str] = field(default_factory=list[str])

    @property
    def faults(self) -> dict[str, list[str]]:
        """What is wrong, by its name; empty when nothing is."""
        lists = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: found for name, found in lists.items() if isinstance(found, list) and found}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the books and the warehouse show of all orders."""

    sales_orders: Mapping[str, Record]
    """Expanded, by the channel's order id."""
    fulfilments: Mapping[str, list[Record]]
    """Shipped ones, by the Sales Order's internal id."""
    bills: Mapping[str, list[Record]]
    """Cash sales and invoices, by the Sales Order's internal id."""
    departures: Mapping[str, list[Shipped]]
    """What left, by the channel's order id."""
    first_steps: Mapping[str, FirstSteps]
    billed_shops: frozenset[str]


def evidence(
    sales_orders: Iterable[Record],
    fulfilments: Iterable[Record],
    bills: Iterable[Record],
    departures: Iterable[Shipped],
    first_steps: Mapping[str, FirstSteps],
    billed_shops: Iterable[str],
) -> Evidence:
    """The same by the keys that it is asked by."""
    left: defaultdict[str, list[Shipped]] = defaultdict(list)
    for departure in departures:
        left[departure.order_id].append(departure)
    return Evidence(
        sales_orders={str(record.get("custbody_tts_order_id")): record for record in sales_orders},
        fulfilments=_by_origin(one for one in fulfilments if _id(one.get("shipStatus")) == "C"),
        bills=_by_origin(bills),
        departures=left,
        first_steps=first_steps,
        billed_shops=frozenset(billed_shops),
    )


def judge_follow_ups(truths: Iterable[OrderTruth], shown: Evidence) -> FollowUps:
    """Score parcels, closures and bills by the truth."""
    found = FollowUps()
    truths = list(truths)
    shared = _numbers_by_package(truths, shown)
    for truth in truths:
        record = shown.sales_orders.get(truth.order_id)
        if record is None:
            continue
        _judge_parcels(found, truth, record, shown, shared)
        _judge_closure(found, truth, record, shown)
        if truth.shop_code in shown.billed_shops:
            _judge_bills(found, truth, record, shown)
    return found


def _numbers_by_package(truths: Iterable[OrderTruth], shown: Evidence) -> dict[str, set[str]]:
    """Where TikTok does not divide a package, its units travel under the number of any of its parcels,
    be they of several orders."""
    numbers: defaultdict[str, set[str]] = defaultdict(set)
    for truth in truths:
        if MARKETS[shop_of(truth.shop_code).region].splits_units:
            continue
        departures = shown.departures.get(truth.order_id, [])
        for shipment in truth.shipped.values():
            numbers[shipment.package_id].update(number for one in departures for number in one.tracking)
    return numbers


def _judge_parcels(
    found: FollowUps,
    truth: OrderTruth,
    record: Record,
    shown: Evidence,
    by_package: Mapping[str, set[str]],
) -> None:
    if truth.shipped_through == "fbt":
        if truth.status in _AT_LEAST_COLLECTED:
            _judge_channel_fulfilment(found, truth, record)
        return
    departures = shown.departures.get(truth.order_id, [])
    standing = _left(record, [one for one in departures if one.stands])
    ever = _left(record, departures)
    numbers: defaultdict[str, set[str]] = defaultdict(set)
    for departure in departures:
        # A parcel whose carrier nobody wrote down waits for a person.
        is_known = departure.carrier or truth.shipped_through != "seller"
        for line in departure.lines:
            for unit in line.line_ids:
                numbers[unit] |= set(departure.tracking) if is_known else set[str]()
    called_off = truth.cancelled_lines.keys() if truth.cancelled_at is None else set(truth.line_items)
    for unit in standing - called_off:
        if unit in truth.shipped:
            found.told += 1
        elif numbers[unit] or truth.shipped_through == "schedule":
            found.untold.append(truth.order_id)
    for unit, shipment in truth.shipped.items():
        if truth.shipped_through != "label" and unit not in ever:
            found.told_without_goods.append(truth.order_id)
        elif truth.shipped_through == "seller" and shipment.tracking not in (
            numbers[unit] | by_package.get(shipment.package_id, set[str]())
        ):
            found.told_wrongly.append(truth.order_id)


def _left(record: Record, departures: list[Shipped]) -> set[str]:
    """The units of which every part has left: a bundle's unit stands on several lines."""
    carriers: defaultdict[str, set[int]] = defaultdict(set)
    for line in _goods(record):
        for unit in str(line.get("custcol_tts_line_ids") or "").split(","):
            if unit:
                carriers[unit].add(int(line["line"]))
    gone: defaultdict[str, set[int]] = defaultdict(set)
    for departure in departures:
        for line in departure.lines:
            for unit in line.line_ids:
                gone[unit].add(line.order_line)
    return {unit for unit, lines in gone.items() if carriers[unit] <= lines}


def _judge_channel_fulfilment(found: FollowUps, truth: OrderTruth, record: Record) -> None:
    for line in _goods(record):
        difference = _number(line, "quantityFulfilled") - _number(line, "quantity")
        if difference < 0:
            found.unfulfilled.append(truth.order_id)
        elif difference > 0:
            found.fulfilled_twice.append(truth.order_id)


def _judge_closure(found: FollowUps, truth: OrderTruth, record: Record, shown: Evidence) -> None:
    closed = _id(record.get("status")) == _CLOSED
    if truth.cancelled_at is None:
        if closed and truth.should_be_posted:
            found.closed_alive.append(truth.order_id)
        return
    steps = shown.first_steps.get(truth.order_id, FirstSteps())
    goods_moved = any(_number(line, "quantityFulfilled") for line in _goods(record))
    if steps.picked_at is not None and steps.picked_at <= truth.cancelled_at + TIME_TO_CLOSE:
        # Whoever was first in those minutes, nothing of it may be undone by force.
        found.too_late += not closed
        found.closed += closed
    elif steps.picked_at is not None:
        found.shipped_after_cancellation.append(truth.order_id)
    elif closed:
        found.closed += 1
    elif goods_moved:
        found.too_late += 1
    else:
        found.unclosed.append(truth.order_id)


def _judge_bills(found: FollowUps, truth: OrderTruth, record: Record, shown: Evidence) -> None:
    identifier = str(record["id"])
    shipped = shown.fulfilments.get(identifier, [])
    bills = shown.bills.get(identifier, [])
    found.bills += len(bills)
    if len(bills) < len(shipped):
        found.unbilled.append(truth.order_id)
    elif len(bills) > len(shipped):
        found.billed_twice.append(truth.order_id)
    goods = _goods(record)
    if any(_number(line, "quantityBilled") != _number(line, "quantityFulfilled") for line in goods):
        found.wrong_bills.append(truth.order_id)
    elif shipped and all(_number(line, "quantityFulfilled") == _number(line, "quantity") for line in goods):
        billed = sum((_number(bill, "total") for bill in bills), Decimal(0))
        if billed != _number(record, "total"):
            found.wrong_bills.append(truth.order_id)


def _goods(record: Record) -> list[Record]:
    return [line for line in record["item"]["items"] if _id(line.get("itemType")) in SOLD]


def _by_origin(records: Iterable[Record]) -> dict[str, list[Record]]:
    found: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[_id(record.get("createdFrom"))].append(record)
    return found


def _number(record: Record, name: str) -> Decimal:
    return Decimal(str(record.get(name) or 0))


def _id(value: Any) -> str:
    return str(cast("Record", value).get("id")) if isinstance(value, Mapping) else str(value)

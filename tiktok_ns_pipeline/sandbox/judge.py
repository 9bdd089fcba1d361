"""The judge: compares what really happened in the world with what stands in NetSuite's books.

It shares no code with the pipeline and believes none of its tables: the world's truth on one side,
the records of the books on the other, joined by TikTok's order id wherever a record carries it.

- *lost*: may be posted, can be posted, and has no Sales Order.
- *doubled*: more than one Sales Order for one order, or one for an order that must have none.
- *wrong cents*: the total or the currency is not what the seller is owed.
- *wrong quantities*: the units of some item differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

from tiktok_ns_pipeline.sandbox.facts import OrderTruth

_CURRENCIES = {"1": "USD", "2": "GBP", "3": "EUR", "4": "VND"}
SOLD = {"InvtPart", "Kit", "NonInvtPart", "Assembly"}
"""Item types that are goods; the rest of a Sales Order is shipping, discounts and the like."""


@dataclass(slots=True)
class Judgement:
    """What the judge found; every list names order ids."""

    orders: int = 0
    posted: int = 0
    must_wait: int = 0
    cannot_be_posted: int = 0
    lost: list[str] = field(default_factory=list[str])
    doubled: list[str] = field(default_factory=list[str])
    wrong_cents: list[str] = field(default_factory=list[str])
    wrong_quantities: list[str] = field(default_factory=list[str])

    @property
    def is_clean(self) -> bool:
        """Whether nothing is lost, doubled or wrong."""
        return not (self.lost or self.doubled or self.wrong_cents or self.wrong_quantities)


def judge(
    truths: Iterable[OrderTruth],
    sales_orders: Iterable[Mapping[str, Any]],
    changed_too_late: Collection[str] = (),
) -> Judgement:
    """Score the books by the truth. Sales Orders are expanded records.

    `changed_too_late` are orders of which a unit was cancelled when the warehouse had begun: their
    Sales Orders stay as they were, and a person settles it.
    """
    found = Judgement()
    books: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for record in sales_orders:
        books[str(record.get("custbody_tts_order_id") or record.get("otherRefNum"))].append(record)
    for truth in truths:
        found.orders += 1
        records = books.pop(truth.order_id, [])
        if len(records) > 1:
            found.doubled.append(truth.order_id)
        _judge_one(found, truth, records, truth.order_id in changed_too_late)
    # A Sales Order of no order at all is as bad as a second one.
    found.doubled += sorted(books)
    return found


def _judge_one(
    found: Judgement, truth: OrderTruth, records: list[Mapping[str, Any]], changed_too_late: bool
) -> None:
    if truth.expected_parked:
        found.cannot_be_posted += 1
        found.doubled += [truth.order_id] * bool(records)
        return
    if not truth.should_be_posted:
        found.must_wait += 1
        if records and not truth.may_be_posted:
            found.doubled.append(truth.order_id)
        return
    if not records:
        found.lost.append(truth.order_id)
        return
    found.posted += 1
    if changed_too_late:
        return
    record = records[0]
    currency = _CURRENCIES.get(_id(record.get("currency")), "?")
    if Decimal(str(record.get("total"))) != truth.owed or currency != truth.currency:
        found.wrong_cents.append(truth.order_id)
    if _goods(record) != {name: quantity for name, (quantity, _unit) in truth.quantities.items() if quantity}:
        found.wrong_quantities.append(truth.order_id)


def _goods(record: Mapping[str, Any]) -> dict[str, Decimal]:
    """Units by item name, over the lines that are open."""
    units: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in record["item"]["items"]:
        if _id(line.get("itemType")) in SOLD and not line.get("isClosed"):
            units[str(line["item"]["refName"])] += Decimal(str(line["quantity"]))
    return {name: quantity for name, quantity in units.items() if quantity}


def _id(value: Any) -> str:
    return str(cast("Mapping[str, Any]", value).get("id")) if isinstance(value, Mapping) else str(value)

"""Applying one document to others: payments and credits to invoices, refunds to credits (N 5.6, 5.7).

What an invoice or a credit memo still has open is cleared by others, in its own currency; in base
currency it is cleared at its own rate, the last part taking what is left, so that receivables come out
even. The applying document keeps on each line what it cleared (`_base`).

Invariant: nothing is cleared beyond its total, and nothing applies more than it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox.books.catalogue import RecordType
from tiktok_ns_pipeline.sandbox.books.desk import Desk, record_type
from tiktok_ns_pipeline.sandbox.books.errors import invalid_value, refused
from tiktok_ns_pipeline.sandbox.books.merging import Line
from tiktok_ns_pipeline.sandbox.books.store import Record

INVOICE = record_type("invoice")
CREDIT_MEMO = record_type("creditMemo")

_ZERO = Decimal(0)
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a document applies, and the documents that it clears, after it."""

    lines: list[Line]
    cleared: list[Record]

    @property
    def amount(self) -> Decimal:
        """All that is applied, in the document's currency."""
        return sum((line["amount"] for line in self.lines), _ZERO)


def applied(
    desk: Desk,
    old: Record | None,
    body: Mapping[str, Any],
    given: Iterable[Mapping[str, Any]],
    *,
    target: RecordType,
    room: Decimal | None,
) -> Applied:
    """What `body` applies after a create or a change; lines that `given` does not mention stay.

    `room` is how much there is to apply, None for as much as is asked. Raises BookError.
    """
    before = {line["doc"]: line for line in (old.lines("apply") if old else ())}
    wanted: dict[str, Decimal | None] = {doc: line["amount"] for doc, line in before.items()}
    paths: dict[str, str] = {}
    for index, element in enumerate(given):
        document = element.get("doc")
        path = f"apply.items[{index}]"
        if document is None:
            raise invalid_value(None, "doc", f"{path}.doc")
        paths[document] = path
        if element.get("apply", True):
            wanted[document] = element.get("amount", wanted.get(document))
        else:
            wanted.pop(document, None)
    lines: list[Line] = []
    cleared: list[Record] = []
    for document in {**before, **wanted}:
        record = desk.the("transaction", document)
        path = paths.get(document, "apply")
        _check_target(record, body, target, path)
        if document in before:
            record = _cleared(record, -before[document]["amount"], -_base(before[document]))
        if document in wanted:
            left = None if room is None else room - sum((line["amount"] for line in lines), _ZERO)
            line = _line(desk, record, wanted[document], left, path)
            lines.append(line)
            record = _cleared(record, line["amount"], line["_base"])
        cleared.append(record)
    if room is not None and sum((line["amount"] for line in lines), _ZERO) > room:
        raise refused("The amount applied cannot exceed the amount of this transaction.")
    return Applied(lines, cleared)


def released(desk: Desk, record: Record) -> list[Record]:
    """The documents that a record clears, once it is gone."""
    return [
        _cleared(desk.the("transaction", line["doc"]), -line["amount"], -_base(line))
        for line in record.lines("apply")
    ]


def joined(sources: Iterable[Record], cleared: Iterable[Record]) -> list[Record]:
    """Both kinds of changes; a document in both takes its lines from the one, the rest from the other."""
    by_id = {one.id: one for one in cleared}
    both = [
        by_id.pop(one.id).with_fields(item=one.fields["item"]) if one.id in by_id else one for one in sources
    ]
    return [*both, *by_id.values()]


def open_invoices(desk: Desk, body: Mapping[str, Any], entity: str) -> list[Line]:
    """Apply elements for all that is open of a customer in the document's currency, oldest first."""
    found = [
        record
        for record in desk.store.all(INVOICE.path)
        if record.get("entity") == entity
        and record.get("currency") == body["currency"]
        and record.get("amountRemaining") > 0
    ]
    found.sort(key=lambda record: (record.get("tranDate"), int(record.id)))
    return [{"doc": record.id} for record in found]


def base_total(desk: Desk, record: Record) -> Decimal:
    """A document's total in base currency."""
    rate: Decimal = record.get("exchangeRate", _ONE)
    return desk.to_base(record.get("total"), rate, record.get("subsidiary"))


def with_open_amount(body: dict[str, Any]) -> dict[str, Any]:
    """A credit memo's figures and state, by what it applies and what was refunded of it."""
    own = sum((line["amount"] for line in body.get("apply", ())), _ZERO)
    body["applied"] = body["amountPaid"] = own + Decimal(body.get("_refunded", 0))
    body["unapplied"] = body["amountRemaining"] = body["total"] - body["applied"]
    body["status"] = "A" if body["amountRemaining"] else "B"
    return body


def own_base(desk: Desk, record: Record, amount: Decimal) -> Decimal:
    """What part of a credit memo's base total an amount that it applies itself stands for."""
    return desk.to_base(amount, record.get("exchangeRate", _ONE), record.get("subsidiary"))


def _line(desk: Desk, record: Record, amount: Decimal | None, left: Decimal | None, path: str) -> Line:
    due: Decimal = record.get("amountRemaining")
    if amount is None:
        amount = due if left is None else max(min(due, left), _ZERO)
    setting = desk.setting(record.get("currency"), record.get("subsidiary"))
    amount = setting.rounded(amount)
    if amount <= 0 or amount > due:
        raise invalid_value(amount, "amount", f"{path}.amount")
    rate: Decimal = record.get("exchangeRate", _ONE)
    base = desk.to_base(amount, rate, record.get("subsidiary"))
    if amount == due:
        # The last part clears what rounding the others left.
        base = base_total(desk, record) - _base_cleared(desk, record)
    return {
        "doc": record.id,
        "line": 0,
        "apply": True,
        "amount": amount,
        "due": due,
        "total": record.get("total"),
        "refNum": record.get("tranId"),
        "type": record.type.label,
        "applyDate": record.get("tranDate"),
        "currency": desk.the("currency", record.get("currency")).get("symbol"),
        "_base": base,
    }


def _base_cleared(desk: Desk, record: Record) -> Decimal:
    """How much of a document's base total is cleared, by others and by itself."""
    others = Decimal(record.get("_clearedBase", 0))
    lines: Sequence[Line] = record.lines("apply")
    return others + sum((own_base(desk, record, line["amount"]) for line in lines), _ZERO)


def _check_target(record: Record, body: Mapping[str, Any], target: RecordType, path: str) -> None:
    entity = body.get("entity") or body.get("customer")
    fits = (
        record.type is target
        and record.get("entity") == entity
        and record.get("currency") == body["currency"]
        and record.get("account") == body["arAcct"]
    )
    if not fits:
        raise invalid_value(record.id, "doc", f"{path}.doc")


def _cleared(record: Record, amount: Decimal, base: Decimal) -> Record:
    """An invoice or credit memo once others have cleared `amount` more of it."""
    body = {**record.fields, "_clearedBase": Decimal(record.get("_clearedBase", 0)) + base}
    if record.type is CREDIT_MEMO:
        body["_refunded"] = Decimal(record.get("_refunded", 0)) + amount
        return Record(record.type, record.id, with_open_amount(body))
    body["amountPaid"] = record.get("amountPaid", _ZERO) + amount
    body["amountRemaining"] = record.get("total") - body["amountPaid"]
    body["status"] = "A" if body["amountRemaining"] else "B"
    return Record(record.type, record.id, body)


def _base(line: Mapping[str, Any]) -> Decimal:
    return Decimal(line["_base"])

"""What the refunds flow reads in NetSuite of an order: its Sales Order, bills, returns and credits."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from tiktok_ns_pipeline.gate import Lane
from tiktok_ns_pipeline.money import exact_decimal
from tiktok_ns_pipeline.netsuite.values import id_of, lines_of
from tiktok_ns_pipeline.refunds.books import Billed

LANE: Lane = "documents"

_ZERO = Decimal(0)


def billed_of(record: Mapping[str, Any], record_type: Literal["cashSale", "invoice"]) -> Billed:
    """A bill of a Sales Order, as read with its lines; its tax is in details or on the lines."""
    taxed: dict[str, Decimal] = {}
    for detail in lines_of(record, "taxDetails"):
        reference = str(detail.get("taxDetailsReference"))
        taxed[reference] = taxed.get(reference, _ZERO) + _number(detail.get("taxAmount"))
    lines: dict[int, tuple[Decimal, Decimal]] = {}
    for line in lines_of(record, "item"):
        if line.get("orderLine") is None:
            continue
        legacy = line.get("tax1Amt")
        tax = (
            _number(legacy) if legacy is not None else taxed.get(str(line.get("taxDetailsReference")), _ZERO)
        )
        amount, before = lines.get(int(line["orderLine"]), (_ZERO, _ZERO))
        lines[int(line["orderLine"])] = (amount + _number(line.get("amount")), before + tax)
    rate = record.get("exchangeRate")
    return Billed(
        id=str(record["id"]),
        record_type=record_type,
        account_id=id_of(record.get("account")) if record_type == "cashSale" else None,
        exchange_rate=None if rate is None else _number(rate),
        lines=lines,
    )


def _number(value: object) -> Decimal:
    return _ZERO if value is None else exact_decimal(value)  # pyright: ignore[reportArgumentType]

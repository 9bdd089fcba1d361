"""Which share of each line of a Sales Order a bill takes.

- Goods are billed as they were shipped.
- Other charges go with the first bill of the order.
- A discount is billed in proportion to the lines that it follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from tiktok_ns_pipeline.billing.document import BillLine, TaxShare
from tiktok_ns_pipeline.goods.sales_order import (
    OrderLine,
    SalesOrder,
    Span,
    TaxDetail,
    followed_by,
    mean_progress,
)

_ZERO = Decimal(0)


def spans_of(order: SalesOrder, shipped: Mapping[int, Decimal]) -> dict[int, Span]:
    """How far a bill brings every line that has anything left to bill, by line number.

    `shipped` is the quantity by line in the line's own unit; what of it is due is the caller's to know.
    """
    before = {line.number: _progress(line) for line in order.lines if not line.is_discount}
    after = {
        line.number: _progress(line, shipped.get(line.number, _ZERO)) if line.is_goods else Fraction(1)
        for line in order.lines
        if not line.is_discount
    }
    first = Fraction(0 if order.is_unbilled else 1)
    for index, line in enumerate(order.lines):
        if line.is_discount:
            followed = followed_by(line, order.lines[:index])
            before[line.number] = mean_progress(followed, before) if followed else first
            after[line.number] = mean_progress(followed, after) if followed else Fraction(1)
    return {number: Span(before[number], after[number]) for number in before if before[number] < 1}


def billed_share(line: OrderLine, span: Span, taxes: Sequence[TaxShare], currency: str) -> BillLine:
    """The share that a bill takes of a line, given what it takes of the line's taxes."""
    quantity = None
    if not line.is_discount:
        moved = (span.after - span.before) * Fraction(line.ordered)
        quantity = Decimal(moved.numerator) / Decimal(moved.denominator)
    tax = sum((one.amount for one in taxes), _ZERO)
    return BillLine(
        order_line=line.number,
        quantity=quantity,
        amount=span.share(line.amount, currency),
        tax=span.share(line.tax, currency) if line.has_legacy_tax else tax,
        says_tax=line.has_legacy_tax,
        tax_reference=line.tax_reference if taxes else None,
    )


def tax_share(detail: TaxDetail, span: Span, currency: str) -> TaxShare:
    """The share that a bill takes of a tax."""
    return TaxShare(
        reference=detail.reference,
        code_id=detail.code_id,
        type_id=detail.type_id,
        rate=detail.rate,
        basis=span.share(detail.basis, currency),
        amount=span.share(detail.amount, currency),
    )


def _progress(line: OrderLine, more: Decimal = _ZERO) -> Fraction:
    """How far a line is billed once `more` of it is."""
    if not line.ordered:
        return Fraction(1)
    return min(Fraction(line.billed + more) / Fraction(line.ordered), Fraction(1))

"""The Sales Order as it stands, and which share of each of its lines a bill takes.

A line is *goods* (it leaves a warehouse), a *discount* (it has an amount, no quantity, and follows
other lines), or *another charge* such as shipping, fees and the pair of marketplace tax lines.

- Goods are billed as they were shipped.
- Other charges go with the first bill of the order.
- A discount is billed in proportion to the lines that it follows.

A share is the difference of two rounded sums: what is due once this bill is made, less what was due
before it. So shares need not know each other, and once all is billed they sum to the line exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tiktok_ns_pipeline.billing.document import BillLine, TaxShare
from tiktok_ns_pipeline.money import Money, exact_decimal
from tiktok_ns_pipeline.netsuite.values import id_of, lines_of

_ZERO = Decimal(0)
_GOODS = frozenset({"InvtPart", "Assembly", "Kit", "NonInvtPart"})
"""Type codes of items that leave a warehouse (N 3.4)."""
_CHARGES = ("shipping", "tax:")
"""How the keys of our lines that are no goods begin, whatever item stands for them."""
_DISCOUNT = "/discount"
"""How the key of our discount lines ends; before it stands the key of the lines that they follow."""


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One line of a Sales Order, with amounts in its currency."""

    number: int
    key: str
    """The pipeline's key of the line; empty on a line of somebody else's."""
    item_type: str
    quantity: Decimal | None
    fulfilled: Decimal
    billed: Decimal
    amount: Decimal
    tax: Decimal
    has_legacy_tax: bool
    tax_reference: str | None
    has_units: bool
    """Whether quantities of the line may be in another unit than the item's base unit."""

    @property
    def is_discount(self) -> bool:
        """Whether its amount is no product of a quantity."""
        return self.quantity is None or self.item_type == "Discount"

    @property
    def is_goods(self) -> bool:
        """Whether it is billed as shipped."""
        return not self.is_discount and self.item_type in _GOODS and not self.key.startswith(_CHARGES)

    @property
    def ordered(self) -> Decimal:
        """The quantity; a line without one counts as one."""
        return Decimal(1) if self.quantity is None else self.quantity

    @property
    def due(self) -> Decimal:
        """Shipped and not billed yet."""
        return max(self.fulfilled - self.billed, _ZERO)


@dataclass(frozen=True, slots=True)
class TaxDetail:
    """A tax of one line, as the Sales Order has it."""

    reference: str
    code_id: str
    type_id: str
    rate: Decimal
    basis: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class SalesOrder:
    """What a bill needs to know of its Sales Order."""

    id: str
    number: str
    status: str
    currency_id: str | None
    total: Decimal
    lines: tuple[OrderLine, ...]
    taxes: tuple[TaxDetail, ...] | None
    """None where NetSuite's own engine decides, without details (N 2.13)."""

    @property
    def is_unbilled(self) -> bool:
        """Whether no bill was made of it yet."""
        return not any(line.billed for line in self.lines)

    @property
    def beside_lines(self) -> Decimal:
        """What its total has beside lines and tax: shipping or a discount of its header (N 5.4)."""
        return self.total - sum((line.amount + line.tax for line in self.lines), _ZERO)

    def line(self, number: int) -> OrderLine | None:
        """The line of that number."""
        return next((line for line in self.lines if line.number == number), None)

    @classmethod
    def of(cls, record: Mapping[str, Any], line_key: str) -> SalesOrder:
        """Read a Sales Order with its lines expanded; `line_key` names the field of our key."""
        details = [_tax_detail(one) for one in lines_of(record, "taxDetails")]
        has_details = bool(details) or bool(record.get("taxDetailsOverride"))
        taxed: dict[str, Decimal] = {}
        for detail in details:
            taxed[detail.reference] = taxed.get(detail.reference, _ZERO) + detail.amount
        return cls(
            id=str(record["id"]),
            number=str(record.get("tranId") or record["id"]),
            status=id_of(record.get("status")) or "",
            currency_id=id_of(record.get("currency")),
            total=_number(record.get("total")),
            lines=tuple(
                _order_line(line, line_key, taxed)
                for line in lines_of(record, "item")
                # Subtotals and descriptions have neither, and nothing to bill.
                if line.get("quantity") is not None or line.get("amount") is not None
            ),
            taxes=tuple(details) if has_details else None,
        )


@dataclass(frozen=True, slots=True)
class Span:
    """How far a line is billed before a bill and after it, between 0 and 1."""

    before: Fraction
    after: Fraction

    def share(self, amount: Decimal, currency: str) -> Decimal:
        """What of an amount falls between the two, in whole units of the currency."""
        return _due_at(amount, self.after, currency) - _due_at(amount, self.before, currency)


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
            followed = _followed(line, order.lines[:index])
            before[line.number] = _mean(followed, before) if followed else first
            after[line.number] = _mean(followed, after) if followed else Fraction(1)
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


def _due_at(amount: Decimal, progress: Fraction, currency: str) -> Decimal:
    if progress == 1:
        return amount
    part = amount * progress.numerator / progress.denominator
    return Money(part, currency).quantized().amount


def _progress(line: OrderLine, more: Decimal = _ZERO) -> Fraction:
    """How far a line is billed once `more` of it is."""
    if not line.ordered:
        return Fraction(1)
    return min(Fraction(line.billed + more) / Fraction(line.ordered), Fraction(1))


def _followed(discount: OrderLine, above: Sequence[OrderLine]) -> list[OrderLine]:
    """The lines that a discount is about: those of its key, else the nearest one above it."""
    group = discount.key.removesuffix(_DISCOUNT)
    if group != discount.key:
        named = [line for line in above if not line.is_discount and _is_of(line.key, group)]
        if named:
            return named
    return [line for line in above if not line.is_discount][-1:]


def _is_of(key: str, group: str) -> bool:
    return key == group or key.startswith((group + "/", group + "+"))


def _mean(lines: Sequence[OrderLine], progress: Mapping[int, Fraction]) -> Fraction:
    """Progress of several lines, weighed by their amounts, or by quantity where they cost nothing."""
    weights = [Fraction(abs(line.amount)) for line in lines]
    if not sum(weights):
        weights = [Fraction(line.ordered) or Fraction(1) for line in lines]
    weighed = (weight * progress[line.number] for weight, line in zip(weights, lines, strict=True))
    return sum(weighed, Fraction(0)) / sum(weights)


def _order_line(line: Mapping[str, Any], line_key: str, taxed: Mapping[str, Decimal]) -> OrderLine:
    reference = line.get("taxDetailsReference")
    legacy = line.get("tax1Amt")
    quantity = line.get("quantity")
    return OrderLine(
        number=int(line["line"]),
        key=str(line.get(line_key) or ""),
        item_type=id_of(line.get("itemType")) or "",
        quantity=None if quantity is None else exact_decimal(quantity),
        fulfilled=_number(line.get("quantityFulfilled")),
        billed=_number(line.get("quantityBilled")),
        amount=_number(line.get("amount")),
        tax=_number(legacy) if legacy is not None else taxed.get(str(reference), _ZERO),
        has_legacy_tax=legacy is not None,
        tax_reference=None if reference is None else str(reference),
        has_units=line.get("units") is not None,
    )


def _tax_detail(detail: Mapping[str, Any]) -> TaxDetail:
    return TaxDetail(
        reference=str(detail.get("taxDetailsReference")),
        code_id=id_of(detail.get("taxCode")) or "",
        type_id=id_of(detail.get("taxType")) or "",
        rate=_number(detail.get("taxRate")),
        basis=_number(detail.get("taxBasis")),
        amount=_number(detail.get("taxAmount")),
    )


def _number(value: object) -> Decimal:
    """A number of the record; what NetSuite leaves out is nothing."""
    if value is None:
        return _ZERO
    return exact_decimal(value)  # pyright: ignore[reportArgumentType]

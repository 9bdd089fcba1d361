"""A Sales Order as it stands in NetSuite, and how far its lines are billed or credited.

A line is *goods* (it leaves a warehouse), a *discount* (it has an amount, no quantity, and follows
other lines), or *another charge* such as shipping, fees and the pair of marketplace tax lines.

A share is the difference of two rounded sums: what is due once something is done, less what was due
before it. So shares need not know each other, and once all is done they sum to the line exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

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
    item_id: str
    item_type: str
    unit_ids: tuple[str, ...]
    """The channel's id of every unit that the line stands for; none where they were not asked for."""
    quantity: Decimal | None
    fulfilled: Decimal
    billed: Decimal
    amount: Decimal
    tax: Decimal
    has_legacy_tax: bool
    tax_reference: str | None
    has_units: bool
    """Whether quantities of the line may be in another unit than the item's base unit."""
    location_id: str | None = None
    tax_code_id: str | None = None
    """Of legacy tax."""

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
    """What a bill, a return or a credit needs to know of its Sales Order."""

    id: str
    number: str
    status: str
    currency_id: str | None
    total: Decimal
    lines: tuple[OrderLine, ...]
    taxes: tuple[TaxDetail, ...] | None
    """None where NetSuite's own engine decides, without details (N 2.13)."""
    customer_id: str | None = None
    exchange_rate: Decimal | None = None
    """Units of the subsidiary's currency for one of the order's."""

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
    def of(cls, record: Mapping[str, Any], line_key: str, line_ids: str | None = None) -> SalesOrder:
        """Read a Sales Order with its lines expanded.

        `line_key` names the field of our key, `line_ids` that of the channel's ids.
        """
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
                _order_line(line, line_key, line_ids, taxed)
                for line in lines_of(record, "item")
                # Subtotals and descriptions have neither, and nothing to bill.
                if line.get("quantity") is not None or line.get("amount") is not None
            ),
            taxes=tuple(details) if has_details else None,
            customer_id=id_of(record.get("entity")),
            exchange_rate=None if record.get("exchangeRate") is None else _number(record["exchangeRate"]),
        )


@dataclass(frozen=True, slots=True)
class Span:
    """How far a line is billed before a bill and after it, between 0 and 1."""

    before: Fraction
    after: Fraction

    def share(self, amount: Decimal, currency: str) -> Decimal:
        """What of an amount falls between the two, in whole units of the currency."""
        return due_at(amount, self.after, currency) - due_at(amount, self.before, currency)


def due_at(amount: Decimal, progress: Fraction, currency: str) -> Decimal:
    """What of an amount is due at a progress between 0 and 1, in whole units of the currency."""
    if progress == 1:
        return amount
    part = amount * progress.numerator / progress.denominator
    return Money(part, currency).quantized().amount


def followed_by(discount: OrderLine, above: Sequence[OrderLine]) -> list[OrderLine]:
    """The lines that a discount is about: those of its key, else the nearest one above it."""
    group = discount.key.removesuffix(_DISCOUNT)
    if group != discount.key:
        named = [line for line in above if not line.is_discount and _is_of(line.key, group)]
        if named:
            return named
    return [line for line in above if not line.is_discount][-1:]


def _is_of(key: str, group: str) -> bool:
    return key == group or key.startswith((group + "/", group + "+"))


def mean_progress(lines: Sequence[OrderLine], progress: Mapping[int, Fraction]) -> Fraction:
    """Progress of several lines, weighed by their amounts, or by quantity where they cost nothing."""
    weights = [Fraction(abs(line.amount)) for line in lines]
    if not sum(weights):
        weights = [Fraction(line.ordered) or Fraction(1) for line in lines]
    weighed = (weight * progress[line.number] for weight, line in zip(weights, lines, strict=True))
    return sum(weighed, Fraction(0)) / sum(weights)


def _order_line(
    line: Mapping[str, Any], line_key: str, line_ids: str | None, taxed: Mapping[str, Decimal]
) -> OrderLine:
    reference = line.get("taxDetailsReference")
    legacy = line.get("tax1Amt")
    quantity = line.get("quantity")
    return OrderLine(
        number=int(line["line"]),
        key=str(line.get(line_key) or ""),
        item_id=id_of(line.get("item")) or "",
        unit_ids=tuple(filter(None, str((line_ids and line.get(line_ids)) or "").split(","))),
        item_type=id_of(line.get("itemType")) or "",
        quantity=None if quantity is None else exact_decimal(quantity),
        fulfilled=_number(line.get("quantityFulfilled")),
        billed=_number(line.get("quantityBilled")),
        amount=_number(line.get("amount")),
        tax=_number(legacy) if legacy is not None else taxed.get(str(reference), _ZERO),
        has_legacy_tax=legacy is not None,
        tax_reference=None if reference is None else str(reference),
        has_units=line.get("units") is not None,
        location_id=id_of(line.get("location")),
        tax_code_id=id_of(line.get("taxCode")),
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

"""What a claim takes of each line of its Sales Order.

How far a unit is refunded is told by the channel's own amounts: what the buyer got of it, of what he had
paid. So the seller's side of a refund follows from what was billed, whoever paid the discount (T 6.5).

- Goods follow the units that they stand for; where one unit is several pieces on two lines of different
  price, the first line is filled first.
- Discounts and the pair of marketplace tax lines follow the lines that they are about.
- Shipping follows the refunded shipping fee.
- What somebody else put on the order is left alone.

A share is what is due once this claim is done, less what other claims have taken: so in whatever order
claims are done, all of them together take each line exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from tiktok_ns_pipeline.goods.sales_order import OrderLine, SalesOrder, due_at, followed_by, mean_progress
from tiktok_ns_pipeline.refunds.document import Claim, Credit, ReturnAuthorization, ShareLine, TaxShare
from tiktok_ns_pipeline.tiktok.identities import LinePrice

SHIPPING = "shipping"
_TAX = "tax:"
_ZERO = Decimal(0)
_NONE, _ALL = Fraction(0), Fraction(1)

Entry = ReturnAuthorization | Credit
"""What a claim has taken so far: its credit, or else its Return Authorization."""


@dataclass(frozen=True, slots=True)
class Covered:
    """What of an order is refunded once certain claims are done: by unit, and of shipping."""

    goods: Mapping[str, Decimal]
    shipping: Decimal

    @classmethod
    def by(cls, entries: Iterable[Entry]) -> Covered:
        """What those documents cover together."""
        goods: dict[str, Decimal] = {}
        shipping = _ZERO
        for entry in entries:
            shipping += entry.shipping
            for unit, amount in entry.goods.items():
                goods[unit] = goods.get(unit, _ZERO) + amount
        return cls(goods, shipping)

    def plus(self, goods: Mapping[str, Decimal], shipping: Decimal) -> Covered:
        """With one more claim."""
        more = {unit: self.goods.get(unit, _ZERO) + amount for unit, amount in goods.items()}
        return Covered({**self.goods, **more}, self.shipping + shipping)


@dataclass(frozen=True, slots=True)
class Refunded:
    """What a claim refunds, as far as anything of it is left, and what goes beyond."""

    goods: dict[str, Decimal]
    shipping: Decimal
    excess: Decimal
    shipping_not_billed: Decimal

    @classmethod
    def of(
        cls,
        claim: Claim,
        order: SalesOrder,
        before: Covered,
        prices: Mapping[str, LinePrice],
    ) -> Refunded:
        """From a claim, and what others cover already. The price of each of its units must be known."""
        taken: dict[str, Decimal] = {}
        excess = _ZERO
        for unit in claim.unit_ids:
            left = max(prices[unit].paid_by_buyer - before.goods.get(unit, _ZERO), _ZERO)
            told = claim.goods.get(unit)
            wanted = left if told is None else told
            taken[unit] = min(wanted, left)
            excess += wanted - taken[unit]
        billed = shipping_billed(order)
        left = max(billed - before.shipping, _ZERO)
        wanted = left if claim.shipping is None else claim.shipping
        if not billed:
            return cls(taken, _ZERO, excess, wanted)
        shipping = min(wanted, left)
        return cls(taken, shipping, excess + wanted - shipping, _ZERO)


def shares(
    order: SalesOrder,
    prices: Mapping[str, LinePrice],
    entries: Iterable[Entry],
    covered: Covered,
    returned: Iterable[str],
    currency: str,
) -> list[ShareLine]:
    """What a claim takes, given what all claims cover once it is done, and the documents of the others.

    `returned` are the units that physically come back with this claim. Every unit must be on the order.
    """
    others = list(entries)
    progress = _line_progress(order, prices, covered)
    pieces = _pieces(order, others, frozenset(returned))
    lines: list[ShareLine] = []
    for line in order.lines:
        if line.number not in progress:
            continue
        taken = [one for entry in others for one in entry.lines if one.order_line == line.number]
        taxes = _taxes(order, line, progress[line.number], taken, currency)
        tax = due_at(line.tax, progress[line.number], currency) - sum((one.tax for one in taken), _ZERO)
        share = ShareLine(
            order_line=line.number,
            key=line.key,
            item_id=line.item_id,
            quantity=pieces.get(line.number),
            amount=due_at(line.amount, progress[line.number], currency)
            - sum((one.amount for one in taken), _ZERO),
            tax=tax if line.has_legacy_tax else sum((one.amount for one in taxes), _ZERO),
            legacy_tax_code_id=line.tax_code_id if line.has_legacy_tax else None,
            taxes=taxes,
            location_id=line.location_id,
        )
        if share.amount or share.tax or share.quantity:
            lines.append(share)
    return lines


def is_shipping(key: str) -> bool:
    """Whether the line of that key is the order's shipping."""
    return key == SHIPPING or key.startswith((SHIPPING + "/", SHIPPING + "+"))


def is_marketplace_tax(key: str) -> bool:
    """Whether the line of that key is one of the pair of marketplace tax lines."""
    return key.startswith(_TAX)


def shipping_billed(order: SalesOrder) -> Decimal:
    """What the Sales Order has for shipping, tax included."""
    return sum((line.amount + line.tax for line in order.lines if is_shipping(line.key)), _ZERO)


def _line_progress(
    order: SalesOrder, prices: Mapping[str, LinePrice], covered: Covered
) -> dict[int, Fraction]:
    """How far each line of ours is refunded once `covered` is, by line number."""
    progress: dict[int, Fraction] = {}
    for siblings in _siblings(order):
        units = siblings[0].unit_ids
        mean = sum((_unit_progress(unit, prices, covered) for unit in units), _NONE) / len(units)
        progress |= _filled(siblings, mean)
    billed = shipping_billed(order)
    shipped = min(_ALL, Fraction(covered.shipping) / Fraction(billed)) if billed > 0 else _NONE
    progress |= {line.number: shipped for line in order.lines if is_shipping(line.key)}
    for index, line in enumerate(order.lines):
        if line.is_discount and line.key and line.number not in progress:
            followed = [one for one in followed_by(line, order.lines[:index]) if one.number in progress]
            if followed:
                progress[line.number] = mean_progress(followed, progress)
    charged = [line for line in order.lines if line.number in progress and not line.is_discount]
    for line in order.lines:
        if is_marketplace_tax(line.key) and charged:
            progress[line.number] = mean_progress(charged, progress)
    return progress


def _unit_progress(unit: str, prices: Mapping[str, LinePrice], covered: Covered) -> Fraction:
    refunded = covered.goods.get(unit)
    if refunded is None:
        return _NONE
    paid = prices[unit].paid_by_buyer
    return min(_ALL, Fraction(refunded) / Fraction(paid)) if paid else _ALL


def _siblings(order: SalesOrder) -> list[list[OrderLine]]:
    """Lines of goods that stand for the same units as the same item, together."""
    groups: dict[tuple[tuple[str, ...], str], list[OrderLine]] = {}
    for line in order.lines:
        if line.unit_ids and not line.is_discount:
            groups.setdefault((line.unit_ids, line.item_id), []).append(line)
    return list(groups.values())


def _filled(siblings: list[OrderLine], mean: Fraction) -> dict[int, Fraction]:
    """The progress of each of some lines when the first are filled first."""
    left = mean * sum((Fraction(line.ordered) for line in siblings), _NONE)
    progress: dict[int, Fraction] = {}
    for line in siblings:
        ordered = Fraction(line.ordered)
        here = min(left, ordered)
        progress[line.number] = here / ordered if ordered else min(mean, _ALL)
        left -= here
    return progress


def _pieces(order: SalesOrder, entries: Iterable[Entry], returned: frozenset[str]) -> dict[int, Decimal]:
    """How many pieces of each line come back with the returned units."""
    before = [entry for entry in entries if any(line.quantity for line in entry.lines)]
    pieces: dict[int, Decimal] = {}
    for siblings in _siblings(order):
        units = siblings[0].unit_ids
        here = sum(unit in returned for unit in units)
        if not here:
            continue
        earlier = {unit for entry in before for unit in entry.goods if unit in units} - returned
        after = _filled(siblings, Fraction(here + len(earlier), len(units)))
        for line in siblings:
            taken = sum(
                (
                    one.quantity or _ZERO
                    for entry in before
                    for one in entry.lines
                    if one.order_line == line.number
                ),
                _ZERO,
            )
            count = after[line.number] * Fraction(line.ordered) - Fraction(taken)
            if count > 0:
                pieces[line.number] = Decimal(count.numerator) / Decimal(count.denominator)
    return pieces


def _taxes(
    order: SalesOrder, line: OrderLine, progress: Fraction, taken: Iterable[ShareLine], currency: str
) -> tuple[TaxShare, ...]:
    """The share of each tax that the Sales Order details of a line."""
    if line.tax_reference is None:
        return ()
    before = [tax for one in taken for tax in one.taxes]
    found: list[TaxShare] = []
    for detail in order.taxes or ():
        if detail.reference != line.tax_reference:
            continue
        same = [one for one in before if (one.code_id, one.type_id) == (detail.code_id, detail.type_id)]
        basis = due_at(detail.basis, progress, currency) - sum((one.basis for one in same), _ZERO)
        amount = due_at(detail.amount, progress, currency) - sum((one.amount for one in same), _ZERO)
        if basis or amount:
            found.append(
                TaxShare(
                    reference=detail.reference,
                    code_id=detail.code_id,
                    type_id=detail.type_id,
                    rate=detail.rate,
                    basis=basis,
                    amount=amount,
                )
            )
    return tuple(found)

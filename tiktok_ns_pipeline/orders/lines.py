"""From unit lines to lines of a Sales Order, without losing a cent or a line id.

TikTok lists one line for each unit (T 3.5). Units that agree in SKU, price, discounts, warehouse and
gift flag collapse into one *group*; what the mapping says of the SKU (pack, kit, bundle, tax) turns
a group into one or more lines.

Invariants: the lines of a group sum to the group's amount; every rate fits its currency, so that
any part of a line can be shipped, billed or returned exactly; a line's key depends on what is sold,
not on how many or by which ids, so that a partial cancellation changes quantities and no keys.

Where a quantity does not divide an amount, two lines stand a smallest unit apart: the dearer one
has `+` after its key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.goods.items import Part
from tiktok_ns_pipeline.money import Money, exponent_of
from tiktok_ns_pipeline.tiktok.identities import LinePrice
from tiktok_ns_pipeline.tiktok.models import LineItem

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Group:
    """Units that are the same thing at the same price from the same place, ordered by line id."""

    key: str
    price: LinePrice
    units: tuple[LineItem, ...]

    @property
    def unit(self) -> LineItem:
        """One of the units, always the same one."""
        return self.units[0]

    @property
    def count(self) -> int:
        """How many units."""
        return len(self.units)

    @property
    def line_ids(self) -> tuple[str, ...]:
        """TikTok's id of every unit."""
        return tuple(unit.id for unit in self.units)


@dataclass(frozen=True, slots=True)
class Tax:
    """Tax inside a price. Without one (`rate` None) the price is the amount."""

    rate: Decimal | None = None
    """Percent."""
    code_id: str | None = None

    def net_of(self, gross: Money) -> Money:
        """The price without the tax, rounded once to the currency; tax is what is left."""
        if self.rate is None:
            return gross
        return Money(gross.amount * 100 / (100 + self.rate), gross.currency).quantized()


@dataclass(frozen=True, slots=True)
class Priced:
    """One line in the making: an item with its quantity and money."""

    key: str
    item_id: str
    quantity: int
    rate: Decimal
    amount: Decimal
    tax_amount: Decimal
    units_id: str | None
    line_ids: tuple[str, ...]


def collapse(
    lines: Iterable[LineItem], prices: Mapping[str, LinePrice], warehouse: str | None
) -> list[Group]:
    """The groups of an order's active lines, ordered by key whatever the order of the lines."""
    groups: dict[str, list[LineItem]] = {}
    for line in lines:
        groups.setdefault(_key(line, prices[line.id], warehouse), []).append(line)
    return [
        Group(key, prices[units[0].id], tuple(sorted(units, key=lambda unit: unit.id)))
        for key, units in sorted(groups.items())
    ]


def price_lines(
    group: Group, parts: Sequence[Part], unit_price: Decimal, tax: Tax, currency: str
) -> list[Priced]:
    """The lines of a group whose units cost `unit_price` each and consist of `parts`.

    The price of one unit is divided among its parts, then each part's amount among its quantity.
    """
    parts = _merged(parts)
    shares = Money(unit_price, currency).allocate([part.weight for part in parts])
    priced: list[Priced] = []
    for part, share in zip(parts, shares, strict=True):
        key = group.key if len(parts) == 1 else f"{group.key}/{part.item_id}"
        priced += _spread(key, group, part, share * group.count, tax)
    return priced


def discount_line(group: Group, item_id: str, tax: Tax, currency: str) -> Priced | None:
    """The seller's discount of a group as a line of its own; None where there is none."""
    gross = Money(group.price.seller_discount, currency) * group.count
    if gross.is_zero:
        return None
    return _single(f"{group.key}/discount", item_id, -gross, tax)


def single_line(key: str, item_id: str, amount: Decimal, tax: Tax, currency: str) -> Priced:
    """A line that is no goods, such as shipping."""
    return _single(key, item_id, Money(amount, currency), tax)


def _key(line: LineItem, price: LinePrice, warehouse: str | None) -> str:
    amounts = (price.original, price.seller_discount, price.platform_discount)
    bundle = sorted(
        [part.sku_id or part.seller_sku or "", part.sku_count or 0] for part in line.combined_listing_skus
    )
    parts = (
        line.sku_id,
        "-".join(_plain(amount) for amount in amounts),
        warehouse,
        f"bundle-{exact_json.fingerprint(bundle)[:8]}" if bundle else None,
        "gift" if line.is_gift else None,
    )
    return ":".join(part for part in parts if part)


def _plain(amount: Decimal) -> str:
    """35, 35.0 and 35.00 are one price."""
    return format(amount.normalize(), "f") if amount else "0"


def _merged(parts: Sequence[Part]) -> list[Part]:
    """Parts that are the same item, as one."""
    merged: dict[str, Part] = {}
    for part in parts:
        same = merged.get(part.item_id)
        merged[part.item_id] = (
            part
            if same is None
            else replace(same, quantity=same.quantity + part.quantity, weight=same.weight + part.weight)
        )
    return list(merged.values())


def _spread(key: str, group: Group, part: Part, gross: Money, tax: Tax) -> list[Priced]:
    """One line where the quantity divides the amount, else two a smallest unit apart."""
    quantity = part.quantity * group.count
    net = tax.net_of(gross)
    step = Decimal(1).scaleb(-exponent_of(net.currency))
    low, dearer = divmod(int(net.amount / step), quantity)
    counts = [count for count in (quantity - dearer, dearer) if count]
    amounts = [(low + index) * step * count for index, count in enumerate(counts)]
    taxes = _taxes(gross, net, counts, amounts)
    priced: list[Priced] = []
    for index, (count, tax_amount) in enumerate(zip(counts, taxes, strict=True)):
        rate = (low + index) * step
        priced.append(
            Priced(
                key=key + "+" * index,
                item_id=part.item_id,
                quantity=count,
                rate=rate,
                amount=rate * count,
                tax_amount=tax_amount,
                units_id=part.units_id,
                line_ids=_ids_of(group, part, counts, index),
            )
        )
    return priced


def _taxes(gross: Money, net: Money, counts: Sequence[int], amounts: Sequence[Decimal]) -> list[Decimal]:
    """The tax of each line: what is missing to its pieces' price where that is the same for each, so that
    a refunded piece gives back what the buyer had paid for it; else by amounts."""
    piece = gross.amount / sum(counts)
    if Money(piece, gross.currency).fits_currency:
        return [piece * count - amount for count, amount in zip(counts, amounts, strict=True)]
    return [one.amount for one in (gross - net).allocate(counts if net.is_zero else amounts)]


def _ids_of(group: Group, part: Part, counts: Sequence[int], index: int) -> tuple[str, ...]:
    """The units that a line stands for: all of them, unless each unit belongs to one of two lines."""
    if part.quantity > 1 or len(counts) == 1:
        return group.line_ids
    return group.line_ids[: counts[0]] if index == 0 else group.line_ids[counts[0] :]


def _single(key: str, item_id: str, gross: Money, tax: Tax) -> Priced:
    net = tax.net_of(gross)
    return Priced(key, item_id, 1, net.amount, net.amount, (gross - net).amount, None, ())

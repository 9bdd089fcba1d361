"""What TikTok owes the seller for an order, read from the order alone.

    owed = goods + shipping
    goods    = sum over active lines of original_price - seller_discount
    shipping = original_shipping_fee - seller's (and co-funded) discount, when it is the seller's income

The platform's discounts are inside both: TikTok reimburses them (T 3.4, 10.2). Sales tax on top of
the prices and the buyer's fees never reach the seller. A line is one unit; cancelled lines stay in
the list and earn nothing.

An order says its amounts twice, in its lines and in its head, and the identities of T 3.4 and 3.5
hold between them. Where they do not, or where an amount is not stated that only an amount could
replace, a `Contradiction` says so: such an order must not be posted on a guess. An absent discount
counts as none only where an identity proves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Literal

from tiktok_ns_pipeline.money import exponent_of
from tiktok_ns_pipeline.tiktok.models import LineItem, Order, Payment, PriceDetail

TAX_ON_TOP = frozenset({"USD"})
"""Currencies of markets whose prices are without tax: the US alone (T 10.1)."""

CANCELLED = "CANCELLED"

HEAD_AFTER_CANCELLATION = "payment.after_cancellation"
"""Field of the contradiction that a price detail may resolve."""

ContradictionKind = Literal["not_stated", "negative", "too_fine", "mixed_currency", "identity", "unknown"]

_ZERO = Decimal(0)

# Kept by the platform. Whether each is inside `total_amount` is not certain (T 3.4), so any selection
# of them may explain it.
_BUYER_FEES = (
    "small_order_fee",
    "buyer_service_fee",
    "handling_fee",
    "shipping_insurance_fee",
    "item_insurance_fee",
    "item_insurance_tax",
    "distance_fee",
    "distance_shipping_fee",
    "payment_discount_service_fee",
)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two statements of one order that cannot both be true, or one that is not made.

    `field` is stable (no ids, no amounts); `message` has the particulars.
    """

    kind: ContradictionKind
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class LinePrice:
    """The price of one unit."""

    original: Decimal
    seller_discount: Decimal
    platform_discount: Decimal

    @property
    def owed(self) -> Decimal:
        """What the seller is owed for the unit: the platform's discount is reimbursed (T 3.4)."""
        return self.original - self.seller_discount

    @property
    def paid_by_buyer(self) -> Decimal:
        """What the buyer pays for it: the line's `sale_price` (T 3.5)."""
        return self.owed - self.platform_discount


@dataclass(frozen=True, slots=True)
class Owed:
    """What the seller is owed. All amounts are in `currency`."""

    currency: str
    goods: Decimal
    shipping: Decimal
    platform_discount: Decimal
    """Part of `goods` that TikTok pays instead of the buyer."""
    shipping_subsidy: Decimal
    """Part of `shipping` that TikTok pays instead of the buyer."""
    buyer_fees: Decimal
    """Paid by the buyer, kept by the platform; no part of `total`."""
    tax: Decimal | None
    """Tax shown to the buyer; None where TikTok states none. No part of `total` where it is on top."""
    prices: dict[str, LinePrice]
    """Price of every active line, by line id."""

    @property
    def total(self) -> Decimal:
        """goods + shipping."""
        return self.goods + self.shipping

    @property
    def receivable_from_channel(self) -> Decimal:
        """Part of `total` that TikTok pays instead of the buyer."""
        return self.platform_discount + self.shipping_subsidy


@dataclass(frozen=True, slots=True)
class OwedReading:
    """`owed` is None where it cannot be told; with any contradiction it must not be relied on."""

    owed: Owed | None
    contradictions: tuple[Contradiction, ...]

    @property
    def is_sound(self) -> bool:
        """Whether the amount is known and nothing contradicts it."""
        return self.owed is not None and not self.contradictions


def active_lines(order: Order) -> tuple[LineItem, ...]:
    """The lines that are not cancelled."""
    return tuple(line for line in order.line_items if line.display_status != CANCELLED)


def seller_owed(
    order: Order,
    *,
    channel_ships_pays_seller: bool = False,
    cofunded_paid_by_seller: bool = True,
    price_detail: PriceDetail | None = None,
) -> OwedReading:
    """What TikTok owes the seller for an order, and every contradiction in what it says.

    `channel_ships_pays_seller`: whether the shipping fee of orders that TikTok ships is the seller's
    income (T 10.2: usually not). `cofunded_paid_by_seller`: who bears the co-funded discount.
    A `price_detail` (T 3.7) decides where head and lines differ after a partial cancellation.
    """
    payment = order.payment
    if payment is None:
        return OwedReading(None, (_not_stated("payment"),))
    if payment.currency is None:
        return OwedReading(None, (_not_stated("payment.currency"),))
    found = list(_line_contradictions(order, payment.currency))
    found += _amount_contradictions(payment, payment.currency, "payment")
    found += _head_contradictions(payment)
    prices = {line.id: price for line in order.line_items if (price := _price(line)) is not None}
    if len(prices) == len(order.line_items):
        found += _sum_contradictions(order, payment, prices, price_detail)
    shipping = _seller_shipping(order, payment, channel_ships_pays_seller, cofunded_paid_by_seller)
    if isinstance(shipping, Contradiction):
        found.append(shipping)
    if isinstance(shipping, Contradiction) or len(prices) < len(order.line_items):
        return OwedReading(None, tuple(found))
    active = {line.id: prices[line.id] for line in active_lines(order)}
    owed = Owed(
        currency=payment.currency,
        goods=_sum(price.owed for price in active.values()),
        shipping=shipping,
        platform_discount=_sum(price.platform_discount for price in active.values()),
        shipping_subsidy=_shipping_subsidy(payment, shipping, cofunded_paid_by_seller),
        buyer_fees=_sum(_fees(payment)) + (payment.retail_delivery_fee or _ZERO),
        tax=payment.tax,
        prices=active,
    )
    return OwedReading(owed, tuple(found))


def _price(line: LineItem) -> LinePrice | None:
    """The price of a unit; None where it is not fully stated."""
    if line.original_price is None:
        return None
    discounts = (line.seller_discount, line.platform_discount)
    if line.sale_price is None and None in discounts:
        return None
    return LinePrice(line.original_price, *(discount or _ZERO for discount in discounts))


def _line_contradictions(order: Order, currency: str) -> Iterator[Contradiction]:
    for line in order.line_items:
        where = f"line {line.id}"
        yield from _amount_contradictions(line, currency, "line", where)
        if line.currency not in (None, currency):
            yield Contradiction(
                "mixed_currency",
                "line.currency",
                f"{where} is in {line.currency}, the order in {currency}",
            )
        price = _price(line)
        if price is None:
            missing = "original_price" if line.original_price is None else "the discounts or sale_price"
            yield Contradiction("not_stated", "line.price", f"{where} does not state {missing}")
            continue
        if line.sale_price not in (None, price.paid_by_buyer):
            yield Contradiction(
                "identity",
                "line.sale_price",
                f"{where} has sale_price {line.sale_price}, but original_price less discounts is "
                f"{price.paid_by_buyer} {currency}",
            )
        if price.paid_by_buyer < 0:
            yield Contradiction("negative", "line.discount", f"{where} has discounts above its price")
        if line.pfand_fee:
            yield Contradiction(
                "unknown",
                "line.pfand_fee",
                f"{where} carries a deposit (pfand_fee); whether TikTok pays it to the seller is not known",
            )


def _amount_contradictions(
    block: LineItem | Payment, currency: str, name: str, where: str | None = None
) -> Iterator[Contradiction]:
    """Amounts that are negative or finer than their currency."""
    step = Decimal(1).scaleb(-exponent_of(currency))
    for field in type(block).model_fields:
        value = getattr(block, field)
        if not isinstance(value, Decimal):
            continue
        if value < 0:
            yield Contradiction(
                "negative", f"{name}.{field}", f"{where or name} has a negative {field}: {value} {currency}"
            )
        if value % step:
            yield Contradiction(
                "too_fine",
                f"{name}.{field}",
                f"{where or name} has {field} {value}, finer than {currency} is",
            )


def _head_contradictions(payment: Payment) -> Iterator[Contradiction]:
    """The identities within the payment block (T 3.4)."""
    original, sub_total, total = (
        payment.original_total_product_price,
        payment.sub_total,
        payment.total_amount,
    )
    for field in ("original_total_product_price", "sub_total", "total_amount"):
        if getattr(payment, field) is None:
            yield _not_stated(f"payment.{field}")
    if original is not None and sub_total is not None:
        due = original - (payment.seller_discount or _ZERO) - (payment.platform_discount or _ZERO)
        yield from _differing(
            payment, "sub_total", sub_total, {due}, "original_total_product_price less discounts"
        )
    if payment.original_shipping_fee is not None and payment.shipping_fee is not None:
        due = payment.original_shipping_fee - _sum(_shipping_discounts(payment))
        yield from _differing(
            payment, "shipping_fee", payment.shipping_fee, {due}, "original_shipping_fee less discounts"
        )
    if None not in (payment.tax, payment.product_tax, payment.shipping_fee_tax):
        parts = (payment.product_tax or _ZERO) + (payment.shipping_fee_tax or _ZERO)
        with_insurance = parts + (payment.item_insurance_tax or _ZERO)
        yield from _differing(payment, "tax", payment.tax or _ZERO, {parts, with_insurance}, "its parts")
    if sub_total is not None and total is not None:
        yield from _differing(
            payment, "total_amount", total, set(_possible_totals(payment, sub_total)), "the sum of its parts"
        )


def _possible_totals(payment: Payment, sub_total: Decimal) -> Iterator[Decimal]:
    """What the buyer may pay in total: certain parts, and any selection of the uncertain ones."""
    certain = sub_total + (payment.shipping_fee or _ZERO) + (payment.retail_delivery_fee or _ZERO)
    if payment.currency in TAX_ON_TOP:
        certain += payment.tax or _ZERO
    uncertain = [fee for fee in _fees(payment) if fee] + [-(payment.payment_platform_discount or _ZERO)]
    for size in range(len(uncertain) + 1):
        for selection in combinations(uncertain, size):
            yield certain + _sum(selection)


def _sum_contradictions(
    order: Order, payment: Payment, prices: dict[str, LinePrice], price_detail: PriceDetail | None
) -> Iterator[Contradiction]:
    """Head against lines (T 3.5): after a partial cancellation the head may count all or active lines."""
    stated = (
        payment.original_total_product_price,
        payment.seller_discount or _ZERO,
        payment.platform_discount or _ZERO,
    )
    active = active_lines(order)
    counted = (order.line_items, active)
    if stated[0] is None or any(stated == _line_sums(lines, prices) for lines in counted):
        return
    cancelled = len(active) < len(order.line_items)
    if cancelled and price_detail is not None and _detail_agrees(active, prices, price_detail):
        return
    original, seller, platform = _line_sums(active, prices)
    yield Contradiction(
        "identity",
        HEAD_AFTER_CANCELLATION if cancelled else "payment.lines",
        f"its head states price {stated[0]}, seller discount {stated[1]} and platform discount {stated[2]}, "
        f"its active lines sum to {original}, {seller} and {platform} {payment.currency}",
    )


def _line_sums(lines: Iterable[LineItem], prices: dict[str, LinePrice]) -> tuple[Decimal, Decimal, Decimal]:
    counted = [prices[line.id] for line in lines]
    return (
        _sum(price.original for price in counted),
        _sum(price.seller_discount for price in counted),
        _sum(price.platform_discount for price in counted),
    )


def _detail_agrees(
    lines: Iterable[LineItem], prices: dict[str, LinePrice], price_detail: PriceDetail
) -> bool:
    """Whether TikTok's calculated price says of every line what the line itself says (T 3.7)."""
    details = {detail.id: detail for detail in price_detail.line_items}
    return all(
        (detail := details.get(line.id)) is not None
        and detail.sku_list_price == prices[line.id].original
        and (detail.subtotal_deduction_seller or _ZERO) == prices[line.id].seller_discount
        and (detail.subtotal_deduction_platform or _ZERO) == prices[line.id].platform_discount
        for line in lines
    )


def _seller_shipping(
    order: Order, payment: Payment, channel_ships_pays_seller: bool, cofunded_paid_by_seller: bool
) -> Decimal | Contradiction:
    """Shipping that is the seller's income; a contradiction where it cannot be told."""
    if order.shipping_type not in (None, "SELLER") and not channel_ships_pays_seller:
        return _ZERO
    discounts = (payment.shipping_fee_seller_discount or _ZERO) + (
        (payment.shipping_fee_cofunded_discount or _ZERO) if cofunded_paid_by_seller else _ZERO
    )
    if payment.original_shipping_fee is not None:
        shipping = payment.original_shipping_fee - discounts
    elif payment.shipping_fee is not None and payment.shipping_fee_platform_discount is not None:
        borne = _ZERO if cofunded_paid_by_seller else payment.shipping_fee_cofunded_discount or _ZERO
        shipping = payment.shipping_fee + payment.shipping_fee_platform_discount + borne
    else:
        return _not_stated("payment.original_shipping_fee")
    if order.shipping_type is None and shipping and not channel_ships_pays_seller:
        return _not_stated("shipping_type")
    return shipping


def _shipping_subsidy(payment: Payment, shipping: Decimal, cofunded_paid_by_seller: bool) -> Decimal:
    if not shipping:
        return _ZERO
    cofunded = _ZERO if cofunded_paid_by_seller else payment.shipping_fee_cofunded_discount or _ZERO
    return (payment.shipping_fee_platform_discount or _ZERO) + cofunded


def _shipping_discounts(payment: Payment) -> list[Decimal]:
    stated = (
        payment.shipping_fee_seller_discount,
        payment.shipping_fee_platform_discount,
        payment.shipping_fee_cofunded_discount,
    )
    return [discount or _ZERO for discount in stated]


def _fees(payment: Payment) -> list[Decimal]:
    return [getattr(payment, name) or _ZERO for name in _BUYER_FEES]


def _differing(
    payment: Payment, field: str, stated: Decimal, possible: set[Decimal], meaning: str
) -> Iterator[Contradiction]:
    if stated not in possible:
        yield Contradiction(
            "identity",
            f"payment.{field}",
            f"its {field} is {stated}, but {meaning} is {min(possible)} {payment.currency}",
        )


def _not_stated(field: str) -> Contradiction:
    return Contradiction("not_stated", field, f"it does not state {field}")


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, _ZERO)

"""What TikTok owes the seller for an order, read from the order alone.

    owed = goods + shipping
    goods    = sum over active lines of original_price - seller_discount
    shipping = original_shipping_fee - seller's (and co-funded) discount, where it is the seller's income

The platform's discounts are inside both: TikTok reimburses them (T 3.4, 10.2). Sales tax on top of
the prices and the buyer's fees never reach the seller. A line is one unit; cancelled lines stay in
the list and earn nothing. The same rule serves staging and the proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tiktok_ns_pipeline.tiktok.identities import (
    Contradiction,
    LinePrice,
    active_lines,
    buyer_fees,
    contradictions,
    not_stated,
    prices_of,
    total_of,
)
from tiktok_ns_pipeline.tiktok.models import Order, Payment, PriceDetail

_ZERO = Decimal(0)


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
        return OwedReading(None, (not_stated("payment"),))
    if payment.currency is None:
        return OwedReading(None, (not_stated("payment.currency"),))
    found = contradictions(order, payment, payment.currency, price_detail)
    prices = prices_of(order)
    shipping = _seller_shipping(order, payment, channel_ships_pays_seller, cofunded_paid_by_seller)
    if isinstance(shipping, Contradiction):
        found.append(shipping)
    if isinstance(shipping, Contradiction) or len(prices) < len(order.line_items):
        return OwedReading(None, tuple(found))
    active = {line.id: prices[line.id] for line in active_lines(order)}
    owed = Owed(
        currency=payment.currency,
        goods=total_of(price.owed for price in active.values()),
        shipping=shipping,
        platform_discount=total_of(price.platform_discount for price in active.values()),
        shipping_subsidy=_shipping_subsidy(payment, shipping, cofunded_paid_by_seller),
        buyer_fees=total_of(buyer_fees(payment)) + (payment.retail_delivery_fee or _ZERO),
        tax=payment.tax,
        prices=active,
    )
    return OwedReading(owed, tuple(found))


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
        return not_stated("payment.original_shipping_fee")
    if order.shipping_type is None and shipping and not channel_ships_pays_seller:
        return not_stated("shipping_type")
    if shipping < 0:
        return Contradiction(
            "negative", "payment.shipping", "its shipping discounts are above its shipping fee"
        )
    return shipping


def _shipping_subsidy(payment: Payment, shipping: Decimal, cofunded_paid_by_seller: bool) -> Decimal:
    if not shipping:
        return _ZERO
    cofunded = _ZERO if cofunded_paid_by_seller else payment.shipping_fee_cofunded_discount or _ZERO
    return (payment.shipping_fee_platform_discount or _ZERO) + cofunded

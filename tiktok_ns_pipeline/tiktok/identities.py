"""What must hold between the amounts of one order, and what to say where it does not.

An order says its amounts twice, in its lines and in its head (T 3.4, 3.5). Where the two disagree,
or where an amount is not stated that nothing else proves, a `Contradiction` names it: such an order
is not posted on a guess. An absent discount counts as none only where an identity proves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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


def active_lines(order: Order) -> tuple[LineItem, ...]:
    """The lines that are not cancelled."""
    return tuple(line for line in order.line_items if line.display_status != CANCELLED)


def contradictions(
    order: Order, payment: Payment, currency: str, price_detail: PriceDetail | None = None
) -> list[Contradiction]:
    """Everything in an order's amounts that cannot be true, or is not stated.

    A `price_detail` (T 3.7) decides where head and lines differ after a partial cancellation.
    """
    found = [
        *_line_contradictions(order, currency),
        *_amount_contradictions(payment, currency, "payment"),
        *_head_contradictions(payment),
    ]
    prices = prices_of(order)
    if len(prices) == len(order.line_items):
        found += _sum_contradictions(order, payment, prices, price_detail)
    return found


def prices_of(order: Order) -> dict[str, LinePrice]:
    """The prices of an order's lines by line id, without those that are not fully stated."""
    return {line.id: price for line in order.line_items if (price := _price(line)) is not None}


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
            yield not_stated(f"payment.{field}")
    if original is not None and sub_total is not None:
        due = original - (payment.seller_discount or _ZERO) - (payment.platform_discount or _ZERO)
        yield from _differing(
            payment, "sub_total", sub_total, {due}, "original_total_product_price less discounts"
        )
    if payment.original_shipping_fee is not None and payment.shipping_fee is not None:
        due = payment.original_shipping_fee - total_of(_shipping_discounts(payment))
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
    uncertain = [fee for fee in buyer_fees(payment) if fee] + [-(payment.payment_platform_discount or _ZERO)]
    for size in range(len(uncertain) + 1):
        for selection in combinations(uncertain, size):
            yield certain + total_of(selection)


def _sum_contradictions(
    order: Order, payment: Payment, prices: Mapping[str, LinePrice], price_detail: PriceDetail | None
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


def _line_sums(
    lines: Iterable[LineItem], prices: Mapping[str, LinePrice]
) -> tuple[Decimal, Decimal, Decimal]:
    counted = [prices[line.id] for line in lines]
    return (
        total_of(price.original for price in counted),
        total_of(price.seller_discount for price in counted),
        total_of(price.platform_discount for price in counted),
    )


def _detail_agrees(
    lines: Iterable[LineItem], prices: Mapping[str, LinePrice], price_detail: PriceDetail
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


def _shipping_discounts(payment: Payment) -> list[Decimal]:
    stated = (
        payment.shipping_fee_seller_discount,
        payment.shipping_fee_platform_discount,
        payment.shipping_fee_cofunded_discount,
    )
    return [discount or _ZERO for discount in stated]


def buyer_fees(payment: Payment) -> list[Decimal]:
    """Fees that the buyer pays and the platform keeps, retail delivery aside (T 3.4)."""
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


def not_stated(field: str) -> Contradiction:
    """The order does not state a field that it must."""
    return Contradiction("not_stated", field, f"it does not state {field}")


def total_of(amounts: Iterable[Decimal]) -> Decimal:
    """Sum of amounts of one currency."""
    return sum(amounts, _ZERO)

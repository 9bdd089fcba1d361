"""What TikTok settles for an order: every component by market, signed as the seller sees it (T 7.4, 10.2).

Income is positive, cost negative, and everything adds up: revenue is the list price less the seller's
own discounts (those of the platform are paid back inside it), shipping is what buyer and platform pay
less what TikTok's carrier takes, fees and taxes follow the market. Sales tax of the US never reaches the
seller: it is told, and not added.

Invariant: `Amounts.settlement` is the sum of the members that count, to the minor unit of the currency;
a refund of everything gives back exactly what the fees took, but for the refund administration fee.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from tiktok_ns_pipeline.money import exponent_of
from tiktok_ns_pipeline.sandbox.facts import ZERO, LineFacts, OrderFacts

Parts = dict[str, Decimal]
"""Field name of T 7.5 -> amount."""

# Members that repeat another one and are told without being added (T 7.4 no. 6 and 7).
AFFILIATE = "affiliate_commission_amount"
REPEATED_AFFILIATE = "affiliate_commission_amount_before_pit"
REPEATED_INCENTIVE = "tiktok_shop_shipping_incentive_amount"

CUSTOMER_SHIPPING = "customer_paid_shipping_fee_amount"
SHIPPING_DISCOUNT = "shipping_fee_discount_amount"

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Market:
    """How the shops of one region are settled and paid (T 10.3)."""

    days: int
    """So many after delivery an order settles."""
    policy: str
    """The same, as an undelivered order tells it (T 7.10)."""
    rates: Mapping[str, Decimal]
    """Fee -> percent of the goods after the seller's discounts."""
    fixed: Mapping[str, Decimal]
    """Fee -> amount per order."""
    vat_on_commission: Decimal = ZERO
    pit: Decimal = ZERO
    """Percent of the goods that is withheld as personal income tax."""
    administration: Decimal = ZERO
    """Percent of a commission's refund that is kept (T 6.5)."""
    payout: Literal["weekly", "daily", "wallet"] = "daily"
    shipping_in_fees: bool = False
    """Whether the older shapes count shipping among the fees (T 7.3)."""


MARKETS: dict[str, Market] = {
    "US": Market(
        days=8,
        policy="Delivered + 8 days",
        rates={"referral_fee_amount": Decimal(6)},
        fixed={},
        administration=Decimal(20),
        payout="weekly",
    ),
    "GB": Market(
        days=7,
        policy="Delivered + 7 days",
        rates={"platform_commission_amount": Decimal(9)},
        fixed={},
        vat_on_commission=Decimal(20),
    ),
    "VN": Market(
        days=15,
        policy="15 days after delivery",
        rates={"platform_commission_amount": Decimal(4), "transaction_fee_amount": Decimal(5)},
        fixed={"vn_fix_infrastructure_fee": Decimal(3_000)},
        pit=Decimal("0.5"),
        payout="wallet",
        shipping_in_fees=True,
    ),
}

# Fees that a refund does not bring back.
_KEPT = {"transaction_fee_amount", "vn_fix_infrastructure_fee", "smart_promotion_fee_amount"}


@dataclass(slots=True)
class Amounts:
    """The amounts of one transaction, by where they stand in its row (T 7.5)."""

    revenue: Parts = field(default_factory=dict[str, Decimal])
    shipping: Parts = field(default_factory=dict[str, Decimal])
    fee: Parts = field(default_factory=dict[str, Decimal])
    tax: Parts = field(default_factory=dict[str, Decimal])
    adjustment: Parts = field(default_factory=dict[str, Decimal])
    """`amount` alone, for adjustments."""
    reserve: Parts = field(default_factory=dict[str, Decimal])
    """`amount` alone, for reserves; no part of the settlement."""
    memo: Parts = field(default_factory=dict[str, Decimal])
    """`supplementary_component` of the row: told, never added."""
    shipping_memo: Parts = field(default_factory=dict[str, Decimal])
    """`supplementary_component` of shipping."""

    @property
    def revenue_total(self) -> Decimal:
        """`revenue_amount`."""
        return sum(self.revenue.values(), ZERO)

    @property
    def shipping_total(self) -> Decimal:
        """`shipping_cost_amount`."""
        return _counted(self.shipping, REPEATED_INCENTIVE)

    @property
    def fee_tax_total(self) -> Decimal:
        """`fee_tax_amount`."""
        return _counted(self.fee, REPEATED_AFFILIATE) + sum(self.tax.values(), ZERO)

    @property
    def adjustment_total(self) -> Decimal:
        """`adjustment_amount`."""
        return sum(self.adjustment.values(), ZERO)

    @property
    def reserve_total(self) -> Decimal:
        """`reserve_amount`: negative when withheld."""
        return sum(self.reserve.values(), ZERO)

    @property
    def settlement(self) -> Decimal:
        """`settlement_amount` (T 7.4 no. 1)."""
        return self.revenue_total + self.shipping_total + self.fee_tax_total + self.adjustment_total

    def counted(self) -> dict[str, Decimal]:
        """Every member that is part of the settlement, as "group.field"."""
        return {
            f"{group}.{name}": amount
            for group in ("revenue", "shipping", "fee", "tax", "adjustment")
            for name, amount in getattr(self, group).items()
            if name not in {REPEATED_AFFILIATE, REPEATED_INCENTIVE}
        }

    def to_json(self) -> str:
        """Text to keep."""
        kept = {one: getattr(self, one) for one in _GROUPS}
        return json.dumps(
            {
                group: {name: str(amount) for name, amount in parts.items()}
                for group, parts in kept.items()
                if parts
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> Amounts:
        """What `to_json` wrote."""
        return cls(
            **{
                group: {name: Decimal(amount) for name, amount in parts.items()}
                for group, parts in json.loads(text).items()
            }
        )


_GROUPS = tuple(one.name for one in fields(Amounts))


def _counted(parts: Parts, repeated: str) -> Decimal:
    return sum((amount for name, amount in parts.items() if name != repeated), ZERO)


def step_of(currency: str) -> Decimal:
    """The smallest amount of a currency."""
    return Decimal(1).scaleb(-exponent_of(currency))


def percent_of(amount: Decimal, percent: Decimal, currency: str) -> Decimal:
    """So many percent of an amount, rounded half up to the currency's smallest."""
    return (amount * percent / 100).quantize(step_of(currency), ROUND_HALF_UP)


def goods_of(lines: Iterable[LineFacts]) -> Decimal:
    """What units bring: list price less the seller's own discounts."""
    return sum((line.price - line.seller_discount for line in lines), ZERO)


def sold(facts: OrderFacts, region: str, seed: int, *, delivered: bool) -> Amounts:
    """What the order brings with the units that it has now.

    Before delivery the carrier's price is not known yet (T 7.10). Equal seeds give equal amounts.
    """
    market, lines = MARKETS[region], facts.active_lines
    chance = random.Random(f"settles {seed} {facts.order_id}")
    amounts = Amounts()
    amounts.revenue = {
        "subtotal_before_discount_amount": sum((line.price for line in lines), ZERO),
        "seller_discount_amount": -sum((line.seller_discount for line in lines), ZERO),
        "refund_subtotal_before_discount_amount": ZERO,
        "seller_discount_refund_amount": ZERO,
    }
    goods = goods_of(lines)
    _charge(amounts, goods, market, facts.currency, chance)
    _ship(amounts, facts, region, chance, delivered=delivered)
    _tell_buyer(amounts, facts, region)
    return amounts


def _charge(amounts: Amounts, goods: Decimal, market: Market, currency: str, chance: random.Random) -> None:
    affiliated, percent = chance.random() < 0.3, Decimal(chance.choice((8, 10, 15)))
    promoted = chance.random() < 0.1
    if not goods:
        return
    for name, rate in market.rates.items():
        amounts.fee[name] = -percent_of(goods, rate, currency)
    for name, amount in market.fixed.items():
        amounts.fee[name] = -amount
    if affiliated:
        amounts.fee[AFFILIATE] = -percent_of(goods, percent, currency)
        amounts.fee[REPEATED_AFFILIATE] = amounts.fee[AFFILIATE]
    if promoted:
        amounts.fee["smart_promotion_fee_amount"] = -percent_of(goods, Decimal(2), currency)
    if market.vat_on_commission:
        vat = percent_of(amounts.fee["platform_commission_amount"], market.vat_on_commission, currency)
        amounts.tax["local_vat_amount"] = vat
    if market.pit:
        amounts.tax["pit_amount"] = -percent_of(goods, market.pit, currency)


def _ship(
    amounts: Amounts, facts: OrderFacts, region: str, chance: random.Random, *, delivered: bool
) -> None:
    """Buyer's and platform's part come in; the carrier's price goes out where TikTok ships (T 10.2)."""
    shipping, odds = facts.shipping, chance.random()
    amounts.shipping = {
        CUSTOMER_SHIPPING: shipping.fee,
        SHIPPING_DISCOUNT: shipping.platform_discount,
        "actual_shipping_fee_amount": ZERO,
    }
    amounts.shipping_memo = {
        "platform_shipping_fee_discount_amount": shipping.platform_discount,
        "seller_shipping_fee_discount_amount": shipping.seller_discount,
        "customer_shipping_fee": shipping.fee,
    }
    if region == "GB" and shipping.platform_discount:
        amounts.shipping[REPEATED_INCENTIVE] = shipping.platform_discount
    if facts.by_seller or not delivered:
        return
    # The carrier weighs for itself: its price is the expected one or a little off.
    factor = Decimal(100) if odds < 0.6 else Decimal(85 + int(odds * 50))
    price = percent_of(shipping.original, factor, facts.currency)
    amounts.shipping["actual_shipping_fee_amount"] = -price
    if facts.by_tiktok_warehouse:
        amounts.shipping_memo["fbt_shipping_cost_amount"] = -price
    elif region != "VN":
        amounts.shipping_memo["fbm_shipping_cost_amount"] = -price
    if region == "US" and odds > 0.95:
        amounts.shipping["shipping_insurance_fee_amount"] = -Decimal("1.10")


def _tell_buyer(amounts: Amounts, facts: OrderFacts, region: str) -> None:
    lines = facts.active_lines
    platform = sum((line.platform_discount for line in lines), ZERO)
    paid = sum((line.sale_price for line in lines), ZERO) + facts.shipping.fee
    amounts.memo = {"platform_discount_amount": platform}
    if region == "US":
        tax = sum((line.tax for line in lines), ZERO) + facts.shipping.tax
        delivery = facts.fees.get("retail_delivery_fee", ZERO)
        amounts.memo |= {
            "sales_tax_payment_amount": tax,
            "sales_tax_refund_amount": ZERO,
            "sales_tax_amount": tax,
            "retail_delivery_fee_payment_amount": delivery,
            "retail_delivery_fee_refund_amount": ZERO,
            "retail_delivery_fee_amount": delivery,
        }
        paid += tax + delivery
    amounts.memo |= {"customer_payment_amount": paid, "customer_refund_amount": ZERO}
    cofunded = facts.shipping.cofunded_discount
    if cofunded:
        amounts.memo["seller_cofunded_discount_amount"] = cofunded


def refunded(
    facts: OrderFacts, region: str, before: frozenset[str], now: frozenset[str], charged: Amounts
) -> Amounts:
    """What the refund of the units `now` takes back, after those of `before` were refunded (line ids).

    `charged` are the amounts of the sale. The last unit takes the rest of every fee, so that nothing
    is left over by rounding.
    """
    market, currency = MARKETS[region], facts.currency
    lines = [line for line in facts.active_lines if line.id in now]
    whole = goods_of(facts.active_lines)
    past = goods_of(line for line in facts.active_lines if line.id in before)
    goods = goods_of(lines)
    price = sum((line.price for line in lines), ZERO)
    amounts = Amounts(
        revenue={
            "subtotal_before_discount_amount": ZERO,
            "seller_discount_amount": ZERO,
            "refund_subtotal_before_discount_amount": -price,
            "seller_discount_refund_amount": price - goods,
        }
    )

    def back(amount: Decimal) -> Decimal:
        if not whole:
            return ZERO
        step = step_of(currency)

        def share(part: Decimal) -> Decimal:
            return (amount * part / whole).quantize(step, ROUND_HALF_UP)

        return share(past) - share(past + goods)

    for name, amount in charged.fee.items():
        if name not in _KEPT:
            amounts.fee[name] = back(amount)
    for name, amount in charged.tax.items():
        amounts.tax[name] = back(amount)
    if market.administration and (credit := amounts.fee.get("referral_fee_amount")):
        amounts.fee["refund_administration_fee_amount"] = -percent_of(credit, market.administration, currency)
    everything = {line.id for line in facts.active_lines} <= before | now
    if everything and charged.shipping.get(CUSTOMER_SHIPPING):
        amounts.shipping[CUSTOMER_SHIPPING] = -charged.shipping[CUSTOMER_SHIPPING]
    _tell_refund(amounts, facts, region, lines, everything=everything)
    return amounts


def _tell_refund(
    amounts: Amounts, facts: OrderFacts, region: str, lines: list[LineFacts], *, everything: bool
) -> None:
    platform = sum((line.platform_discount for line in lines), ZERO)
    paid = sum((line.sale_price for line in lines), ZERO)
    if everything:
        paid += facts.shipping.fee
    amounts.memo["platform_discount_refund_amount"] = -platform
    if region == "US":
        tax = sum((line.tax for line in lines), ZERO) + (facts.shipping.tax if everything else ZERO)
        amounts.memo |= {
            "sales_tax_payment_amount": ZERO,
            "sales_tax_refund_amount": tax,
            "sales_tax_amount": -tax,
        }
        paid += tax
    amounts.memo["customer_refund_amount"] = -paid


def added(first: Amounts, second: Amounts) -> Amounts:
    """Both in one transaction: an order whose unit was refunded before it settled."""
    total = Amounts()
    for group in _GROUPS:
        parts: Parts = dict(getattr(first, group))
        for name, amount in getattr(second, group).items():
            parts[name] = parts.get(name, ZERO) + amount
        setattr(total, group, parts)
    return total


def shipping_that_is_owed(facts: OrderFacts, amounts: Amounts) -> Decimal:
    """The part of the shipping that the Sales Order sells too: what comes in where the seller ships."""
    if not facts.by_seller:
        return ZERO
    return amounts.shipping.get(CUSTOMER_SHIPPING, ZERO) + amounts.shipping.get(SHIPPING_DISCOUNT, ZERO)


BALANCES = frozenset({"NET_EARNINGS_BALANCE", "NET_EARNINGS_DEDUCTION", "Bill payment （negative balance）"})
"""Types that move a balance, and earn or cost nothing (T 7.8)."""


@dataclass(frozen=True, slots=True)
class AdjustmentKind:
    """A sort of adjustment (T 7.8)."""

    type: str
    sign: int
    of_order: bool
    """Whether it names the order that it is about."""
    regions: tuple[str, ...] = ("US", "GB", "VN")


ADJUSTMENTS = (
    AdjustmentKind("PLATFORM_REIMBURSEMENT", 1, True),
    AdjustmentKind("LOGISTICS_REIMBURSEMENT", 1, True),
    AdjustmentKind("SHIPPING_FEE_ADJUSTMENT", -1, True),
    AdjustmentKind("PLATFORM_PENALTY", -1, False),
    AdjustmentKind("CHARGE_BACK", -1, True),
    AdjustmentKind("REBATE", 1, False, ("US", "GB")),
    AdjustmentKind("GMV_PAYMENT_FOR_ADS", -1, False),
    AdjustmentKind("GMV_PAYMENT_FOR_TIKTOK_ADS", -1, False, ("US",)),
    AdjustmentKind("PROMOTION_ADJUSTMENT", -1, True),
    AdjustmentKind("FBT_WAREHOUSE_SERVICE_FEE", -1, False, ("US",)),
    AdjustmentKind("SELLER_MISSION_REWARD", 1, False),
    AdjustmentKind("OTHER_ADJUSTMENT", -1, False),
    AdjustmentKind("Violation fee （settlement fee）", -1, False, ("US", "GB")),
    AdjustmentKind("Bill payment （negative balance）", 1, False, ("US", "GB")),
)

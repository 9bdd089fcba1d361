"""What TikTok owes, has settled and has paid: the truth by which books of settlements are judged.

Amounts are in the shop's currency. *Roles* say where money belongs in the seller's books, debit
positive, so that the roles of a payment sum to zero:

- `clearing`: what TikTok owes for orders, as the Sales Orders count it (`OrderTruth.owed`): goods after
  the seller's discounts, and shipping where the seller ships; a refund takes it back. Balances that only
  move (T 7.8), from one day to another or by the seller's own money, go through it as well;
- `fees`, `taxes`, `shipping` (what else is of shipping), `adjustments`, such as fees for violations;
- `reserve`: withheld by TikTok, and still the seller's;
- `bank`: what is paid, before exchange.

Invariant: what settled is what waits for a statement, for a payment, or was paid.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, get_args

from tiktok_ns_pipeline.sandbox.catalogue import SHOPS, shop_of
from tiktok_ns_pipeline.sandbox.facts import ZERO, OrderFacts, Status
from tiktok_ns_pipeline.sandbox.settling_purse import Purse
from tiktok_ns_pipeline.sandbox.settling_rules import BALANCES, shipping_that_is_owed
from tiktok_ns_pipeline.sandbox.settling_store import StatementStore
from tiktok_ns_pipeline.sandbox.statements import ORDER, PAID, Payment, Transaction

if TYPE_CHECKING:
    from tiktok_ns_pipeline.sandbox.world import World

Role = Literal["bank", "clearing", "fees", "taxes", "shipping", "adjustments", "reserve"]
"""Where money belongs in the books."""
ROLES: tuple[Role, ...] = get_args(Role)

_ALWAYS = 2**40


@dataclass(slots=True)
class OrderMoney:
    """One order. What is `cleared` was settled of `owed`, less what was `refunded`."""

    shop: str
    order_id: str
    currency: str
    owed: Decimal
    """What TikTok owes for the sale; nothing when it was cancelled."""
    refunded: Decimal = ZERO
    """Of this, what refunds took back again, settled or not."""
    cleared: Decimal = ZERO
    """What transactions have settled of `owed`, refunds deducted."""
    cleared_by_payments: Decimal = ZERO
    """Of this, what payments that arrived carried."""
    settled: Decimal = ZERO
    """Sum of `settlement_amount` over its transactions, without adjustments about it."""
    kept: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    """Every member that counts, as "fee.referral_fee_amount"."""
    adjusted: Decimal = ZERO
    """Adjustments about it."""
    withheld: Decimal = ZERO
    """Reserves that were collected and not released: negative."""
    transactions: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class PaymentMoney:
    """One payment and what it carries."""

    payment: Payment
    statements: tuple[str, ...]
    transactions: tuple[str, ...]
    roles: Mapping[Role, Decimal]
    """Debit positive; sums to zero."""
    cleared: Mapping[str, Decimal]
    """Order id -> what it clears of the order."""
    balances: Decimal
    """Balances that it moves, as they are part of `clearing`."""


@dataclass(frozen=True, slots=True)
class ShopMoney:
    """One shop, in its currency."""

    shop: str
    currency: str
    unsettled: Decimal
    """Sum of what TikTok estimates of orders that have not settled (T 7.10)."""
    unsettled_rows: int
    waiting: Decimal
    """Settled, and in no statement yet, after reserves."""
    unpaid: Decimal
    """In statements that no payment which arrived has carried."""
    paid: Decimal
    """Payments that arrived, before exchange."""
    withheld: Decimal
    """Reserves not released yet: negative."""
    wallet: Decimal


@dataclass(frozen=True, slots=True)
class FinanceTruth:
    """Everything, by TikTok's ids and by shop key."""

    orders: Mapping[str, OrderMoney]
    payments: Mapping[str, PaymentMoney]
    shops: Mapping[str, ShopMoney]

    def without(self, payment_ids: Collection[str]) -> FinanceTruth:
        """As if these payments had never been made; amounts by shop stay."""
        cleared: dict[str, Decimal] = defaultdict(lambda: ZERO)
        for one in (self.payments[key] for key in payment_ids):
            for order_id, amount in one.cleared.items() if one.payment.status == PAID else ():
                cleared[order_id] += amount
        orders = {
            key: replace(one, cleared_by_payments=one.cleared_by_payments - cleared.get(key, ZERO))
            for key, one in self.orders.items()
        }
        payments = {key: one for key, one in self.payments.items() if key not in payment_ids}
        return FinanceTruth(orders, payments, self.shops)


def finance_truth(world: World, store: StatementStore, purse: Purse) -> FinanceTruth:
    """The truth about the money of a world."""
    facts = {one.order_id: one for one in world.store.all_facts()}
    orders = {
        order_id: OrderMoney(one.shop, order_id, one.currency, _owed(one)) for order_id, one in facts.items()
    }
    paid_by = {
        statement.number: payment
        for shop in SHOPS
        for payment in purse.payments(shop.key)
        for statement in store.of_payment(payment.number)
    }
    carried: dict[str, list[Transaction]] = defaultdict(list)
    brings: dict[str, Decimal] = {}
    for one in store.all_transactions():
        payment = paid_by.get(one.statement or 0)
        if payment is not None:
            carried[payment.id].append(one)
        if one.type == ORDER:
            brought = brings.get(one.order_id, ZERO)
            brings[one.order_id] = brought + cleared_by(one, facts[one.order_id])
        if one.order_id and one.settled_at is not None:
            arrived = payment is not None and payment.status == PAID
            _count(orders[one.order_id], one, facts[one.order_id], arrived=arrived)
    for order_id, brought in brings.items():
        orders[order_id].refunded = orders[order_id].owed - brought
    payments = {
        payment.id: _payment_money(payment, store, carried[payment.id], facts)
        for shop in SHOPS
        for payment in purse.payments(shop.key)
    }
    return FinanceTruth(orders, payments, {shop.key: _shop_money(shop.key, store, purse) for shop in SHOPS})


def cleared_by(one: Transaction, facts: OrderFacts | None) -> Decimal:
    """What a transaction clears of what the Sales Orders count; nothing if it is no order's."""
    if one.type != ORDER or facts is None:
        return ZERO
    return one.amounts.revenue_total + shipping_that_is_owed(facts, one.amounts)


def roles_of(transactions: Iterable[Transaction], facts: Mapping[str, OrderFacts]) -> dict[Role, Decimal]:
    """Where the money of these transactions belongs, debit positive; sums to zero."""
    roles: dict[Role, Decimal] = dict.fromkeys(ROLES, ZERO)
    for one in transactions:
        amounts = one.amounts
        roles["bank"] += amounts.settlement + amounts.reserve_total
        roles["reserve"] -= amounts.reserve_total
        if one.is_adjustment:
            roles["clearing" if one.type in BALANCES else "adjustments"] -= amounts.settlement
            continue
        cleared, taxes = cleared_by(one, facts.get(one.order_id)), sum(amounts.tax.values(), ZERO)
        roles["clearing"] -= cleared
        roles["taxes"] -= taxes
        roles["fees"] -= amounts.fee_tax_total - taxes
        roles["shipping"] -= amounts.revenue_total + amounts.shipping_total - cleared
    return roles


def _owed(facts: OrderFacts) -> Decimal:
    return ZERO if facts.status is Status.cancelled else facts.owed()


def _count(order: OrderMoney, one: Transaction, facts: OrderFacts, *, arrived: bool) -> None:
    order.transactions.append(one.id)
    if one.is_adjustment:
        order.adjusted += one.amounts.settlement
        return
    cleared = cleared_by(one, facts)
    order.withheld += one.amounts.reserve_total
    order.settled += one.amounts.settlement
    order.cleared += cleared
    if arrived:
        order.cleared_by_payments += cleared
    if one.type == ORDER:
        for name, amount in one.amounts.counted().items():
            order.kept[name] = order.kept.get(name, ZERO) + amount


def _payment_money(
    payment: Payment,
    store: StatementStore,
    transactions: list[Transaction],
    facts: Mapping[str, OrderFacts],
) -> PaymentMoney:
    cleared: dict[str, Decimal] = {}
    for one in transactions:
        if one.type == ORDER:
            cleared[one.order_id] = cleared.get(one.order_id, ZERO) + cleared_by(one, facts[one.order_id])
    return PaymentMoney(
        payment,
        tuple(statement.id for statement in store.of_payment(payment.number)),
        tuple(one.id for one in transactions),
        roles_of(transactions, facts),
        cleared,
        -sum((one.amounts.settlement for one in transactions if one.type in BALANCES), ZERO),
    )


def _shop_money(shop: str, store: StatementStore, purse: Purse) -> ShopMoney:
    unsettled, rows = store.unsettled_totals(shop, 0, _ALWAYS)
    waiting, _ = store.waiting_totals(shop, _ALWAYS)
    statements = store.statements(shop)
    everything = [one.totals for one in statements]
    return ShopMoney(
        shop=shop,
        currency=shop_of(shop).currency,
        unsettled=unsettled.settlement,
        unsettled_rows=rows,
        waiting=waiting.payable,
        unpaid=sum((one.totals.payable for one in statements if one.payment_status != PAID), ZERO),
        paid=sum((one.before_exchange for one in purse.payments(shop) if one.status == PAID), ZERO),
        withheld=sum((one.reserve for one in everything), ZERO) + waiting.reserve,
        wallet=purse.wallet(shop),
    )

"""A payout of any length in a sandbox: a week of statements of the US shop, as TikTok would settle them.

Every transaction is the sandbox's own arithmetic: sales with every fee that the market knows, refunds,
each type of adjustment in each form, reserves withheld and released. NetSuite has a Cash Sale for every
order and a Cash Refund for every refund, so that each order finds its documents.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox import settling_rules as rules
from tiktok_ns_pipeline.sandbox.facts import LineFacts, OrderFacts, ShippingFacts
from tiktok_ns_pipeline.sandbox.serve import Sandbox
from tiktok_ns_pipeline.sandbox.settling_rules import Amounts
from tiktok_ns_pipeline.sandbox.statements import ORDER, PAID, RESERVE, Transaction, new_id

SHOP, REGION, CURRENCY = "us", "US", "USD"
STATEMENTS = 7

_CLEARING = "125"
_REFUND_ITEM = "907"
_DAY = 86_400
_CENT = Decimal("0.01")
_REFUNDED, _RESERVED, _ADJUSTED = 0.05, 0.05, 0.04
_KINDS = [one for one in rules.ADJUSTMENTS if REGION in one.regions]
_FORMS = ("", "revenue", "bare")


def settle(sandbox: Sandbox, count: int, seed: int = 1) -> str:
    """Let TikTok settle and pay so many transactions; gives the payment's id."""
    world, chance = sandbox.world, random.Random(f"big payout {seed}")
    midnight = world.epoch() // _DAY * _DAY
    store, purse = world.finance.store, world.finance.purse
    books = _Books(sandbox)
    with world.changing():
        for number in range(STATEMENTS):
            ends = midnight - (STATEMENTS + 3 - number) * _DAY
            share = count * (number + 1) // STATEMENTS - count * number // STATEMENTS
            for one, _ in zip(_transactions(chance, number, ends), range(share), strict=False):
                store.add(one)
                books.document(one)
            store.make_statement(SHOP, ends, ends)
        payment = purse.pay(SHOP, store.unpaid(SHOP), midnight - 2 * _DAY, Decimal(1), CURRENCY)
        purse.end_payment(payment.number, PAID, midnight - _DAY)
    # The books index themselves with the first query, which is not the pipeline's to pay for.
    sandbox.books.query("SELECT COUNT(*) AS n FROM transaction t")
    return payment.id


def _transactions(chance: random.Random, number: int, ends: int) -> Iterator[Transaction]:
    """What settles on a day, without end: sales, and now and then what else happens to them."""
    settled = ends - _DAY // 2
    kinds = iter(())
    place = number * 10_000_000
    while True:
        place += 1
        facts = _order(chance, place, ends)
        whole = {line.id for line in facts.lines}
        charged = rules.sold(facts, REGION, 1, delivered=True)
        gone = whole if chance.random() < 0.5 else {facts.lines[0].id}
        is_refunded = chance.random() < _REFUNDED
        before = chance.random() < 0.5
        amounts = charged
        if is_refunded:
            back = rules.refunded(facts, REGION, frozenset(), frozenset(gone), charged)
            amounts = rules.added(charged, back) if before else charged
        yield _row(ORDER, amounts, facts, settled)
        if is_refunded and not before:
            yield _row(ORDER, back, facts, settled)
        if chance.random() < _RESERVED:
            held = -_CENT * chance.randrange(1, 500)
            shown: dict[str, Any] = {"reserve_id": new_id("reserve", place)}
            held_row = _row(RESERVE, Amounts(reserve={"amount": held}), facts, settled, **shown)
            held_row.reserve_status, held_row.release_time = "COLLECTED", ends + 5 * _DAY
            yield held_row
            if chance.random() < 0.8:
                released = _row(RESERVE, Amounts(reserve={"amount": -held}), facts, settled, **shown)
                released.reserve_status = "RELEASED"
                yield released
        if chance.random() < _ADJUSTED:
            kind = next(kinds, None)
            if kind is None:
                kinds = iter([(one, form) for form in _FORMS for one in _KINDS])
                kind = next(kinds)
            yield _adjustment(*kind, chance, facts, settled, place)


def _order(chance: random.Random, place: int, ends: int) -> OrderFacts:
    def cents(lowest: int, highest: int) -> Decimal:
        return _CENT * chance.randrange(lowest, highest)

    lines = []
    for unit in range(chance.choice((1, 1, 1, 2, 3))):
        price, tax = cents(500, 9_000), cents(0, 700)
        discount = cents(0, 300) if chance.random() < 0.3 else Decimal(0)
        platform = cents(0, 200) if chance.random() < 0.2 else Decimal(0)
        lines.append(LineFacts(f"{place}{unit}", (("SKU-001", 1),), price, discount, platform, tax))
    original = cents(300, 900)
    shipping = ShippingFacts(
        original, platform_discount=cents(0, 300) if chance.random() < 0.5 else Decimal(0)
    )
    by_seller = chance.random() < 0.3
    return OrderFacts(
        SHOP,
        str(577_000_000_000_000_000 + place),
        CURRENCY,
        ends - 9 * _DAY + place % _DAY,
        lines,
        shipping,
        by_seller,
        by_tiktok_warehouse=not by_seller and chance.random() < 0.2,
    )


def _row(kind: str, amounts: Amounts, facts: OrderFacts, settled: int, **more: Any) -> Transaction:
    one = Transaction("", SHOP, kind, amounts, order_id=facts.order_id, settled_at=settled, **more)
    one.order_create_time = facts.placed_at
    return one


def _adjustment(
    kind: rules.AdjustmentKind,
    form: str,
    chance: random.Random,
    facts: OrderFacts,
    settled: int,
    place: int,
) -> Transaction:
    # Of no order there is no revenue.
    form = "" if form == "revenue" and not kind.of_order else form
    parts = {"amount": kind.sign * _CENT * chance.randrange(100, 2_000)}
    amounts = Amounts(revenue=parts) if form == "revenue" else Amounts(adjustment=parts)
    one = _row(kind.type, amounts, facts, settled, adjustment_id=new_id("adjustment", place), form=form)
    if not kind.of_order:
        one.order_id, one.order_create_time = "", settled
    return one


class _Books:
    """Bills and credits what settles, each order in one document."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._books = sandbox.books
        buyers = {"companyName": "TikTok buyers", "subsidiary": {"id": "1"}, "currency": {"id": "1"}}
        self._customer = self._books.create("customer", buyers).record.id

    def document(self, one: Transaction) -> None:
        """What NetSuite has of a transaction of an order: the goods that were sold and given back."""
        if one.type != ORDER:
            return
        revenue = one.amounts.revenue
        sold = revenue["subtotal_before_discount_amount"] + revenue["seller_discount_amount"]
        back = revenue["refund_subtotal_before_discount_amount"] + revenue["seller_discount_refund_amount"]
        for type_name, amount in (("cashSale", sold), ("cashRefund", -back)):
            if amount > 0:
                self._save(type_name, one.order_id, amount)

    def _save(self, type_name: str, order_id: str, amount: Decimal) -> None:
        line = {
            "item": {"id": _REFUND_ITEM},
            "quantity": 1,
            "price": {"id": "-1"},
            "rate": amount,
            "amount": amount,
        }
        body = {
            "entity": {"id": self._customer},
            "custbody_tts_order_id": order_id,
            "account": {"id": _CLEARING},
            "item": {"items": [line]},
        }
        self._books.create(type_name, body)

"""How shops get their money: payments of statements, and wallets (T 7.9, 10.3).

A payment takes every statement of its shop that waits long enough and that no payment took: what is
below zero is carried until the sum is above. The US is paid once a week, the UK day by day, Vietnam
into a wallet from which the seller withdraws once a week. A payment that fails sets its statements free
for another one, with an id of its own; which of both TikTok does is not known.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import TYPE_CHECKING

from tiktok_ns_pipeline.sandbox import settling_rules as rules
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.order_store import Event
from tiktok_ns_pipeline.sandbox.settling_purse import Purse
from tiktok_ns_pipeline.sandbox.settling_store import StatementStore
from tiktok_ns_pipeline.sandbox.statements import FAILED, PAID, PROCESSING, Statement

if TYPE_CHECKING:
    from tiktok_ns_pipeline.sandbox.world import World

_HOUR = 3_600
_DAY = 86_400
_WEEK = 7 * _DAY

# Seconds of whole days; `Payouts._lasts` shortens them.
_HELD_BACK_S = {"weekly": 4 * _DAY, "daily": 0, "wallet": 0}
"""A payment takes statements that are older than that."""
_UNDER_WAY_S = {"weekly": _DAY, "daily": _DAY, "wallet": 4}
_TRIED_AGAIN_AFTER_S = 2 * _DAY
# Thursdays at nine, and Mondays at three; the first of January 1970 was a Thursday.
_PAYDAY = 9 * _HOUR
_WITHDRAWAL_DAY = 4 * _DAY + 3 * _HOUR

_DOLLARS = {"USD": Decimal(1), "GBP": Decimal("1.27"), "VND": Decimal("0.000039"), "EUR": Decimal("1.09")}
"""What a unit of a currency is worth, more or less."""


class Payouts:
    """The payments and wallets of a world's shops."""

    def __init__(self, world: World, store: StatementStore, purse: Purse) -> None:
        self._world = world
        self._store = store
        self._purse = purse

    def statement_made(self, statement: Statement) -> None:
        """Let the next payment of its shop come."""
        made, shop = statement.statement_time, statement.shop
        match _way(shop):
            case "weekly":
                due = self._next(made + self._lasts(_HELD_BACK_S["weekly"]), _PAYDAY)
            case "wallet":
                due = made + self._lasts(2.5 * _HOUR)
            case _:
                due = made + self._lasts(10 * _HOUR)
        self._later(due, f"pay:{shop}")

    def transfer(self, shop: str, amount: Decimal) -> None:
        """A subsidy into the wallet, or a deduction from it (T 7.9); raises ValueError without one."""
        key = shop_of(shop).key
        if _way(key) != "wallet":
            raise ValueError(f"shop {key} has no wallet: it is paid by bank transfer")
        with self._world.changing():
            self._purse.move_wallet(key, "TRANSFER", "SUCCESS", amount, self._world.epoch())

    def happen(self, what: str, subject: str, at: int) -> None:
        """Something of a payment or a wallet is due."""
        match what:
            case "pay":
                self._pay(subject, at)
            case "paid":
                self._paid(int(subject), at)
            case "withdraw":
                self._withdraw(subject, at)
            case _:
                self._withdrawn(int(subject), at)

    def _pay(self, shop: str, at: int) -> None:
        way = _way(shop)
        held_back = self._lasts(_HELD_BACK_S[way])
        waiting = [one for one in self._store.unpaid(shop) if one.statement_time + held_back <= at]
        if sum(one.totals.payable for one in waiting) <= 0:
            return
        own = shop_of(shop).currency
        currency = self._world.mix.settlement.payout_currency.get(shop, own)
        payment = self._purse.pay(shop, waiting, at, self._rate(own, currency, at), currency)
        self._later(at + self._lasts(_UNDER_WAY_S[way]), f"paid:{payment.number}")

    def _paid(self, number: int, at: int) -> None:
        payment = self._purse.payment_number(number)
        if payment.status != PROCESSING:
            return
        if self._fails(payment.id):
            self._purse.end_payment(number, FAILED, at)
            self._later(at + self._lasts(_TRIED_AGAIN_AFTER_S), f"pay:{payment.shop}")
            return
        self._purse.end_payment(number, PAID, at)
        if _way(payment.shop) == "wallet":
            self._purse.move_wallet(
                payment.shop, "SETTLE", "SUCCESS", payment.before_exchange, at, payment=number
            )
            self._later(self._next(at, _WITHDRAWAL_DAY), f"withdraw:{payment.shop}")

    def _withdraw(self, shop: str, at: int) -> None:
        amount = self._purse.wallet(shop)
        if amount > 0:
            number = self._purse.move_wallet(shop, "WITHDRAW", PROCESSING, amount, at)
            self._later(at + self._lasts(_DAY), f"withdrawn:{number}")

    def _withdrawn(self, number: int, at: int) -> None:
        one = self._purse.withdrawal_number(number)
        if not self._fails(one.id):
            self._purse.end_withdrawal(number, "SUCCESS")
            return
        self._purse.end_withdrawal(number, FAILED)
        self._purse.move_wallet(one.shop, "REVERSE", "SUCCESS", one.amount, at)
        self._later(at + self._lasts(_TRIED_AGAIN_AFTER_S), f"withdraw:{one.shop}")

    def _fails(self, subject: str) -> bool:
        chance = random.Random(f"fails {self._world.seed} {subject}")
        return chance.random() < self._world.mix.settlement.payment_failed

    def _rate(self, own: str, currency: str, at: int) -> Decimal:
        """Six decimals, which move a little from day to day (T 7.9)."""
        if own == currency:
            return Decimal(1)
        moved = (
            Decimal(random.Random(f"rate {own} {currency} {at // _DAY}").randrange(9_850, 10_150)) / 10_000
        )
        return (_DOLLARS[own] / _DOLLARS[currency] * moved).quantize(Decimal("0.000001"))

    def _lasts(self, seconds: float) -> float:
        """How long so many seconds of a whole day last, where days are shortened."""
        return seconds * self._world.money_day_s / _DAY

    def _next(self, instant: float, in_week: int) -> float:
        """The first such moment of a week that is not before an instant."""
        return instant + (self._lasts(in_week) - instant) % self._lasts(_WEEK)

    def _later(self, due: float, what: str) -> None:
        self._world.store.schedule(Event(due, 0, "", f"money:{what}"))


def _way(shop: str) -> str:
    return rules.MARKETS[shop_of(shop).region].payout

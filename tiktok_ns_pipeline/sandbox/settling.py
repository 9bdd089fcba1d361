"""TikTok's settlement clock: orders settle, days become statements, statements are paid (T 7.2, 10.3).

An order *waits* from its release on, with what it will bring by then. So many days after its delivery it
*settles*: its transaction is fixed. At midnight UTC a shop's *statement* takes what settled since the
last one; a day without settlement has none. What is refunded or corrected later is a later transaction.
The payouts are in `settling_payouts`; what was really owed and paid tells `truth`.

Nothing happens unless `Mix.settles` is set. Everything here runs inside a change of the world.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from tiktok_ns_pipeline.sandbox import settling_rules as rules
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.facts import OrderFacts, Status
from tiktok_ns_pipeline.sandbox.order_store import Event, Order
from tiktok_ns_pipeline.sandbox.settling_habits import SettlementHabits, StatementFault
from tiktok_ns_pipeline.sandbox.settling_payouts import Payouts
from tiktok_ns_pipeline.sandbox.settling_purse import Purse
from tiktok_ns_pipeline.sandbox.settling_store import StatementStore
from tiktok_ns_pipeline.sandbox.settling_truth import FinanceTruth, finance_truth
from tiktok_ns_pipeline.sandbox.statements import (
    ORDER,
    PART,
    RESERVE,
    Statement,
    Transaction,
    new_id,
)

if TYPE_CHECKING:
    from tiktok_ns_pipeline.sandbox.world import World

MONEY = "money"
"""Events of the money rather than of an order: `money:<what>:<subject>`."""

_DAY = 86_400
_RESERVED_FOR_DAYS = 30
_MOST_WORKING_DAYS_LATE = 5
_RESERVING = ("US", "GB")
_BEFORE_RELEASE = {Status.unpaid, Status.on_hold}
_DELIVERED = {Status.delivered, Status.completed}
_REFUNDABLE = {Status.in_transit, Status.delivered, Status.completed}

# How adjustments may show their money, besides plainly (T 7.5).
_ODD_FORMS = {"LOGISTICS_REIMBURSEMENT": "revenue", "PLATFORM_REIMBURSEMENT": "bare"}


class Settling:
    """The money of a world's shops."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.store = StatementStore(world.store.database)
        self.purse = Purse(self.store)
        self.payouts = Payouts(world, self.store, self.purse)
        self._next_cut: dict[str, int] = {}
        self._last_cut: dict[str, int] = {}

    @property
    def habits(self) -> SettlementHabits:
        """What happens besides orders that simply settle."""
        return self._world.mix.settlement

    # What people and TikTok do

    def refund(self, order_id: str, line_ids: Sequence[str] | None = None) -> None:
        """TikTok pays the buyer back for these units (all that are left if none are named).

        Before the order settles it changes what will settle, afterwards it is a transaction of its
        own. Raises ValueError when the order is not on its way, or a unit was refunded or is not there.
        """
        with self._world.changing():
            order = self._world.found(order_id)
            if order.facts.status not in _REFUNDABLE:
                raise ValueError(f"order {order_id} is {order.facts.status}: nothing of it can be refunded")
            self._refund(order, self._world.epoch(), line_ids)

    def refund_units(self, order_id: str, at: int, line_ids: Sequence[str]) -> None:
        """A return is complete: refund those of its units that are not refunded yet."""
        if not self._world.mix.settles:
            return
        order = self._world.found(order_id)
        left = [line_id for line_id in self._not_refunded(order.facts) if line_id in line_ids]
        if left:
            self._refund(order, at, left)

    def refund_part(self, order_id: str, at: int, line_ids: Sequence[str], amount: Decimal) -> None:
        """The buyer keeps these units for a part of the money: a transaction of its own, which settles
        with the sale, or now where that has settled."""
        sale = self.store.sale_of(order_id)
        if not self._world.mix.settles or sale is None:
            return
        one = Transaction(
            "",
            sale.shop,
            ORDER,
            rules.Amounts(revenue={"refund_subtotal_before_discount_amount": -amount}),
            order_id=order_id,
            order_create_time=sale.order_create_time,
            line_ids=list(line_ids),
            delivered_at=sale.delivered_at,
            form=PART,
        )
        if sale.settled_at is not None or sale.due is None:
            self._settled(one, at)
            return
        one.due = max(sale.due, at)
        self.store.add(one)
        self._later(one.due, f"part:{one.number}", self._world.found(order_id).number)

    def adjust(
        self, shop: str, kind: str, amount: Decimal, *, order_id: str = "", form: str = ""
    ) -> Transaction:
        """TikTok settles an adjustment of that type now; `amount` is signed as the seller sees it.

        `form` tells where the row shows the money, see `Transaction.form`.
        """
        with self._world.changing():
            at = self._world.epoch()
            created = self._world.found(order_id).facts.placed_at if order_id else at
            return self._adjust(shop_of(shop).key, kind, amount, at, order_id, created, form)

    def spoil(self, kind: StatementFault | str, subject: str, *, for_s: float | None = None) -> None:
        """Show something wrongly from now on, for so many seconds or for good; see `StatementFault`."""
        with self._world.changing():
            until = None if for_s is None else int(self._world.epoch() + for_s)
            self.store.spoil(StatementFault(kind).value, subject, until)

    def heal(self, kind: StatementFault | str | None = None, subject: str | None = None) -> None:
        """Show rightly again what that kind and subject name; everything if neither is given."""
        with self._world.changing():
            self.store.heal(None if kind is None else StatementFault(kind).value, subject)

    def show_statement_from(self, statement_id: str, instant: int) -> None:
        """Let the API show a statement not before an instant (Unix seconds)."""
        with self._world.changing():
            found = self.store.statement(statement_id)
            if found is None:
                raise KeyError(f"the world has no statement {statement_id}")
            self.store.show_statement_from(found.number, instant)

    def truth(self) -> FinanceTruth:
        """What TikTok owes, has settled and has paid, to the smallest amount."""
        with self._world.changing():
            return finance_truth(self._world, self.store, self.purse)

    # What follows from the lives of orders

    def followed(self, order: Order, at: int, *, lines_changed: bool = False) -> None:
        """The order entered a state, or lost units: what it will bring follows."""
        facts = order.facts
        if not self._world.mix.settles or facts.status in _BEFORE_RELEASE:
            return
        known = self.store.sale_of(facts.order_id)
        if facts.status is Status.cancelled:
            if known is not None and known.settled_at is None:
                self.store.drop(known)
            return
        delivered = facts.status in _DELIVERED and (known is None or known.delivered_at is None)
        if known is None:
            known = self.store.add(
                Transaction(
                    "",
                    facts.shop,
                    ORDER,
                    self._amounts(facts, (), delivered=False),
                    order_id=facts.order_id,
                    order_create_time=facts.placed_at,
                )
            )
        elif known.settled_at is not None or not (lines_changed or delivered):
            return
        if delivered:
            self._delivered(order, known, at)
        if delivered or lines_changed:
            known.amounts = self._amounts(facts, known.line_ids, delivered=known.delivered_at is not None)
            self.store.save(known)

    def happen(self, event: Event, at: int) -> None:
        """Something of the money is due."""
        _, what, subject = event.what.split(":")
        match what:
            case "settle":
                self._settle(event, self.store.transaction(int(subject)), at)
            case "part":
                self._settled(self.store.transaction(int(subject)), at)
            case "refund":
                self._refund_by_chance(event, at)
            case "release":
                self._release(self.store.transaction(int(subject)), at)
            case "cut":
                self._cut(subject, at)
            case _:
                self.payouts.happen(what, subject, at)

    # Within

    def _delivered(self, order: Order, known: Transaction, at: int) -> None:
        market = rules.MARKETS[shop_of(known.shop).region]
        known.delivered_at = at
        known.due = int(at + market.days * _DAY / self._world.later_speed)
        self._later(known.due, f"settle:{known.number}", order.number)
        chance = self._chance("refund", known.order_id)
        if chance.random() < self.habits.refunded:
            later = chance.uniform(1, 2 * market.days) * _DAY / self._world.later_speed
            self._later(at + later, "refund:", order.number)

    def _settle(self, event: Event, one: Transaction, at: int) -> None:
        if self._world.returns.is_open(one.order_id):
            # An order does not settle while a return of it is open (T 7.2).
            one.due = int(at + _DAY / self._world.later_speed)
            self.store.save(one)
            self._later(one.due, f"settle:{one.number}", event.number)
            return
        self._settled(one, at)
        chance = self._chance("adjust", one.order_id)
        region, settlement = shop_of(one.shop).region, one.amounts.settlement
        if region in _RESERVING and settlement > 0 and chance.random() < self.habits.reserved:
            withheld = rules.percent_of(settlement, Decimal(self.habits.reserve_percent), one.currency)
            self._reserve(event.number, one, -withheld, at)
        if chance.random() < self.habits.adjusted:
            self._adjust_by_chance(one, chance, at)

    def _settled(self, one: Transaction, at: int) -> None:
        """Fix a transaction; the next statement of the shop takes it."""
        # After a long jump of the clock, what was due before midnight may come after its statement.
        one.settled_at = max(at, self._last_cut.get(one.shop, 0))
        if one.number:
            self.store.save(one)
        else:
            self.store.add(one)
        day = self._world.money_day_s
        cut = int((one.settled_at // day + 1) * day)
        if self._next_cut.get(one.shop, 0) < cut:
            self._next_cut[one.shop] = cut
            self._later(cut, f"cut:{one.shop}", 0)

    def _cut(self, shop: str, at: int) -> None:
        """Midnight UTC: the statement of the day that is over."""
        region = shop_of(shop).region
        chance = self._chance("statement", f"{shop} {at}")
        totals, _ = self.store.waiting_totals(shop, at)
        if region == "US" and totals.settlement < 0 and chance.random() < self.habits.negative_parked:
            self._park(shop, -totals.settlement, at)
        late = 0
        if chance.random() < self.habits.statement_late:
            late = _working_days_after(at, chance.randrange(1, _MOST_WORKING_DAYS_LATE + 1)) - at
            late = int(late * self._world.money_day_s / _DAY)
        statement = self.store.make_statement(shop, at, at + late)
        self._last_cut[shop] = at
        if statement is not None:
            self._spoil_by_chance(statement, chance)
            self.payouts.statement_made(statement)

    def _park(self, shop: str, amount: Decimal, at: int) -> None:
        """A day below zero is evened out, and the next day takes it over (T 7.8)."""
        first = self._adjust(shop, "NET_EARNINGS_BALANCE", amount, at, "", at, "")
        # It belongs to the day that is over.
        first.settled_at = at - 1
        self.store.save(first)
        second = self._adjust(shop, "NET_EARNINGS_DEDUCTION", -amount, at, "", at, "")
        second.adjustment_id = first.adjustment_id
        self.store.save(second)

    def _amounts(self, facts: OrderFacts, refunded: Sequence[str], *, delivered: bool) -> rules.Amounts:
        """What the order settles for its units, of which some were refunded before it settled."""
        region = shop_of(facts.shop).region
        sale = rules.sold(facts, region, self._world.seed, delivered=delivered)
        if not refunded:
            return sale
        back = rules.refunded(facts, region, frozenset(), frozenset(refunded), sale)
        return rules.added(sale, back)

    def _refund_by_chance(self, event: Event, at: int) -> None:
        order = self._world.store.order_number(event.number)
        if order.facts.status not in _DELIVERED:
            return
        left = self._not_refunded(order.facts)
        if left:
            chance = self._chance("refunds", order.facts.order_id)
            self._refund(order, at, left if chance.random() < 0.5 else [chance.choice(left)])

    def _not_refunded(self, facts: OrderFacts) -> list[str]:
        past = {line_id for one in self.store.of_order(facts.order_id) for line_id in one.line_ids}
        return [line.id for line in facts.active_lines if line.id not in past]

    def _refund(self, order: Order, at: int, line_ids: Sequence[str] | None) -> None:
        facts = order.facts
        known = [one for one in self.store.of_order(facts.order_id) if one.type == ORDER]
        if not known:
            raise ValueError(f"order {facts.order_id} is not being settled")
        before = frozenset(line_id for one in known if one.form != PART for line_id in one.line_ids)
        open_ids = self._not_refunded(facts)
        now = list(open_ids if line_ids is None else line_ids)
        if not now or not set(now) <= set(open_ids):
            raise ValueError(f"order {facts.order_id} has no such units to refund")
        first = known[0]
        if first.settled_at is None:
            first.line_ids += now
            first.amounts = self._amounts(facts, first.line_ids, delivered=first.delivered_at is not None)
            self.store.save(first)
            return
        region = shop_of(facts.shop).region
        sale = rules.sold(facts, region, self._world.seed, delivered=True)
        amounts = rules.refunded(facts, region, before, frozenset(now), sale)
        later = Transaction(
            "",
            facts.shop,
            ORDER,
            amounts,
            order_id=facts.order_id,
            order_create_time=facts.placed_at,
            line_ids=now,
            delivered_at=first.delivered_at,
        )
        self._settled(later, at)

    def _reserve(self, order_number: int, of: Transaction, amount: Decimal, at: int) -> None:
        one = Transaction(
            "",
            of.shop,
            RESERVE,
            rules.Amounts(reserve={"amount": amount}),
            order_id=of.order_id,
            order_create_time=of.order_create_time,
            reserve_id=new_id("reserve", of.number),
            reserve_status="COLLECTED",
            release_time=int(at + _RESERVED_FOR_DAYS * _DAY / self._world.later_speed),
        )
        self._settled(one, at)
        assert one.release_time is not None
        self._later(one.release_time, f"release:{one.number}", order_number)

    def _release(self, collected: Transaction, at: int) -> None:
        self._settled(
            Transaction(
                "",
                collected.shop,
                RESERVE,
                rules.Amounts(reserve={"amount": -collected.amounts.reserve_total}),
                order_id=collected.order_id,
                order_create_time=collected.order_create_time,
                reserve_id=collected.reserve_id,
                reserve_status="RELEASED",
            ),
            at,
        )

    def _adjust_by_chance(self, of: Transaction, chance: random.Random, at: int) -> None:
        region = shop_of(of.shop).region
        kind = chance.choice([one for one in rules.ADJUSTMENTS if region in one.regions])
        step = rules.step_of(of.currency)
        # From one to some twenty dollars' worth.
        amount = (
            step * chance.randrange(25_000, 500_000)
            if of.currency == "VND"
            else step * chance.randrange(100, 2_000)
        )
        form = ""
        if chance.random() < self.habits.odd_adjustments:
            form = _ODD_FORMS.get(kind.type, "")
        order_id = of.order_id if kind.of_order else ""
        created = of.order_create_time if kind.of_order else at
        self._adjust(of.shop, kind.type, kind.sign * amount, at, order_id, created, form)

    def _adjust(
        self, shop: str, kind: str, amount: Decimal, at: int, order_id: str, created: int, form: str
    ) -> Transaction:
        parts = {"amount": amount}
        amounts = rules.Amounts(revenue=parts) if form == "revenue" else rules.Amounts(adjustment=parts)
        one = Transaction("", shop, kind, amounts, order_id=order_id, order_create_time=created, form=form)
        self._settled(one, at)
        one.adjustment_id = new_id("adjustment", one.number)
        self.store.save(one)
        return one

    def _spoil_by_chance(self, statement: Statement, chance: random.Random) -> None:
        for kind, rate in self.habits.faults.items():
            if chance.random() < rate:
                self.store.spoil(StatementFault(kind).value, statement.id, None)

    def _chance(self, what: str, subject: str) -> random.Random:
        return random.Random(f"{what} {self._world.seed} {subject}")

    def _later(self, due: float, what: str, order_number: int) -> None:
        self._world.store.schedule(Event(due, order_number, "", f"{MONEY}:{what}"))


def _working_days_after(instant: int, days: int) -> int:
    """So many working days later, in Unix seconds."""
    while days:
        instant += _DAY
        # The first of January 1970 was a Thursday.
        if (instant // _DAY + 3) % 7 < 5:
            days -= 1
    return instant

"""Whatever happens in whatever order, the books add up, and no order is counted twice."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.conftest import SetClock
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.stock import OrderHold, Reading, tiktok_key, uncommitted_key
from tiktok_ns_pipeline.tiktok.slot import Slot

SLOT = Slot("us", "1729", "W1")
SHOWN, SOLD = tiktok_key(SLOT), uncommitted_key("us", "40", "W1")
PACK = Decimal("2.5")


class Books(RuleBasedStateMachine):
    """TikTok sells one SKU; we see its orders late, read its number and push to it."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = SetClock()
        self.ledger = Ledger.open("sqlite://", self.clock)
        self.shown = 10
        self.orders: dict[str, OrderHold] = {}
        self.seen: set[str] = set()
        self.old: set[str] = set()
        self.read()

    def teardown(self) -> None:
        self.ledger.close()

    @rule(units=st.integers(1, 3))
    def buyer_orders(self, units: int) -> None:
        self.clock.forward(seconds=1)
        name = str(len(self.orders))
        sold = {("1729", "W1"): Decimal(units)}
        self.orders[name] = OrderHold(
            "us", name, self.clock.now(), {("40", "W1"): units * PACK}, sold, changed_at=None
        )
        self.shown -= units
        self.clock.forward(seconds=1)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), then=st.sampled_from(["seen", "cancelled", "committed"]))
    def order_is_seen(self, data: st.DataObject, then: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.orders)))
        known = self.orders[name]
        self.clock.forward(seconds=1)
        if then == "cancelled" and known.sold and name in self.seen - self.old:
            self.shown += int(known.sold[("1729", "W1")])
            known = OrderHold("us", name, known.placed_at, {}, {}, self.clock.now())
        elif then == "committed":
            known = OrderHold("us", name, known.placed_at, {}, known.sold, known.changed_at, "commit")
        self.orders[name] = known
        with self.ledger.begin() as tx:
            tx.stock.hold([known, known])
            assert tx.stock.hold([known]) == []
        self.seen.add(name)

    @rule()
    def read(self) -> None:
        self.clock.forward(seconds=1)
        with self.ledger.begin() as tx:
            tx.stock.read_back({SLOT: self.shown}, {("us", "1729"): {"40": PACK}})
            assert tx.stock.balances([SHOWN])[SHOWN].quantity == self.shown
        self.clock.forward(seconds=1)

    @rule(level=st.integers(0, 20))
    def push(self, level: int) -> None:
        self.clock.forward(seconds=1)
        self.shown = level
        with self.ledger.begin() as tx:
            tx.stock.set_balances("push", [Reading(SHOWN, Decimal(level), "7")])
        self.clock.forward(seconds=1)

    @precondition(lambda self: set(self.orders) <= self.seen)
    @rule()
    def roll_up(self) -> None:
        self.clock.forward(days=2)
        with self.ledger.begin() as tx:
            tx.stock.roll_up(self.clock.now() - timedelta(days=1))
        self.old = set(self.orders)

    @rule()
    def dismiss(self) -> None:
        with self.ledger.begin() as tx:
            tx.stock.dismiss_unseen(SLOT)

    @invariant()
    def the_books_add_up(self) -> None:
        with self.ledger.read() as tx:
            assert tx.stock.verify() == []
            unseen = tx.stock.unseen().get(SLOT)
            held = tx.stock.balances([SOLD]).get(SOLD)
            units = unseen.units if unseen else 0
            waiting = sum(
                (sum(each.uncommitted.values()) for name, each in self.orders.items() if name in self.seen),
                Decimal(0),
            )
            assert units >= 0
            assert (held.quantity if held else 0) == waiting + units * PACK

    @invariant()
    def once_all_orders_are_seen_tiktoks_number_is_known(self) -> None:
        if set(self.orders) <= self.seen:
            with self.ledger.read() as tx:
                assert tx.stock.balances([SHOWN])[SHOWN].quantity == self.shown


Books.TestCase.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
TestBooks = Books.TestCase

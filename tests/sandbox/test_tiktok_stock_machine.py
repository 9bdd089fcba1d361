"""Whatever buyers, sellers and TikTok do in whichever order, no unit of stock appears or is lost."""

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tiktok_ns_pipeline.sandbox.catalogue import SHOPS, SINGLES, listing_by_id
from tiktok_ns_pipeline.sandbox.facts import OrderFacts, Status
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.tiktok_stock import Hold, Slot, parts_of
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock
from tiktok_ns_pipeline.sandbox.world import Line, World

US = SHOPS[0]
SKUS = [SINGLES[6].sku_id, SINGLES[7].sku_id]
SELLER_REASONS = ["seller_cancel_reason_out_of_stock", "seller_cancel_reason_wrong_price"]
PLAN: dict[str, Any] = {
    Status.unpaid: [(3_600.0, "time_out")],
    Status.on_hold: [(3_600.0, "release")],
    Status.awaiting_shipment: [(20_000.0, "arrange")],
    Status.awaiting_collection: [(20_000.0, "collect")],
    Status.in_transit: [(40_000.0, "fail_delivery")],
}
numbers = st.integers(0, 10_000)


class StockMachine(RuleBasedStateMachine):
    """Two items and their bundle in a shop with two warehouses and one of TikTok's."""

    @initialize(start=st.integers(0, 6))
    def open(self, start: int) -> None:
        mix = Mix.plain(stock="kept", stock_at_start=start, fbt_stock_at_start=2)
        self.world = World(clock=VirtualClock(), mix=mix)
        self.order_ids: list[str] = []

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()

    # What happens

    @rule(
        sku=st.sampled_from(["SKU-007", "SKU-008", "BUNDLE-2"]),
        units=st.integers(1, 3),
        status=st.sampled_from([Status.unpaid, Status.on_hold, Status.awaiting_shipment]),
        by_tiktok=st.booleans(),
    )
    def order(self, sku: str, units: int, status: Status, by_tiktok: bool) -> None:
        lost = self.world.stock.turned_away.total()
        try:
            order_id = self.world.place_order(
                "us",
                [Line(sku, units), "SKU-008"],
                status=status,
                by_tiktok_warehouse=by_tiktok,
                by_seller=False,
                plan=PLAN,
            )
        except ValueError:
            assert self.world.stock.turned_away.total() == lost + units + 1
        else:
            assert self.world.stock.turned_away.total() == lost
            self.order_ids.append(order_id)

    @precondition(lambda self: self.order_ids)
    @rule(pick=numbers, reason=st.sampled_from(SELLER_REASONS))
    def seller_cancels(self, pick: int, reason: str) -> None:
        self.attempt(self.world.cancelling.by_seller, US, self.picked(pick).order_id, reason, [])

    @precondition(lambda self: self.order_ids)
    @rule(pick=numbers)
    def seller_cancels_a_unit(self, pick: int) -> None:
        facts = self.picked(pick)
        line_id = facts.lines[pick % len(facts.lines)].id
        self.attempt(self.world.cancelling.by_seller, US, facts.order_id, SELLER_REASONS[0], [line_id])

    @precondition(lambda self: self.order_ids)
    @rule(pick=numbers)
    def buyer_cancels(self, pick: int) -> None:
        self.attempt(self.world.cancel_order, self.picked(pick).order_id)

    @precondition(lambda self: self.order_ids)
    @rule(pick=numbers)
    def buyer_drops_a_unit(self, pick: int) -> None:
        self.attempt(self.world.cancel_line, self.picked(pick).order_id)

    @precondition(lambda self: self.order_ids)
    @rule(pick=numbers)
    def buyer_asks(self, pick: int) -> None:
        self.attempt(self.world.request_cancellation, self.picked(pick).order_id)

    @precondition(lambda self: self.order_ids)
    @rule(pick=numbers, some=st.booleans())
    def ship(self, pick: int, some: bool) -> None:
        facts = self.picked(pick)
        line_ids = [facts.lines[pick % len(facts.lines)].id] if some else None
        self.attempt(self.world.buy_label, facts.order_id, line_ids)

    @precondition(lambda self: self.order_ids)
    @rule(pick=numbers, status=st.sampled_from(list(Status)))
    def move(self, pick: int, status: Status) -> None:
        self.attempt(self.world.move_to, self.picked(pick).order_id, status)

    @rule(sku_id=st.sampled_from(SKUS), place=st.sampled_from(US.warehouses), quantity=st.integers(0, 9))
    def edit(self, sku_id: str, place: str, quantity: int) -> None:
        self.attempt(self.world.stock.edit, "us", sku_id, place, quantity)

    @rule(sku_id=st.sampled_from(SKUS), place=st.sampled_from(US.warehouses), quantity=st.integers(0, 4))
    def lock(self, sku_id: str, place: str, quantity: int) -> None:
        self.attempt(self.world.stock.lock, "us", sku_id, place, quantity)

    @rule(sku_id=st.sampled_from(SKUS), quantity=st.integers(-2, 3))
    def receive(self, sku_id: str, quantity: int) -> None:
        self.attempt(self.world.stock.receive_fbt, "us", sku_id, quantity)

    @rule(seconds=st.sampled_from([600.0, 4_000.0, 30_000.0]))
    def wait(self, seconds: float) -> None:
        self.world.advance(seconds)

    # What must hold

    @invariant()
    def no_unit_appears_or_is_lost(self) -> None:
        if not hasattr(self, "world"):
            return
        for slot, level in self.world.stock.levels():
            parts = (level.available, level.committed, level.shipped, level.written_off)
            assert min(parts) >= 0, (slot, level)
            assert sum(parts) == level.given, (slot, level)

    @invariant()
    def what_orders_hold_is_what_the_slots_say(self) -> None:
        if not hasattr(self, "world"):
            return
        held: Counter[tuple[Slot, str]] = Counter()
        for facts in self.world.store.all_facts():
            for line in facts.lines:
                assert line.hold
                for sku_id, count in parts_of(listing_by_id(line.sku_id), line.sku_id).items():
                    held[Slot(facts.shop, sku_id, facts.warehouse_id), line.hold] += count
        for slot, level in self.world.stock.levels():
            assert level.committed == held[slot, Hold.committed]
            assert level.shipped == held[slot, Hold.shipped]
            assert level.written_off == held[slot, Hold.written_off]

    @invariant()
    def only_units_that_are_to_be_shipped_are_committed(self) -> None:
        if not hasattr(self, "world"):
            return
        for facts in self.world.store.all_facts():
            cancelled = facts.status is Status.cancelled
            for line in facts.lines:
                to_ship = not cancelled and not line.cancelled and line.shipped is None
                assert (line.hold == Hold.committed) == to_ship

    # Within

    def picked(self, pick: int) -> OrderFacts:
        return self.world.facts(self.order_ids[pick % len(self.order_ids)])

    def attempt(self, action: Any, *args: Any) -> None:
        """What the rules refuse changes nothing."""
        before = dict(self.world.stock.levels())
        try:
            action(*args)
        except ValueError:
            assert dict(self.world.stock.levels()) == before


TestStock = StockMachine.TestCase
TestStock.settings = settings(
    max_examples=50,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

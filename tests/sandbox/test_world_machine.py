"""Whatever people, sellers and TikTok do in whichever order, the world stays consistent.

The machine does to a few orders everything that can be done to orders, shipments and cancellations;
what the rules refuse changes nothing.
"""

import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tiktok_ns_pipeline.sandbox.catalogue import SHOPS
from tiktok_ns_pipeline.sandbox.facts import OrderFacts, Status
from tiktok_ns_pipeline.sandbox.markets import MARKETS
from tiktok_ns_pipeline.sandbox.parcels import Handover
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.shown_packages import followed_status
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock
from tiktok_ns_pipeline.sandbox.world import Line, World

PLAN: dict[str, Any] = {
    Status.on_hold: [(3_600.0, "release")],
    Status.awaiting_collection: [(20_000.0, "collect")],
    Status.in_transit: [(40_000.0, "deliver")],
    Status.delivered: [(86_400.0, "complete")],
}
SHOP = {shop.key: shop for shop in SHOPS}
REASON = {"us": "seller_cancel_reason_out_of_stock", "vn": "seller_cancel_reason_out_of_stock"}
RELEASED = set(Status) - {Status.unpaid, Status.on_hold, Status.cancelled}
numbers = st.integers(0, 10_000)


class WorldMachine(RuleBasedStateMachine):
    """Orders of a buyer in the US and in Vietnam, shipped by calls."""

    @initialize(seed=st.integers(0, 3))
    def open(self, seed: int) -> None:
        self.world = World(clock=VirtualClock(), seed=seed, mix=Mix.plain(shipped_by="nobody"))
        self.order_ids: list[str] = []
        self.told = 0

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()

    # What happens

    @rule(
        shop=st.sampled_from(["us", "vn"]),
        by_seller=st.booleans(),
        held=st.booleans(),
        units=st.integers(1, 3),
        fails=st.booleans(),
    )
    def place(self, shop: str, by_seller: bool, held: bool, units: int, fails: bool) -> None:
        if len(self.order_ids) == 5:
            return
        same = [one for one in self.order_ids if self.facts(one).shop == shop]
        options: dict[str, Any] = {"address": self.facts(same[0]).address} if same else {}
        plan = PLAN | ({Status.in_transit: [(9_000.0, "fail_delivery")]} if fails else {})
        self.order_ids.append(
            self.world.place_order(
                shop,
                [Line("SKU-001", units), "SKU-002"],
                by_seller=by_seller,
                status=Status.on_hold if held else Status.awaiting_shipment,
                plan=plan,
                buyer=1,
                **options,
            )
        )

    @precondition(lambda self: self.order_ids)
    @rule(pick=numbers, some=st.booleans())
    def ship(self, pick: int, some: bool) -> None:
        order_id, facts = self.picked(pick)
        self.told += 1
        line_ids = [facts.lines[pick % len(facts.lines)].id] if some else []
        shop = SHOP[facts.shop]
        provider = MARKETS[shop.region].providers[0].id
        number = f"TRACKING{self.told}"
        match facts.shipped_through:
            case "label":
                self.attempt(lambda: self.world.buy_label(order_id, line_ids))
            case "seller" if facts.shop == "us":
                self.attempt(
                    lambda: self.world.parcels.mark_shipped(shop, order_id, number, provider, line_ids)
                )
            case _:
                own = (number, provider) if facts.by_seller else None
                for package in self.world.packages_of(order_id)[-1:]:
                    self.attempt(lambda one=package.id: self.world.parcels.ship(shop, one, Handover(own=own)))

    @precondition(lambda self: self.order_ids)
    @rule(pick=numbers)
    def correct(self, pick: int) -> None:
        order_id, facts = self.picked(pick)
        self.told += 1
        shop = SHOP[facts.shop]
        provider = MARKETS[shop.region].providers[1].id
        for package in self.world.packages_of(order_id)[-1:]:
            self.attempt(
                lambda one=package: self.world.parcels.update_tracking(
                    shop, one, f"TRACKING{self.told}", provider
                )
            )

    @precondition(lambda self: self.order_ids)
    @rule(pick=numbers)
    def split(self, pick: int) -> None:
        order_id, facts = self.picked(pick)
        groups = {"mine": [line.id for line in facts.open_lines][:-1]}
        self.attempt(lambda: self.world.splitting.split(SHOP[facts.shop], order_id, groups))

    @rule()
    def combine(self) -> None:
        shop = SHOP["vn"]
        for group in self.world.splitting.combinable(shop)[:1]:
            order_ids = [order_id for package in group for order_id in package.lines]
            self.attempt(lambda ids=order_ids, one=group[0].id: self.world.splitting.combine(shop, one, ids))

    @precondition(lambda self: self.order_ids)
    @rule(pick=numbers)
    def uncombine(self, pick: int) -> None:
        order_id, facts = self.picked(pick)
        for package in self.world.packages_of(order_id)[-1:]:
            self.attempt(
                lambda one=package.id: self.world.splitting.uncombine(SHOP[facts.shop], one, [order_id])
            )

    @precondition(lambda self: self.order_ids)
    @rule(
        pick=numbers,
        what=st.sampled_from(["ask", "withdraw", "approve", "reject", "seller", "line", "order"]),
    )
    def cancel(self, pick: int, what: str) -> None:
        order_id, facts = self.picked(pick)
        world, shop, request = self.world, SHOP[facts.shop], facts.open_request or "1"
        reject_reason = "seller_reject_apply_product_has_been_packed"
        {
            "ask": lambda: self.attempt(lambda: world.request_cancellation(order_id)),
            "withdraw": lambda: self.attempt(lambda: world.withdraw_cancellation(request)),
            "approve": lambda: self.attempt(lambda: world.cancelling.approve(shop, request, "")),
            "reject": lambda: self.attempt(lambda: world.cancelling.reject(shop, request, reject_reason, "")),
            "seller": lambda: self.attempt(
                lambda: world.cancelling.by_seller(
                    shop, order_id, REASON[facts.shop], [line.id for line in facts.open_lines][:1]
                )
            ),
            "line": lambda: self.attempt(lambda: world.cancel_line(order_id)),
            "order": lambda: self.attempt(lambda: world.cancel_order(order_id)),
        }[what]()

    @precondition(lambda self: self.order_ids)
    @rule(pick=numbers)
    def move(self, pick: int) -> None:
        order_id, _ = self.picked(pick)
        self.attempt(lambda: self.world.change_address(order_id))

    @rule(hours=st.sampled_from([1, 6, 30]))
    def wait(self, hours: int) -> None:
        self.world.advance(hours * 3_600)

    # What always holds

    @invariant()
    def a_unit_is_in_at_most_one_live_package(self) -> None:
        for order_id in getattr(self, "order_ids", ()):
            held = [
                line
                for package in self.world.packages_of(order_id)
                if package.is_live
                for line in package.lines[order_id]
            ]
            assert len(held) == len(set(held))

    @invariant()
    def the_state_of_an_order_follows_from_its_units(self) -> None:
        for order_id in getattr(self, "order_ids", ()):
            facts, order = self.facts(order_id), self.world.order(order_id)
            assert order["status"] == facts.status
            packages = self.world.packages_of(order_id)
            if facts.status in RELEASED:
                assert followed_status(facts, packages) == facts.status
            if facts.status is Status.cancelled:
                assert not any(package.is_live for package in packages)
            assert (facts.cancelled_at is not None) == (facts.status is Status.cancelled)

    @invariant()
    def what_is_shown_of_units_agrees_with_their_packages(self) -> None:
        for order_id in getattr(self, "order_ids", ()):
            facts, order = self.facts(order_id), self.world.order(order_id)
            live = {one.id: one for one in self.world.packages_of(order_id) if one.is_live}
            if facts.status is not Status.cancelled:
                assert {one["id"] for one in order.get("packages", [])} == set(live)
            for line, shown in zip(facts.lines, order["line_items"], strict=True):
                if line.cancelled or facts.status is Status.cancelled:
                    assert shown["display_status"] == "CANCELLED"
                elif line.shipped is not None:
                    package = live[line.shipped.package_id]
                    assert package.is_arranged
                    assert shown["tracking_number"] == line.shipped.tracking == package.tracking
                    assert shown["package_status"] == package.state
                else:
                    assert shown["display_status"] == "AWAITING_SHIPMENT"
                    assert "tracking_number" not in shown

    @invariant()
    def cancelled_units_are_never_shipped(self) -> None:
        for order_id in getattr(self, "order_ids", ()):
            facts = self.facts(order_id)
            assert not any(line.cancelled and line.shipped for line in facts.lines)
            open_packages = [one for one in self.world.packages_of(order_id) if one.is_live]
            held = {line for package in open_packages for line in package.lines[order_id]}
            assert not held & {line.id for line in facts.lines if line.cancelled}
            assert facts.active_lines

    @invariant()
    def at_most_one_request_waits_and_the_order_shows_it(self) -> None:
        for order_id in getattr(self, "order_ids", ()):
            facts, order = self.facts(order_id), self.world.order(order_id)
            pending = [
                one.id for one in self.world.cancellations_of(order_id) if one.status.endswith("PENDING")
            ]
            assert pending == ([facts.open_request] if facts.open_request else [])
            assert order["is_buyer_request_cancel"] == bool(pending)
            if pending:
                assert facts.status is Status.awaiting_shipment

    @invariant()
    def every_cancelled_order_has_its_cancellation(self) -> None:
        for order_id in getattr(self, "order_ids", ()):
            done = [
                one
                for one in self.world.cancellations_of(order_id)
                if one.whole and not one.status.endswith(("PENDING", "CANCELLED"))
            ]
            assert len(done) == (self.facts(order_id).status is Status.cancelled)

    @invariant()
    def what_is_kept_is_what_is_known(self) -> None:
        if getattr(self, "order_ids", None):
            for facts in self.world.store.all_facts():
                assert facts == self.facts(facts.order_id)

    # Helpers

    def facts(self, order_id: str) -> OrderFacts:
        return self.world.facts(order_id)

    def picked(self, pick: int) -> tuple[str, OrderFacts]:
        order_id = self.order_ids[pick % len(self.order_ids)]
        return order_id, self.facts(order_id)

    def attempt(self, action: Any) -> None:
        """Do it, or be refused, which changes nothing."""
        before = self.everything()
        try:
            action()
        except (ValueError, KeyError):
            assert self.everything() == before

    def everything(self) -> str:
        world = self.world
        return json.dumps(
            [
                [world.order(one), repr(world.packages_of(one)), repr(world.cancellations_of(one))]
                for one in self.order_ids
            ]
        )


TestWorldMachine = WorldMachine.TestCase
TestWorldMachine.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)

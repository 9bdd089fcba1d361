"""Whatever buyers, sellers and TikTok do about returns in whichever order, a unit is paid back once at
most, and the settlement says the same.
"""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.sandbox.finance_calls import delivered
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.refusals import Refusal
from tiktok_ns_pipeline.sandbox.return_rules import APPROVALS, OFFER, REJECT_REASONS, REJECTIONS
from tiktok_ns_pipeline.sandbox.returns import Return
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock
from tiktok_ns_pipeline.sandbox.world import Line, World

HOUR = 3_600
numbers = st.integers(0, 10_000)


class ReturnsMachine(RuleBasedStateMachine):
    """One order of three units, delivered; it settles after eight days."""

    @initialize()
    def open(self) -> None:
        self.world = World(clock=VirtualClock(), mix=Mix.plain(settles=True))
        lines = [Line("SKU-001", 2, price="20", seller_discount="2"), Line("SKU-002", price="5")]
        self.order_id = delivered(self.world, "us", *lines)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()

    # What happens

    @rule(
        units=st.sets(st.integers(0, 2), min_size=1),
        kind=st.sampled_from(["REFUND", "RETURN_AND_REFUND", "REPLACEMENT"]),
    )
    def ask(self, units: set[int], kind: str) -> None:
        lines = self.world.facts(self.order_id).lines
        self._tried(lambda: self.world.returns.ask(self.order_id, [lines[at].id for at in units], kind=kind))

    @rule(number=numbers, choice=numbers, keeps=st.booleans())
    def decide(self, number: int, choice: int, keeps: bool) -> None:
        """Mostly as the return's state asks for."""

        def decide(one: Return) -> None:
            rows = APPROVALS | REJECTIONS
            fitting = [
                name for name, row in rows.items() if row.answers is one.status and one.type in row.types
            ]
            names = fitting if fitting and choice % 4 else list(rows)
            decision = names[choice % len(names)]
            offer = Decimal("4.25") if decision == OFFER else None
            reason = next(iter(REJECT_REASONS))
            self.world.returns.decide(
                shop_of("us"), one.id, decision, str(choice), reason, keeps=keeps, offer=offer
            )

        self._of_one(number, decide)

    @rule(number=numbers, what=st.sampled_from(["withdraw", "send_back"]))
    def move(self, number: int, what: str) -> None:
        self._of_one(number, lambda one: getattr(self.world.returns, what)(one.id))

    @rule(number=numbers, what=st.sampled_from(["edit", "take_offer", "refuse_offer"]))
    def dispute(self, number: int, what: str) -> None:
        self._of_one(number, lambda one: getattr(self.world.returns.disputes, what)(one.id))

    @rule(number=numbers, for_buyer=st.booleans())
    def arbitrate(self, number: int, for_buyer: bool) -> None:
        disputes, side = self.world.returns.disputes, "BUYER" if for_buyer else "SELLER"
        self._of_one(number, lambda one: disputes.escalate(one.id))
        self._of_one(number, lambda one: disputes.arbitrate(one.id, side))

    @rule(hours=st.sampled_from([1, 30, 60, 200]))
    def wait(self, hours: int) -> None:
        self.world.advance(hours * HOUR)

    # What holds

    @invariant()
    def a_unit_is_in_one_return_at_most(self) -> None:
        units = Counter(line_id for one in self._all() if not one.is_in_vain for line_id in one.line_ids)
        assert all(count == 1 for count in units.values())

    @invariant()
    def the_settlement_pays_back_what_the_returns_say(self) -> None:
        truths = self.world.returns.truth()
        back = sum((one.owed_less for one in truths if one.refunded), Decimal(0))
        money = self.world.finance.truth().orders[self.order_id]
        assert money.refunded == back <= money.owed
        assert money.adjusted == sum((one.compensated for one in truths), Decimal(0))

    @invariant()
    def a_chain_of_edited_requests_has_one_end(self) -> None:
        found = {one.id: one for one in self._all()}
        for one in found.values():
            if one.next_id:
                assert found[one.next_id].pre_id == one.id
                assert one.is_in_vain

    # Within

    def _all(self) -> list[Return]:
        return list(self.world.returns.store.all())

    def _of_one(self, number: int, act: Callable[[Return], object]) -> None:
        found = self._all()
        if found:
            self._tried(lambda: act(found[number % len(found)]))

    def _tried(self, act: Callable[[], object]) -> None:
        """People may try what is not possible; then nothing happens."""
        before = self._all()
        try:
            act()
        except (ValueError, Refusal):
            assert self._all() == before


TestReturns = ReturnsMachine.TestCase
TestReturns.settings = settings(
    max_examples=60, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

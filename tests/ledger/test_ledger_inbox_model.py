"""The inbox against a model, over whatever order of deliveries, flows at work, crashes and clean-ups."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.conftest import SetClock
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.inbox import NewEvent

FLOWS = ("orders", "closures", "")
SHOPS = ("7495", "7496")
NUMBERS = st.integers(0, 30)


@dataclass
class Known:
    flow: str
    shop_id: str
    handled_at: datetime | None


class InboxModel(RuleBasedStateMachine):
    """`self.known` is what the inbox must hold, in the order of its coming."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = SetClock()
        url = f"sqlite:///{Path(self.folder.name) / 'ledger.sqlite'}"
        self.ledger = Ledger.open(url, self.clock, durable=False)
        self.known: dict[str, Known] = {}

    @rule(numbers=st.lists(NUMBERS, max_size=12))
    def deliver(self, numbers: list[int]) -> None:
        new = list(dict.fromkeys(f"n{number:02}" for number in numbers if f"n{number:02}" not in self.known))
        with self.ledger.begin() as tx:
            assert tx.inbox.store([self.event(number) for number in numbers]) == len(new)
        for name in sorted(new):
            event = self.event(int(name[1:]))
            handled_at = None if event.flow else self.clock.now()
            self.known[name] = Known(event.flow, event.shop_id, handled_at)

    @rule(flow=st.sampled_from(FLOWS[:2]), limit=st.integers(1, 5), crashes=st.booleans())
    def turn(self, flow: str, limit: int, crashes: bool) -> None:
        try:
            with self.ledger.begin() as tx:
                events = tx.inbox.take(flow, limit)
                tx.inbox.handled([event.id for event in events])
                if crashes:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            return
        for event in events:
            assert self.known[event.notification_id].handled_at is None
            self.known[event.notification_id].handled_at = self.clock.now()

    @rule(hours=st.integers(1, 48))
    def wait(self, hours: int) -> None:
        self.clock.forward(hours=hours)

    @rule(hours=st.integers(24, 72))
    def forget(self, hours: int) -> None:
        before = self.clock.now() - timedelta(hours=hours)
        with self.ledger.begin() as tx:
            forgotten = tx.inbox.forget_before(before)
        gone = [name for name, one in self.known.items() if one.handled_at and one.handled_at < before]
        for name in gone:
            del self.known[name]
        assert forgotten == len(gone)

    @invariant()
    def every_flow_sees_exactly_what_waits_for_it_oldest_first(self) -> None:
        with self.ledger.read() as tx:
            for flow in FLOWS[:2]:
                waiting = [event.notification_id for event in tx.inbox.take(flow, 100)]
                assert waiting == self.waiting(flow)
                assert tx.inbox.is_waiting(flow) == bool(waiting)
                for shop_id in SHOPS:
                    of_shop = [event.notification_id for event in tx.inbox.take(flow, 100, [shop_id])]
                    assert of_shop == self.waiting(flow, shop_id)

    @invariant()
    def the_counts_add_up(self) -> None:
        with self.ledger.read() as tx:
            counts = tx.inbox.counts()
        assert sum(count.waiting + count.handled for count in counts.values()) == len(self.known)

    def waiting(self, flow: str, shop_id: str | None = None) -> list[str]:
        return [
            name
            for name, one in self.known.items()
            if one.flow == flow and one.handled_at is None and shop_id in (None, one.shop_id)
        ]

    def event(self, number: int) -> NewEvent:
        flow, shop_id = FLOWS[number % 3], SHOPS[number % 2]
        return NewEvent(f"n{number:02}", "tiktok", shop_id, "1", f"order {number}", flow, "{}")

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()


InboxModel.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestInboxModel = InboxModel.TestCase

"""What the ledger keeps of cancelled orders: facts that are called off, and returns that are expected."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.conftest import SetClock
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent, IntentState, NewIntent

S = IntentState
ORDER = FactKey("tiktok", "us", "so", "1")
REASON = "the order was cancelled"


def planned(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        tx.intents.plan([NewIntent("orders", ORDER, {"content": "a"}, "a", "orders")])


def claimed(ledger: Ledger) -> list[Intent]:
    with ledger.begin() as tx:
        until = ledger.clock.now() + timedelta(seconds=30)
        return tx.intents.claim(holder="one", kinds=["so"], limit=10, lease_until=until)


def called_off(ledger: Ledger) -> int:
    with ledger.begin() as tx:
        return tx.intents.call_off([ORDER], REASON)


def states(ledger: Ledger) -> list[IntentState]:
    with ledger.read() as tx:
        return [intent.state for intent in tx.intents.history(ORDER)]


class TestCallingOff:
    def test_what_was_never_planned_leaves_no_trace(self, ledger: Ledger) -> None:
        assert called_off(ledger) == 0
        assert states(ledger) == []

    def test_what_was_not_sent_never_is(self, ledger: Ledger) -> None:
        planned(ledger)
        assert called_off(ledger) == 1
        assert claimed(ledger) == []
        assert states(ledger) == [S.SUPERSEDED]

    @pytest.mark.parametrize("back_to", [S.WAITING, S.PLANNED, S.PARKED])
    def test_an_attempt_that_came_to_nothing_is_the_last_one(
        self, ledger: Ledger, clock: SetClock, back_to: IntentState
    ) -> None:
        planned(ledger)
        [under_way] = claimed(ledger)
        if back_to == S.PLANNED:
            clock.forward(seconds=60)
            [under_way] = claimed(ledger)
        called_off(ledger)
        with ledger.begin() as tx:
            assert tx.intents.is_overtaken(under_way)
            tx.intents.move(under_way, back_to)
        assert claimed(ledger) == []
        called_off(ledger)
        assert states(ledger)[-1] == S.SUPERSEDED

    def test_an_attempt_that_succeeded_stays_applied(self, ledger: Ledger) -> None:
        planned(ledger)
        under_way = claimed(ledger)
        called_off(ledger)
        with ledger.begin() as tx:
            tx.intents.mark_applied(under_way)
        assert states(ledger) == [S.APPLIED, S.SUPERSEDED]

    def test_calling_off_twice_is_calling_off_once(self, ledger: Ledger) -> None:
        planned(ledger)
        claimed(ledger)
        called_off(ledger)
        called_off(ledger)
        assert states(ledger) == [S.SENDING, S.SUPERSEDED]


class TestExpectedReturns:
    def test_a_return_is_expected_once_for_the_newest_reason(self, ledger: Ledger, clock: SetClock) -> None:
        begun = clock.now()
        for reason in ("picked", "shipped"):
            with ledger.begin() as tx:
                tx.expected_returns.expect("tiktok", "us", "1", reason)
            clock.forward(hours=1)
        with ledger.read() as tx:
            [expected] = tx.expected_returns.open()
        assert (expected.order_id, expected.reason, expected.since) == ("1", "shipped", begun)

    def test_the_oldest_comes_first_and_a_shop_can_be_asked_alone(
        self, ledger: Ledger, clock: SetClock
    ) -> None:
        for shop, order in (("us", "2"), ("uk", "1")):
            with ledger.begin() as tx:
                tx.expected_returns.expect("tiktok", shop, order, "shipped")
            clock.forward(hours=1)
        with ledger.read() as tx:
            assert [one.order_id for one in tx.expected_returns.open()] == ["2", "1"]
            assert [one.order_id for one in tx.expected_returns.open("uk")] == ["1"]

    def test_what_is_settled_is_expected_no_more_until_it_is_again(
        self, ledger: Ledger, clock: SetClock
    ) -> None:
        with ledger.begin() as tx:
            tx.expected_returns.expect("tiktok", "us", "1", "picked")
            assert tx.expected_returns.settle("tiktok", "us", "1")
            assert not tx.expected_returns.settle("tiktok", "us", "1")
            assert tx.expected_returns.open() == []
            settled = tx.expected_returns.find("tiktok", "us", "1")
            assert settled is not None
            assert settled.settled_at == clock.now()
            tx.expected_returns.expect("tiktok", "us", "1", "shipped")
            assert len(tx.expected_returns.open()) == 1
            assert tx.expected_returns.find("tiktok", "us", "2") is None

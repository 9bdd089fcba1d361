"""The webhook inbox: stored once, waiting until a flow has planned what it saw, forgotten late."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from tests.conftest import SetClock
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger import inbox as inbox_module
from tiktok_ns_pipeline.ledger.inbox import NewEvent


def event(number: int, flow: str = "orders", shop_id: str = "7495", note: str = "") -> NewEvent:
    return NewEvent(f"n{number}", "tiktok", shop_id, "1", f"order {number}", flow, "{}", note)


def stored(ledger: Ledger, *events: NewEvent) -> int:
    with ledger.begin() as tx:
        return tx.inbox.store(events)


def waiting(ledger: Ledger, flow: str = "orders", limit: int = 100, *shop_ids: str) -> list[str]:
    with ledger.read() as tx:
        return [each.notification_id for each in tx.inbox.take(flow, limit, shop_ids)]


def test_a_notification_is_stored_once_however_often_it_comes(ledger: Ledger) -> None:
    assert stored(ledger, event(1), event(2), event(1)) == 2
    assert stored(ledger, event(2), event(3)) == 1
    assert waiting(ledger) == ["n1", "n2", "n3"]
    assert stored(ledger) == 0


def test_many_events_are_stored_at_once(ledger: Ledger) -> None:
    assert stored(ledger, *map(event, range(3_000))) == 3_000
    assert stored(ledger, *map(event, range(1_500, 3_001))) == 1


def test_what_is_taken_waits_until_it_is_handled(ledger: Ledger) -> None:
    stored(ledger, event(1))
    stored(ledger, event(2))
    with ledger.begin() as tx:
        first, second = tx.inbox.take("orders", 10)
        assert (first.subject, first.event_type, first.handled_at) == ("order 1", "1", None)
    assert waiting(ledger) == ["n1", "n2"]
    with ledger.begin() as tx:
        tx.inbox.handled([first.id])
    assert waiting(ledger) == ["n2"]
    assert stored(ledger, event(1)) == 0, "a late retry of what was handled is nothing new"
    with ledger.begin() as tx:
        tx.inbox.handled([second.id])
        assert not tx.inbox.is_waiting("orders")


def test_a_transaction_that_fails_leaves_the_event_waiting(ledger: Ledger) -> None:
    stored(ledger, event(1))
    with pytest.raises(RuntimeError), ledger.begin() as tx:
        tx.inbox.handled([each.id for each in tx.inbox.take("orders", 10)])
        raise RuntimeError("the planner failed")
    assert waiting(ledger) == ["n1"]


def test_the_oldest_come_first_and_no_more_than_wanted(ledger: Ledger) -> None:
    for number in range(5):
        stored(ledger, event(number))
    assert waiting(ledger, "orders", 3) == ["n0", "n1", "n2"]


def test_each_flow_and_shop_sees_its_own(ledger: Ledger) -> None:
    stored(ledger, event(1), event(2, "closures"), event(3, shop_id="7496"))
    assert waiting(ledger, "orders", 10, "7495") == ["n1"]
    assert waiting(ledger, "orders", 10, "7495", "7496") == ["n1", "n3"]
    with ledger.read() as tx:
        assert tx.inbox.is_waiting("closures")
        assert tx.inbox.is_waiting("orders", ["7496"])
        assert not tx.inbox.is_waiting("closures", ["7496"])
        assert not tx.inbox.is_waiting("refunds")


def test_what_no_flow_wants_is_handled_at_once_and_says_why(ledger: Ledger, clock: SetClock) -> None:
    stored(ledger, event(1, flow="", note="no flow takes it"), event(2))
    with ledger.read() as tx:
        counts = tx.inbox.counts()
    assert (counts[""].waiting, counts[""].handled, counts[""].oldest_waiting) == (0, 1, None)
    assert (counts["orders"].waiting, counts["orders"].oldest_waiting) == (1, clock.now())


def test_handled_events_are_forgotten_and_waiting_ones_never(
    ledger: Ledger, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_module, "FORGOTTEN_AT_ONCE", 2)
    stored(ledger, *(event(number, flow="") for number in range(3)), event(9))
    clock.forward(days=1)
    stored(ledger, event(10, flow=""))
    with ledger.begin() as tx:
        assert tx.inbox.forget_before(clock.now()) == 2
        assert tx.inbox.forget_before(clock.now()) == 1
        assert tx.inbox.forget_before(clock.now()) == 0
        assert tx.inbox.counts()[""].handled == 1
        assert tx.inbox.forget_before(clock.now() + timedelta(seconds=1)) == 1
    assert waiting(ledger) == ["n9"]


def test_writers_that_store_the_same_events_in_opposite_orders_both_succeed(ledger_url: str) -> None:
    events = [event(number) for number in range(200)]
    came: list[int] = []

    def store(given: list[NewEvent]) -> None:
        ledger = Ledger.open(ledger_url, SetClock())
        for start in range(0, 200, 50):
            came.append(stored(ledger, *given[start : start + 50]))
        ledger.close()

    Ledger.open(ledger_url).close()
    threads = [threading.Thread(target=store, args=[given]) for given in (events, events[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(came) == 8
    assert sum(came) == 200

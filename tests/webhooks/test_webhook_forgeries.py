"""Wrong signatures call a person when they mean something, and never more than once in a while."""

from __future__ import annotations

import time
from datetime import timedelta

from tests.conftest import SetClock
from tests.webhooks.conftest import Served, body_of, signed
from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.webhooks.forgeries import FEW, MANY, WINDOW, ForgeryWatch


def alarms(watch: ForgeryWatch, clock: SetClock, count: int) -> list[str]:
    return [alarm for _ in range(count) if (alarm := watch.forged(clock.now()))]


def test_a_stranger_who_found_the_address_calls_nobody(clock: SetClock) -> None:
    assert alarms(ForgeryWatch(), clock, FEW - 1) == []


def test_a_few_without_any_genuine_one_call_once(clock: SetClock) -> None:
    (alarm,) = alarms(ForgeryWatch(), clock, 500)
    assert alarm == "Within 10 minutes 3 webhooks arrived with a wrong signature, and none had the right one."


def test_beside_genuine_ones_it_takes_many(clock: SetClock) -> None:
    watch = ForgeryWatch()
    watch.genuine(clock.now())
    assert alarms(watch, clock, MANY - 1) == []
    (alarm,) = alarms(watch, clock, 1)
    assert "100 webhooks" in alarm
    assert "1 had the right one" in alarm


def test_a_new_window_counts_anew_and_may_call_again(clock: SetClock) -> None:
    watch = ForgeryWatch()
    assert len(alarms(watch, clock, FEW)) == 1
    clock.instant += WINDOW - timedelta(seconds=1)
    assert alarms(watch, clock, FEW) == []
    clock.forward(seconds=1)
    assert len(alarms(watch, clock, FEW)) == 1


def test_the_receiver_opens_one_exception_for_its_owner(receiver: Served) -> None:
    for number in range(FEW + 2):
        assert receiver.post(body_of(number), signed(b"other")) == 401
    deadline = time.monotonic() + 10
    while not (found := exceptions(receiver)):
        assert time.monotonic() < deadline
    (exception,) = found
    assert (exception.kind, exception.owner, exception.shop) == ("forged_webhooks", "data", "*")
    assert receiver.post(body_of(1)) == 200


def exceptions(receiver: Served) -> list[OpenException]:
    with receiver.ledger.read() as tx:
        return tx.exceptions.list()

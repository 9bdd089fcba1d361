"""Two processes on one ledger that write the same thing at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from tests.conftest import SetClock
from tiktok_ns_pipeline.ledger import Ledger, Transaction
from tiktok_ns_pipeline.ledger.exceptions import NewException
from tiktok_ns_pipeline.ledger.intents import FactKey, NewIntent

REFUSED = NewException(
    kind="login_refused",
    channel="tiktok",
    shop="*",
    subject="system netsuite",
    cause="NetSuiteAuthenticationError",
    message="NetSuite refuses our login",
    what_to_do="renew the certificate",
    owner="operations",
    severity="critical",
)
ORDER = FactKey("tiktok", "us", "so", "5764")


def at_the_same_moment(ledger_url: str, first: Callable[[Transaction], Any], second: Any = None) -> list[Any]:
    """What each of two transactions gives; the second begins while the first is not committed yet."""
    came: list[Any] = []

    def later() -> None:
        ledger = Ledger.open(ledger_url, SetClock())
        with ledger.begin() as tx:
            came.append((second or first)(tx))
        ledger.close()

    ledger = Ledger.open(ledger_url, SetClock())
    other = threading.Thread(target=later)
    with ledger.begin() as tx:
        came.append(first(tx))
        other.start()
        other.join(timeout=0.5)
        assert other.is_alive()
    other.join()
    ledger.close()
    return came


def test_two_processes_that_open_the_same_exception_share_it(ledger_url: str) -> None:
    one, two = at_the_same_moment(ledger_url, lambda tx: tx.exceptions.open(REFUSED))
    assert one == two


def test_planners_of_a_shop_take_turns_and_see_what_the_other_planned(ledger_url: str) -> None:
    def planning(hash_: str) -> Callable[[Transaction], int]:
        def plan(tx: Transaction) -> int:
            tx.intents.take_turns("tiktok", "us")
            [planned] = tx.intents.plan([NewIntent("orders", ORDER, {}, hash_, "orders")])
            return planned.revision

        return plan

    assert at_the_same_moment(ledger_url, planning("a"), planning("b")) == [1, 2]

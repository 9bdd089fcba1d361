"""What the ledger keeps of claims: what came, what was decided, and when to look again."""

from __future__ import annotations

from datetime import date, timedelta

from tests.conftest import SetClock
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.claims import KnownClaim, ToldClaim

DAY = date(2026, 6, 1)


def told(ledger: Ledger, *ids: str, order_id: str = "577", shop: str = "us") -> None:
    with ledger.begin() as tx:
        tx.claims.tell("tiktok", shop, [ToldClaim(one, order_id, "return", DAY) for one in ids])


def due(ledger: Ledger, shop: str = "us") -> list[str]:
    with ledger.read() as tx:
        return [one.claim_id for one in tx.claims.due("tiktok", shop, 10)]


def known(ledger: Ledger, claim_id: str) -> KnownClaim:
    with ledger.read() as tx:
        [found] = tx.claims.find("tiktok", "us", [claim_id])
    return found


def decided(ledger: Ledger, claim_id: str, after: timedelta | None = None) -> None:
    with ledger.begin() as tx:
        [claim] = tx.claims.find("tiktok", "us", [claim_id])
        at = ledger.clock.now() + after if after else None
        tx.claims.decided(claim, "waiting" if after else "nothing", "so", "digest", at)


def test_what_was_told_is_due_until_it_is_decided(ledger: Ledger) -> None:
    told(ledger, "9", "10")
    told(ledger, "11", shop="uk")
    assert due(ledger) == ["10", "9"]
    decided(ledger, "9")
    assert due(ledger) == ["10"]
    told(ledger, "9")
    assert sorted(due(ledger)) == ["10", "9"]
    assert (known(ledger, "9").outcome, known(ledger, "9").digest) == ("nothing", "digest")


def test_what_waits_is_due_again_when_its_time_comes_or_something_happens(
    ledger: Ledger, clock: SetClock
) -> None:
    told(ledger, "1", "2")
    decided(ledger, "1", after=timedelta(hours=1))
    decided(ledger, "2", after=timedelta(hours=2))
    assert due(ledger) == []
    with ledger.read() as tx:
        assert [one.claim_id for one in tx.claims.with_outcome("waiting", "us")] == ["1", "2"]
        assert tx.claims.counts() == {"waiting": 2}
        assert not tx.claims.is_due()
    clock.forward(seconds=3600)
    assert due(ledger) == ["1"]
    with ledger.begin() as tx:
        assert tx.claims.is_due(["us"])
        assert not tx.claims.is_due(["uk"])
        assert tx.claims.wake("tiktok", "us", order_ids=["577", "578"]) == 2
    assert due(ledger) == ["1", "2"]


def test_every_change_counts_so_that_a_decision_from_an_older_state_shows(ledger: Ledger) -> None:
    told(ledger, "1")
    seen = known(ledger, "1").revision
    told(ledger, "1")
    assert known(ledger, "1").revision == seen + 1
    with ledger.begin() as tx:
        tx.claims.wake("tiktok", "us", claim_ids=["1"])
    assert known(ledger, "1").revision == seen + 2
    decided(ledger, "1")
    assert known(ledger, "1").revision == seen + 3


def test_a_version_that_names_no_order_leaves_the_one_that_is_known(ledger: Ledger) -> None:
    told(ledger, "10", "9")
    told(ledger, "9", order_id="")
    with ledger.read() as tx:
        assert [one.claim_id for one in tx.claims.of_order("tiktok", "us", "577")] == ["9", "10"]

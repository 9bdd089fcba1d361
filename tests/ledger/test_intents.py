from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.conftest import SetClock
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.intents import (
    TRANSITIONS,
    FactKey,
    Intent,
    IntentState,
    NewIntent,
    link_reference,
)
from tiktok_ns_pipeline.ledger.links import Link

S = IntentState


def fact(key: str = "1", kind: str = "so") -> FactKey:
    return FactKey("tiktok", "us", kind, key)


def wanted(key: str = "1", content: str = "a", **more) -> NewIntent:
    return NewIntent("orders", fact(key), {"content": content}, content, more.pop("lane", "orders"), **more)


def plan(ledger: Ledger, *intents: NewIntent, replay: bool = False):
    with ledger.begin() as tx:
        return [planned.verdict for planned in tx.intents.plan(intents, replay=replay)]


def claim(
    ledger: Ledger, *, holder: str = "one", limit: int = 100, lease_s: float = 30, kinds=("so",)
) -> list[Intent]:
    with ledger.begin() as tx:
        until = ledger.clock.now() + timedelta(seconds=lease_s)
        return tx.intents.claim(holder=holder, kinds=kinds, limit=limit, lease_until=until)


def move(ledger: Ledger, intent: Intent, to: IntentState, **more) -> bool:
    with ledger.begin() as tx:
        return tx.intents.move(intent, to, **more)


def states(ledger: Ledger, key: str = "1") -> list[IntentState]:
    with ledger.read() as tx:
        return [intent.state for intent in tx.intents.history(fact(key))]


def test_old_revisions_are_forgotten_but_the_newest_of_each_fact(ledger: Ledger, clock: SetClock) -> None:
    for content in ("a", "b"):
        plan(ledger, wanted("1", content), wanted("2", content, depends_on="tiktok/us/cust/nobody"))
        for intent in claim(ledger):
            move(ledger, intent, S.APPLIED)
    plan(ledger, wanted("of another kind", "a"))
    clock.forward(days=36)
    plan(ledger, wanted("1", "c"))
    assert states(ledger) == [S.APPLIED, S.APPLIED, S.PLANNED]
    with ledger.begin() as tx:
        assert tx.intents.forget_before(clock.now() - timedelta(days=40), "so") == 0
        assert tx.intents.forget_before(clock.now() - timedelta(days=35), "cust") == 0
        assert tx.intents.forget_before(clock.now() - timedelta(days=35), "so") == 3
        assert tx.intents.forget_before(clock.now() - timedelta(days=35), "so") == 0
    assert states(ledger) == [S.PLANNED]
    assert states(ledger, "2") == [S.PLANNED]
    assert plan(ledger, wanted("2", "b")) == ["unchanged"]


def test_the_same_document_is_planned_once(ledger: Ledger) -> None:
    assert plan(ledger, wanted()) == ["new"]
    assert plan(ledger, wanted()) == ["unchanged"]
    assert len(claim(ledger)) == 1
    assert claim(ledger) == []


def test_a_changed_document_is_a_new_revision_and_supersedes_what_was_not_sent(ledger: Ledger) -> None:
    plan(ledger, wanted(content="a"))
    assert plan(ledger, wanted(content="b")) == ["revised"]
    assert states(ledger) == [S.SUPERSEDED, S.PLANNED]
    [intent] = claim(ledger)
    assert (intent.revision, intent.payload) == (2, {"content": "b"})


def test_a_revision_waits_until_the_older_one_under_way_is_resolved(ledger: Ledger) -> None:
    plan(ledger, wanted(content="a"))
    [first] = claim(ledger)
    plan(ledger, wanted(content="b"))
    assert claim(ledger) == []
    with ledger.begin() as tx:
        tx.intents.mark_applied([first])
    assert [intent.revision for intent in claim(ledger)] == [2]


@pytest.mark.parametrize("back_to", [S.PLANNED, S.WAITING])
def test_a_revision_that_was_overtaken_while_under_way_is_not_sent_again(
    ledger: Ledger, clock: SetClock, back_to: IntentState
) -> None:
    plan(ledger, wanted(content="a"))
    [first] = claim(ledger)
    plan(ledger, wanted(content="b"))
    if back_to == S.PLANNED:
        clock.forward(seconds=60)
        [first] = claim(ledger)
    assert move(ledger, first, back_to)
    with ledger.read() as tx:
        assert tx.intents.is_overtaken(first)
    assert [intent.revision for intent in claim(ledger)] == [2]
    assert states(ledger) == [S.SUPERSEDED, S.SENDING]


def test_the_content_of_an_applied_fact_can_come_back(ledger: Ledger) -> None:
    for content in ("a", "b", "a"):
        plan(ledger, wanted(content=content))
        [intent] = claim(ledger)
        with ledger.begin() as tx:
            tx.intents.mark_applied([intent])
    assert states(ledger) == [S.APPLIED] * 3


def test_a_withdrawn_fact_is_not_sent_and_can_return(ledger: Ledger) -> None:
    plan(ledger, wanted())
    with ledger.begin() as tx:
        assert tx.intents.withdraw([fact()], "cancelled") == 1
    assert claim(ledger) == []
    assert plan(ledger, wanted()) == ["revised"]
    assert len(claim(ledger)) == 1


def test_a_claim_whose_holder_vanished_comes_back_as_ambiguous(ledger: Ledger, clock: SetClock) -> None:
    plan(ledger, wanted())
    claim(ledger, lease_s=30)
    clock.forward(seconds=29)
    assert claim(ledger, holder="two") == []
    clock.forward(seconds=2)
    [intent] = claim(ledger, holder="two")
    assert intent.state == S.AMBIGUOUS
    assert claim(ledger, holder="three") == []


def test_a_living_holder_keeps_its_claims(ledger: Ledger, clock: SetClock) -> None:
    plan(ledger, wanted())
    claim(ledger, lease_s=30)
    clock.forward(seconds=25)
    with ledger.begin() as tx:
        tx.intents.extend_leases("one", clock.now() + timedelta(seconds=30))
    clock.forward(seconds=20)
    assert claim(ledger, holder="two") == []


def test_waiting_is_not_due_before_its_time(ledger: Ledger, clock: SetClock) -> None:
    plan(ledger, wanted())
    [intent] = claim(ledger)
    move(ledger, intent, S.WAITING, not_before=clock.now() + timedelta(seconds=10), error="busy")
    assert claim(ledger) == []
    with ledger.read() as tx:
        assert tx.intents.next_due(["so"]) == clock.now() + timedelta(seconds=10)
        assert not tx.intents.is_work_due(["so"])
    clock.forward(seconds=10)
    [again] = claim(ledger)
    assert (again.state, again.attempts) == (S.SENDING, 1)


def test_a_parked_intent_is_taken_up_only_by_a_replay(ledger: Ledger) -> None:
    plan(ledger, wanted())
    [intent] = claim(ledger)
    move(ledger, intent, S.PARKED, error="no such item")
    assert plan(ledger, wanted()) == ["unchanged"]
    assert claim(ledger) == []
    assert plan(ledger, wanted(), replay=True) == ["replayed"]
    assert len(claim(ledger)) == 1


def test_an_intent_waits_for_the_link_that_it_depends_on(ledger: Ledger) -> None:
    customer = fact("usd-1", "cust")
    plan(ledger, wanted(depends_on=link_reference(customer)))
    assert claim(ledger) == []
    with ledger.read() as tx:
        assert not tx.intents.is_work_due(["so"])
    with ledger.begin() as tx:
        tx.links.save([Link(customer, "customer", "tts-us-cust-usd-1", "77", None, "h", 1)])
    assert len(claim(ledger)) == 1


def test_the_most_urgent_lane_is_claimed_first(ledger: Ledger) -> None:
    plan(ledger, wanted("1", lane="bulk"), wanted("2", lane="orders"), wanted("3", lane="urgent"))
    assert [intent.lane for intent in claim(ledger, limit=2)] == ["urgent", "orders"]


def test_an_impossible_move_is_refused(ledger: Ledger) -> None:
    plan(ledger, wanted())
    [intent] = claim(ledger)
    with pytest.raises(ValueError, match="does not go from sending to planned"):
        move(ledger, intent, S.PLANNED)


def test_a_result_that_comes_after_the_claim_was_lost_changes_nothing(
    ledger: Ledger, clock: SetClock
) -> None:
    plan(ledger, wanted())
    [mine] = claim(ledger, lease_s=10)
    clock.forward(seconds=11)
    [theirs] = claim(ledger, holder="two")
    assert not move(ledger, mine, S.WAITING, not_before=clock.now())
    assert move(ledger, theirs, S.PLANNED)


def test_many_processes_never_claim_the_same_intent(ledger_url: str, clock: SetClock) -> None:
    ledgers = [Ledger.open(ledger_url, clock) for _ in range(4)]
    plan(ledgers[0], *(wanted(str(number)) for number in range(120)))

    def work(ledger: Ledger) -> list[int]:
        taken: list[int] = []
        while batch := claim(ledger, holder=str(id(ledger)), limit=7):
            taken += [intent.id for intent in batch]
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [identity for batch in pool.map(work, ledgers) for identity in batch]
    assert len(taken) == len(set(taken)) == 120


class IntentLife(RuleBasedStateMachine):
    """Whatever happens in whatever order: one revision at a time, nothing applied twice, nothing lost."""

    @initialize()
    def start(self) -> None:
        self.clock = SetClock()
        self.ledger = Ledger.open("sqlite://", self.clock)
        self.held: dict[int, Intent] = {}
        self.desired: dict[str, str] = {}

    @rule(key=st.sampled_from("xyz"), content=st.sampled_from("abc"))
    def plan_it(self, key: str, content: str) -> None:
        plan(self.ledger, wanted(key, content), replay=True)
        self.desired[key] = content

    @rule(limit=st.integers(1, 3))
    def claim_some(self, limit: int) -> None:
        for intent in claim(self.ledger, limit=limit, lease_s=20):
            self.held[intent.id] = intent

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def finish_one(self, data: st.DataObject) -> None:
        intent = self.held.pop(data.draw(st.sampled_from(sorted(self.held))))
        to = data.draw(st.sampled_from(sorted(TRANSITIONS[intent.state] - {S.SUPERSEDED})))
        if to == S.APPLIED:
            with self.ledger.begin() as tx:
                tx.intents.mark_applied([intent])
        else:
            move(self.ledger, intent, to, not_before=self.clock.now() + timedelta(seconds=3))

    @rule()
    def crash(self) -> None:
        self.held.clear()

    @rule(seconds=st.integers(1, 30))
    def wait(self, seconds: int) -> None:
        self.clock.forward(seconds=seconds)
        if seconds >= 20:
            self.held.clear()

    @invariant()
    def one_revision_at_a_time(self) -> None:
        for key in getattr(self, "desired", {}):
            under_way = [state for state in states(self.ledger, key) if state in (S.SENDING, S.AMBIGUOUS)]
            assert len(under_way) <= 1

    def teardown(self) -> None:
        """From anywhere, the newest content of every fact becomes applied."""
        if not hasattr(self, "ledger"):
            return
        for key, content in self.desired.items():
            plan(self.ledger, wanted(key, content), replay=True)
        for _ in range(12):
            self.clock.forward(seconds=40)
            for intent in claim(self.ledger):
                with self.ledger.begin() as tx:
                    tx.intents.mark_applied([intent])
        with self.ledger.read() as tx:
            newest = tx.intents.newest(fact(key) for key in self.desired)
        for key, content in self.desired.items():
            assert (newest[fact(key)].state, newest[fact(key)].payload_hash) == (S.APPLIED, content)
        self.ledger.close()


TestIntentLife = IntentLife.TestCase
TestIntentLife.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)

"""Goods and money move in their own time: whatever order they come in, the documents match the end."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.refunds.refund_desk import COMPLETE, NOW, REFUND, RETURN, Sold, a_return, later, units
from tiktok_ns_pipeline.mapping.exception_kinds import KINDS
from tiktok_ns_pipeline.mapping.refunds import RefundRules
from tiktok_ns_pipeline.refunds.custody import CUSTODIES, MONIES, PAIRS, STATUS, due_at, standing_of
from tiktok_ns_pipeline.tiktok.return_models import Return

ID = "4040000000000000001"
ENDED = {name for name, (_, money) in STATUS.items() if money == "withdrawn"}


def a_plain_return(status: str, **more: Any) -> Return:
    return Return.parse(
        {"return_id": ID, "order_id": "57", "return_type": RETURN, "return_status": status, **more}
    )


def test_every_pair_of_states_has_a_verdict_whose_kind_a_person_knows() -> None:
    assert set(PAIRS) == {(custody, money) for custody in CUSTODIES for money in MONIES}
    named = [verdict for verdict in PAIRS.values() if verdict is not None]
    assert {verdict.kind for verdict in named} == {
        "refund_without_goods",
        "goods_without_refund",
        "refund_reversed",
    }
    assert all(verdict.kind in KINDS for verdict in named)


def test_how_long_a_contradiction_may_last_is_the_mappings_to_say() -> None:
    rules = RefundRules(goods_wait_days=3, refund_wait_days=2)
    paid, back = PAIRS["on_its_way", "refunded"], PAIRS["received", "none"]
    assert paid is not None and back is not None
    assert due_at(paid, NOW, rules) - NOW == later(3) - later(0)
    assert due_at(back, NOW, rules) - NOW == later(2) - later(0)


@pytest.mark.parametrize("status", STATUS)
def test_every_status_is_a_pair_of_states(status: str) -> None:
    standing = standing_of(a_plain_return(status), received=False, credited=False)
    assert standing is not None
    assert (standing.custody, standing.money) in PAIRS


def test_only_netsuites_receipt_says_that_goods_are_back() -> None:
    arrived = a_plain_return(COMPLETE, return_tracking_number="RT1")
    for received, custody in ((False, "on_its_way"), (True, "received")):
        standing = standing_of(arrived, received=received, credited=True)
        assert standing is not None and standing.custody == custody


def test_a_refund_before_a_parcel_is_handed_in_has_goods_to_wait_for() -> None:
    standing = standing_of(a_plain_return(COMPLETE, is_quick_refund=True), received=False, credited=False)
    assert standing is not None
    assert (standing.custody, standing.money) == ("approved", "refunded")
    assert standing.contradiction is not None


def test_of_an_edited_chain_only_the_last_counts() -> None:
    standing = standing_of(a_plain_return(COMPLETE, next_return_id="99"), received=False, credited=False)
    assert standing is not None
    assert standing.money == "withdrawn"


def test_an_unknown_status_says_nothing() -> None:
    assert standing_of(a_plain_return("SOMETHING_NEW"), received=False, credited=False) is None


class Lives(RuleBasedStateMachine):
    """TikTok and the warehouse move as they like; the flow looks now and then."""

    @initialize(kind=st.sampled_from([RETURN, REFUND]), receipt=st.sampled_from(["watch", "make"]))
    def begin(self, kind: str, receipt: str) -> None:
        self.sold = Sold.of(units("10.00", "7.00"), refunds={"receipt": receipt})
        self.kind = kind
        self.status = "RETURN_OR_REFUND_REQUEST_PENDING"
        self.tracking = ""
        self.looked = False

    @property
    def raw(self) -> Any:
        more = {"return_tracking_number": self.tracking}
        return a_return(self.sold.raw, {0: None}, kind=self.kind, status=self.status, **more)

    @rule(status=st.sampled_from([name for name in STATUS if "REPLACEMENT" not in name]))
    def tiktok_moves(self, status: str) -> None:
        if self.status != COMPLETE:
            self.status = status
            if status == "BUYER_SHIPPED_ITEM":
                self.tracking = "RT1"

    @rule()
    def the_flow_looks(self) -> None:
        self.sold.do(self.raw)
        self.looked = True

    @rule()
    @precondition(lambda self: self.looked and ID not in self.sold.received)
    def goods_arrive(self) -> None:
        name = f"tts-us-ra-{ID}"
        waits = self.sold.made & {name} and self.sold.authorization(ID)["status"]["id"] in "BDE"
        made = any(self.sold.books.records("itemReceipt"))
        if waits and not made:
            self.sold.receive(ID)

    @rule()
    def somebody_else_is_refunded(self) -> None:
        self.sold.do(a_return(self.sold.raw, {1: None}, kind=REFUND, return_id="4040000000000000009"))

    @invariant()
    def each_document_is_made_once(self) -> None:
        if not hasattr(self, "sold"):
            return
        records = [*self.sold.credits(), *self.sold.books.records("returnAuthorization")]
        names = [record["externalId"] for record in records]
        assert len(set(names)) == len(names)
        assert self.sold.credited <= self.sold.billed

    def teardown(self) -> None:
        if not hasattr(self, "sold"):
            return
        self.sold.do(self.raw)
        self.sold.do(self.raw)
        own = [one for one in self.sold.credited_documents() if one.claim_id == ID]
        assert bool(own) == (self.status == COMPLETE)
        assert sum((one.expected_total for one in own), D(0)) == (D(10) if own else 0)
        if self.status in ENDED and f"tts-us-ra-{ID}" in self.sold.made and ID not in self.sold.received:
            assert self.sold.authorization(ID)["status"]["id"] in "HF"


Lives.TestCase.settings = settings(
    max_examples=20, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLives = Lives.TestCase

"""Our client reads and answers the returns of the simulated TikTok Shop over loopback HTTP; what it does a
client that we did not write reads.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from tiktok_shop_api.generated import models as sdk

from tests.contract.tiktok_loopback import Market, stated
from tests.sandbox.finance_calls import delivered
from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.return_rules import REJECT_REASONS
from tiktok_ns_pipeline.sandbox.serve import SandboxOptions, running_sandbox
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.tiktok.client import TikTokClient
from tiktok_ns_pipeline.tiktok.errors import TikTokAmbiguous, TikTokRefused
from tiktok_ns_pipeline.tiktok.meanings import meaning_of
from tiktok_ns_pipeline.tiktok.return_models import Return, ReturnRecord

_KEYS = {"US": "us", "GB": "uk", "VN": "vn"}
_REGIONS = pytest.mark.parametrize("region", _KEYS)
_PENDING = "RETURN_OR_REFUND_REQUEST_PENDING"


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    mix = Mix.plain(shipped_by="nobody")
    with running_sandbox(SandboxOptions(seed=29, hang_s=0.6, mix=mix)) as running:
        yield Market(running.urls.tiktok, running.sandbox.tiktok, running.sandbox.world)


def _asked(market: Market, region: str = "US", **options: Any) -> str:
    """A delivered order of two units whose buyer wants the money back; gives the return id."""
    return market.world.returns.ask(delivered(market.world, _KEYS[region], "SKU-001", "SKU-002"), **options)


def _found(market: Market, region: str, **filters: Any) -> list[dict[str, Any]]:
    async def read(client: TikTokClient) -> list[dict[str, Any]]:
        pages = client.returns.search(market.access(region), **filters)
        return [row async for page in pages for row in page.rows]

    return market.ours(read)


def _return(market: Market, return_id: str, region: str = "US") -> Return:
    (row,) = _found(market, region, return_ids=[return_id])
    return Return.parse(row)


def _refusal(call: Callable[[], Any]) -> str | None:
    with pytest.raises(TikTokRefused) as caught:
        call()
    return meaning_of(caught.value.code)


@_REGIONS
def test_both_clients_page_through_the_same_returns(market: Market, region: str) -> None:
    made = [_asked(market, region, kind=kind) for kind in ("REFUND", "RETURN_AND_REFUND") * 6]
    ours = _found(market, region, return_ids=made, page_size=10)
    theirs: list[dict[str, Any]] = []
    options: dict[str, Any] = {}
    while not theirs or options.get("page_token"):
        page = market.foreign(region).return_and_refund.search_returns(
            body=sdk.SearchReturnsRequest(return_ids=made),
            page_size="10",
            sort_field=sdk.SearchReturnsSortField.UPDATE_TIME,
            **options,
        )
        assert isinstance(page, sdk.SearchReturnsResponse)
        data = page.to_dict()["data"]
        theirs += data["return_orders"]
        options = {"page_token": data.get("next_page_token")}
    assert [stated(row) for row in ours] == [stated(row) for row in theirs]
    returns = [Return.parse(row) for row in ours]
    assert [one.return_id for one in returns] == made
    assert all(len(one.lines) == 2 for one in returns)


@_REGIONS
def test_a_request_says_what_is_wanted_and_until_when_to_answer(market: Market, region: str) -> None:
    return_id = _asked(market, region)
    request = _return(market, return_id, region)
    truth = next(one for one in market.world.returns.truth() if one.return_id == return_id)
    assert (request.status, request.return_type, request.role) == (_PENDING, "RETURN_AND_REFUND", "BUYER")
    assert request.refund_amount is not None
    assert request.refund_amount.refund_total == truth.to_buyer
    units = [line.refund_amount.refund_subtotal or Decimal(0) for line in request.lines if line.refund_amount]
    assert sum(units, Decimal(0)) == request.refund_amount.refund_subtotal
    assert {line.line_id for line in request.lines} == set(truth.line_ids)
    (action,) = request.next_actions
    assert action.action == "SELLER_RESPOND_RETURN"
    assert action.deadline is not None
    assert request.create_time is not None
    assert 0 < (action.deadline - request.create_time).total_seconds() <= 2 * 86_400


def test_returns_are_found_by_order_state_and_change(market: Market) -> None:
    request = _return(market, _asked(market))
    (row,) = _found(market, "US", order_ids=[request.order_id], statuses=[_PENDING])
    assert row["return_id"] == request.return_id
    assert _found(market, "US", order_ids=[request.order_id], statuses=["BUYER_SHIPPED_ITEM"]) == []
    since = _found(market, "US", updated_since=request.update_time)
    assert request.return_id in {one["return_id"] for one in since}
    assert _found(market, "US", updated_until=request.update_time, order_ids=[request.order_id]) == []


def test_a_return_that_is_approved_comes_back_and_is_refunded(market: Market) -> None:
    return_id, access = _asked(market), market.access("US")

    def approve(decision: Any, key: str) -> None:
        market.ours(lambda client: client.returns.approve(access, return_id, key, decision))

    approve("APPROVE_RETURN", "one")
    approve("APPROVE_RETURN", "one")  # with the same key it is the same answer
    assert _return(market, return_id).status == "AWAITING_BUYER_SHIP"
    tracking = market.world.returns.send_back(return_id)
    on_its_way = _return(market, return_id)
    assert (on_its_way.status, on_its_way.tracking_number) == ("BUYER_SHIPPED_ITEM", tracking)
    assert [one.action for one in on_its_way.next_actions] == ["SELLER_RESPOND_RECEIVE_PACKAGE"]
    approve("APPROVE_RECEIVED_PACKAGE", "two")
    assert _return(market, return_id).status == "RETURN_OR_REFUND_REQUEST_SUCCESS"
    market.world.advance(7_200)
    refunded = _return(market, return_id)
    assert refunded.status == "RETURN_OR_REFUND_REQUEST_COMPLETE"
    assert refunded.next_actions == ()


def test_both_clients_read_what_was_done(market: Market) -> None:
    return_id = _asked(market, kind="REFUND")
    market.ours(lambda client: client.returns.approve(market.access("US"), return_id, "k", "APPROVE_REFUND"))
    ours = market.ours(lambda client: client.returns.records(market.access("US"), return_id))
    read = market.foreign("US").return_and_refund.get_return_records(return_id=return_id)
    assert isinstance(read, sdk.GetReturnRecordsResponse)
    assert [stated(row) for row in ours] == [stated(row) for row in read.to_dict()["data"]["records"]]
    assert [ReturnRecord.parse(row, return_id).role for row in ours] == ["BUYER", "SELLER"]


def test_a_return_is_rejected_for_a_reason_that_holds(market: Market) -> None:
    return_id, access = _asked(market), market.access("US")
    read = market.foreign("US").return_and_refund.get_reject_reasons(return_or_cancel_id=return_id)
    assert isinstance(read, sdk.GetRejectReasonsResponse)

    def reject(reason: str) -> None:
        market.ours(lambda client: client.returns.reject(access, return_id, "k", "REJECT_RETURN", reason))

    reasons = market.ours(lambda client: client.returns.reject_reasons(access, return_id))
    theirs = read.to_dict()["data"]["reasons"]
    assert [(reason["name"], reason["text"]) for reason in theirs] == list(reasons)
    assert _refusal(lambda: reject("no_such")) == "reason_refused"
    reject(reasons[0].name)
    assert _return(market, return_id).status == "REFUND_OR_RETURN_REQUEST_REJECT"


def test_what_is_withdrawn_or_of_another_kind_is_not_approved(market: Market) -> None:
    access = market.access("US")
    withdrawn, refund_only = _asked(market), _asked(market, kind="REFUND")
    market.world.returns.withdraw(withdrawn)

    def approve(return_id: str) -> None:
        market.ours(lambda client: client.returns.approve(access, return_id, "k", "APPROVE_RETURN"))

    assert _refusal(lambda: approve(withdrawn)) == "already_answered"
    assert _refusal(lambda: approve(refund_only)) == "decision_refused"
    assert _refusal(lambda: approve(_asked(market, "GB"))) == "not_yours"


@pytest.mark.parametrize("taken", [True, False])
def test_a_part_of_the_money_is_offered_and_the_buyer_answers(market: Market, taken: bool) -> None:
    return_id, access, disputes = _asked(market), market.access("US"), market.world.returns.disputes
    part = Money(Decimal("3.10"), "USD")
    market.ours(
        lambda client: client.returns.approve(
            access, return_id, "k", "OFFER_PARTIAL_REFUND", partial_refund=part
        )
    )
    offered = _return(market, return_id)
    assert (offered.status, offered.next_actions) == ("AWAITING_BUYER_RESPONSE", ())
    assert offered.partial_refund is not None
    assert (offered.partial_refund.amount, offered.partial_refund.currency) == (part.amount, "USD")
    (disputes.take_offer if taken else disputes.refuse_offer)(return_id)
    market.world.advance(7_200)
    answered = _return(market, return_id)
    assert answered.refund_amount is not None
    assert (answered.refund_amount.refund_total == part.amount) is taken
    assert answered.buyer_rejected_offer is not taken
    status = "RETURN_OR_REFUND_REQUEST_COMPLETE" if taken else _PENDING
    assert answered.status == status


def test_too_high_an_offer_is_refused(market: Market) -> None:
    return_id, access = _asked(market), market.access("US")
    part = Money(Decimal(10_000), "USD")
    call = market.ours
    refusal = _refusal(
        lambda: call(
            lambda client: client.returns.approve(
                access, return_id, "k", "OFFER_PARTIAL_REFUND", partial_refund=part
            )
        )
    )
    assert refusal == "amount_refused"


def test_of_an_edited_request_the_last_counts(market: Market) -> None:
    first = _asked(market)
    second = market.world.returns.disputes.edit(first, kind="REFUND")
    old, new = _return(market, first), _return(market, second)
    assert (old.is_replaced, old.next_id, old.status) == (True, second, "RETURN_OR_REFUND_REQUEST_CANCEL")
    assert (new.is_replaced, new.previous_id, new.status) == (False, first, _PENDING)
    rows = _found(market, "US", order_ids=[new.order_id])
    assert [row["return_id"] for row in rows if not Return.parse(row).is_replaced] == [second]


def test_while_tiktok_decides_the_seller_cannot(market: Market) -> None:
    return_id, access = _asked(market, kind="REFUND"), market.access("US")
    reason = next(iter(REJECT_REASONS))
    market.ours(lambda client: client.returns.reject(access, return_id, "k", "REJECT_REFUND", reason))
    market.world.returns.disputes.escalate(return_id)
    assert _return(market, return_id).arbitration_status == "IN_PROGRESS"
    approve = _refusal(
        lambda: market.ours(lambda client: client.returns.approve(access, return_id, "l", "APPROVE_REFUND"))
    )
    assert approve == "with_platform"
    market.world.returns.disputes.arbitrate(return_id, "SELLER")
    decided = _return(market, return_id)
    assert (decided.arbitration_status, decided.status) == (
        "SUPPORT_SELLER",
        "REFUND_OR_RETURN_REQUEST_REJECT",
    )


def test_a_replacement_is_approved_and_states_no_refund(market: Market) -> None:
    return_id, access = _asked(market, kind="REPLACEMENT"), market.access("US")
    request = _return(market, return_id)
    assert [one.action for one in request.next_actions] == ["SELLER_RESPOND_REPLACEMENT"]
    market.ours(lambda client: client.returns.approve(access, return_id, "k", "APPROVE_REPLACEMENT"))
    done = _return(market, return_id)
    assert (done.status, done.refund_amount) == ("REPLACEMENT_REQUEST_COMPLETE", None)
    assert market.world.returns.truth_of(return_id).new_order_id in market.ids("US")


@pytest.mark.parametrize("kind", [FaultKind.timeout_after_commit, FaultKind.cut_before_commit])
def test_an_unclear_answer_is_given_again_with_the_same_key(market: Market, kind: FaultKind) -> None:
    return_id, access = _asked(market), market.access("US")

    def approve(timeout_s: float = 10) -> None:
        market.ours(
            lambda client: client.returns.approve(access, return_id, "k", "APPROVE_RETURN"),
            timeout_s=timeout_s,
        )

    market.world.faults.inject(kind, "tiktok", f"/returns/{return_id}/approve")
    with pytest.raises(TikTokAmbiguous):
        approve(timeout_s=0.4)
    approve()
    assert _return(market, return_id).status == "AWAITING_BUYER_SHIP"

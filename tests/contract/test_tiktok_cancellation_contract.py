"""Cancellations at the simulated TikTok Shop over loopback HTTP.

A client that we did not write and ours ask the same server, and what one does the other reads.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from tiktok_shop_api import TikTokShopError
from tiktok_shop_api.generated import models as sdk

from tests.contract.tiktok_loopback import Market, stated
from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.serve import SandboxOptions, running_sandbox
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.tiktok.cancellation_models import Cancellation
from tiktok_ns_pipeline.tiktok.client import TikTokClient
from tiktok_ns_pipeline.tiktok.errors import TikTokAmbiguous, TikTokRefused
from tiktok_ns_pipeline.tiktok.meanings import meaning_of

_PENDING = "CANCELLATION_REQUEST_PENDING"
_KEYS = {"US": "us", "GB": "uk", "VN": "vn"}


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    mix = Mix.plain(shipped_by="nobody")
    with running_sandbox(SandboxOptions(seed=13, hang_s=0.6, mix=mix)) as running:
        yield Market(running.urls.tiktok, running.sandbox.tiktok, running.sandbox.world)


def _asked(market: Market, region: str = "US") -> tuple[str, str]:
    """An order whose buyer wants to cancel it, and the id of that request."""
    order_id = market.world.place_order(_KEYS[region], ["SKU-001", "SKU-002"])
    return order_id, market.world.request_cancellation(order_id)


def _listed(market: Market, region: str, **filters: Any) -> list[dict[str, Any]]:
    async def listed(client: TikTokClient) -> list[dict[str, Any]]:
        pages = client.cancellations.search(market.access(region), from_epoch(1), **filters)
        return [row async for page in pages for row in page.rows]

    return market.ours(listed)


def _cancellation(market: Market, region: str, cancel_id: str) -> Cancellation:
    (row,) = _listed(market, region, cancel_ids=[cancel_id])
    return Cancellation.parse(row)


def _refusal(call: Callable[[], Any]) -> str | None:
    with pytest.raises(TikTokRefused) as caught:
        call()
    return meaning_of(caught.value.code)


@pytest.mark.parametrize("region", ["US", "GB", "VN"])
def test_both_clients_page_through_the_same_cancellations(market: Market, region: str) -> None:
    for _ in range(3):
        _asked(market, region)
    market.world.cancel_order(market.world.place_order(_KEYS[region], ["SKU-001"], status="ON_HOLD"))
    foreign = market.foreign(region).return_and_refund
    theirs: list[dict[str, Any]] = []
    options: dict[str, Any] = {}
    while not theirs or options.get("page_token"):
        page = foreign.search_cancellations(
            body=sdk.SearchCancellationsRequest(update_time_ge=1),
            page_size="3",
            sort_field=sdk.SearchCancellationsSortField.UPDATE_TIME,
            sort_order=sdk.SearchCancellationsSortOrder.ASC,
            **options,
        )
        assert isinstance(page, sdk.SearchCancellationsResponse)
        data = page.to_dict()["data"]
        theirs += data["cancellations"]
        options = {"page_token": data["next_page_token"]} if data.get("next_page_token") else {}
    ours = _listed(market, region)
    assert [stated(row) for row in ours] == [stated(row) for row in theirs]
    assert len(ours) >= 4
    assert all(Cancellation.parse(row).lines for row in ours)


def test_a_request_tells_until_when_to_answer_and_is_found_by_status_and_order(market: Market) -> None:
    order_id, cancel_id = _asked(market)
    (row,) = _listed(market, "US", statuses=[_PENDING], order_ids=[order_id])
    request = Cancellation.parse(row)
    assert (request.cancel_id, request.order_id, request.status) == (cancel_id, order_id, _PENDING)
    assert (request.cancel_type, request.role) == ("BUYER_CANCEL", "BUYER")
    assert len(request.lines) == 2
    (action,) = request.next_actions
    assert action.deadline is not None
    assert request.create_time is not None
    assert 0 < (action.deadline - request.create_time).total_seconds() <= 86_400


@pytest.mark.parametrize("who", ["ours", "foreign"])
def test_an_approved_request_cancels_the_order(market: Market, who: str) -> None:
    order_id, cancel_id = _asked(market)

    def approve() -> None:
        if who == "ours":
            market.ours(
                lambda client: client.cancellations.approve(
                    market.access("US"), cancel_id, f"key-{cancel_id}"
                )
            )
        else:
            done = market.foreign("US").return_and_refund.approve_cancellation(
                cancel_id=cancel_id, idempotency_key=f"key-{cancel_id}"
            )
            assert isinstance(done, sdk.ApproveCancellationResponse)

    approve()
    approve()  # with the same key it is the same answer
    assert _cancellation(market, "US", cancel_id).status == "CANCELLATION_REQUEST_SUCCESS"
    assert market.world.order(order_id)["status"] == "CANCELLED"


def test_a_rejected_request_leaves_the_order_to_be_shipped(market: Market) -> None:
    order_id, cancel_id = _asked(market)

    async def reject(client: TikTokClient) -> Sequence[tuple[str, str]]:
        reasons = await client.cancellations.reject_reasons(market.access("US"), cancel_id)
        await client.cancellations.reject(
            market.access("US"), cancel_id, f"key-{cancel_id}", reasons[0].name, "It is packed"
        )
        return reasons

    read = market.foreign("US").return_and_refund.get_reject_reasons(return_or_cancel_id=cancel_id)
    assert isinstance(read, sdk.GetRejectReasonsResponse)
    reasons = market.ours(reject)
    theirs = read.to_dict()["data"]["reasons"]
    assert [(reason["name"], reason["text"]) for reason in theirs] == list(reasons)
    assert _cancellation(market, "US", cancel_id).status != _PENDING
    assert market.world.order(order_id)["status"] == "AWAITING_SHIPMENT"


def test_what_is_answered_is_not_answered_again(market: Market) -> None:
    access = market.access("US")
    _, approved = _asked(market)
    market.ours(lambda client: client.cancellations.approve(access, approved, "one"))
    assert (
        _refusal(lambda: market.ours(lambda client: client.cancellations.approve(access, approved, "two")))
        == "already_answered"
    )
    _, withdrawn = _asked(market)
    market.world.withdraw_cancellation(withdrawn)
    assert (
        _refusal(lambda: market.ours(lambda client: client.cancellations.approve(access, withdrawn, "three")))
        == "already_answered"
    )


def test_a_reason_that_does_not_hold_is_refused(market: Market) -> None:
    _, cancel_id = _asked(market)
    access = market.access("US")
    assert (
        _refusal(
            lambda: market.ours(lambda client: client.cancellations.reject(access, cancel_id, "k", "no_such"))
        )
        == "reason_refused"
    )


def test_a_strangers_request_is_not_ours_to_answer(market: Market) -> None:
    _, cancel_id = _asked(market, "GB")
    with pytest.raises(TikTokShopError):
        market.foreign("US").return_and_refund.approve_cancellation(cancel_id=cancel_id, idempotency_key="k")
    assert _cancellation(market, "GB", cancel_id).status == _PENDING


@pytest.mark.parametrize("kind", [FaultKind.timeout_after_commit, FaultKind.cut_before_commit])
def test_an_unclear_answer_is_given_again_with_the_same_key(market: Market, kind: FaultKind) -> None:
    order_id, cancel_id = _asked(market)
    access = market.access("US")

    def approve(timeout_s: float = 10) -> None:
        market.ours(
            lambda client: client.cancellations.approve(access, cancel_id, f"key-{cancel_id}"),
            timeout_s=timeout_s,
        )

    market.world.faults.inject(kind, "tiktok", f"/cancellations/{cancel_id}/approve")
    with pytest.raises(TikTokAmbiguous):
        approve(timeout_s=0.4)
    approve()
    assert market.world.order(order_id)["status"] == "CANCELLED"

"""Returns at the simulated TikTok Shop over loopback HTTP: ours and a client that we did not write ask it."""

from collections.abc import Iterator
from typing import Any

import pytest
from tiktok_shop_api import TikTokShopError
from tiktok_shop_api.generated import models as sdk

from tests.contract.tiktok_loopback import Market, stated, unknown_keys
from tests.sandbox.finance_calls import delivered
from tiktok_ns_pipeline.sandbox.serve import SandboxOptions, running_sandbox
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.world import Line
from tiktok_ns_pipeline.tiktok.client import TikTokClient
from tiktok_ns_pipeline.tiktok.return_models import Return

KEYS = {"US": "us", "GB": "uk", "VN": "vn"}
AGREED = "reverse_reject_request_reason_1"


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    mix = Mix.plain(shipped_by="nobody")
    with running_sandbox(SandboxOptions(seed=17, mix=mix)) as running:
        yield Market(running.urls.tiktok, running.sandbox.tiktok, running.sandbox.world)


def _asked(market: Market, region: str = "US", **options: Any) -> str:
    line = Line("SKU-001", 2, seller_discount="1", platform_discount="2")
    return market.world.returns.ask(delivered(market.world, KEYS[region], line), **options)


def _search(market: Market, region: str, body: sdk.SearchReturnsRequest, **options: Any) -> Any:
    return market.foreign(region).return_and_refund.search_returns(body=body, **options)


def _status(market: Market, return_id: str) -> str:
    found = _search(market, "US", sdk.SearchReturnsRequest(return_ids=[return_id]))
    (one,) = found.to_dict()["data"]["return_orders"]
    return one["return_status"]


@pytest.mark.parametrize("region", KEYS)
def test_a_foreign_client_pages_through_returns_and_knows_every_key(market: Market, region: str) -> None:
    made = [_asked(market, region, kind=kind) for kind in ("REFUND", "RETURN_AND_REFUND") * 6]
    options: dict[str, Any] = {"page_size": "10", "sort_field": sdk.SearchReturnsSortField.UPDATE_TIME}
    first = _search(market, region, sdk.SearchReturnsRequest(return_ids=made), **options)
    data = first.to_dict()["data"]
    options["page_token"] = data["next_page_token"]
    rest = _search(market, region, sdk.SearchReturnsRequest(return_ids=made), **options)
    rows = data["return_orders"] + rest.to_dict()["data"]["return_orders"]
    assert [row["return_id"] for row in rows] == made
    assert data["total_count"] == 12
    assert unknown_keys(first) == set()


def test_our_client_reads_the_same_returns_and_answers_them(market: Market) -> None:
    return_id = _asked(market)
    access = market.access("US")

    async def read(client: TikTokClient) -> list[dict[str, Any]]:
        return [row async for page in client.returns.search(access) for row in page.rows]

    async def answer(client: TikTokClient) -> list[dict[str, Any]]:
        for _ in range(2):  # with the same key it is the same answer
            await client.returns.approve(access, return_id, "one", "APPROVE_RETURN")
        market.world.returns.send_back(return_id)
        reasons = await client.returns.reject_reasons(access, return_id)
        name = reasons[0].name
        await client.returns.reject(access, return_id, "two", "REJECT_RECEIVED_PACKAGE", name)
        return await client.returns.records(access, return_id)

    ours = market.ours(read)
    theirs = _search(market, "US", sdk.SearchReturnsRequest(return_ids=[return_id])).to_dict()
    assert [stated(row) for row in ours if row["return_id"] == return_id] == [
        stated(row) for row in theirs["data"]["return_orders"]
    ]
    assert {Return.parse(row).order_id for row in ours} >= {ours[-1]["order_id"]}
    roles = [row["role"] for row in market.ours(answer)]
    assert roles == ["BUYER", "SELLER", "BUYER", "SELLER"]
    assert _status(market, return_id) == "REJECT_RECEIVE_PACKAGE"


def test_a_foreign_client_approves_and_reads_the_records(market: Market) -> None:
    return_id = _asked(market)
    service = market.foreign("US").return_and_refund
    body = sdk.ApproveReturnRequest(decision=sdk.ApproveReturnRequestDecision.APPROVE_RETURN)
    for _ in range(2):  # with the same key it is the same answer
        service.approve_return(return_id=return_id, idempotency_key="one", body=body)
    assert _status(market, return_id) == "AWAITING_BUYER_SHIP"
    records = service.get_return_records(return_id=return_id)
    assert [row["role"] for row in records.to_dict()["data"]["records"]] == ["BUYER", "SELLER"]
    assert unknown_keys(records) == set()
    with pytest.raises(TikTokShopError):
        service.approve_return(return_id=return_id, idempotency_key="two", body=body)


def test_a_foreign_client_rejects_with_a_reason_that_is_offered(market: Market) -> None:
    return_id = _asked(market)
    service = market.foreign("US").return_and_refund
    offered = service.get_reject_reasons(return_or_cancel_id=return_id).to_dict()["data"]["reasons"]
    assert AGREED in {reason["name"] for reason in offered}
    body = sdk.RejectReturnRequest(
        decision=sdk.RejectReturnRequestDecision.REJECT_RETURN, reject_reason=AGREED
    )
    service.reject_return(return_id=return_id, idempotency_key="one", body=body)
    assert _status(market, return_id) == "REFUND_OR_RETURN_REQUEST_REJECT"

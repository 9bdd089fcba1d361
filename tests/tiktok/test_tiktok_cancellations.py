"""How cancellations are asked for and answered, and where webhooks are registered (T 6.2, 8.4)."""

import json
from typing import Any

import pytest

from tests.tiktok.samples import sample
from tests.tiktok.scripted_shop import SHOP, ok, outcome
from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.tiktok.calling import Page
from tiktok_ns_pipeline.tiktok.client import TikTokClient
from tiktok_ns_pipeline.tiktok.errors import WireError

_FOUND = sample("oas_cancellations_202309.json")[1]["response"]["data"]
_REASONS = sample("oas_return_actions_202309.json")[4]["response"]["data"]
_WEBHOOKS = sample("oas_event_webhooks.json")[0]["response"]["data"]
_PATH = "/return_refund/202309/cancellations/4035318504086604100"


async def _cancellations(client: TikTokClient, **options: Any) -> list[Page]:
    return [page async for page in client.cancellations.search(SHOP, **options)]


def test_cancellations_are_searched_by_their_last_change_oldest_first() -> None:
    pages, made = outcome(
        lambda client: _cancellations(
            client,
            update_time_ge=from_epoch(1690450000),
            update_time_lt=from_epoch(1690460000),
            statuses=["CANCELLATION_REQUEST_PENDING"],
        ),
        ok({**_FOUND, "next_page_token": None}),
    )
    assert [row["cancel_id"] for page in pages for row in page.rows] == ["4035318504086604100"]
    (asked,) = made.shop.asked
    assert (asked.method, asked.path) == ("POST", "/return_refund/202602/cancellations/search")
    assert json.loads(asked.body) == {
        "update_time_ge": 1690450000,
        "update_time_lt": 1690460000,
        "cancel_status": ["CANCELLATION_REQUEST_PENDING"],
    }
    options = asked.query["page_size"], asked.query["sort_field"], asked.query["sort_order"]
    assert options == ("50", "update_time", "ASC")


def test_cancellations_can_be_asked_for_by_order_or_by_their_own_id() -> None:
    _, made = outcome(lambda client: _cancellations(client, order_ids=["1"], cancel_ids=["2"]), ok({}))
    assert json.loads(made.shop.asked[0].body) == {"order_ids": ["1"], "cancel_ids": ["2"]}


def test_the_newest_cancellation_alone_can_be_asked_for() -> None:
    _, made = outcome(lambda client: _cancellations(client, page_size=1, sort_order="DESC"), ok({}))
    query = made.shop.asked[0].query
    assert (query["page_size"], query["sort_field"], query["sort_order"]) == ("1", "update_time", "DESC")


def test_pages_of_cancellations_are_told_apart_by_the_cancellations_in_them() -> None:
    pages, _ = outcome(
        _cancellations,
        ok({"cancellations": [{"cancel_id": "1"}], "next_page_token": "A"}),
        ok({"cancellations": [{"cancel_id": "2"}], "next_page_token": "A"}),
        ok({"cancellations": [{"cancel_id": "3"}]}),
    )
    assert [row["cancel_id"] for page in pages for row in page.rows] == ["1", "2", "3"]


def test_a_request_is_approved_once_by_its_key() -> None:
    done, made = outcome(
        lambda client: client.cancellations.approve(SHOP, "4035318504086604100", "tts-us-reply-4035"), ok({})
    )
    (asked,) = made.shop.asked
    assert (done, asked.method, asked.path, asked.body) == (None, "POST", f"{_PATH}/approve", b"")
    assert asked.query["idempotency_key"] == "tts-us-reply-4035"


@pytest.mark.parametrize(("comment", "said"), [("", {}), ("It is packed", {"comment": "It is packed"})])
def test_a_request_is_rejected_for_a_reason(comment: str, said: dict[str, str]) -> None:
    reason = "seller_reject_apply_product_has_been_packed"
    _, made = outcome(
        lambda client: client.cancellations.reject(SHOP, "4035318504086604100", "key", reason, comment),
        ok({}),
    )
    (asked,) = made.shop.asked
    assert (asked.path, asked.query["idempotency_key"]) == (f"{_PATH}/reject", "key")
    assert json.loads(asked.body) == {"reject_reason": reason, **said}


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_that_tiktok_would_not_take_is_refused_before_the_call(key: str) -> None:
    with pytest.raises(ValueError, match="idempotency key"):
        outcome(lambda client: client.cancellations.approve(SHOP, "1", key), ok({}))


def test_the_reasons_to_reject_are_asked_for_by_cancellation() -> None:
    (reason,), made = outcome(lambda client: client.cancellations.reject_reasons(SHOP, "4035"), ok(_REASONS))
    assert reason.name == "seller_reject_apply_you_have_reached_an_agreement_with_the_buyer"
    assert reason.text == "You have reached an agreement with the buyer"
    assert made.shop.asked[0].query["return_or_cancel_id"] == "4035"


def test_the_registered_webhooks_of_a_shop_are_listed() -> None:
    (found,), made = outcome(lambda client: client.webhooks.list(SHOP), ok(_WEBHOOKS))
    assert (found.event_type, found.address) == ("ORDER_STATUS_CHANGE", "https://partner.tiktokshop.com")
    assert found.update_time == from_epoch(1635338186)
    asked = made.shop.asked[0]
    assert (asked.method, asked.path) == ("GET", "/event/202309/webhooks")
    assert asked.query["shop_cipher"] == SHOP.cipher


def test_a_webhook_without_its_type_is_refused() -> None:
    with pytest.raises(WireError, match="webhook without a readable id: event_type is missing"):
        outcome(
            lambda client: client.webhooks.list(SHOP), ok({"webhooks": [{"address": "https://a.example"}]})
        )


def test_an_address_is_registered_and_deleted_with_a_body_that_is_really_sent() -> None:
    async def both(client: TikTokClient) -> None:
        await client.webhooks.register(SHOP, "PACKAGE_UPDATE", "https://hooks.example/tiktok")
        await client.webhooks.delete(SHOP, "PACKAGE_UPDATE")

    _, made = outcome(both, ok({}))
    put, delete = made.shop.asked
    assert (put.method, delete.method) == ("PUT", "DELETE")
    assert json.loads(put.body) == {
        "event_type": "PACKAGE_UPDATE",
        "address": "https://hooks.example/tiktok",
    }
    assert json.loads(delete.body) == {"event_type": "PACKAGE_UPDATE"}

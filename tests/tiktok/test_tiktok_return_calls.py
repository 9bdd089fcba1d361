"""How returns are asked for and answered (T 6.2)."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.tiktok.samples import sample
from tests.tiktok.scripted_shop import SHOP, ok, outcome, refusal
from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.tiktok.calling import Page
from tiktok_ns_pipeline.tiktok.client import TikTokClient
from tiktok_ns_pipeline.tiktok.errors import TikTokAmbiguous, TikTokRefused
from tiktok_ns_pipeline.tiktok.meanings import Meaning, meaning_of
from tiktok_ns_pipeline.tiktok.return_models import ReturnRecord

_FOUND = sample("oas_returns_search_202309.json")["response"]["data"]
_RECORDS = sample("oas_return_actions_202309.json")[3]["response"]["data"]
_REASONS = sample("oas_return_actions_202309.json")[4]["response"]["data"]
_ID = "4035318504086604100"
_PATH = f"/return_refund/202309/returns/{_ID}"


async def _returns(client: TikTokClient, **options: Any) -> list[Page]:
    return [page async for page in client.returns.search(SHOP, **options)]


def test_returns_are_searched_by_their_last_change_oldest_first() -> None:
    pages, made = outcome(
        lambda client: _returns(
            client,
            updated_since=from_epoch(1690450000),
            updated_until=from_epoch(1690460000),
            statuses=["RETURN_OR_REFUND_REQUEST_PENDING"],
        ),
        ok({**_FOUND, "next_page_token": None}),
    )
    assert [row["return_id"] for page in pages for row in page.rows] == [_ID]
    (asked,) = made.shop.asked
    assert (asked.method, asked.path) == ("POST", "/return_refund/202602/returns/search")
    assert json.loads(asked.body) == {
        "update_time_ge": 1690450000,
        "update_time_lt": 1690460000,
        "return_status": ["RETURN_OR_REFUND_REQUEST_PENDING"],
    }
    options = asked.query["page_size"], asked.query["sort_field"], asked.query["sort_order"]
    assert options == ("50", "update_time", "ASC")


@pytest.mark.parametrize("name", ["return_ids", "order_ids"])
def test_returns_are_asked_for_by_50_ids_a_call_and_each_once(name: str) -> None:
    ids = [str(number) for number in range(1, 121)]
    _, made = outcome(lambda client: _returns(client, **{name: [*ids, *ids]}), ok({}))
    assert [len(json.loads(asked.body)[name]) for asked in made.shop.asked] == [50, 50, 20]


def test_ids_of_returns_and_of_orders_are_not_mixed() -> None:
    with pytest.raises(ValueError, match="not by both"):
        outcome(lambda client: _returns(client, return_ids=["1"], order_ids=["2"]), ok({}))


def test_pages_of_returns_are_told_apart_by_the_returns_in_them() -> None:
    pages, _ = outcome(
        _returns,
        ok({"return_orders": [{"return_id": "1"}], "next_page_token": "A"}),
        ok({"return_orders": [{"return_id": "2"}], "next_page_token": "A"}),
        ok({"return_orders": [{"return_id": "3"}]}),
    )
    assert [row["return_id"] for page in pages for row in page.rows] == ["1", "2", "3"]


def test_what_was_done_and_said_is_read_and_what_a_person_wrote_is_not_shown() -> None:
    (row,), made = outcome(lambda client: client.returns.records(SHOP, _ID), ok(_RECORDS))
    record = ReturnRecord.parse(row, _ID)
    assert (record.event, record.role, record.create_time) == (
        "ORDER_RETURN",
        "Buyer",
        from_epoch(1690532213),
    )
    assert record.note == "Reach an agreement with the buyer"
    assert "agreement" not in repr(record)
    assert made.shop.asked[0].path == f"{_PATH}/records"


def test_a_return_is_approved_once_by_its_key() -> None:
    done, made = outcome(
        lambda client: client.returns.approve(SHOP, _ID, "tts-us-reply-1", "APPROVE_RETURN"), ok({})
    )
    (asked,) = made.shop.asked
    assert (done, asked.method, asked.path) == (None, "POST", f"{_PATH}/approve")
    assert asked.query["idempotency_key"] == "tts-us-reply-1"
    assert json.loads(asked.body) == {"decision": "APPROVE_RETURN"}


def test_the_buyer_may_keep_what_is_refunded() -> None:
    _, made = outcome(
        lambda client: client.returns.approve(SHOP, _ID, "k", "APPROVE_REFUND", buyer_keeps_item=True), ok({})
    )
    assert json.loads(made.shop.asked[0].body) == {"decision": "APPROVE_REFUND", "buyer_keep_item": True}


def test_a_part_of_the_money_is_offered_exactly() -> None:
    offer = Money(Decimal("10.50"), "USD")
    _, made = outcome(
        lambda client: client.returns.approve(SHOP, _ID, "k", "OFFER_PARTIAL_REFUND", partial_refund=offer),
        ok({}),
    )
    assert json.loads(made.shop.asked[0].body) == {
        "decision": "OFFER_PARTIAL_REFUND",
        "partial_refund": {"amount": "10.50", "currency": "USD"},
    }


@pytest.mark.parametrize(
    ("decision", "offer"),
    [
        ("OFFER_PARTIAL_REFUND", None),
        ("OFFER_PARTIAL_REFUND", Money(Decimal(0), "USD")),
        ("APPROVE_REFUND", Money(Decimal(1), "USD")),
    ],
)
def test_an_offer_without_an_amount_or_an_amount_without_an_offer_is_not_sent(
    decision: Any, offer: Money | None
) -> None:
    with pytest.raises(ValueError, match=_ID):
        outcome(lambda client: client.returns.approve(SHOP, _ID, "k", decision, partial_refund=offer), ok({}))


@pytest.mark.parametrize(("comment", "said"), [("", {}), ("It is worn", {"comment": "It is worn"})])
def test_a_return_is_rejected_for_a_reason(comment: str, said: dict[str, str]) -> None:
    _, made = outcome(
        lambda client: client.returns.reject(SHOP, _ID, "k", "REJECT_RECEIVED_PACKAGE", "worn", comment),
        ok({}),
    )
    (asked,) = made.shop.asked
    assert (asked.path, asked.query["idempotency_key"]) == (f"{_PATH}/reject", "k")
    decision = {"decision": "REJECT_RECEIVED_PACKAGE", "reject_reason": "worn"}
    assert json.loads(asked.body) == {**decision, **said}


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_that_tiktok_would_not_take_is_refused_before_the_call(key: str) -> None:
    with pytest.raises(ValueError, match="idempotency key"):
        outcome(lambda client: client.returns.approve(SHOP, _ID, key, "APPROVE_REFUND"), ok({}))


def test_the_reasons_to_reject_are_asked_for_by_return() -> None:
    (reason,), made = outcome(lambda client: client.returns.reject_reasons(SHOP, _ID), ok(_REASONS))
    assert reason.text == "You have reached an agreement with the buyer"
    assert made.shop.asked[0].query["return_or_cancel_id"] == _ID


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (25001003, "already_answered"),
        (25020009, "already_answered"),
        (25007007, "already_answered"),
        (25011010, "with_platform"),
        (25011025, "decision_refused"),
        (25020004, "decision_refused"),
        (25005005, "amount_refused"),
        (25011026, "channel_ships"),
        (25001014, "reason_refused"),
        (25020005, "not_yours"),
    ],
)
def test_a_refusal_says_what_the_return_is_in(code: int, meaning: Meaning) -> None:
    failure, _ = outcome(
        lambda client: client.returns.approve(SHOP, _ID, "k", "APPROVE_RETURN"), refusal(code)
    )
    assert isinstance(failure, TikTokRefused)
    assert meaning_of(failure.code) == meaning


@pytest.mark.parametrize("code", [25001028, 25020008])
def test_an_answer_that_failed_inside_may_have_been_taken(code: int) -> None:
    failure, made = outcome(
        lambda client: client.returns.approve(SHOP, _ID, "k", "APPROVE_RETURN"), refusal(code)
    )
    assert isinstance(failure, TikTokAmbiguous)
    assert len(made.shop.asked) == 1

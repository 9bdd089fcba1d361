"""What is read from the body of a webhook (T 8.1, 8.3)."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktok_shop_api.webhooks import UnknownWebhookEvent, Webhooks

from tests.tiktok.samples import sample
from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.webhook_events import EVENT_NAMES, WebhookEvent

_EVENTS = {int(number): entry["body"] for number, entry in sample("webhooks.json")["events"].items()}
_SHOP = "7494049642642441621"


def _bytes(body: Any) -> bytes:
    return exact_json.dumps(body).encode()


def _parsed(number: int, **data: Any) -> WebhookEvent:
    body = _EVENTS[number]
    return WebhookEvent.parse(_bytes({**body, "data": {**body["data"], **data}} if data else body))


@pytest.mark.parametrize("number", sorted(_EVENTS))
def test_every_documented_event_is_read(number: int) -> None:
    event = _parsed(number)
    assert event.number == number
    assert event.happened_at is not None
    assert event.notification_id


@pytest.mark.parametrize("number", sorted(set(_EVENTS) - {68}))
def test_the_published_client_reads_the_same_event(number: int) -> None:
    raw = json.dumps(_EVENTS[number])
    theirs = Webhooks.parse(raw)
    assert not isinstance(theirs, UnknownWebhookEvent)
    known, ours = theirs.to_dict(), WebhookEvent.parse(raw.encode())
    assert (known["type"], known.get("shop_id")) == (ours.number, ours.shop_id)
    for name in {"order_id", "cancel_id", "return_id", "package_id", "sku_id"} & set(known["data"]):
        assert getattr(ours, f"{name}s") == (known["data"][name],)


def test_the_registered_names_are_those_of_the_published_client() -> None:
    # Type 2 is the legacy one that the published client left out (T 8.3).
    assert {**Webhooks.EVENT_TYPES, 2: "REVERSE_STATUS_UPDATE"} == EVENT_NAMES
    assert len(EVENT_NAMES) == 17, "as many as can be registered (T 8.4)"


def test_an_order_event_names_shop_order_and_when() -> None:
    event = _parsed(1)
    assert (event.name, event.shop_id) == ("ORDER_STATUS_CHANGE", _SHOP)
    assert event.order_ids == ("576486316948490001",)
    assert event.notification_id == "7327112393057371910"
    assert event.happened_at == datetime(2022, 2, 9, 13, 21, 25, tzinfo=UTC)


def test_an_event_without_a_notification_id_is_known_by_its_bytes() -> None:
    raw = _bytes(_EVENTS[3])
    assert "tts_notification_id" not in _EVENTS[3]
    assert WebhookEvent.parse(raw).notification_id == hashlib.sha256(raw).hexdigest()
    assert WebhookEvent.parse(raw) == WebhookEvent.parse(raw)


def test_a_package_event_names_packages_and_all_their_orders() -> None:
    lists = [
        {"package_id": "1", "order_id_list": ["7", "8"]},
        {"package_id": "2", "order_id_list": ["8", "9"]},
        {"package_id": "3"},
    ]
    event = _parsed(4, package_list=lists)
    assert event.package_ids == ("1", "2", "3")
    assert event.order_ids == ("7", "8", "9")


@pytest.mark.parametrize(
    ("number", "subjects"),
    [
        (11, {"cancel_ids": ("4035318504086604100",), "order_ids": ("576486316948490001",)}),
        (12, {"return_ids": ("576486316948490001",), "order_ids": ("576486316948490001",)}),
        (36, {"package_ids": ("123456",), "order_ids": ("152523", "532123")}),
        (65, {"return_ids": ("576486316948490002",), "aftersales_request_ids": ("576486316948490001",)}),
        (67, {"order_ids": ("789456123",), "return_ids": ("222222222",)}),
    ],
)
def test_an_event_names_all_that_it_is_about(number: int, subjects: dict[str, tuple[str, ...]]) -> None:
    event = _parsed(number)
    assert {name: getattr(event, name) for name in subjects} == subjects


@pytest.mark.parametrize("number", [5, 16, 37])
def test_a_product_id_that_is_a_number_keeps_every_digit(number: int) -> None:
    text = json.dumps({"type": number, "shop_id": _SHOP, "data": {"product_id": 1736496304524657911}})
    assert WebhookEvent.parse(text.encode()).product_ids == ("1736496304524657911",)


def test_a_change_of_stock_has_a_shape_of_its_own() -> None:
    event = _parsed(68)
    assert (event.name, event.shop_id) == ("", None)
    assert event.notification_id == "d7813cae-9997-4d24-a583-7d85801250f1"
    assert (event.product_ids, event.sku_ids) == (("1891234567890123456",), ("1729507467923261408",))
    assert event.happened_at == datetime(2026, 4, 2, 9, 28, 34, 979101, tzinfo=UTC)


@pytest.mark.parametrize("number", [21, 22, 24])
def test_an_event_of_the_seller_has_no_shop(number: int) -> None:
    assert _parsed(number).shop_id is None


def test_a_type_that_nobody_knows_is_read_as_far_as_it_goes() -> None:
    event = WebhookEvent.parse(
        b'{"type":999,"shop_id":"1","timestamp":1644412885,"data":{"order_id":"2","new":{}}}'
    )
    assert (event.number, event.name, event.order_ids) == (999, "", ("2",))


@pytest.mark.parametrize(
    "data", [b"", b',"data":null', b',"data":{}', b',"data":""', b',"data":{"order_id":"0"}']
)
def test_an_event_may_say_nothing_but_its_type(data: bytes) -> None:
    event = WebhookEvent.parse(b'{"type":1' + data + b"}")
    assert (event.order_ids, event.shop_id, event.happened_at) == ((), None, None)


@pytest.mark.parametrize(
    ("raw", "field", "reason"),
    [
        (b"", "the body", "no JSON object"),
        (b"[]", "the body", "no JSON object"),
        (b'{"type":1', "the body", "no JSON object"),
        (b'{"type":"\xff"}', "the body", "no JSON object"),
        (b"[" * 200_000, "the body", "no JSON object"),
        (b"{}", "type", "is missing"),
        (b'{"type":"ORDER"}', "type", "text where a count belongs"),
        (b'{"type":true}', "type", "a truth value where a count belongs"),
        (b'{"type":1,"shop_id":1.5}', "shop_id", "a number with decimals where an id belongs"),
        (b'{"type":1,"tts_notification_id":{"a":1}}', "tts_notification_id", "an object where an id"),
        (b'{"type":1,"timestamp":1644412885000}', "timestamp", "no time in Unix seconds"),
        (b'{"type":1,"data":[1]}', "data", "a list where an object belongs"),
        (b'{"type":1,"data":{"order_id":["1"]}}', "data.order_id", "a list where an id belongs"),
        (b'{"type":1,"data":{"order_id":"1\' OR 1"}}', "data.order_id", "no id of TikTok Shop"),
        (b'{"type":36,"data":{"order_ids":"1"}}', "data.order_ids[]", "text where a list belongs"),
        (b'{"type":4,"data":{"package_list":[3]}}', "data.package_list[].order_id_list[]", "an object"),
        (b'{"event_id":"1","product_id":"2","sku_id":"3"}', "occurred_at", "is missing"),
        (
            b'{"event_id":"1","occurred_at":"yesterday","product_id":"2","sku_id":"3"}',
            "occurred_at",
            "no time in RFC 3339",
        ),
    ],
)
def test_a_malformed_body_is_refused_by_field(raw: bytes, field: str, reason: str) -> None:
    with pytest.raises(WireError, match="TikTok Shop webhook") as caught:
        WebhookEvent.parse(raw)
    assert caught.value.field == field
    assert reason in caught.value.reason


@given(st.binary(max_size=60))
def test_any_bytes_are_an_event_or_a_wire_error(raw: bytes) -> None:
    try:
        WebhookEvent.parse(raw)
    except WireError as refusal:
        assert refusal.field


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_KEYS = ("order_id", "order_ids", "package_list", "line_items", "cancel_id", "product_id", "sku_id")


@settings(max_examples=300)
@given(
    st.fixed_dictionaries(
        {"type": _JSON | st.integers(1, 70)},
        optional={
            "tts_notification_id": _JSON,
            "event_id": _JSON,
            "occurred_at": _JSON,
            "shop_id": _JSON,
            "timestamp": _JSON,
            "data": _JSON | st.dictionaries(st.sampled_from(_KEYS), _JSON),
        },
    ),
    st.booleans(),
)
def test_any_json_is_an_event_or_a_wire_error(body: dict[str, Any], has_type: bool) -> None:
    if not has_type:
        del body["type"]
    try:
        event = WebhookEvent.parse(json.dumps(body).encode())
    except WireError as refusal:
        assert refusal.field
    else:
        assert event.notification_id
        assert all(isinstance(one, str) for one in event.order_ids)

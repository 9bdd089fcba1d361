"""What the wire models take for «no value», and what they refuse by name (T 0, 3.3-3.7)."""

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiktok.samples import sample
from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.models import AuthorizedShop, Order, PriceDetail

_FULL = sample("oas_order_detail_202507.json")["response"]["data"]["orders"][0]
_PRICES = sample("oas_order_price_detail_202407.json")["response"]["data"]


def _order(**changes: Any) -> dict[str, Any]:
    return {"id": "5764", "status": "AWAITING_SHIPMENT", "line_items": [{"id": "1"}], **changes}


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document below its root."""
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, item in entries:
        yield (*path, key)
        yield from _leaves(item, (*path, key))


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


_PLACES = list(_leaves(_FULL))
# Keys without which a record cannot be told from another.
_REQUIRED = {("id",), ("status",), ("line_items", 0, "id"), ("packages", 0, "id")}
_OPTIONAL = [path for path in _PLACES if path not in _REQUIRED and not isinstance(path[-1], int)]


def test_every_documented_key_of_an_order_is_read() -> None:
    order = Order.parse(_FULL)
    assert (order.id, order.status) == ("576461413038785752", "UNPAID")
    assert order.create_time == datetime(2021, 4, 28, 12, 6, 1, tzinfo=UTC)
    line = order.line_items[0]
    assert (line.original_price, line.item_tax[0].tax_rate) == (Decimal("0.01"), Decimal("0.35"))
    assert line.combined_listing_skus[0].sku_count == 1
    assert order.payment is not None
    assert order.payment.shipping_fee_cofunded_discount == Decimal(7)
    assert order.recipient_address is not None
    assert order.recipient_address.district_info[0].address_name == "United Kingdom"
    assert order.recipient_address.delivery_preferences is not None


def test_a_real_vietnamese_order_is_read_to_the_dong() -> None:
    order = Order.parse(sample("real_vn_order.json")["order"])
    payment, line = order.payment, order.line_items[0]
    assert payment is not None
    assert (payment.currency, payment.sub_total, payment.tax) == ("VND", Decimal(434566), Decimal(39506))
    assert (order.is_cod, order.paid_time, line.seller_sku) == (True, None, None)
    assert line.original_price == Decimal(857610)


def test_a_real_brazilian_order_and_an_american_fragment_are_read() -> None:
    order = Order.parse(sample("real_br_order_and_unsettled.json")["order"])
    assert order.payment is not None
    assert order.payment.original_shipping_fee == Decimal("13.3")
    fragment = copy.deepcopy(sample("real_fragments_us_mx.json")["us_order_search_202309"])
    fragment["line_items"][0]["id"] = "1"
    assert Order.parse(fragment).line_items[0].platform_discount == Decimal("5.2")


@pytest.mark.parametrize("nothing", ["", " ", None, "absent"])
def test_no_value_is_none_and_never_zero(nothing: Any) -> None:
    keys = ("payment", "recipient_address", "create_time", "warehouse_id", "cancel_reason", "is_cod")
    raw = _order(**{} if nothing == "absent" else dict.fromkeys(keys, nothing))
    order = Order.parse(raw)
    assert [getattr(order, key) for key in keys] == [None, None, None, None, None, False]
    stated = {} if nothing == "absent" else {"tax": nothing, "currency": nothing}
    payment = Order.parse(_order(payment={"sub_total": "0 ", **stated})).payment
    assert payment is not None
    assert (payment.sub_total, payment.tax, payment.currency) == (Decimal(0), None, None)


@pytest.mark.parametrize("zero", [0, "0", "", None])
def test_zero_is_no_time_and_no_id(zero: Any) -> None:
    order = Order.parse(_order(paid_time=zero, replaced_order_id=zero))
    assert (order.paid_time, order.replaced_order_id) == (None, None)


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("13.3", "13.3"),
        (" 35 ", "35"),
        ("-7.18", "-7.18"),
        (35, "35"),
        (Decimal("0.10"), "0.10"),
        ("1e3", "1000"),
    ],
)
def test_amounts_are_exact_however_they_are_written(written: Any, amount: str) -> None:
    payment = Order.parse(_order(payment={"total_amount": written})).payment
    assert payment is not None
    assert payment.total_amount == Decimal(amount)


def test_a_number_for_an_id_becomes_its_text_even_beyond_two_to_the_53() -> None:
    order = Order.parse(exact_json.loads('{"id":5764614130387857529,"status":"UNPAID"}'))
    assert (order.id, order.line_items) == ("5764614130387857529", ())


def test_unknown_enum_values_and_keys_do_no_harm() -> None:
    order = Order.parse(_order(status="TELEPORTED", order_type="MOON", room_id={"new": [1]}))
    assert (order.status, order.order_type) == ("TELEPORTED", "MOON")


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"id": None}, "id", "is missing"),
        ({"id": 1.5}, "id", "a number with decimals where an id belongs"),
        ({"id": Decimal("5.0")}, "id", "a number with decimals where an id belongs"),
        ({"id": True}, "id", "a truth value where an id belongs"),
        ({"id": "57/../64"}, "id", "no id of TikTok Shop"),
        ({"status": ""}, "status", "is missing"),
        ({"status": ["UNPAID"]}, "status", "a list where text belongs"),
        ({"create_time": "yesterday"}, "create_time", "text where a time in Unix seconds belongs"),
        ({"create_time": 1787997915000}, "create_time", "no time in Unix seconds"),
        ({"create_time": -1}, "create_time", "no time in Unix seconds"),
        ({"update_time": True}, "update_time", "a truth value where a time"),
        ({"payment": {"tax": "a lot"}}, "payment.tax", "no amount"),
        ({"payment": {"tax": "1E400"}}, "payment.tax", "no amount"),
        ({"payment": {"tax": "NaN"}}, "payment.tax", "no amount"),
        ({"payment": {"tax": 0.1}}, "payment.tax", "where an amount belongs"),
        ({"payment": {"tax": False}}, "payment.tax", "a truth value where an amount belongs"),
        ({"payment": {"currency": "dollars"}}, "payment.currency", "no currency code"),
        ({"payment": [1]}, "payment", "no object"),
        ({"line_items": {"id": "1"}}, "line_items", "an object where a list belongs"),
        ({"line_items": [None]}, "line_items[0]", "no object"),
        ({"line_items": [{}]}, "line_items[0].id", "is missing"),
        ({"line_items": [{"id": "1"}, {"id": 1}]}, "line_items[1].id", "repeats line 1"),
        ({"line_items": [{"id": "1", "is_gift": "perhaps"}]}, "line_items[0].is_gift", "true or false"),
        ({"line_items": [{"id": "1", "item_tax": "7"}]}, "line_items[0].item_tax", "a list belongs"),
        (
            {"line_items": [{"id": "1", "combined_listing_skus": [{"sku_count": "two"}]}]},
            "line_items[0].combined_listing_skus[0].sku_count",
            "text where a count belongs",
        ),
        ({"cancel_reason": "\ud800"}, "cancel_reason", "half a character"),
    ],
)
def test_what_is_wrong_is_refused_by_order_and_field(
    changes: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(WireError) as caught:
        Order.parse(_order(**changes))
    assert caught.value.field == field
    assert reason in caught.value.reason
    if "id" not in changes:
        assert (caught.value.record_id, "order 5764" in str(caught.value)) == ("5764", True)


@pytest.mark.parametrize("raw", [None, [], "order", 7])
def test_what_is_no_object_is_no_order(raw: Any) -> None:
    with pytest.raises(WireError, match="order without a readable id"):
        Order.parse(raw)


def test_neither_errors_nor_reprs_repeat_the_buyers_data() -> None:
    order = Order.parse(_FULL)
    for personal in ("Buyer Example", "Example Street", "555-", "90000", "v2b2V5", "ship asap", "user213123"):
        assert personal in exact_json.dumps(_FULL)
        assert personal not in repr(order)
    with pytest.raises(WireError) as caught:
        Order.parse(_order(recipient_address={"name": ["Buyer Example"]}))
    assert "Buyer Example" not in str(caught.value)
    assert caught.value.__context__ is None


def test_price_detail_is_read_without_the_keys_that_only_look_like_amounts() -> None:
    detail = PriceDetail.parse(_PRICES, "5764")
    assert (detail.total, detail.tax_rate, detail.line_items[0].subtotal) == (
        Decimal("122.00"),
        Decimal("0.021"),
        Decimal("98.00"),
    )
    assert not hasattr(detail, "voucher_deduction_seller")
    with pytest.raises(WireError, match=r"price detail of order 5764: line_items\[0\]\.id is missing"):
        PriceDetail.parse({"line_items": [{}]}, "5764")


def test_an_authorized_shop_keeps_its_cipher_to_itself() -> None:
    raw = sample("oas_authorization_shops.json")["response"]["data"]["shops"][0]
    shop = AuthorizedShop.parse(raw)
    assert (shop.cipher, shop.region, shop.seller_type) == (raw["cipher"], "GB", "CROSS_BORDER")
    assert raw["cipher"] not in repr(shop)


@given(st.sets(st.sampled_from(_OPTIONAL), max_size=30), st.sampled_from(["absent", "", None]))
def test_any_optional_keys_may_be_missing_empty_or_null(places: set[tuple[Any, ...]], nothing: Any) -> None:
    raw = copy.deepcopy(_FULL)
    for path in sorted(places, key=len, reverse=True):
        if nothing == "absent":
            del _at(raw, path[:-1])[path[-1]]
        else:
            _at(raw, path[:-1])[path[-1]] = nothing
    order = Order.parse(raw)
    assert order.id == _FULL["id"]


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(_PLACES), _JSON), min_size=1, max_size=3))
def test_whatever_comes_is_an_order_or_a_wire_error(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    raw = copy.deepcopy(_FULL)
    for path, value in sorted(changes, key=lambda change: len(change[0]), reverse=True):
        _at(raw, path[:-1])[path[-1]] = value
    try:
        order = Order.parse(raw)
    except WireError as refusal:
        assert refusal.field
    else:
        assert order.id
        assert order.status

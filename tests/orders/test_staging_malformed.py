"""Bad input ends as an exception with a reason; nothing is posted and nothing is thrown."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.orders.order_builder import Raw, mapping_with, netsuite_items, order, sandbox_mapping, unit
from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.mapping.exception_kinds import KINDS
from tiktok_ns_pipeline.orders.outcome import Outcome, Parked, Skipped, Staged, Waiting
from tiktok_ns_pipeline.orders.staging import stage_order

ID = "576461413038785752"
MAPPING = sandbox_mapping()
ITEMS = netsuite_items()


def good() -> Raw:
    return order(
        [unit(off="1"), unit("SKU-002", "7.5", platform_off="2")],
        tax="1.20",
        shipping={"original_shipping_fee": "4.99", "shipping_fee_platform_discount": "4.99"},
        recipient_address={"name": "B** E*", "region_code": "US", "postal_code": "90000"},
    )


def stage(raw: Any) -> Outcome:
    return stage_order(raw, "us", MAPPING, ITEMS)


def set_to(path: str, value: Any) -> Callable[[Raw], Any]:
    """Set a value by its path; `...` removes it."""

    def change(raw: Raw) -> Any:
        *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        target: Any = raw
        for part in way:
            target = target[part]
        if value is ...:
            del target[last]
        else:
            target[last] = value
        return raw

    return change


def repeat_line(raw: Raw) -> Raw:
    raw["line_items"].append(copy.deepcopy(raw["line_items"][0]))
    return raw


def hide_shipping_fees(raw: Raw) -> Raw:
    raw["shipping_type"] = "SELLER"
    for field in [field for field in raw["payment"] if "shipping" in field]:
        del raw["payment"][field]
    return raw


NINETEEN = 9223372036854775808

CORPUS: list[tuple[str, Callable[[Raw], Any], str, str]] = [
    # what is wrong, how, kind of the exception, what its text names
    ("no id", set_to("id", ...), "malformed_order", "id"),
    ("empty id", set_to("id", ""), "malformed_order", "id"),
    ("null id", set_to("id", None), "malformed_order", "id"),
    ("id with decimals", set_to("id", 1.5), "malformed_order", "id"),
    ("truth value as id", set_to("id", True), "malformed_order", "id"),
    ("object as id", set_to("id", {"a": 1}), "malformed_order", "id"),
    ("no status", set_to("status", ...), "malformed_order", "status"),
    ("number as status", set_to("status", 7), "unknown_status", "7"),
    ("list as status", set_to("status", []), "malformed_order", "status"),
    ("unknown status", set_to("status", "TELEPORTED"), "unknown_status", "TELEPORTED"),
    ("lower-case status", set_to("status", "awaiting_shipment"), "unknown_status", "awaiting_shipment"),
    ("webhook spelling of cancelled", set_to("status", "CANCEL"), "unknown_status", "CANCEL"),
    ("unknown line status", set_to("line_items.0.display_status", "LOST"), "unknown_status", "LOST"),
    ("unknown fulfilment", set_to("fulfillment_type", "BY_DRONE"), "unknown_value", "BY_DRONE"),
    ("unknown shipping", set_to("shipping_type", "TELEPORT"), "unknown_value", "TELEPORT"),
    ("no create_time", set_to("create_time", ...), "malformed_order", "create_time"),
    ("zero create_time", set_to("create_time", 0), "malformed_order", "create_time"),
    ("negative create_time", set_to("create_time", -5), "malformed_order", "create_time"),
    ("milliseconds", set_to("create_time", 1785560400000), "malformed_order", "create_time"),
    ("text as time", set_to("paid_time", "yesterday"), "malformed_order", "paid_time"),
    ("time with decimals", set_to("update_time", 1785560400.5), "malformed_order", "update_time"),
    ("no lines", set_to("line_items", ...), "malformed_order", "lines"),
    ("empty line list", set_to("line_items", []), "malformed_order", "lines"),
    ("null line list", set_to("line_items", None), "malformed_order", "lines"),
    ("object as line list", set_to("line_items", {"0": {}}), "malformed_order", "line_items"),
    ("text as a line", set_to("line_items.0", "two shirts"), "malformed_order", "line_items"),
    ("null as a line", set_to("line_items.1", None), "malformed_order", "line_items"),
    ("line without id", set_to("line_items.0.id", ...), "malformed_order", "id"),
    ("line id with decimals", set_to("line_items.0.id", 5.77e17), "malformed_order", "id"),
    ("duplicate line ids", repeat_line, "malformed_order", "repeats"),
    ("line without sku_id", set_to("line_items.0.sku_id", ...), "malformed_order", "sku_id"),
    ("unknown SKU", set_to("line_items.0.seller_sku", "GREEN-XL"), "unmapped_sku", "GREEN-XL"),
    ("no payment", set_to("payment", ...), "malformed_order", "payment"),
    ("empty payment", set_to("payment", {}), "malformed_order", "payment"),
    ("list as payment", set_to("payment", [1]), "malformed_order", "payment"),
    ("no currency", set_to("payment.currency", ...), "malformed_order", "currency"),
    ("no currency code", set_to("payment.currency", "dollars"), "malformed_order", "currency"),
    ("other currency than the shop's", set_to("payment.currency", "VND"), "mixed_currency", "VND"),
    ("mixed currencies", set_to("line_items.1.currency", "EUR"), "mixed_currency", "EUR"),
    ("no total", set_to("payment.total_amount", ...), "malformed_order", "total_amount"),
    ("empty total", set_to("payment.total_amount", ""), "malformed_order", "total_amount"),
    ("no sub_total", set_to("payment.sub_total", ...), "malformed_order", "sub_total"),
    (
        "no product price",
        set_to("payment.original_total_product_price", None),
        "malformed_order",
        "original_total_product_price",
    ),
    ("no price", set_to("line_items.0.original_price", ...), "malformed_order", "original_price"),
    ("empty price", set_to("line_items.0.original_price", ""), "malformed_order", "original_price"),
    ("text as price", set_to("line_items.0.original_price", "ten"), "malformed_order", "original_price"),
    ("float as price", set_to("line_items.0.original_price", 10.1), "malformed_order", "original_price"),
    ("object as price", set_to("line_items.0.sale_price", {"v": 1}), "malformed_order", "sale_price"),
    (
        "infinite price",
        set_to("line_items.0.original_price", "Infinity"),
        "malformed_order",
        "original_price",
    ),
    ("NaN price", set_to("line_items.0.original_price", "NaN"), "malformed_order", "original_price"),
    ("huge price", set_to("line_items.0.original_price", "1e400"), "malformed_order", "original_price"),
    (
        "large price",
        set_to("line_items.0.original_price", "99999999999"),
        "contradictory_amounts",
        "sale_price",
    ),
    ("negative price", set_to("line_items.0.original_price", "-10"), "contradictory_amounts", "negative"),
    ("negative discount", set_to("payment.seller_discount", "-1"), "contradictory_amounts", "negative"),
    (
        "price finer than a cent",
        set_to("line_items.0.original_price", "10.001"),
        "contradictory_amounts",
        "finer",
    ),
    (
        "discount above the price",
        set_to("line_items.0.seller_discount", "11"),
        "contradictory_amounts",
        "above its price",
    ),
    ("missing discount", set_to("line_items.0.seller_discount", ...), "contradictory_amounts", "sale_price"),
    ("seller ships, fee unknown", hide_shipping_fees, "malformed_order", "shipping"),
    ("unknown deposit", set_to("line_items.0.pfand_fee", "0.25"), "unknown_value", "pfand_fee"),
    (
        "bundle of nothing",
        set_to("line_items.0.combined_listing_skus", [{"sku_count": 1}]),
        "malformed_order",
        "bundle",
    ),
    (
        "bundle of a billion",
        set_to("line_items.0.combined_listing_skus", [{"sku_id": "1", "sku_count": 10**9}]),
        "malformed_order",
        "bundle",
    ),
    (
        "text as address",
        set_to("recipient_address", "1 Example Street"),
        "malformed_order",
        "recipient_address",
    ),
    ("flag that is none", set_to("is_sample_order", "perhaps"), "malformed_order", "is_sample_order"),
    ("half a character", set_to("line_items.0.product_name", "\ud83d"), "malformed_order", "product_name"),
    (
        "unmapped warehouse",
        set_to("warehouse_id", "7999999999999999999"),
        "unmapped_warehouse",
        "7999999999999999999",
    ),
    (
        "control characters in a SKU",
        set_to("line_items.0.seller_sku", "RED\x00\n-M"),
        "unmapped_sku",
        "RED -M",
    ),
]


def test_the_order_that_the_corpus_spoils_is_good() -> None:
    assert isinstance(stage(good()), Staged)


@pytest.mark.parametrize(
    ("spoil", "kind", "names"), [row[1:] for row in CORPUS], ids=[row[0] for row in CORPUS]
)
def test_a_malformed_order_is_parked_with_its_reason(
    spoil: Callable[[Raw], Any], kind: str, names: str
) -> None:
    outcome = stage(spoil(good()))

    assert isinstance(outcome, Parked)
    told = [problem for problem in outcome.problems if problem.kind == kind]
    assert told, outcome.problems
    assert any(names in problem.message for problem in told), told
    assert all(outcome.order_id in problem.message for problem in told)
    assert all(problem.what_to_do for problem in told)


@pytest.mark.parametrize("junk", [None, [], "order", 7, {}, {"id": []}, {"id": ID}, {"line_items": [[[]]]}])
def test_what_is_no_order_at_all_is_parked(junk: Any) -> None:
    outcome = stage(junk)

    assert isinstance(outcome, Parked)
    assert outcome.order_id == ID or outcome.order_id.startswith("unreadable-")
    assert outcome.order_id == stage(junk).order_id


def test_an_absurd_order_is_parked_even_if_it_is_consistent() -> None:
    raw = order([unit(price="400000000000000")] * 2)

    for mapping in (MAPPING, mapping_with()):
        outcome = stage_order(raw, "us", mapping, ITEMS)
        assert isinstance(outcome, Parked)
        assert {problem.kind for problem in outcome.problems} == {"amount_out_of_range"}


def test_ids_of_nineteen_digits_stay_exact() -> None:
    raw = json.loads(json.dumps(good() | {"id": NINETEEN}))
    raw["line_items"][0]["id"] = NINETEEN + 1

    outcome = stage(raw)

    assert isinstance(outcome, Staged)
    assert outcome.order_id == "9223372036854775808"
    ids = {one for line in outcome.document.lines for one in line.channel_line_ids}
    assert "9223372036854775809" in ids


def test_what_is_merely_unusual_is_no_trouble() -> None:
    raw = good()
    raw["order_type"] = "FLASH_2027"
    raw["x_undocumented"] = {"since": [2027]}
    raw["line_items"][0]["product_name"] = "T-shirt «été» 日本 👩‍👧\u0007\u202e \nred"
    raw["payment"]["small_order_fee"] = "0 "
    raw["payment"]["handling_fee"] = ""
    raw["buyer_message"] = "'; DROP TABLE orders; --\x00"

    outcome = stage(raw)

    assert isinstance(outcome, Staged)
    assert outcome.document.lines[0].description == "T-shirt «été» 日本 👩‍👧 red - Red, M"


def test_an_unread_order_still_carries_its_version() -> None:
    raw = good()
    raw["line_items"] = 5

    outcome = stage(raw)

    assert isinstance(outcome, Parked)
    assert (outcome.order_id, outcome.status) == (ID, "AWAITING_SHIPMENT")
    assert outcome.update_time is not None


def test_equal_troubles_of_different_orders_have_equal_causes() -> None:
    causes = set()
    for number in range(3):
        raw = good() | {"id": f"57646141303878575{number}"}
        raw["line_items"][number % 2]["sale_price"] = f"{number}.01"
        outcome = stage(raw)
        assert isinstance(outcome, Parked)
        causes.add(outcome.problems[0].cause)

    assert causes == {"field:line.sale_price"}


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.decimals()
    | st.text(st.characters(), max_size=12)
    | st.sampled_from(["", "0", "0 ", "-1", "1e9", "NaN", "CANCELLED", "USD", "VND", ID, "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def paths(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [way] if way else []
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        found += paths(child, (*way, key))
    return found


@given(st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_no_junk_anywhere_raises(data: Any) -> None:
    raw = good()
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(paths(raw)))
        target: Any = raw
        for part in way:
            target = target[part]
        target[last] = data.draw(JUNK)

    outcome = stage(raw)

    assert isinstance(outcome, (Staged, Waiting, Skipped, Parked))
    if isinstance(outcome, Parked):
        assert outcome.problems
        for problem in outcome.problems:
            assert problem.kind in KINDS
            assert problem.message.isprintable() or "\u200d" in problem.message or "\u200c" in problem.message
            exact_json.dumps(problem.message).encode()
    if isinstance(outcome, Staged):
        exact_json.dumps(outcome.document.model_dump(mode="json")).encode()
        assert outcome.document.fingerprint()


@given(st.dictionaries(st.sampled_from([*good(), "x"]), JUNK, max_size=8))
@settings(max_examples=200)
def test_no_order_made_of_junk_is_posted(raw: Raw) -> None:
    assert not isinstance(stage(raw), Staged)


@given(st.data())
def test_a_price_detail_of_junk_is_no_trouble_either(data: Any) -> None:
    detail = data.draw(
        st.dictionaries(st.sampled_from(["currency", "line_items", "total"]), JUNK, max_size=3)
    )

    outcome = stage_order(good(), "us", mapping_with(), ITEMS, detail)

    assert isinstance(outcome, (Staged, Parked))

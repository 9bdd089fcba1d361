"""The mapping is read strictly, and says in words what to mend."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.orders.order_builder import ROOT, mapping_with
from tiktok_ns_pipeline.mapping import Mapping, MappingError, load_mapping
from tiktok_ns_pipeline.mapping.exception_kinds import KINDS
from tiktok_ns_pipeline.mapping.shop import InclusiveSplitTax

SANDBOX = ROOT / "config" / "mapping.sandbox.yaml"

SHOP = """
version: 1
shops:
  us:
    tiktok_shop_id: "7495000000000000001"
    region: US
    timezone: America/Los_Angeles
    currency: USD
    currency_id: "1"
    subsidiary_id: "1"
    customer: {policy: bucket}
    tax: {policy: marketplace_facilitator, engine: suitetax}
    shipping: {item_id: "901"}
"""


def complaint(text: str) -> str:
    with pytest.raises(MappingError) as caught:
        load_mapping(text)
    return str(caught.value)


def test_the_sandbox_mapping_is_complete() -> None:
    mapping = load_mapping(SANDBOX)

    assert set(mapping.shops) == {"us", "uk", "vn"}
    assert mapping.shops["uk"].code == "uk"
    assert isinstance(mapping.shops["uk"].tax, InclusiveSplitTax)
    assert mapping.warehouses["7000000000000000081"].fulfilment == "channel"
    assert mapping.owner_of("unmapped_sku") == "operations"


def test_shops_are_found_by_code_or_tiktok_id() -> None:
    mapping = load_mapping(SANDBOX)

    assert mapping.shop_of("vn") is mapping.shops["vn"]
    assert mapping.shop_of("7495000000000000003") is mapping.shops["vn"]
    assert mapping.shop_of("7495000000000000004") is None


def test_ids_and_rates_are_what_stands_there() -> None:
    mapping = load_mapping(
        SHOP.replace('currency_id: "1"', "currency_id: 0012").replace(
            '"7495000000000000001"', "9223372036854775808"
        )
        + "items:\n  NO: {item_id: 301}\n  1.10: SKU-001\n  A: {item_id: 1, tax_rate: 5.5, tax_code_id: 3}\n"
    )

    assert mapping.shops["us"].currency_id == "0012"
    assert mapping.shops["us"].tiktok_shop_id == "9223372036854775808"
    assert set(mapping.items) == {"NO", "1.10", "A"}
    assert mapping.items["A"].tax_rate == Decimal("5.5")


def test_a_missing_key_is_told_with_its_meaning() -> None:
    text = complaint(SHOP.replace("    currency: USD\n", ""))

    assert "line 5, shops.us.currency: this is missing; write `currency: ...`" in text
    assert "such as USD" in text


def test_a_mistyped_key_is_told_with_the_right_one() -> None:
    text = complaint(SHOP.replace("subsidiary_id", "subsidary_id"))

    assert "line 10, shops.us.subsidary_id: there is no such key here; did you mean `subsidiary_id`?" in text


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    text = complaint(
        SHOP.replace("region: US", "region: USA").replace('"901"', "none at all") + "owners: {x: y}\n"
    )

    lines = text.splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == [
        "line 6, shops.us.region",
        "line 13, shops.us.shipping.item_id",
        "line 14, owners.x",
    ]


@pytest.mark.parametrize(
    ("change", "to", "says"),
    [
        ("America/Los_Angeles", "Mars/Olympus", "'Mars/Olympus' is no time zone; write one such as"),
        ("policy: bucket", "policy: everyone", "write `policy:` with one of 'bucket', 'buyer'"),
        ("{policy: bucket}", "{}", "write `policy:` with one of 'bucket', 'buyer'"),
        (
            "policy: bucket",
            "policy: bucket, limit: 10001",
            "limit: Input should be less than or equal to 10000",
        ),
        ("engine: suitetax", "engine: magic", "'magic' is not one of 'suitetax', 'legacy' or 'none'"),
        ("marketplace_facilitator", "inclusive_gross", "US prices are without sales tax"),
        ('"7495000000000000001"', "749.5", "'749.5' does not fit"),
        ("version: 1", "version: 2", "'2' is not one of '1'"),
        ("  us:", "  US:", "shops.US.code"),
    ],
)
def test_a_wrong_value_is_told_with_what_to_write(change: str, to: str, says: str) -> None:
    assert says in complaint(SHOP.replace(change, to, 1))


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("items: {A: {kit: explode}}", "items.A: an exploded kit needs its parts"),
        ("items: {A: {item_id: 1, item_name: B}}", "items.A: name the NetSuite item once"),
        ("items: {A: {}}", "items.A: name the NetSuite item once"),
        ("items: {A: {item_id: 1, tax_rate: 5}}", "needs both `tax_rate` and `tax_code_id`"),
        ("items: {A: {item_id: 1, units_per: 0}}", "items.A.units_per: Input should be greater than"),
        ("items: {A: {kit: explode, components: [{item_id: 1, weight: 0}]}}", "weights are all zero"),
        ("warehouses: {main: {location_id: 6}}", "warehouses.main"),
        (
            "special_orders: {sample: {action: skip}}",
            "an order is skipped with a reason; write `reason: ...`",
        ),
        ("special_orders: {samples: {action: post}}", "did you mean `sample`?"),
        ("routing: {orders: [{name: A, set: {}}]}", "routing.orders.0: the rule sets nothing"),
        ("routing: {orders: [{name: A, when: {shop: uk}, set: {class_id: 1}}]}", "speaks of shop uk"),
        ("routing: {lines: [{name: A, set: {subsidiary_id: 1}}]}", "routing.lines.0.set.subsidiary_id"),
        ("owners: {unmapped_skus: finance}", "no kind of exception"),
        ("owners: {unmapped_sku: bob}", "'bob' is not one of 'operations', 'finance' or 'data'"),
        ("custom_fields: {body: {order_id: Order Id}}", "custom_fields.body.order_id"),
        (
            "netsuite: {slots: many}",
            "netsuite.slots: 'many' does not fit; write here: requests at the same time",
        ),
        ("reconciliation: {grace_minutes: -1}", "reconciliation.grace_minutes"),
        ("colour: blue", "colour: there is no such key here; the keys here are"),
    ],
)
def test_a_wrong_section_is_told_with_its_place(section: str, says: str) -> None:
    assert says in complaint(f"{SHOP}{section}\n")


def test_two_shops_cannot_be_one() -> None:
    twin = SHOP.split("shops:\n")[1].replace("us:", "us2:")

    assert "shops us and us2 have the same `tiktok_shop_id`" in complaint(SHOP + twin.lstrip("\n"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version: 1\nversion: 1\n", "line 2: 'version' stands there twice"),
        ("shops: [\n", "this is not YAML"),
        ("just\ntext\n", "does not fit"),
        ("\n\n", "shops: this is missing"),
        ("a: &a\n  b: *a\n", "nested deeper"),
        ("a: \x07\n", "this is not YAML"),
    ],
)
def test_what_is_no_mapping_says_why(text: str, says: str) -> None:
    assert says in complaint(text)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(MappingError, match=r"nowhere\.yaml cannot be read"):
        load_mapping(Path("nowhere.yaml"))


def test_the_fingerprint_is_of_the_decisions_alone() -> None:
    before = load_mapping(SHOP).fingerprint()

    assert load_mapping("# A remark\n" + SHOP).fingerprint() == before
    assert load_mapping(SHOP.replace("USD", '"USD"')).fingerprint() == before
    assert load_mapping(SHOP + "items: {A: SKU-001}\n").fingerprint() != before


def test_rules_in_another_order_are_other_decisions() -> None:
    def rules(*names: str) -> Mapping:
        listed = ", ".join(f"{{name: {name}, set: {{class_id: 1}}}}" for name in names)
        return mapping_with(f"routing: {{orders: [{listed}]}}")

    assert rules("A", "B").fingerprint() != rules("B", "A").fingerprint()


def test_owners_can_be_changed_and_have_defaults() -> None:
    mapping = mapping_with("owners: {unmapped_sku: data}")

    assert mapping.owner_of("unmapped_sku") == "data"
    assert mapping.owner_of("contradictory_amounts") == "finance"
    assert all(mapping.owner_of(kind) for kind in KINDS)

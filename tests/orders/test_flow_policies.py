"""The mapping's larger decisions, carried through to NetSuite's records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from tests.rigging import SOON, exceptions, in_world, lines, sales_orders
from tiktok_ns_pipeline.sandbox.rig import MAPPING, Rig
from tiktok_ns_pipeline.sandbox.world import Line, ShippingFacts


def with_mapping(rig: Rig, folder: Path, change: Callable[[str], str]) -> None:
    path = folder / "mapping.yaml"
    path.write_text(change(MAPPING.read_text()))
    rig.settings = replace(rig.settings, mapping_path=path)


def replaced(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def test_one_customer_for_each_buyer_where_the_mapping_says_so(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        bucket = "{policy: bucket, name: TikTok Shop UK}"
        with_mapping(rig, tmp_path, lambda text: replaced(text, bucket, "{policy: buyer}"))
        orders = [rig.world.place_order("uk", ["SKU-001"]) for _ in range(6)]
        buyers = {rig.world.order(order_id)["user_id"] for order_id in orders}
        await rig.run(SOON)
        customers = {record["entity"]["id"] for record in sales_orders(rig)}
        assert len(customers) == len(buyers) > 1
        assert rig.judged().is_clean

    in_world(story)


def test_an_account_with_legacy_tax_gets_tax_by_code_and_amount(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        rig.books.set_tax_engine("legacy")
        with_mapping(rig, tmp_path, lambda text: replaced(text, "engine: suitetax", "engine: legacy"))
        rig.world.place_order(
            "uk",
            [Line("SKU-001", 3, "9.99", seller_discount="0.50")],
            shipping=ShippingFacts(original=Decimal("3.95")),
            by_seller=True,
        )
        rig.world.place_order("us", [Line("SKU-002", 1, "10.00", tax="0.83")])
        await rig.run(SOON)
        assert exceptions(rig) == []
        assert rig.judged().is_clean
        british = next(record for record in sales_orders(rig) if record["currency"]["refName"] == "GBP")
        assert Decimal(str(british["total"])) == Decimal("32.42")
        assert all(line.get("taxCode") for line in lines(british))

    in_world(story)


def test_an_order_that_tiktok_fulfils_is_marked_and_takes_its_location() -> None:
    async def story(rig: Rig) -> None:
        rig.world.place_order("us", ["SKU-001"], by_tiktok_warehouse=True)
        await rig.run(SOON)
        [record] = sales_orders(rig)
        assert record["custbody_tts_fulfillment"] == "channel"
        assert {line["location"]["id"] for line in lines(record)} == {"8"}
        assert record["customForm"]["id"] == "68"

    in_world(story)


def test_a_kit_is_passed_or_exploded_and_a_pack_is_counted_in_units() -> None:
    async def story(rig: Rig) -> None:
        rig.world.place_order(
            "us", [Line("KIT-001", 1, "20.00"), Line("KIT-002", 1, "10.00"), Line("PACK-6-001", 1, "10.00")]
        )
        await rig.run(SOON)
        [record] = sales_orders(rig)
        units: dict[str, Decimal] = {}
        for line in lines(record):
            name = line["item"]["refName"]
            units[name] = units.get(name, Decimal(0)) + Decimal(str(line["quantity"]))
        assert units == {"KIT-001": 1, "SKU-003": 1, "SKU-004": 1, "SKU-001": 6}
        assert Decimal(str(record["total"])) == 40
        assert rig.judged().is_clean

    in_world(story)

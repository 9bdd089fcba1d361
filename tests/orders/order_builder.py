"""TikTok orders for tests: arithmetic done the way T 3.4 and 3.5 describe it, everything overridable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.goods.items import ItemIndex
from tiktok_ns_pipeline.mapping import Mapping, load_mapping
from tiktok_ns_pipeline.orders.outcome import Outcome, Parked, Staged
from tiktok_ns_pipeline.orders.staging import stage_order

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "data" / "tiktok"

US_WAREHOUSE = "7000000000000000061"
WEST_WAREHOUSE = "7000000000000000071"
FBT_WAREHOUSE = "7000000000000000081"

Raw = dict[str, Any]


def sandbox_mapping() -> Mapping:
    return load_mapping(ROOT / "config" / "mapping.sandbox.yaml")


def mapping_with(changes: str = "", shop: str = "") -> Mapping:
    """A small mapping of one US shop; `shop` replaces or adds keys of the shop, `changes` sections."""
    base = {
        "tiktok_shop_id": '"7495000000000000001"',
        "region": "US",
        "timezone": "America/Los_Angeles",
        "currency": "USD",
        "currency_id": "1",
        "subsidiary_id": "1",
        "location_id": "6",
        "customer": "{policy: bucket}",
        "tax": "{policy: marketplace_facilitator, engine: none}",
        "shipping": '{item_id: "901"}',
    }
    for line in filter(None, (line.strip() for line in shop.splitlines())):
        key, _, value = line.partition(":")
        base[key] = value.strip()
    body = "\n".join(f"    {key}: {value}" for key, value in base.items())
    return load_mapping(f"version: 1\nshops:\n  us:\n{body}\n{_WAREHOUSES}\n{changes}\n")


_WAREHOUSES = f"""
warehouses:
  "{US_WAREHOUSE}": {{location_id: "6"}}
  "{WEST_WAREHOUSE}": {{location_id: "7"}}
  "{FBT_WAREHOUSE}": {{location_id: "8", fulfilment: channel}}
"""


def netsuite_items() -> ItemIndex:
    """The items of the sandbox's account that can be sold, and some that cannot."""
    rows: list[Raw] = [
        {
            "id": str(300 + number),
            "itemid": f"SKU-{number:03d}",
            "itemtype": "InvtPart",
            "isinactive": "F",
            "upccode": f"0000000003{number:02d}",
        }
        for number in range(1, 41)
    ]
    rows += [
        {"id": "350", "itemid": "KIT-001", "itemtype": "Kit", "isinactive": "F"},
        {"id": "360", "itemid": "OLD-001", "itemtype": "InvtPart", "isinactive": "T"},
        {"id": "361", "itemid": "TWIN-A", "itemtype": "InvtPart", "isinactive": "F", "upccode": "111"},
        {"id": "362", "itemid": "TWIN-B", "itemtype": "InvtPart", "isinactive": "F", "upccode": "111"},
        {"id": "363", "itemid": "SHIRT : RED-M", "itemtype": "InvtPart", "isinactive": "F"},
        {"id": "364", "itemid": "BY-EXT", "itemtype": "InvtPart", "isinactive": "F", "externalid": "ext-9"},
        {"id": "902", "itemid": "TTS-SELLER-DISCOUNT", "itemtype": "Discount", "isinactive": "F"},
    ]
    return ItemIndex(rows)


def unit(
    seller_sku: str = "SKU-001",
    price: str = "10",
    *,
    off: str = "0",
    platform_off: str = "0",
    status: str = "AWAITING_SHIPMENT",
    line_id: str | None = None,
    **more: Any,
) -> Raw:
    """One unit line; its id and SKU id are made up from the SKU unless given."""
    paid = Decimal(price) - Decimal(off) - Decimal(platform_off)
    line: Raw = {
        "sku_id": str(1729000000000000000 + sum(map(ord, seller_sku))),
        "product_id": "1729000000000000999",
        "product_name": "Sample product",
        "sku_name": "Red, M",
        "seller_sku": seller_sku,
        "original_price": price,
        "seller_discount": off,
        "platform_discount": platform_off,
        "sale_price": format(paid, "f"),
        "display_status": status,
        "is_gift": False,
    }
    if line_id is not None:
        line["id"] = line_id
    return line | more


def order(
    lines: Iterable[Raw],
    *,
    currency: str = "USD",
    shipping: Raw | None = None,
    tax: str | None = None,
    fees: Raw | None = None,
    header_lines: Sequence[Raw] | None = None,
    **more: Any,
) -> Raw:
    """An order whose head agrees with its lines. `header_lines` are those that the head counts."""
    units = [
        {"id": f"57709000000000{number:05d}", "currency": currency} | line
        for number, line in enumerate(lines)
    ]
    counted = units if header_lines is None else header_lines
    original = _sum(counted, "original_price")
    seller, platform = _sum(counted, "seller_discount"), _sum(counted, "platform_discount")
    parts = {
        "original_shipping_fee": "0",
        "shipping_fee_seller_discount": "0",
        "shipping_fee_platform_discount": "0",
        "shipping_fee_cofunded_discount": "0",
    } | (shipping or {})
    fee = Decimal(parts["original_shipping_fee"]) - sum(
        Decimal(value) for name, value in parts.items() if name.endswith("discount")
    )
    sub_total = original - seller - platform
    on_top = Decimal(tax or 0) if currency == "USD" else Decimal(0)
    payment: Raw = {
        "currency": currency,
        "original_total_product_price": format(original, "f"),
        "seller_discount": format(seller, "f"),
        "platform_discount": format(platform, "f"),
        "sub_total": format(sub_total, "f"),
        **parts,
        "shipping_fee": format(fee, "f"),
        **(fees or {}),
        "total_amount": format(sub_total + fee + on_top + sum(map(Decimal, (fees or {}).values())), "f"),
    }
    if tax is not None:
        payment |= {"tax": tax, "product_tax": tax, "shipping_fee_tax": "0"}
    return {
        "id": "576461413038785752",
        "status": "AWAITING_SHIPMENT",
        "create_time": 1785560400,
        "paid_time": 1785560460,
        "update_time": 1785564000,
        "rts_sla_time": 1785733200,
        "user_id": "7021436810468230477",
        "fulfillment_type": "FULFILLMENT_BY_SELLER",
        "shipping_type": "TIKTOK",
        "warehouse_id": US_WAREHOUSE,
        "order_type": "NORMAL",
        "payment": payment,
        "line_items": units,
    } | more


def stage(raw: Any, mapping: Mapping | None = None, shop: str = "us", **more: Any) -> Outcome:
    return stage_order(raw, shop, mapping or sandbox_mapping(), netsuite_items(), **more)


def staged(raw: Any, mapping: Mapping | None = None, shop: str = "us", **more: Any) -> Staged:
    outcome = stage(raw, mapping, shop, **more)
    assert isinstance(outcome, Staged), outcome
    return outcome


def parked(raw: Any, mapping: Mapping | None = None, shop: str = "us", **more: Any) -> Parked:
    outcome = stage(raw, mapping, shop, **more)
    assert isinstance(outcome, Parked), outcome
    return outcome


def sample(name: str) -> Any:
    """A real payload by file name, numbers exact."""
    return exact_json.loads((SAMPLES / name).read_text(encoding="utf-8"))


def _sum(lines: Iterable[Raw], field: str) -> Decimal:
    return sum((Decimal(line[field]) for line in lines), Decimal(0))

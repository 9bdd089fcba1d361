"""The endpoints of warehouses, delivery options and carriers (T 4.5)."""

from __future__ import annotations

import json

from tiktok_ns_pipeline.sandbox.catalogue import Shop
from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.markets import MARKETS, SELLER_OPTION, TIKTOK_OPTION
from tiktok_ns_pipeline.sandbox.refusals import refused
from tiktok_ns_pipeline.sandbox.tiktok_calls import Call, one_of
from tiktok_ns_pipeline.sandbox.tiktok_routes import Desks, Route


def warehouses(desks: Desks, call: Call) -> str:
    """The shop's warehouses; the one for returns comes first, as a trap (T 4.5)."""
    shop = call.shop
    selling = [*shop.warehouses, *([shop.fbt_warehouse] if shop.fbt_warehouse else [])]
    shown = [_warehouse(shop, _returns_to(shop), "RETURN_WAREHOUSE", is_default=False)]
    shown += [
        _warehouse(shop, one, "SALES_WAREHOUSE", is_default=one == shop.warehouses[0]) for one in selling
    ]
    return json.dumps({"warehouses": shown})


def delivery_options(desks: Desks, call: Call) -> str:
    """How parcels leave a warehouse."""
    one_of("scope", call.query.get("scope") or "WAREHOUSE", ("WAREHOUSE", "PRODUCT"))
    shop = call.shop
    if call.path_values["warehouse_id"] not in {*shop.warehouses, shop.fbt_warehouse}:
        raise refused(21001001)
    named = ((SELLER_OPTION, "Shipped by seller", "SEND_BY_SELLER"), (TIKTOK_OPTION, "Standard", "STANDARD"))
    options = [
        {
            "id": option,
            "name": name,
            "type": kind,
            "description": name,
            "platform": ["TIKTOK_SHOP"],
            "dimension_limit": {"max_height": 100, "max_length": 100, "max_width": 100, "unit": "CM"},
            "weight_limit": {"max_weight": 30_000, "min_weight": 1, "unit": "GRAM"},
        }
        for option, name, kind in named
    ]
    return json.dumps({"delivery_options": options})


def shipping_providers(desks: Desks, call: Call) -> str:
    """The carriers that a seller may name; none where TikTok delivers (T 4.5)."""
    option = call.path_values["delivery_option_id"]
    if option == TIKTOK_OPTION:
        raise refused(21008117)
    if option != SELLER_OPTION:
        raise refused(21008116)
    providers = MARKETS[call.shop.region].providers
    return json.dumps({"shipping_providers": [{"id": one.id, "name": one.name} for one in providers]})


def _returns_to(shop: Shop) -> str:
    return str(int(shop.warehouses[0]) + 900)


def _warehouse(shop: Shop, warehouse_id: str, kind: str, *, is_default: bool) -> Document:
    fbt = warehouse_id == shop.fbt_warehouse
    return {
        "id": warehouse_id,
        "entity_id": str(int(warehouse_id) + 5_000_000),
        "name": f"{shop.name} {'FBT' if fbt else kind.split('_', maxsplit=1)[0].title()} {warehouse_id[-2:]}",
        "type": kind,
        "sub_type": "DOMESTIC_WAREHOUSE" if shop.seller_type == "LOCAL" else "CB_OVERSEA_WAREHOUSE",
        "effect_status": "ENABLED",
        "is_default": is_default,
        "address": {"region": shop.region, "region_code": shop.region, "full_address": "1 Sample Dock"},
    }


ROUTES = (
    Route("GET", "/logistics/202309/warehouses", "seller.logistics", True, warehouses),
    Route(
        "GET",
        "/logistics/202309/warehouses/{warehouse_id}/delivery_options",
        "seller.logistics",
        True,
        delivery_options,
    ),
    Route(
        "GET",
        "/logistics/202309/delivery_options/{delivery_option_id}/shipping_providers",
        "seller.fulfillment.basic",
        True,
        shipping_providers,
    ),
)

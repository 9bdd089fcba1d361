"""What the groups of an order are in NetSuite: items, packs, kits and bundles resolved by the mapping."""

from __future__ import annotations

from dataclasses import dataclass

from tiktok_ns_pipeline.goods.items import ItemIndex, Resolved
from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.goods.resolving import resolve_unit
from tiktok_ns_pipeline.mapping.models import Mapping
from tiktok_ns_pipeline.mapping.shop import InclusiveSplitTax, Shop
from tiktok_ns_pipeline.orders.lines import Group, Tax


@dataclass(frozen=True, slots=True)
class Goods:
    """A group with what its units are."""

    group: Group
    resolved: Resolved


def resolve_group(group: Group, mapping: Mapping, items: ItemIndex) -> list[Resolved | Problem]:
    """What one unit of a group is: a single `Resolved`, or everything that keeps it from being one."""
    unit = group.unit
    if not unit.sku_id:
        message = f"line {unit.id} names no sku_id, by which alone a SKU can be told."
        return [Problem.of("malformed_order", "field:line_items.sku_id", message)]
    seller_skus = {(line.seller_sku or "").strip() for line in group.units}
    if len(seller_skus) > 1:
        message = f"SKU id {unit.sku_id} carries several seller SKUs: {', '.join(sorted(seller_skus))}."
        return [Problem.of("ambiguous_sku", f"sku:{unit.sku_id}", message)]
    return resolve_unit(unit.sku_id, seller_skus.pop(), unit.combined_listing_skus, mapping, items)


def tax_of(resolved: Resolved | None, shop: Shop) -> Tax:
    """The tax inside a price: the item's own, else the shop's; none unless the shop splits tax out."""
    if not isinstance(shop.tax, InclusiveSplitTax):
        return Tax(None, shop.tax.tax_code_id)
    if resolved is not None and resolved.tax_rate is not None:
        return Tax(resolved.tax_rate, resolved.tax_code_id)
    return Tax(shop.tax.rate, shop.tax.tax_code_id)

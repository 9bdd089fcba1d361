"""What the groups of an order are in NetSuite: items, packs, kits and bundles resolved by the mapping."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from tiktok_ns_pipeline.mapping.models import Mapping
from tiktok_ns_pipeline.mapping.shop import InclusiveSplitTax, Shop
from tiktok_ns_pipeline.orders.items import ItemIndex, Part, Resolved
from tiktok_ns_pipeline.orders.lines import Group, Tax
from tiktok_ns_pipeline.orders.outcome import Problem
from tiktok_ns_pipeline.tiktok.models import CombinedListingSku

MOST_OF_ONE_SKU_IN_A_BUNDLE = 1_000

_WEIGHT_STEP = Decimal("1E-12")


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
    if unit.combined_listing_skus and mapping.bundles.policy == "explode":
        return _exploded(unit.combined_listing_skus, mapping, items)
    return [items.resolve(unit.sku_id, seller_skus.pop(), mapping.items)]


def tax_of(resolved: Resolved | None, shop: Shop) -> Tax:
    """The tax inside a price: the item's own, else the shop's; none unless the shop splits tax out."""
    if not isinstance(shop.tax, InclusiveSplitTax):
        return Tax(None, shop.tax.tax_code_id)
    if resolved is not None and resolved.tax_rate is not None:
        return Tax(resolved.tax_rate, resolved.tax_code_id)
    return Tax(shop.tax.rate, shop.tax.tax_code_id)


def _exploded(
    components: tuple[CombinedListingSku, ...], mapping: Mapping, items: ItemIndex
) -> list[Resolved | Problem]:
    """A bundle as its components; its price is divided by their weights and counts."""
    parts: list[Part] = []
    problems: list[Resolved | Problem] = []
    for component in components:
        count, seller_sku = component.sku_count, (component.seller_sku or "").strip()
        named = component.sku_id or seller_sku
        if not named or count is None or not 0 < count <= MOST_OF_ONE_SKU_IN_A_BUNDLE:
            message = f"a bundle contains {count} of SKU {named or 'without a name'}, which cannot be."
            problems.append(Problem.of("malformed_order", "field:line_items.combined_listing_skus", message))
            continue
        found = items.resolve(component.sku_id or "", seller_sku, mapping.items)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            parts += _times(found, count)
    return problems or [Resolved(tuple(parts), "bundles.policy: explode", "mapping")]


def _times(resolved: Resolved, count: int) -> list[Part]:
    whole = sum((part.weight for part in resolved.parts), Decimal(0))
    return [
        replace(
            part,
            quantity=part.quantity * count,
            weight=(resolved.weight * count * part.weight / whole).quantize(_WEIGHT_STEP),
        )
        for part in resolved.parts
    ]

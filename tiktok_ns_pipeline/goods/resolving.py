"""What one unit of a SKU is: items, packs, kits and bundles resolved by the mapping."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tiktok_ns_pipeline.goods.items import ItemIndex, Part, Resolved
from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.mapping.models import Mapping
from tiktok_ns_pipeline.tiktok.models import CombinedListingSku

MOST_OF_ONE_SKU_IN_A_BUNDLE = 1_000

_WEIGHT_STEP = Decimal("1E-12")


def resolve_unit(
    sku_id: str,
    seller_sku: str,
    components: tuple[CombinedListingSku, ...],
    mapping: Mapping,
    items: ItemIndex,
) -> list[Resolved | Problem]:
    """What one unit of a SKU is: a single `Resolved`, or everything that keeps it from being one.

    `components` are what TikTok puts together where the SKU is a virtual bundle (T 3.5), else empty.
    """
    if components and mapping.bundles.policy == "explode":
        return _exploded(components, mapping, items)
    return [items.resolve(sku_id, seller_sku, mapping.items)]


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

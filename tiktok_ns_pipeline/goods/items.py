"""Which NetSuite item a TikTok SKU is.

The mapping decides first. Where it is silent, the item is looked for by its name, then by its UPC
code, then by its external id, each compared with the seller SKU (T 9.4: a seller SKU may be empty or
repeated; the SKU id is the only safe key, so it can be mapped by itself). The first of these that
finds anything decides: two items, or an inactive one, are a problem and never a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.mapping.models import Component, Item

# Items that stand on a transaction but are nothing that a buyer can buy (N 5.10).
_NEVER_SOLD = frozenset(
    {"Discount", "Markup", "Subtotal", "Description", "Payment", "TaxItem", "TaxGroup", "ShipItem"}
)

_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class NetSuiteItem:
    """What is known of an item of the account."""

    item_id: str
    name: str
    upc_code: str
    external_id: str
    item_type: str
    is_inactive: bool

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> NetSuiteItem:
        """From a row of `raw_netsuite_items` or of SuiteQL, where nulls are missing keys (N 3.2)."""
        texts = {key: str(value).strip() for key, value in row.items() if value is not None}
        return cls(
            item_id=texts.get("item_id") or texts["id"],
            name=texts.get("itemid", ""),
            upc_code=texts.get("upccode", ""),
            external_id=texts.get("externalid", ""),
            item_type=texts.get("itemtype", ""),
            is_inactive=texts.get("isinactive", "F") in ("T", "True", "true"),
        )


@dataclass(frozen=True, slots=True)
class Part:
    """One NetSuite item in one TikTok unit."""

    item_id: str
    quantity: int
    weight: Decimal
    """Share of the unit's price; only proportions matter."""
    units_id: str | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """What one TikTok unit is in NetSuite: one part, or several of an exploded kit."""

    parts: tuple[Part, ...]
    rule: str
    source: str
    weight: Decimal = _ONE
    """Share of one unit in the price of a bundle that it is part of."""
    tax_rate: Decimal | None = None
    tax_code_id: str | None = None


class ItemIndex:
    """The items of the account, by everything that a SKU may be called there."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._by_id = {item.item_id: item for item in map(NetSuiteItem.from_row, rows)}
        self._by_name: dict[str, list[NetSuiteItem]] = {}
        self._by_upc: dict[str, list[NetSuiteItem]] = {}
        self._by_external_id: dict[str, list[NetSuiteItem]] = {}
        for item in self._by_id.values():
            # A sub-item is listed under its parent: «PARENT : CHILD».
            for name in {item.name, item.name.rpartition(" : ")[2]}:
                _add(self._by_name, name, item)
            _add(self._by_upc, item.upc_code, item)
            _add(self._by_external_id, item.external_id, item)

    def __len__(self) -> int:
        return len(self._by_id)

    def fingerprint(self) -> str:
        """Hash of what resolution depends on; parked orders are staged again when it changes."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        items = sorted(self._by_id.values(), key=lambda item: item.item_id)
        return exact_json.fingerprint(
            [[i.item_id, i.name, i.upc_code, i.external_id, i.item_type, i.is_inactive] for i in items]
        )

    def resolve(self, sku_id: str, seller_sku: str, mapped: Mapping[str, Item]) -> Resolved | Problem:
        """What a SKU is; `mapped` is the mapping's `items`. A Problem where that cannot be told."""
        for key in (sku_id, seller_sku):
            if key and key in mapped:
                return self._mapped(key, mapped[key])
        sku = seller_sku or sku_id
        tiers = (
            ("item name", self._by_name, seller_sku),
            ("UPC code", self._by_upc, seller_sku),
            ("external id", self._by_external_id, seller_sku),
        )
        for what, index, text in tiers:
            found = index.get(text.casefold(), []) if text else []
            if not found:
                continue
            chosen = _only_active(sku, what, found)
            if isinstance(chosen, Problem):
                return chosen
            part = Part(chosen.item_id, 1, _ONE)
            return Resolved((part,), f"{what} {text}", "raw_netsuite_items")
        called = f"SKU {seller_sku} (TikTok SKU id {sku_id})" if seller_sku else f"TikTok SKU id {sku_id}"
        return Problem.of(
            "unmapped_sku",
            f"sku:{sku}",
            f"it has {called}, which no NetSuite item carries as name, UPC code or external id, "
            "and which is not under `items` of the mapping.",
        )

    def _mapped(self, key: str, item: Item) -> Resolved | Problem:
        parts: list[Part] = []
        components = item.components if item.kit == "explode" else (item,)
        for component in components:
            found = self._named(key, component)
            if isinstance(found, Problem):
                return found
            if isinstance(component, Component):
                parts.append(Part(found.item_id, component.quantity, component.weight))
            else:
                parts.append(Part(found.item_id, component.units_per, _ONE, component.units_id))
        rule = f"items.{key}" + (", exploded" if item.kit == "explode" else "")
        if item.units_per > 1:
            rule += f", {item.units_per} units in one"
        return Resolved(tuple(parts), rule, "mapping", item.weight, item.tax_rate, item.tax_code_id)

    def _named(self, key: str, named: Item | Component) -> NetSuiteItem | Problem:
        """The item that an entry of the mapping names by id or name."""
        if named.item_id is not None:
            found = [self._by_id[named.item_id]] if named.item_id in self._by_id else []
            called = f"item id {named.item_id}"
        else:
            found = self._by_name.get((named.item_name or "").casefold(), [])
            called = f"item {named.item_name}"
        if not found:
            return Problem.of(
                "unmapped_sku",
                f"sku:{key}",
                f"`items.{key}` of the mapping names {called}, which the NetSuite account does not have.",
            )
        return _only_active(key, called, found)


def _add(index: dict[str, list[NetSuiteItem]], text: str, item: NetSuiteItem) -> None:
    if text and item.item_type not in _NEVER_SOLD:
        index.setdefault(text.casefold(), []).append(item)


def _only_active(sku: str, what: str, found: list[NetSuiteItem]) -> NetSuiteItem | Problem:
    active = [item for item in found if not item.is_inactive]
    if len(active) == 1:
        return active[0]
    if not active:
        ids = ", ".join(sorted(item.item_id for item in found))
        return Problem.of(
            "inactive_item",
            f"sku:{sku}",
            f"SKU {sku} is NetSuite item {ids} (by {what}), which is inactive.",
        )
    ids = ", ".join(sorted(item.item_id for item in active))
    return Problem.of(
        "ambiguous_sku", f"sku:{sku}", f"SKU {sku} could be any of the NetSuite items {ids} (by {what})."
    )

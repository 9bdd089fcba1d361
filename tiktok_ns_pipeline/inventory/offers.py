"""What TikTok lists, as the listings whose levels are decided together.

An *offer* is a SKU of a shop as TikTok lists it, with the items that one unit of it draws. Why an
offer is left alone is said with it: no NetSuite item, a warehouse that the mapping does not know, a
state in which TikTok takes no stock. An offer that is left alone still draws from its shelves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.goods.items import ItemIndex, Resolved
from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.goods.resolving import resolve_unit
from tiktok_ns_pipeline.inventory.pools import Draw, Kits, Listing, Shelf, draws_of
from tiktok_ns_pipeline.mapping import Mapping as SellerMapping
from tiktok_ns_pipeline.mapping.models import Shop
from tiktok_ns_pipeline.mapping.stock import StockDecision
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.product_models import ListedSku
from tiktok_ns_pipeline.tiktok.product_models import Listing as Product
from tiktok_ns_pipeline.tiktok.slot import Slot

SkuKey = tuple[str, str]
"""Shop code and TikTok SKU id."""

_LISTED = ("shop", "sku_id", "product_id", "seller_sku", "status", "warehouse_ids", "draws", "left_alone")
_DELETED = "DELETED"
_BUNDLE = "COMBINED_PRODUCT"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an offer is not pushed, for a person."""

    subject: str
    problem: Problem


@dataclass(frozen=True, slots=True)
class Offer:
    """A SKU of a shop."""

    shop: str
    sku_id: str
    product_id: str
    seller_sku: str
    status: str
    warehouse_ids: tuple[str, ...]
    """Those that show stock which is the seller's to count."""
    draws: tuple[Draw, ...]
    decision: StockDecision
    left_alone: str = ""
    """Why nothing is pushed, in business words; empty where its levels are ours."""
    troubles: tuple[Trouble, ...] = ()

    @property
    def key(self) -> SkuKey:
        """Shop code and SKU id."""
        return self.shop, self.sku_id

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The numbers that it shows, but for those that TikTok counts."""
        return tuple(Slot(self.shop, self.sku_id, each) for each in self.warehouse_ids)

    @property
    def parts(self) -> dict[str, Decimal]:
        """NetSuite units by item id in one unit."""
        return {draw.item_id: draw.quantity for draw in self.draws}


class Offers:
    """The offers of some shops, and which of them share stock."""

    def __init__(self, mapping: SellerMapping) -> None:
        self._mapping = mapping
        self._items: ItemIndex | None = None
        self._kits: Kits = {}
        self._rows: dict[tuple[str, str], dict[str, Any]] = {}
        self._parsed: dict[tuple[str, str], Product | WireError] = {}
        self._shown_in: dict[SkuKey, tuple[str, ...]] = {}
        self._by_key: dict[SkuKey, Offer] = {}
        self._on_shelf: dict[Shelf, list[SkuKey]] = {}
        self._of_item: dict[str, list[SkuKey]] = {}
        self._changed: set[SkuKey] = set()
        self._items_of_changed: set[str] = set()
        self._basis: str | None = None

    def learn_goods(self, items: ItemIndex, kits: Kits) -> None:
        """What SKUs and kits are in NetSuite, as it is now."""
        self._items, self._kits = items, kits

    def learn_products(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Products as they landed; a newer row replaces an older one."""
        for row in rows:
            key = (str(row["shop"]), str(row["product_id"]))
            try:
                self._parsed[key] = Product.parse(exact_json.loads(row["payload"]))
            except WireError as error:
                self._parsed[key] = error

    def learn_warehouses(self, slots: Iterable[Slot]) -> bool:
        """In which warehouses TikTok showed stock of SKUs; whether that is news."""
        found: dict[SkuKey, set[str]] = {}
        for slot in slots:
            found.setdefault((slot.shop, slot.sku_id), set()).add(slot.warehouse_id)
        changed = False
        for key, ids in found.items():
            known = tuple(sorted(ids))
            if self._shown_in.get(key) != known:
                self._shown_in[key] = known
                changed = True
        return changed

    def rebuild(self) -> None:
        """Decide anew what every SKU is, and which of them share stock."""
        before, self._by_key, self._basis = self._by_key, {}, None
        for (shop_code, _), product in self._parsed.items():
            shop = self._mapping.shops.get(shop_code)
            if shop is None or isinstance(product, WireError) or product.status == _DELETED:
                continue
            for sku in product.skus:
                self._by_key[(shop_code, sku.sku_id)] = self._offer(shop, product, sku)
        self._on_shelf.clear()
        self._of_item.clear()
        for key, offer in self._by_key.items():
            for shelf in {shelf for one in self.listings([offer], {}) for shelf in one.shelves}:
                self._on_shelf.setdefault(shelf, []).append(key)
            for draw in offer.draws:
                self._of_item.setdefault(draw.item_id, []).append(key)
        for key in before.keys() | self._by_key.keys():
            old, new = before.get(key), self._by_key.get(key)
            if old != new:
                self._changed.add(key)
                self._items_of_changed |= {draw.item_id for one in (old, new) if one for draw in one.draws}

    def take_changed(self) -> tuple[set[SkuKey], set[str]]:
        """SKUs that became something else since this was asked last, and the items of which they are or
        were."""
        changed = self._changed, self._items_of_changed
        self._changed, self._items_of_changed = set(), set()
        return changed

    def basis(self) -> str:
        """A fingerprint of the mapping and of all that is listed: equal ones mean equal offers."""
        if self._basis is None:
            told = hashlib.sha256(self._mapping.fingerprint().encode())
            for _, offer in sorted(self._by_key.items()):
                # How a SKU's stock is decided follows from the mapping.
                told.update(repr([getattr(offer, name) for name in _LISTED]).encode())
            told.update(repr(sorted(map(repr, self.troubles()))).encode())
            self._basis = told.hexdigest()
        return self._basis

    def __len__(self) -> int:
        return len(self._by_key)

    def all(self) -> list[Offer]:
        """Every offer."""
        return list(self._by_key.values())

    def get(self, key: SkuKey) -> Offer | None:
        """The offer of a SKU; None where TikTok lists it no more, or never did."""
        return self._by_key.get(key)

    def sku_ids(self, shop: str) -> list[str]:
        """The SKUs of a shop, those that show stock of their own."""
        return [key[1] for key, offer in self._by_key.items() if key[0] == shop and offer.draws]

    def sku_ids_of_products(self, shop: str, product_ids: Iterable[str]) -> list[str]:
        """The SKUs of some products of a shop."""
        wanted = set(product_ids)
        return [
            key[1] for key, offer in self._by_key.items() if key[0] == shop and offer.product_id in wanted
        ]

    def parts(self, keys: Iterable[SkuKey]) -> dict[SkuKey, dict[str, Decimal]]:
        """What one unit of these SKUs draws."""
        return {key: offer.parts for key in keys if (offer := self._by_key.get(key))}

    def troubles(self) -> list[tuple[str, Trouble]]:
        """Why offers are not pushed, by shop; products that cannot be read, too."""
        found = [(offer.shop, trouble) for offer in self._by_key.values() for trouble in offer.troubles]
        for (shop, product_id), product in self._parsed.items():
            if isinstance(product, WireError) and shop in self._mapping.shops:
                problem = Problem.of("malformed_listing", f"field:{product.field}", f"{product}.")
                found.append((shop, Trouble(f"product {product_id}", problem)))
        return list(dict.fromkeys(found))

    def around(self, keys: Iterable[SkuKey] = (), items: Iterable[str] = ()) -> list[Offer]:
        """These SKUs and those that draw from these items, with all that share stock with any of them."""
        # In order: equal seeds give equal runs.
        waiting = [key for key in sorted(keys) if key in self._by_key]
        waiting += [key for item in sorted(items) for key in self._of_item.get(item, ())]
        found: dict[SkuKey, Offer] = {}
        shelves: set[Shelf] = set()
        while waiting:
            key = waiting.pop()
            if key in found:
                continue
            found[key] = offer = self._by_key[key]
            for listing in self.listings([offer], {}):
                for shelf in listing.shelves:
                    if shelf not in shelves:
                        shelves.add(shelf)
                        waiting += self._on_shelf.get(shelf, ())
        return list(found.values())

    def listings(self, offers: Iterable[Offer], shown: Mapping[Slot, int]) -> list[Listing]:
        """The slots of offers, with what TikTok shows of them."""
        return [
            Listing(
                slot=slot,
                pool=pool,
                draws=offer.draws,
                share=offer.decision.share,
                buffer=offer.decision.buffer,
                cap=offer.decision.cap,
                shown=shown.get(slot),
                publishes=not offer.left_alone,
            )
            for offer in offers
            for slot in offer.slots
            if (pool := self._mapping.stock_locations(slot.warehouse_id)) and offer.draws
        ]

    def _offer(self, shop: Shop, product: Product, sku: ListedSku) -> Offer:
        seller_sku = (sku.seller_sku or "").strip()
        decision = self._mapping.stock_decision(shop, sku.sku_id, seller_sku)
        every = self._shown_in.get((shop.code, sku.sku_id)) or tuple(sorted(sku.warehouses))
        ours = tuple(each for each in every if not self._mapping.is_fbt(each))
        is_bundle = sku.is_bundle or _BUNDLE in product.product_types
        draws, trouble = self._draws(shop.code, sku, is_bundle=is_bundle)
        unknown = [each for each in ours if each not in self._mapping.warehouses]
        reason, troubles = "", list[Trouble]()
        if not decision.publishes:
            reason = f"{decision.rules['publishes']} of the mapping leaves its stock alone"
        elif not product.takes_stock:
            reason = f"TikTok takes no stock for a product that is {product.status}"
        elif is_bundle:
            reason = "it is a bundle, whose stock is that of its parts"
        elif trouble is not None:
            reason, troubles = trouble.problem.message, [trouble]
        elif unknown:
            reason = f"it is in warehouse {', '.join(unknown)}, which the mapping does not know"
            troubles = [_unmapped_warehouse(shop.code, each) for each in unknown]
        elif not ours:
            reason = "only TikTok's own warehouses have it"
        return Offer(
            shop=shop.code,
            sku_id=sku.sku_id,
            product_id=product.product_id,
            seller_sku=seller_sku,
            status=product.status,
            warehouse_ids=ours,
            draws=draws,
            decision=decision,
            left_alone=reason,
            troubles=tuple(troubles),
        )

    def _draws(
        self, shop: str, sku: ListedSku, *, is_bundle: bool
    ) -> tuple[tuple[Draw, ...], Trouble | None]:
        """What one unit draws, or why that cannot be told. A bundle's units are its parts'."""
        if self._items is None or is_bundle:
            return (), None
        seller_sku = (sku.seller_sku or "").strip()
        found = resolve_unit(sku.sku_id, seller_sku, (), self._mapping, self._items)
        problems = [each for each in found if isinstance(each, Problem)]
        if not problems:
            parts = [part for each in found if isinstance(each, Resolved) for part in each.parts]
            try:
                return draws_of(parts, self._kits), None
            except ValueError as error:
                problems = [Problem.of("unmapped_listing", f"sku:{sku.sku_id}", f"{error}.")]
        message = " ".join(problem.message for problem in problems)
        told = f"SKU {sku.sku_id} of shop {shop} is listed, but {_lower(message)}"
        problem = Problem.of("unmapped_listing", problems[0].cause, told)
        return (), Trouble(f"sku {sku.sku_id}", problem)


def _unmapped_warehouse(shop: str, warehouse_id: str) -> Trouble:
    message = (
        f"Shop {shop} shows stock in TikTok warehouse {warehouse_id}, which is not under `warehouses` of the "
        "mapping. TikTok takes the stock of a SKU for all its warehouses at once, so none of its SKUs is set."
    )
    problem = Problem.of("unmapped_stock_warehouse", f"warehouse:{warehouse_id}", message)
    return Trouble(f"warehouse {warehouse_id}", problem)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:] if not text.startswith("SKU") else text

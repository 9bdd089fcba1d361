"""What each shop lists: products with their SKUs, and whether buyers can get them (T 5.2).

Every shop lists the whole catalogue. A product is live unless somebody changed that; the ones that
were retired before the world began are still shown. Of a product that is not live, and of a SKU that is
deactivated, nothing can be bought.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from tiktok_ns_pipeline.sandbox.catalogue import LISTINGS, RETIRED, Listing, shop_of

if TYPE_CHECKING:
    from tiktok_ns_pipeline.sandbox.world import World

ProductStatus = Literal[
    "DRAFT",
    "PENDING",
    "FAILED",
    "ACTIVATE",
    "SELLER_DEACTIVATED",
    "PLATFORM_DEACTIVATED",
    "FREEZE",
    "DELETED",
]
STATUSES: tuple[str, ...] = get_args(ProductStatus)
TAKES_NO_STOCK = {"FREEZE", "DELETED"}
"""Statuses in which stock cannot be set (T 5.3)."""

# When the catalogue was listed: the first product then, each other an hour later.
_LISTED_AT = 1_735_689_600
_HOUR = 3_600

_SCHEMA = """
CREATE TABLE IF NOT EXISTS shelf (
    shop TEXT NOT NULL,
    id TEXT NOT NULL,
    status TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (shop, id)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Product:
    """One product of a shop. Times are Unix seconds."""

    id: str
    listings: tuple[Listing, ...]
    status: str
    created_at: int
    updated_at: int
    inactive: frozenset[str]
    """sku_ids that the seller deactivated."""


class Shelf:
    """The products of a world's shops."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._database = world.store.database
        self._database.executescript(_SCHEMA)
        rows = self._database.execute("SELECT shop, id, status, changed_at FROM shelf")
        self._changed = {(shop, one): (status, at) for shop, one, status, at in rows}

    def products(self, shop: str) -> list[Product]:
        """Every product of a shop, deleted ones too, in the order in which they were listed."""
        return [self._product(shop_of(shop).key, product_id) for product_id in _PRODUCTS]

    def product(self, shop: str, product_id: str) -> Product | None:
        """One product, or None."""
        return self._product(shop_of(shop).key, product_id) if product_id in _PRODUCTS else None

    def sells(self, shop: str, listing: Listing) -> bool:
        """Whether buyers can get it, if there is stock."""
        states = (self._changed.get((shop, one)) for one in (listing.product_id, listing.sku_id))
        return all(state is None or state[0] in {"ACTIVATE", "NORMAL"} for state in states)

    def set_status(self, shop: str, product_id: str, status: ProductStatus) -> None:
        """Somebody at the seller's or at TikTok changes a product's status; raises KeyError when the shop
        has no such product."""
        if product_id not in _PRODUCTS:
            raise KeyError(f"the sandbox has no product {product_id}")
        self._keep(shop, product_id, status)

    def set_active(self, shop: str, sku_id: str, active: bool) -> None:
        """The seller deactivates one SKU of a product, or activates it again."""
        self._keep(shop, sku_id, "NORMAL" if active else "DEACTIVATED")

    def _keep(self, shop: str, one: str, status: str) -> None:
        key, at = (shop_of(shop).key, one), self._world.epoch()
        with self._world.changing():
            self._database.execute("INSERT OR REPLACE INTO shelf VALUES (?, ?, ?, ?)", (*key, status, at))
        self._changed[key] = (status, at)

    def _product(self, shop: str, product_id: str) -> Product:
        index, listings, status = _PRODUCTS[product_id]
        created = _LISTED_AT + index * _HOUR
        of_product = self._changed.get((shop, product_id), (status, created))
        of_skus = {one.sku_id: self._changed.get((shop, one.sku_id), ("NORMAL", 0)) for one in listings}
        return Product(
            product_id,
            listings,
            of_product[0],
            created,
            max(at for _, at in (of_product, *of_skus.values())),
            frozenset(sku_id for sku_id, (state, _) in of_skus.items() if state == "DEACTIVATED"),
        )


def _by_product(listed: Iterable[tuple[Listing, str]]) -> dict[str, tuple[int, tuple[Listing, ...], str]]:
    products: dict[str, tuple[int, tuple[Listing, ...], str]] = {}
    for listing, status in listed:
        index, others, _ = products.get(listing.product_id, (len(products), (), ""))
        products[listing.product_id] = (index, (*others, listing), status)
    return products


_PRODUCTS = _by_product((*((listing, "ACTIVATE") for listing in LISTINGS), *RETIRED))
"""product_id -> (place in the list, SKUs, status at first)."""

"""What the sandbox's seller has: one app, three shops, the things for sale and where they lie.

A *listing* is what a buyer picks at TikTok (its own `sku_id`); what it *makes* are the items that
leave the warehouse for one unit of it, by their NetSuite names. Two listings may carry one
`seller_sku`, a pack makes six of an item, a bundle several items, and a stray listing makes nothing
that NetSuite knows.

Invariant: the items named in `makes` are those of the sandbox's NetSuite account (`books`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

APP_KEY = "sandboxappkey"
APP_SECRET = "sandbox-app-secret-0001"  # noqa: S105 - opens nothing but the sandbox
AUTH_CODE = "sandbox-auth-code"
"""Good for one exchange after each start; the control API gives out more."""

SCOPES = (
    "seller.authorization.info",
    "seller.shop.info",
    "seller.order.info",
    "seller.order.ext_ref.read",
    "seller.order.ext_ref.write.custom",
    "seller.fulfillment.basic",
    "seller.fulfillment.package.write",
    "seller.logistics",
    "seller.product.basic",
    "seller.product.write",
    "seller.return_refund.basic",
    "seller.finance.info",
)


@dataclass(frozen=True, slots=True)
class Shop:
    """One shop of the seller. `key` is the short code in external ids, `code` TikTok's."""

    key: str
    code: str
    id: str
    cipher: str
    name: str
    region: str
    seller_type: str
    currency: str
    warehouses: tuple[str, ...]
    fbt_warehouse: str | None
    taxes: str
    """`on top` of the prices (US), or `inside` them (T 10.1)."""
    vat_percent: int = 0


SHOPS = (
    Shop(
        key="us",
        code="USLCSANDBOX1",
        id="7495000000000000001",
        cipher="GCP_US+sandbox/cipher==",
        name="Sandbox US",
        region="US",
        seller_type="LOCAL",
        currency="USD",
        warehouses=("7000000000000000061", "7000000000000000071"),
        fbt_warehouse="7000000000000000081",
        taxes="on top",
    ),
    Shop(
        key="uk",
        code="GBLCSANDBOX1",
        id="7495000000000000002",
        cipher="GCP_GB+sandbox/cipher==",
        name="Sandbox UK",
        region="GB",
        seller_type="LOCAL",
        currency="GBP",
        warehouses=("7000000000000000091",),
        fbt_warehouse=None,
        taxes="inside",
        vat_percent=20,
    ),
    Shop(
        key="vn",
        code="VNCBSANDBOX1",
        id="7495000000000000003",
        cipher="GCP_VN+sandbox/cipher==",
        name="Sandbox VN",
        region="VN",
        seller_type="CROSS_BORDER",
        currency="VND",
        warehouses=("7000000000000000101",),
        fbt_warehouse=None,
        taxes="inside",
        vat_percent=10,
    ),
)
_SHOPS_BY_NAME = {name: shop for shop in SHOPS for name in (shop.key, shop.code, shop.id, shop.cipher)}


def shop_of(name: str) -> Shop:
    """The shop by its key, TikTok code, id or cipher; raises ValueError when there is none."""
    shop = _SHOPS_BY_NAME.get(name)
    if shop is None:
        raise ValueError(f"the sandbox has no shop {name!r}; it has {', '.join(shop.key for shop in SHOPS)}")
    return shop


@dataclass(frozen=True, slots=True)
class Listing:
    """What a buyer can pick. `prices` holds the price of one unit by currency."""

    sku_id: str
    product_id: str
    seller_sku: str
    name: str
    variant: str
    prices: Mapping[str, Decimal]
    makes: tuple[tuple[str, int], ...]
    """(item name in NetSuite, quantity in its base unit); empty if NetSuite has no such item."""
    components: tuple[tuple[str, int], ...] = ()
    """What TikTok itself knows to be inside a virtual bundle (T 3.5): (seller_sku, count)."""


# NetSuite items 301 to 340; UPC by item id.
_SINGLES = 40
_COLOURS = ("Black", "Cream", "Red", "Olive", "Blue")
_SIZES = ("S", "M", "L", "XL")


def upc_of(number: int) -> str:
    """UPC of SKU-001 and so on, as the NetSuite item carries it."""
    return f"0000000003{number:02d}"


def _prices(dollars: Decimal) -> dict[str, Decimal]:
    """One price in the currencies of the shops, each with the digits its currency has."""
    pounds = (dollars * Decimal("0.81")).quantize(Decimal("0.01"))
    dong = (dollars * 25_431).quantize(Decimal(10)).quantize(Decimal(1))
    return {"USD": dollars, "GBP": pounds, "VND": dong}


def _listing(
    index: int,
    seller_sku: str,
    dollars: str,
    makes: tuple[tuple[str, int], ...],
    components: tuple[tuple[str, int], ...] = (),
) -> Listing:
    return Listing(
        sku_id=str(1_729_582_000_000_000_000 + index * 10_007),
        product_id=str(1_729_581_000_000_000_000 + index // 4 * 10_009),
        seller_sku=seller_sku,
        name=f"Sample product {index // 4}",
        variant=f"{_COLOURS[index % 5]}, {_SIZES[index % 4]}",
        prices=_prices(Decimal(dollars)),
        makes=makes,
        components=components,
    )


def _single(number: int) -> Listing:
    dollars = f"{5 + number * 37 % 60}.{('00', '49', '99', '25', '95', '10')[number % 6]}"
    return _listing(number, f"SKU-{number:03d}", dollars, ((f"SKU-{number:03d}", 1),))


SINGLES = tuple(_single(number) for number in range(1, _SINGLES + 1))

PACK = _listing(101, "PACK-6-001", "199.5", (("SKU-001", 6),))
KITS = (
    # A kit that NetSuite sells as such, and one that the mapping takes apart.
    _listing(111, "KIT-001", "88.2", (("KIT-001", 1),)),
    _listing(112, "KIT-002", "64.45", (("SKU-003", 1), ("SKU-004", 1))),
)
BUNDLES = (
    _listing(121, "", "49.99", (("SKU-005", 1), ("SKU-006", 1)), (("SKU-005", 1), ("SKU-006", 1))),
    _listing(122, "BUNDLE-2", "75", (("SKU-007", 2), ("SKU-008", 1)), (("SKU-007", 2), ("SKU-008", 1))),
)
TWINS = tuple(
    # Listed again: other TikTok ids, same seller_sku (T 9.4 no. 10).
    _listing(130 + number, f"SKU-{number:03d}", "18.75", ((f"SKU-{number:03d}", 1),))
    for number in (9, 10)
)
BY_UPC = tuple(
    # The seller typed the bar code where others type the SKU.
    _listing(150 + number, upc_of(number), "23.4", ((f"SKU-{number:03d}", 1),))
    for number in (11, 12)
)
STRAYS = (_listing(170, "NEW-IN-2027", "12.34", ()), _listing(171, "SKU-041", "31.07", ()))

RETIRED = (
    # What was listed once: nobody can buy it, and the product search still shows it (T 9.4 no. 11).
    (_listing(180, "SKU-013", "9.5", (("SKU-013", 1),)), "DELETED"),
    (_listing(184, "SKU-014", "10.5", (("SKU-014", 1),)), "SELLER_DEACTIVATED"),
)
"""(listing, status of its product)."""

LISTINGS = (*SINGLES, PACK, *KITS, *BUNDLES, *TWINS, *BY_UPC, *STRAYS)
"""What buyers can pick in every shop."""

_BY_SELLER_SKU = {listing.seller_sku: listing for listing in reversed(LISTINGS) if listing.seller_sku}


def listing_of(seller_sku: str) -> Listing | None:
    """The listing with that seller_sku (the first one listed), or None."""
    return _BY_SELLER_SKU.get(seller_sku)


_BY_SKU_ID = {listing.sku_id: listing for listing in (*LISTINGS, *(listing for listing, _ in RETIRED))}


def listing_by_id(sku_id: str) -> Listing | None:
    """The listing with that sku_id, retired or not, or None."""
    return _BY_SKU_ID.get(sku_id)


def listings_alike(seller_skus: Sequence[str]) -> list[Listing]:
    """The listings of these seller SKUs, and all others that take the same items of NetSuite.

    Raises ValueError for a seller SKU that is not listed.
    """
    unknown = [sku for sku in seller_skus if sku not in _BY_SELLER_SKU]
    if unknown:
        raise ValueError(f"the sandbox lists nothing with seller_sku {', '.join(map(repr, unknown))}")
    items = {item for sku in seller_skus for item, _ in _BY_SELLER_SKU[sku].makes}
    return [
        listing
        for listing in LISTINGS
        if listing.seller_sku in seller_skus or any(item in items for item, _ in listing.makes)
    ]

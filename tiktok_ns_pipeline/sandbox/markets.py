"""How shipping differs between the markets of the sandbox's shops (T 4.1, 4.3 to 4.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

ShippedThrough = Literal["seller", "label", "schedule", "fbt"]
"""Who arranges the parcels of an order, and how: the seller's own carrier; TikTok's, by a label bought
in Seller Center or by a handover arranged for a package; or TikTok's own warehouse (T 4.1)."""

SELLER_OPTION = "7091146663229654785"
TIKTOK_OPTION = "7091146663229654786"
"""Delivery options of orders: the seller's own shipping, and TikTok's."""

MOST_ORDERS_PER_NUMBER = 20
"""So many orders may go by one tracking number, or in one package (T 4.4)."""

TRACKING_NUMBER = re.compile(r"[0-9A-Za-z]{6,40}")
"""What can be a tracking number at all."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A carrier as TikTok knows it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Market:
    """The rules of one region."""

    packages_at_once: bool
    """Packages exist as soon as an order may be shipped; elsewhere once it is shipped (T 4.3)."""
    buys_labels: bool
    """TikTok's shipping begins with a label; elsewhere with a handover that is arranged (T 4.1)."""
    marks_as_shipped: bool
    """Sellers report their own shipments by order; elsewhere by package (T 4.1)."""
    splits_units: bool
    """Splits may part units of one SKU (T 4.4)."""
    shares_numbers: bool
    """Orders of one recipient are combined by telling one tracking number for all (T 4.4)."""
    cancels_lines: bool
    """Sellers may cancel single lines that are out of stock (T 6.2)."""
    providers: tuple[Provider, ...]


TIKTOK_CARRIER = Provider("7439297584469903122", "Sandbox Express")
"""Takes what TikTok ships itself."""

_WEST = {
    "packages_at_once": False,
    "buys_labels": True,
    "marks_as_shipped": True,
    "splits_units": True,
    "shares_numbers": True,
    "cancels_lines": True,
}
_UPS = Provider("7117859084333745966", "UPS")
_FEDEX = Provider("7129720299146184490", "FedEx")
_DHL = Provider("7132708161233061674", "DHL")

MARKETS: dict[str, Market] = {
    "US": Market(
        **_WEST,
        providers=(
            Provider("7117858858072016686", "USPS"),
            _UPS,
            _FEDEX,
            _DHL,
            Provider("7212608507307099905", "Amazon Logistics"),
        ),
    ),
    "GB": Market(
        **_WEST,
        providers=(
            Provider("6965352555291346690", "Royal Mail"),
            Provider("6965352555291346691", "Evri"),
            Provider("6965352555291346692", "DPD"),
            _UPS,
            _DHL,
        ),
    ),
    "VN": Market(
        packages_at_once=True,
        buys_labels=False,
        marks_as_shipped=False,
        splits_units=False,
        shares_numbers=False,
        cancels_lines=False,
        providers=(
            Provider("6841743441349706241", "J&T Express"),
            Provider("6841743441349706242", "GHN"),
            Provider("6841743441349706243", "Viettel Post"),
        ),
    ),
}


def provider_of(region: str, provider_id: str) -> Provider | None:
    """The carrier of that id that sellers of a region may name, or None."""
    return next((one for one in MARKETS[region].providers if one.id == provider_id), None)

"""The parcel's address as a NetSuite address: what TikTok tells, masked or not, nothing invented.

A part that TikTok leaves out stays out. Text loses control characters and is cut to the length of
NetSuite's field. The city and the state stand in `district_info`, at levels that differ by market
(T 3.6).
"""

from __future__ import annotations

from tiktok_ns_pipeline.goods.text import clean_text
from tiktok_ns_pipeline.orders.document import Address
from tiktok_ns_pipeline.tiktok.models import DistrictInfo, RecipientAddress

# Lengths of NetSuite's address fields.
_NAME, _LINE, _CITY, _STATE, _ZIP, _PHONE = 83, 150, 50, 30, 36, 32

_CITY_LEVEL = {"US": "L3"}
"""Level of the city by country; L2 elsewhere. A post town (UK) goes before it."""

_WITHOUT_STATE = frozenset({"GB"})
"""Countries whose L1 is a nation, which is no part of an address."""

US_STATES = {
    "Alabama": "AL", "Alaska": "AK", "Arizona": "AZ", "Arkansas": "AR", "California": "CA",
    "Colorado": "CO", "Connecticut": "CT", "Delaware": "DE", "District of Columbia": "DC",
    "Florida": "FL", "Georgia": "GA", "Hawaii": "HI", "Idaho": "ID", "Illinois": "IL", "Indiana": "IN",
    "Iowa": "IA", "Kansas": "KS", "Kentucky": "KY", "Louisiana": "LA", "Maine": "ME", "Maryland": "MD",
    "Massachusetts": "MA", "Michigan": "MI", "Minnesota": "MN", "Mississippi": "MS", "Missouri": "MO",
    "Montana": "MT", "Nebraska": "NE", "Nevada": "NV", "New Hampshire": "NH", "New Jersey": "NJ",
    "New Mexico": "NM", "New York": "NY", "North Carolina": "NC", "North Dakota": "ND", "Ohio": "OH",
    "Oklahoma": "OK", "Oregon": "OR", "Pennsylvania": "PA", "Rhode Island": "RI", "South Carolina": "SC",
    "South Dakota": "SD", "Tennessee": "TN", "Texas": "TX", "Utah": "UT", "Vermont": "VT",
    "Virginia": "VA", "Washington": "WA", "West Virginia": "WV", "Wisconsin": "WI", "Wyoming": "WY",
    "American Samoa": "AS", "Guam": "GU", "Northern Mariana Islands": "MP", "Puerto Rico": "PR",
    "Virgin Islands": "VI", "Armed Forces Americas": "AA", "Armed Forces Europe": "AE",
    "Armed Forces Pacific": "AP",
}  # fmt: skip
"""Short names, which NetSuite expects for the US (N 5.3)."""

_US_BY_NAME = {name.casefold(): short for name, short in US_STATES.items()}


def netsuite_address(recipient: RecipientAddress | None) -> Address | None:
    """The address of a recipient; None where TikTok tells nothing."""
    if recipient is None:
        return None
    country = country_of(recipient)
    first_line = recipient.address_line1 or recipient.address_detail or recipient.full_address
    names = recipient.name or " ".join(filter(None, (recipient.first_name, recipient.last_name)))
    rest = ", ".join(filter(None, (recipient.address_line3, recipient.address_line4)))
    address = Address(
        addressee=clean_text(names, _NAME),
        addr1=clean_text(first_line, _LINE),
        addr2=clean_text(recipient.address_line2, _LINE),
        addr3=clean_text(rest, _LINE),
        city=clean_text(_city(recipient, country), _CITY),
        state=clean_text(state_of(recipient), _STATE),
        zip=clean_text(recipient.postal_code, _ZIP),
        country=country,
        phone=clean_text(recipient.phone_number, _PHONE),
    )
    return address if address != Address() else None


def country_of(recipient: RecipientAddress | None) -> str | None:
    """ISO 3166 alpha-2 of the destination, where TikTok states one."""
    code = (recipient.region_code or "").strip().upper() if recipient else ""
    return code if len(code) == 2 and code.isascii() and code.isalpha() else None


def state_of(recipient: RecipientAddress | None) -> str | None:
    """State or province; the two-letter short name in the US."""
    country = country_of(recipient)
    district = _at_level(recipient, "L1")
    if district is None or country in _WITHOUT_STATE:
        return None
    if country == "US":
        code = (district.iso_code or "").upper().removeprefix("US-")
        named = _US_BY_NAME.get((district.address_name or "").strip().casefold())
        return named or (code if code in US_STATES.values() else None) or district.address_name
    return district.address_name


def _city(recipient: RecipientAddress, country: str | None) -> str | None:
    if recipient.post_town:
        return recipient.post_town
    for district in recipient.district_info:
        if (district.address_level_name or "").strip().casefold() == "city":
            return district.address_name
    found = _at_level(recipient, _CITY_LEVEL.get(country or "", "L2"))
    return found.address_name if found else None


def _at_level(recipient: RecipientAddress | None, level: str) -> DistrictInfo | None:
    districts = recipient.district_info if recipient else ()
    return next((district for district in districts if district.address_level == level), None)

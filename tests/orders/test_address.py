"""Addresses come from what TikTok tells, masked or not, and from nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.orders.order_builder import sample
from tiktok_ns_pipeline.goods.text import clean_text
from tiktok_ns_pipeline.orders.address import netsuite_address, state_of
from tiktok_ns_pipeline.orders.document import Address
from tiktok_ns_pipeline.tiktok.models import RecipientAddress


def address(**parts: Any) -> Address | None:
    return netsuite_address(RecipientAddress.model_validate(parts))


def district(level: str, name: str, **more: str) -> dict[str, str]:
    return {"address_level": level, "address_name": name, **more}


def test_an_american_address_in_clear() -> None:
    found = address(
        name="Buyer Example",
        address_line1="1 Example Street",
        address_line2="Suite 100",
        postal_code="90000",
        phone_number="(+1)555-000-0000",
        region_code="US",
        district_info=[
            district("L0", "United States", iso_code="US"),
            district("L1", "California"),
            district("L2", "Los Angeles County"),
            district("L3", "Los Angeles"),
        ],
    )

    assert found == Address(
        addressee="Buyer Example",
        addr1="1 Example Street",
        addr2="Suite 100",
        city="Los Angeles",
        state="CA",
        zip="90000",
        country="US",
        phone="(+1)555-000-0000",
    )


def test_masked_parts_pass_and_missing_parts_stay_missing() -> None:
    assert address(name="B** E*", address_line1="***", region_code="GB") == Address(
        addressee="B** E*", addr1="***", country="GB"
    )


def test_no_address_is_no_address() -> None:
    assert netsuite_address(None) is None
    assert address(name="", address_line1=" ", district_info=[]) is None


@pytest.mark.parametrize(
    ("country", "name", "iso", "state"),
    [
        ("US", "new york", "", "NY"),
        ("US", "", "US-TX", "TX"),
        ("US", "TX", "", "TX"),
        ("GB", "England", "ENG", None),
        ("VN", "Hà Nội", "VN-HN", "Hà Nội"),
    ],
)
def test_state_is_short_in_the_us_and_free_text_elsewhere(
    country: str, name: str, iso: str, state: str | None
) -> None:
    recipient = RecipientAddress.model_validate(
        {"region_code": country, "district_info": [district("L1", name, iso_code=iso)]}
    )

    assert state_of(recipient) == state


def test_a_post_town_is_the_city() -> None:
    found = address(post_town="Ribbleton", region_code="GB", district_info=[district("L2", "Preston")])

    assert found is not None
    assert found.city == "Ribbleton"


def test_a_level_named_city_is_the_city() -> None:
    districts = [
        district("L2", "Jakarta", address_level_name="City"),
        district("L3", "Menteng", address_level_name="District"),
    ]

    found = address(region_code="ID", district_info=districts)

    assert found is not None
    assert found.city == "Jakarta"


def test_brazilian_lines_three_and_four_share_the_third() -> None:
    found = address(address_line1="1", address_line3="Vila", address_line4="Avenida", region_code="BR")

    assert found is not None
    assert found.addr3 == "Vila, Avenida"


def test_text_is_cleaned_and_cut_to_netsuites_lengths() -> None:
    found = address(name="A" * 200, address_line1="1\r\nExample\tStreet\x00\u202e", region_code="zz9")

    assert found is not None
    assert found.addressee == "A" * 83
    assert found.addr1 == "1 Example Street"
    assert found.country is None


def test_cleaning_keeps_every_script() -> None:
    assert clean_text("  Trần 日本 👩‍👧 क्ष\u200d ", 50) == "Trần 日本 👩‍👧 क्ष\u200d"
    assert clean_text("\x07\u200e", 5) is None


def test_the_documented_example_has_an_address() -> None:
    (raw,) = sample("oas_order_detail_202507.json")["response"]["data"]["orders"]

    found = netsuite_address(RecipientAddress.model_validate(raw["recipient_address"]))

    assert found is not None
    assert (found.addressee, found.city, found.zip) == ("Buyer Example", "Ribbleton", "90000")

"""`config check` finds what would go wrong with the first order, and says how to mend it."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from tests.cli.conftest import Run, Shop


def findings(text: str, verdict: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"{verdict} ")]


def test_the_sandbox_and_its_mapping_fit(shop: Shop):
    shop.consent()
    result = shop.run("config", "check")
    assert result.exit_code == 0, result.output
    assert findings(result.stdout, "wrong") == []
    assert len(findings(result.stdout, "ok")) >= 12


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ('tiktok_shop_id: "7495000000000000002"', 'tiktok_shop_id: "7495000000000000009"', "shop uk"),
        ("region: GB", "region: FR", "TikTok says its region is GB"),
        ('location_id: "9" ', 'location_id: "909" ', "909 (shops.uk.location_id)"),
        ('subsidiary_id: "2"', 'subsidiary_id: "22"', "22 (shops.uk.subsidiary_id)"),
        ('currency_id: "2"', 'currency_id: "3"', "is EUR in NetSuite"),
        ('PACK-6-001: {item_id: "301"', 'PACK-6-001: {item_id: "30100"', "PACK-6-001"),
        ("order_id: custbody_tts_order_id", "order_id: custbody_other", "custbody_other"),
        ("line_key: custcol_tts_line_key", "line_key: custcol_other", "custcol_other"),
        ('class_id: "2"', 'class_id: "222"', "222"),
        (
            '  "7000000000000000071": {location_id: "7"}',
            '  "7000000000000000072": {location_id: "7"}',
            "71 (",
        ),
        (
            '  "7000000000000000091": {location_id: "9"',
            '  "7000000000000000091": {location_id: "9", stock_location_ids: [9, 77]',
            "77 (warehouses.7000000000000000091.stock_location_ids)",
        ),
        (
            '  "7000000000000000091": {location_id: "9"',
            '  "7000000000000000091": {location_id: "9", stock_location_ids: [7]',
            "location 7, which is of subsidiary 1, not of the shop's (2)",
        ),
        (
            '  "7000000000000000091": {location_id: "9"',
            '  "7000000000000000091": {location_id: "10"',
            "with 200 percent in all (uk 100, vn 100), so each is scaled down",
        ),
        (
            'bank_account_id: "128"',
            'bank_account_id: "12700"',
            "12700 (shops.us.settlement.bank_account_id)",
        ),
    ],
)
def test_what_does_not_fit_is_named(shop: Shop, right: str, wrong: str, told: str):
    shop.consent()
    shop.edit_mapping(right, wrong)
    result = shop.run("config", "check")
    assert result.exit_code == 1, result.output
    assert any(told in line for line in findings(result.stdout, "wrong")), result.stdout


@pytest.mark.parametrize(
    ("account", "told"),
    [("12500", "12500 (shops.us.billing.account_id)"), ("126", "account 126 is kept in currency 2")],
)
def test_a_clearing_account_that_does_not_fit_is_named(shop: Shop, account: str, told: str):
    shop.consent()
    shop.edit_mapping('account_id: "125"', f'account_id: "{account}"')
    shop.edit_mapping('clearing_account_id: "125"', f'clearing_account_id: "{account}"')
    result = shop.run("config", "check")
    assert result.exit_code == 1, result.output
    assert any(told in line for line in findings(result.stdout, "wrong")), result.stdout


def test_a_clearing_account_that_nobody_may_use_is_named(shop: Shop):
    shop.consent()
    shop.running.sandbox.books.patch("account", "125", {"isInactive": True})
    result = shop.run("config", "check")
    assert result.exit_code == 1
    assert any("account 125 is inactive" in line for line in findings(result.stdout, "wrong")), result.stdout


def test_a_location_that_nobody_may_use_is_named(shop: Shop):
    shop.consent()
    shop.running.sandbox.books.patch("location", "6", {"isInactive": True})
    result = shop.run("config", "check")
    assert result.exit_code == 1
    assert any("location 6, which is inactive" in line for line in findings(result.stdout, "wrong"))


def test_a_shop_that_publishes_no_stock_is_told(shop: Shop):
    shop.consent()
    text = shop.mapping.read_text()
    shop.mapping.write_text(text.replace("    stock: {policy: publish}\n", ""))
    result = shop.run("config", "check")
    assert result.exit_code == 0, result.output
    told = [line for line in findings(result.stdout, "ok") if "TikTok's stock is left alone" in line]
    assert len(told) == 2


def test_a_shop_that_the_mapping_forgot_is_named(shop: Shop):
    shop.consent()
    text = shop.mapping.read_text()
    begins, ends = text.index("  vn:\n"), text.index("# --- Items")
    shop.mapping.write_text(text[:begins] + text[ends:])
    result = shop.run("config", "check")
    assert result.exit_code == 1
    assert any("7495000000000000003" in line for line in findings(result.stdout, "wrong"))


def test_more_slots_than_the_account_has_are_too_many(shop: Shop):
    shop.consent()
    result = shop.run("config", "check", TNS_NETSUITE_SLOTS="40")
    assert result.exit_code == 1
    assert any("TNS_NETSUITE_SLOTS is 40" in line for line in findings(result.stdout, "wrong"))


def test_a_side_that_cannot_be_asked_is_unknown_and_the_other_is_still_checked(shop: Shop):
    result = shop.run("config", "check")
    assert result.exit_code == 1
    assert any("TikTok" in line and "authorize" in line for line in findings(result.stdout, "unknown"))
    assert any("NetSuite login" in line for line in findings(result.stdout, "ok"))


def test_new_key_is_a_key(run: Run):
    keys = {run("config", "new-key").stdout.strip() for _ in range(2)}
    assert len(keys) == 2
    for key in keys:
        Fernet(key)

"""`tiktok-ns webhooks`: addresses at TikTok, told and compared."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run, Shop
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.settings import TIKTOK_API
from tiktok_ns_pipeline.webhooks import registering
from tiktok_ns_pipeline.webhooks.registering import complaint_about

LOCAL = "http://127.0.0.1:8090/webhooks/tiktok"
GOOD = "https://shop.example.com/webhooks/tiktok"


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registering, "PAUSES_S", (0.01,) * 3)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://shop.example.com/", "https only"),
        ("https://203.0.113.7/hooks", "domain name only, and 203.0.113.7 is none"),
        ("https://[2001:db8::1]/hooks", "domain name only"),
        ("https://localhost/hooks", "domain name only"),
        ("https://shop.example.com:8443/hooks", "no port"),
        ("https://shop.example.com:443/hooks", "no port"),
        ("https://shop.example.com:99999/hooks", "no web address"),
        ("https://user:word@shop.example.com/", "no web address"),
        ("ftp://shop.example.com/", "no web address"),
        ("shop.example.com", "no web address"),
        ("https://[broken/", "no web address"),
        ("https://shop.example.com/" + "x" * 255, "TikTok takes 255 at most"),
    ],
)
def test_an_address_that_tiktok_would_not_post_to_is_refused(address: str, reason: str) -> None:
    assert reason in (complaint_about(address, TIKTOK_API) or "")


def test_a_good_address_is_taken_and_a_sandbox_takes_this_machine() -> None:
    assert complaint_about(GOOD, TIKTOK_API) is None
    assert complaint_about(LOCAL, "http://127.0.0.1:8801") is None
    assert complaint_about("nonsense", "http://127.0.0.1:8801") is not None


def test_register_asks_nothing_when_the_address_is_wrong(run: Run) -> None:
    settings = {
        "TNS_TIKTOK_APP_KEY": "key",
        "TNS_TIKTOK_APP_SECRET": "secret",
        "TNS_NETSUITE_ACCOUNT": "1234567",
        "TNS_NETSUITE_CLIENT_ID": "id",
        "TNS_NETSUITE_CERTIFICATE_ID": "certificate",
        "TNS_NETSUITE_PRIVATE_KEY": "key",
        "TNS_ENCRYPTION_KEY": "key",
    }
    result = run("webhooks", "register", "https://203.0.113.7/", **settings)
    assert result.exit_code == 2
    assert result.stderr.strip() == "error: TikTok posts to a domain name only, and 203.0.113.7 is none"
    unknown = run("webhooks", "register", GOOD, "--event", "ORDER_GONE", **settings)
    assert unknown.exit_code == 2
    assert "TikTok registers no event ORDER_GONE; it knows CANCELLATION_STATUS_CHANGE" in unknown.stderr


def test_registered_addresses_are_listed_with_what_waits(shop: Shop) -> None:
    shop.consent()
    assert "`tiktok-ns webhooks register`" in shop.run("webhooks", "list").stdout
    done = shop.run("webhooks", "register", LOCAL, "--shop", "us")
    assert done.exit_code == 0, done.output
    assert done.stdout.count(": registered") == len(registering.DEFAULT_EVENTS)
    again = shop.run("webhooks", "register", LOCAL, "--shop", "us").stdout
    assert again.count(": was there") == len(registering.DEFAULT_EVENTS)
    listed = shop.run("webhooks", "list").stdout
    assert listed.count(LOCAL) == len(registering.DEFAULT_EVENTS)
    moved = shop.run("webhooks", "register", GOOD, "--shop", "us", "--event", "PACKAGE_UPDATE").stdout
    assert f"us  PACKAGE_UPDATE: registered (was {LOCAL})" in moved
    ended = shop.run("webhooks", "unregister", "--shop", "us")
    assert ended.exit_code == 0
    assert LOCAL not in shop.run("webhooks", "list").stdout


def test_an_entry_that_tiktok_does_not_list_is_told_as_wrong(shop: Shop) -> None:
    shop.consent()
    shop.world.faults.inject(FaultKind.late_visibility, "tiktok", "webhook PACKAGE_UPDATE", times=100)
    result = shop.run("webhooks", "register", LOCAL, "--shop", "uk")
    assert result.exit_code == 1
    assert "uk  PACKAGE_UPDATE: not seen" in result.stdout
    assert "run this again in some minutes" in result.stderr


def test_a_shop_that_nobody_knows_is_named(shop: Shop) -> None:
    shop.consent()
    result = shop.run("webhooks", "list", "--shop", "fr")
    assert result.exit_code == 1
    assert "the mapping has no shop fr; it has us, uk, vn" in result.stderr


def test_the_receiver_says_which_settings_it_lacks(run: Run) -> None:
    result = run("webhooks", "serve", "--port", "0")
    assert result.exit_code == 2
    assert "TNS_TIKTOK_APP_KEY is not set" in result.stderr
    assert "TNS_ENCRYPTION_KEY" not in result.stderr

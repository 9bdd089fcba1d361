"""Shipments at the command line, against a sandbox that answers on loopback."""

from __future__ import annotations

from tests.cli.conftest import Shop

UPS = "1Z999AA10123456784"


def shipped(shop: Shop) -> str:
    """An order of which everything was just shipped in NetSuite."""
    order_id = shop.world.place_order("us", ["SKU-001", "SKU-001"])
    assert shop.run("sync", "orders", "--ids", order_id).exit_code == 0
    books = shop.running.sandbox.books
    [order] = [one for one in books.records("salesOrder") if one["custbody_tts_order_id"] == order_id]
    body = {
        "shipStatus": {"id": "C"},
        "shipMethod": {"id": "4722"},
        "package": {"items": [{"packageTrackingNumber": UPS}]},
    }
    books.transform("salesOrder", str(order["id"]), "itemFulfillment", body)
    return order_id


def test_sync_tells_what_was_shipped_and_explain_says_how_it_stands(shop: Shop):
    shop.consent()
    order_id = shipped(shop)

    result = shop.run("sync", "shipments", "--shop", "us")

    assert result.exit_code == 0, result.output
    assert "done: parcel told to TikTok" in result.stdout
    assert [line.shipped and line.shipped.tracking for line in shop.world.facts(order_id).lines] == [UPS, UPS]
    explained = shop.run("explain", "shipment", order_id)
    assert explained.exit_code == 0
    assert "shipped, UPS Ground, " + UPS in explained.stdout
    assert "revision 1: applied" in explained.stdout


def test_explain_of_an_order_of_which_nothing_was_shipped_says_what_to_do(shop: Shop):
    shop.consent()
    result = shop.run("explain", "shipment", "576999999999999999")
    assert result.exit_code == 1
    assert "tiktok-ns sync shipments" in result.stderr


def test_sync_refuses_a_shop_that_the_mapping_does_not_have(shop: Shop):
    shop.consent()
    result = shop.run("sync", "shipments", "--shop", "mars")
    assert result.exit_code == 1
    assert "the mapping has no shop mars" in result.stderr

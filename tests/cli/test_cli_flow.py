"""From consent to Sales Order at the command line, against a sandbox that answers on loopback."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Shop


def sales_orders(shop: Shop) -> list[str]:
    return [record["externalId"] for record in shop.running.sandbox.books.records("salesOrder")]


def test_authorize_tells_which_shops_the_seller_opened(shop: Shop):
    code = shop.running.sandbox.tiktok.tokens.fresh_code()
    result = shop.run("authorize", code)
    assert result.exit_code == 0, result.output
    assert result.stdout.count(" shop Sandbox ") == 3
    assert code not in result.stdout


def test_sync_posts_named_orders_once_however_often_it_runs(shop: Shop):
    shop.consent()
    wanted = shop.world.place_order("us", ["SKU-001", "SKU-001"])
    other = shop.world.place_order("us", ["SKU-002"])

    first = shop.run("sync", "orders", "--ids", wanted)
    second = shop.run("sync", "orders", "--ids", wanted)

    assert first.exit_code == second.exit_code == 0, first.output + second.output
    assert sales_orders(shop) == [f"tts-us-so-{wanted}"]
    assert "done: Sales Order" in first.stdout and "done: Sales Order" not in second.stdout
    assert shop.run("sync", "orders", "--since", "1h", "--shop", "us").exit_code == 0
    assert set(sales_orders(shop)) == {f"tts-us-so-{wanted}", f"tts-us-so-{other}"}


def test_sync_of_one_shop_leaves_the_others_alone(shop: Shop):
    shop.consent()
    uk = shop.world.place_order("uk", ["SKU-001"])
    shop.world.place_order("us", ["SKU-001"])
    assert shop.run("sync", "orders", "--since", "1h", "--shop", "uk").exit_code == 0
    assert sales_orders(shop) == [f"tts-uk-so-{uk}"]


def test_sync_says_which_orders_tiktok_does_not_show(shop: Shop):
    shop.consent()
    order_id = shop.world.place_order("us", ["SKU-001"])
    result = shop.run("sync", "orders", "--ids", f"{order_id},576999999999999999")
    assert result.exit_code == 1
    assert "TikTok shows no order 576999999999999999" in result.stdout
    assert sales_orders(shop) == [f"tts-us-so-{order_id}"]


def test_sync_refuses_a_shop_that_the_mapping_does_not_have(shop: Shop):
    shop.consent()
    result = shop.run("sync", "orders", "--shop", "mars")
    assert result.exit_code == 1
    assert "the mapping has no shop mars" in result.stderr


def test_explain_names_every_decision_its_rule_and_the_sales_order(shop: Shop):
    shop.consent()
    order_id = shop.world.place_order("us", ["SKU-001"])
    shop.run("sync", "orders", "--ids", order_id)

    result = shop.run("explain", "order", order_id)

    assert result.exit_code == 0, result.output
    for told in (
        f"becomes Sales Order tts-us-so-{order_id}",
        "shops.us.subsidiary_id",
        "item of SKU-001",
        "control_total",
        "Sales Order, revision 1: applied",
        "number at TikTok, revision 1: applied",
        f"tts-us-so-{order_id}",
    ):
        assert told in result.stdout
    address = shop.world.facts(order_id).address
    for secret in (address["name"], address["phone_number"], address["address_detail"]):
        assert secret not in result.stdout


def test_explain_of_an_order_that_waits_says_for_what(shop: Shop):
    shop.consent()
    order_id = shop.world.place_order("us", ["SKU-001"], status="ON_HOLD")
    shop.run("sync", "orders", "--ids", order_id)
    result = shop.run("explain", "order", order_id)
    assert result.exit_code == 0
    assert "ON_HOLD" in result.stdout and "waits" in result.stdout
    assert "Nothing was planned for it." in result.stdout


def test_explain_of_an_order_that_nobody_read_says_how_to_read_it(shop: Shop):
    result = shop.run("explain", "order", "576999999999999999")
    assert result.exit_code == 1
    assert "sync orders --ids 576999999999999999" in result.stderr


def test_explain_tries_a_draft_of_the_mapping_and_changes_nothing(shop: Shop, tmp_path: Path):
    shop.consent()
    order_id = shop.world.place_order("us", ["SKU-001"])
    shop.run("sync", "orders", "--ids", order_id)
    draft = tmp_path / "draft.yaml"
    draft.write_text(shop.mapping.read_text().replace('form_id: "70"', 'form_id: "68"', 1))

    tried = shop.run("explain", "order", order_id, TNS_MAPPING=str(draft)).stdout
    after = shop.run("explain", "order", order_id).stdout

    assert "│ 68" in tried and "│ 68" not in after
    assert "revision 2" not in after


def test_a_parked_order_is_listed_explained_mended_and_posted_by_itself(shop: Shop):
    shop.consent()
    order_id = shop.world.place_order("us", ["STRAY-1"])
    assert shop.run("sync", "orders", "--since", "1h").exit_code == 0
    assert sales_orders(shop) == []

    (listed,) = json.loads(shop.run("exceptions", "list", "--json").stdout)
    assert (listed["kind"], listed["subject"]) == ("unmapped_sku", f"order {order_id}")
    explained = shop.run("explain", "order", order_id).stdout
    assert "is parked" in explained and "STRAY-1" in explained
    assert f"exception {listed['id']} (unmapped_sku, open)" in explained

    shop.edit_mapping("\nitems:\n", "\nitems:\n  STRAY-1: SKU-001\n")
    assert shop.run("sync", "orders").exit_code == 0
    assert sales_orders(shop) == [f"tts-us-so-{order_id}"]
    assert json.loads(shop.run("exceptions", "list", "--json").stdout) == []


def test_what_was_mended_in_netsuite_is_replayed_when_somebody_asks(shop: Shop):
    shop.consent()
    order_id = shop.world.place_order("us", ["SKU-001"])
    shop.edit_mapping('class_id: "1"                           # TikTok Shop', 'class_id: "999"')
    shop.run("sync", "orders", "--ids", order_id)
    (refused,) = json.loads(shop.run("exceptions", "list", "--json").stdout)
    assert refused["kind"] == "netsuite_refused"

    assert shop.run("exceptions", "replay", "--kind", "netsuite_refused").exit_code == 0
    shop.run("sync", "orders")
    (still,) = json.loads(shop.run("exceptions", "list", "--json").stdout)
    assert still["id"] == refused["id"]

    shop.edit_mapping('class_id: "999"', 'class_id: "1"')
    shop.run("exceptions", "replay", str(refused["id"]))
    assert shop.run("sync", "orders", "--ids", order_id).exit_code == 0
    assert sales_orders(shop) == [f"tts-us-so-{order_id}"]
    assert json.loads(shop.run("exceptions", "list", "--json").stdout) == []

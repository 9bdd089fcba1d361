"""Returns at the command line, against a sandbox that answers on loopback."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shop
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.facts import Status


def sold(shop: Shop) -> str:
    """An order that was posted, shipped, billed and delivered."""
    order_id = shop.world.place_order("us", ["SKU-001"])
    assert shop.run("sync", "orders", "--ids", order_id).exit_code == 0
    books = shop.running.sandbox.books
    [order] = [one for one in books.records("salesOrder") if one["custbody_tts_order_id"] == order_id]
    books.transform("salesOrder", order["id"], "itemFulfillment", {"shipStatus": {"id": "C"}})
    books.transform("salesOrder", order["id"], "cashSale", {"account": {"id": "125"}})
    shop.world.move_to(order_id, Status.delivered)
    return order_id


def test_a_return_is_synced_and_explains_itself_from_request_to_credit(shop: Shop):
    shop.consent()
    order_id = sold(shop)
    returns = shop.world.returns
    return_id = returns.ask(order_id, kind="REFUND")

    assert shop.run("sync", "refunds", "--order", order_id).exit_code == 0
    asked = shop.run("explain", "return", return_id).stdout
    assert f"Return {return_id} of order {order_id} of shop us: REFUND" in asked
    assert "TikTok waits for the seller's answer until" in asked
    assert "next: the seller answers in Seller Center until" in asked

    returns.decide(shop_of("us"), return_id, "APPROVE_REFUND", "yes")
    shop.world.clock.advance(2 * 3_600)
    synced = shop.run("sync", "refunds", "--return", return_id, "--since", "1h")

    assert synced.exit_code == 0, synced.output
    assert "done: Credit Memo or Cash Refund" in synced.stdout
    [credit] = shop.running.sandbox.books.records("cashRefund")
    explained = shop.run("explain", "return", return_id)
    assert explained.exit_code == 0
    for told in (
        "the buyer gets",
        "goods: with the buyer, who keeps them",
        "money: with the buyer",
        f"Cash Refund tts-us-cr-{return_id} on ",
        "refunded to buyer",
        f"NetSuite cashRefund {credit['id']} ({credit['tranId']}), tts-us-cr-{return_id}: "
        f"{credit['total']:.2f} USD of {credit['total']:.2f} USD",
        "Credit Memo or Cash Refund, revision 1: applied",
        "next: nothing; later changes are watched",
    ):
        assert told in explained.stdout, explained.stdout
    address = shop.world.facts(order_id).address
    assert not any(address[name] in explained.stdout for name in ("name", "phone_number"))


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("explain", "return", "4035000000000000009"), 1, "tiktok-ns sync refunds --return 40350000"),
        (("explain", "return", "RMA-7"), 2, "'RMA-7' is no id of TikTok's"),
        (("sync", "refunds", "--return", "x"), 2, "'x' is no id of TikTok's"),
        (("sync", "refunds", "--shop", "mars"), 1, "the mapping has no shop mars"),
    ],
)
def test_what_cannot_be_found_is_told_in_one_line(
    shop: Shop, arguments: tuple[str, ...], code: int, told: str
):
    result = shop.run(*arguments)
    assert result.exit_code == code
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1

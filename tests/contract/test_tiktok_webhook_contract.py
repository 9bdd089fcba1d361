"""Webhook addresses at the simulated TikTok Shop over loopback HTTP.

A client that we did not write and ours ask the same server, and what one registers the other lists.
"""

from collections.abc import Iterator

import pytest
from tiktok_shop_api.generated import models as sdk

from tests.contract.tiktok_loopback import Market
from tiktok_ns_pipeline.sandbox.serve import SandboxOptions, running_sandbox
from tiktok_ns_pipeline.tiktok.errors import TikTokRefused


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    with running_sandbox(SandboxOptions(seed=14, hang_s=0.6)) as running:
        yield Market(running.urls.tiktok, running.sandbox.tiktok, running.sandbox.world)


def test_an_address_that_one_client_registers_the_other_lists(market: Market) -> None:
    access, foreign = market.access("US"), market.foreign("US").event
    first, second = "https://hooks.example.com/first", "https://hooks.example.com/second"
    market.ours(lambda client: client.webhooks.register(access, "ORDER_STATUS_CHANGE", first))
    read = foreign.get_shop_webhooks()
    assert isinstance(read, sdk.GetShopWebhooksResponse)
    (found,) = read.to_dict()["data"]["webhooks"]
    assert (found["event_type"], found["address"]) == ("ORDER_STATUS_CHANGE", first)
    body = sdk.UpdateShopWebhookRequest(
        address=second, event_type=sdk.UpdateShopWebhookRequestEventType.ORDER_STATUS_CHANGE
    )
    assert isinstance(foreign.update_shop_webhook(body=body), sdk.UpdateShopWebhookResponse)
    (listed,) = market.ours(lambda client: client.webhooks.list(access))
    assert (listed.event_type, listed.address) == ("ORDER_STATUS_CHANGE", second)
    assert market.ours(lambda client: client.webhooks.list(market.access("GB"))) == ()


def test_an_address_is_deleted_and_deleting_none_is_no_error(market: Market) -> None:
    access, foreign = market.access("VN"), market.foreign("VN").event
    address = "https://hooks.example.com/packages"
    market.ours(lambda client: client.webhooks.register(access, "PACKAGE_UPDATE", address))
    gone = sdk.DeleteWebhookForAnEventRequest(
        event_type=sdk.DeleteWebhookForAnEventRequestEventType.PACKAGE_UPDATE
    )
    assert isinstance(foreign.delete_webhook_for_an_event(body=gone), sdk.DeleteWebhookForAnEventResponse)
    assert market.ours(lambda client: client.webhooks.list(access)) == ()
    market.ours(lambda client: client.webhooks.delete(access, "PACKAGE_UPDATE"))


@pytest.mark.parametrize("address", ["", "hooks.example.com", "https://hooks.example.com/" + "x" * 255])
def test_an_address_that_tiktok_would_not_take_is_refused(market: Market, address: str) -> None:
    access = market.access("US")
    with pytest.raises(TikTokRefused, match=r"body\.address"):
        market.ours(lambda client: client.webhooks.register(access, "RETURN_STATUS_CHANGE", address))


def test_a_type_that_cannot_be_registered_is_refused(market: Market) -> None:
    access = market.access("US")
    with pytest.raises(TikTokRefused):
        market.ours(
            lambda client: client.webhooks.register(access, "REFUND_SUCCESS", "https://a.example.com")
        )

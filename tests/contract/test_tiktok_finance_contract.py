"""Finance at the simulated TikTok Shop over loopback HTTP, asked by a client that we did not write and ours.

`tiktok_shop_api` knows 202501, 202605 and 202507 by its own models; a key that these do not name would
be met again as an additional property, which is how its completeness is seen.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from tiktok_shop_api import TikTokShopError
from tiktok_shop_api.generated import models as sdk

from tests.contract.tiktok_loopback import Market, stated, unknown_keys
from tests.sandbox.finance_calls import delivered, pass_by
from tiktok_ns_pipeline.sandbox.facts import ShippingFacts
from tiktok_ns_pipeline.sandbox.serve import SandboxOptions, running_sandbox
from tiktok_ns_pipeline.sandbox.settling_faults import UNKNOWN_FEE
from tiktok_ns_pipeline.sandbox.settling_habits import SettlementHabits, StatementFault
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.world import Line
from tiktok_ns_pipeline.tiktok.client import TikTokClient
from tiktok_ns_pipeline.tiktok.errors import TikTokIncomplete

REGIONS = {"US": "us", "GB": "uk", "VN": "vn"}


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    habits = SettlementHabits(
        refunded=0.5, adjusted=0.5, reserved=0.5, statement_late=0, negative_parked=0, payment_failed=0
    )
    mix = Mix.plain(shipped_by="nobody", settles=True, settlement=habits)
    with running_sandbox(SandboxOptions(seed=21, mix=mix)) as running:
        market = Market(running.urls.tiktok, running.sandbox.tiktok, running.sandbox.world)
        shipping = ShippingFacts(Decimal(5_000), platform_discount=Decimal(2_000))
        for shop in REGIONS.values():
            for number in range(6):
                line = Line(f"SKU-{number + 1:03d}", 2, seller_discount="1", platform_discount="2")
                by_seller = number % 2 == 0
                delivered(market.world, shop, line, shipping=shipping, by_seller=by_seller)
        pass_by(market.world, 33)
        for shop in REGIONS.values():
            delivered(market.world, shop)
            market.world.place_order(shop, ["SKU-002"])
        yield market


def everything(call: Any, name: str, **options: Any) -> list[dict[str, Any]]:
    """All pages of a list, as the foreign client parses them."""
    rows: list[dict[str, Any]] = []
    while True:
        data = call(**options).to_dict()["data"]
        rows += data.get(name, [])
        if not data.get("next_page_token"):
            return rows
        options["page_token"] = data["next_page_token"]


def statements(market: Market, region: str) -> list[dict[str, Any]]:
    finance = market.foreign(region).finance
    return everything(finance.get_statements, "statements", sort_field="statement_time", page_size=2)


def rows_of(market: Market, region: str, statement_id: str) -> list[dict[str, Any]]:
    return everything(
        market.foreign(region).finance.get_transactions_by_statement,
        "transactions",
        statement_id=statement_id,
        sort_field="order_create_time",
        page_size=2,
    )


@pytest.mark.parametrize("region", REGIONS)
def test_statements_payments_and_rows_add_up_for_a_foreign_client(market: Market, region: str) -> None:
    listed = statements(market, region)
    assert len(listed) >= 2
    for statement in listed:
        rows = rows_of(market, region, statement["id"])
        settled = sum(Decimal(row["settlement_amount"]) for row in rows)
        assert settled == Decimal(statement["settlement_amount"])
    finance = market.foreign(region).finance
    payments = everything(finance.get_payments, "payments", sort_field="create_time", page_size=1)
    by_payment = {
        payment["id"]: [one for one in listed if one.get("payment_id") == payment["id"]]
        for payment in payments
    }
    for payment in payments:
        total = sum(Decimal(one["settlement_amount"]) for one in by_payment[payment["id"]])
        assert Decimal(payment["settlement_amount"]["value"]) == total


@pytest.mark.parametrize("region", REGIONS)
def test_the_foreign_models_know_every_key_that_is_shown(market: Market, region: str) -> None:
    finance = market.foreign(region).finance
    listed = finance.get_statements(sort_field="statement_time", page_size=100)
    unknown = unknown_keys(listed)
    statement_ids = [one["id"] for one in listed.to_dict()["data"]["statements"]]
    for statement_id in statement_ids:
        unknown |= unknown_keys(
            finance.get_transactions_by_statement(
                statement_id=statement_id, sort_field="order_create_time", page_size=100
            )
        )
    order_id = next(
        row["order_id"]
        for statement_id in statement_ids
        for row in rows_of(market, region, statement_id)
        if row["type"] == "ORDER"
    )
    by_order = finance.get_transactions_by_order(order_id=order_id)
    assert by_order.to_dict()["data"]["sku_transactions"]
    unknown |= unknown_keys(by_order)
    unknown |= unknown_keys(finance.get_payments(sort_field="create_time"))
    unsettled = finance.get_unsettled_transactions(sort_field="order_create_time")
    assert len(unsettled.to_dict()["data"]["transactions"]) == 2
    unknown |= unknown_keys(unsettled)
    # Told by production and by newer SDKs, see T 7.6.
    assert {name for name in unknown if not name.endswith(".statement_time")} == set()


@pytest.mark.parametrize("region", REGIONS)
def test_both_clients_read_the_same_money(market: Market, region: str) -> None:
    access = market.access(region)

    async def listed(client: TikTokClient) -> list[list[dict[str, Any]]]:
        finance = client.finance
        lists = (
            finance.statements(access, page_size=2),
            finance.payments(access, page_size=1),
            finance.withdrawals(access, page_size=2),
            finance.unsettled(access, page_size=1),
        )
        return [[row async for page in pages for row in page.rows] for pages in lists]

    own_statements, payments, movements, unsettled = market.ours(listed)
    assert [stated(row) for row in own_statements] == [stated(row) for row in statements(market, region)]
    finance = market.foreign(region).finance
    theirs = everything(finance.get_payments, "payments", sort_field="create_time")
    assert [stated(row) for row in payments] == [stated(row) for row in theirs]
    theirs = everything(finance.get_unsettled_transactions, "transactions", sort_field="order_create_time")
    assert [stated(row) for row in unsettled] == [stated(row) for row in theirs]
    assert bool(movements) == (region == "VN")
    for one in own_statements:
        reading = market.ours(
            lambda client, one=one: client.finance.statement_transactions(access, one["id"], page_size=2)
        )
        assert reading.version == "202501"
        assert [stated(row) for row in reading.rows] == [
            stated(row) for row in rows_of(market, region, one["id"])
        ]


def test_our_client_falls_back_on_the_older_shapes(market: Market) -> None:
    access = market.access("GB")
    statement = statements(market, "GB")[0]
    market.world.finance.spoil(StatementFault.only_202309, "uk")
    try:
        reading = market.ours(
            lambda client: client.finance.statement_transactions(access, statement["id"], page_size=2)
        )
    finally:
        market.world.finance.heal()
    assert reading.version == "202309"
    settled = sum(Decimal(row["settlement_amount"]) for row in reading.rows)
    assert settled == Decimal(statement["settlement_amount"])


@pytest.mark.parametrize("fault", [StatementFault.missing_page, StatementFault.moving_pages])
def test_our_client_does_not_take_a_part_for_the_whole(market: Market, fault: StatementFault) -> None:
    access = market.access("GB")
    sizes = {one["id"]: len(rows_of(market, "GB", one["id"])) for one in statements(market, "GB")}
    longest = max(sizes, key=lambda statement_id: sizes[statement_id])
    assert sizes[longest] > 2
    market.world.finance.spoil(fault, longest)
    try:
        with pytest.raises(TikTokIncomplete):
            market.ours(lambda client: client.finance.statement_transactions(access, longest, page_size=2))
    finally:
        market.world.finance.heal()


def test_the_sums_of_what_is_unsettled_are_those_of_all_pages(market: Market) -> None:
    finance = market.foreign("US").finance
    options: dict[str, Any] = {"sort_field": "order_create_time", "page_size": 1}
    rows = everything(finance.get_unsettled_transactions, "transactions", **options)
    sums = finance.get_unsettled_transactions(**options).to_dict()["data"]
    total = sum(Decimal(row["est_settlement_amount"]) for row in rows)
    assert Decimal(sums["sum_est_settlement_amount"]) == total
    assert total == market.world.finance.truth().shops["us"].unsettled


def test_a_wallet_is_told_by_types(market: Market) -> None:
    kinds = sdk.GetSellerFinancialTransactionsTypesItem
    finance = market.foreign("VN").finance
    call = finance.get_seller_financial_transactions
    both = everything(call, "withdrawals", types=[kinds.SETTLE, kinds.WITHDRAW], page_size=1)
    assert {row["type"] for row in both} == {"SETTLE", "WITHDRAW"}
    only = everything(call, "withdrawals", types=[kinds.WITHDRAW])
    assert [row["id"] for row in only] == [row["id"] for row in both if row["type"] == "WITHDRAW"]


def test_a_foreign_client_meets_refusals_as_errors(market: Market) -> None:
    finance = market.foreign("US").finance
    with pytest.raises(TikTokShopError):
        finance.get_statements(sort_field="create_time")
    with pytest.raises(TikTokShopError):
        finance.get_transactions_by_statement(statement_id="1", sort_field="order_create_time")


def test_a_key_that_nobody_knows_does_not_stop_a_foreign_client(market: Market) -> None:
    statement = statements(market, "GB")[0]
    market.world.finance.spoil("unknown_fee", statement["id"])
    try:
        rows = rows_of(market, "GB", statement["id"])
    finally:
        market.world.finance.heal()
    shown = [row for row in rows if UNKNOWN_FEE in row.get("fee_tax_breakdown", {}).get("fee", {})]
    assert len(shown) == 1

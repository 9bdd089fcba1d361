"""Our client reads the money of the simulated TikTok Shop over loopback HTTP, as one does that we did not
write; whatever is shown wrongly is refused, and the older versions are read where there is no newer one.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.contract.tiktok_loopback import Market, stated
from tests.sandbox.finance_calls import delivered, pass_by
from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.sandbox.serve import SandboxOptions, running_sandbox
from tiktok_ns_pipeline.sandbox.settling_habits import SettlementHabits, StatementFault
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.tiktok.client import TikTokClient
from tiktok_ns_pipeline.tiktok.errors import TikTokIncomplete, TikTokRefused
from tiktok_ns_pipeline.tiktok.finance import FinanceCalls, OrderReading, StatementReading
from tiktok_ns_pipeline.tiktok.finance_models import (
    ListedPayment,
    ListedStatement,
    StatementTransaction,
    UnsettledTotals,
    UnsettledTransaction,
    Withdrawal,
)

_KEYS = {"US": "us", "GB": "uk", "VN": "vn"}
_REGIONS = pytest.mark.parametrize("region", _KEYS)
Row = dict[str, Any]
Readings = dict[str, list[StatementReading]]


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    habits = SettlementHabits(
        refunded=0.2, adjusted=0.6, reserved=0.6, statement_late=0, negative_parked=0, payment_failed=0
    )
    mix = Mix.plain(shipped_by="nobody", settles=True, settlement=habits)
    with running_sandbox(SandboxOptions(seed=23, mix=mix)) as running:
        market = Market(running.urls.tiktok, running.sandbox.tiktok, running.sandbox.world)
        for days in (9, 33):
            for shop in _KEYS.values():
                for number in range(3):
                    delivered(market.world, shop, f"SKU-{number + 1:03d}", f"SKU-{number + 2:03d}")
            pass_by(market.world, days)
        for shop in _KEYS.values():
            delivered(market.world, shop)
            market.world.place_order(shop, ["SKU-002"])
        yield market


@pytest.fixture
def spoil(market: Market) -> Iterator[Callable[[StatementFault, str], None]]:
    yield market.world.finance.spoil
    market.world.finance.heal()


def _ours(
    market: Market, region: str, listed: Callable[..., AsyncIterator[Any]], **options: Any
) -> list[Row]:
    """Every row of a list, as our client reads it."""

    async def read(client: TikTokClient) -> list[Row]:
        pages = listed(client.finance, market.access(region), **options)
        return [row async for page in pages for row in page.rows]

    return market.ours(read)


def _theirs(call: Any, name: str, **options: Any) -> list[Row]:
    """Every row of a list, as the foreign client parses it."""
    rows: list[Row] = []
    while True:
        data = call(**options).to_dict()["data"]
        rows += data.get(name, [])
        if not data.get("next_page_token"):
            return rows
        options["page_token"] = data["next_page_token"]


def _statements(market: Market, region: str) -> list[ListedStatement]:
    return [ListedStatement.parse(row) for row in _ours(market, region, FinanceCalls.statements)]


def _reading(market: Market, region: str, statement_id: str, page_size: int = 2) -> StatementReading:
    return market.ours(
        lambda client: client.finance.statement_transactions(
            market.access(region), statement_id, page_size=page_size
        )
    )


@pytest.fixture(scope="module")
def readings(market: Market) -> Readings:
    """Every statement of every shop, by its region."""

    async def read(client: TikTokClient) -> Readings:
        return {
            region: [
                await client.finance.statement_transactions(market.access(region), row["id"], page_size=2)
                async for page in client.finance.statements(market.access(region))
                for row in page.rows
            ]
            for region in _KEYS
        }

    return market.ours(read)


def _longest(readings: Readings, region: str = "US") -> StatementReading:
    """The statement with the most transactions, of which there is more than one page."""
    longest = max(readings[region], key=lambda reading: len(reading.rows))
    assert len(longest.rows) > 2
    return longest


@_REGIONS
def test_both_clients_page_through_the_same_lists(market: Market, region: str) -> None:
    finance = market.foreign(region).finance
    lists: list[tuple[Any, Any, str, str, Any]] = [
        (
            FinanceCalls.statements,
            finance.get_statements,
            "statements",
            "statement_time",
            ListedStatement.parse,
        ),
        (FinanceCalls.payments, finance.get_payments, "payments", "create_time", ListedPayment.parse),
        (
            FinanceCalls.unsettled,
            finance.get_unsettled_transactions,
            "transactions",
            "order_create_time",
            UnsettledTransaction.parse,
        ),
    ]
    for listed, call, name, sort_field, parse in lists:
        ours = _ours(market, region, listed, page_size=1)
        assert len(ours) >= 2, name
        theirs = _theirs(call, name, sort_field=sort_field, page_size=2)
        assert [stated(row) for row in ours] == [stated(row) for row in theirs], name
        assert {parse(row).id for row in ours} == {row["id"] for row in theirs}


@_REGIONS
def test_a_statement_is_read_whole_by_both_clients_and_adds_up(
    market: Market, readings: Readings, region: str
) -> None:
    call = market.foreign(region).finance.get_transactions_by_statement
    for statement, reading in zip(_statements(market, region), readings[region], strict=True):
        assert (reading.version, reading.total_count) == ("202501", len(reading.rows))
        theirs = _theirs(
            call,
            "transactions",
            statement_id=statement.id,
            sort_field="order_create_time",
        )
        assert [stated(row) for row in reading.rows] == [stated(row) for row in theirs]
        rows = [StatementTransaction.parse(row) for row in reading.rows]
        settled = sum((row.settlement_amount or Decimal(0) for row in rows), Decimal(0))
        assert settled == statement.settlement_amount


def test_statements_and_payments_are_found_by_their_time(market: Market) -> None:
    first, second, *_ = _statements(market, "US")
    bounds = {"since": first.statement_time, "until": second.statement_time}
    (only,) = _ours(market, "US", FinanceCalls.statements, **bounds)
    assert only["id"] == first.id
    assert _ours(market, "US", FinanceCalls.payments, until=from_epoch(1)) == []


def test_a_wallet_moves_what_settles_in_vietnam(market: Market) -> None:
    rows = [Withdrawal.parse(row) for row in _ours(market, "VN", FinanceCalls.withdrawals, page_size=1)]
    assert {"SETTLE", "WITHDRAW"} <= {row.type for row in rows}
    only = _ours(market, "VN", FinanceCalls.withdrawals, types=["WITHDRAW"])
    assert [row["id"] for row in only] == [row.id for row in rows if row.type == "WITHDRAW"]


def test_the_sums_of_what_is_unsettled_are_told_on_every_page(market: Market) -> None:
    async def read(client: TikTokClient) -> list[Any]:
        return [page async for page in client.finance.unsettled(market.access("GB"), page_size=1)]

    pages = market.ours(read)
    total, *others = [UnsettledTotals.parse(page.head) for page in pages]
    assert others == [total]
    assert total.total_count == len(pages)
    assert total.sum_est_settlement_amount == market.world.finance.truth().shops["uk"].unsettled


def test_an_order_tells_what_it_settled(market: Market, readings: Readings) -> None:
    order_id = next(row["order_id"] for row in _longest(readings).rows if row["type"] == "ORDER")

    def read() -> OrderReading:
        return market.ours(lambda client: client.finance.order_transactions(market.access("US"), order_id))

    newer = read()
    theirs = market.foreign("US").finance.get_transactions_by_order(order_id=order_id)
    assert theirs is not None
    skus = theirs.to_dict()["data"]["sku_transactions"]
    assert newer.version == "202501"
    assert [stated(row) for row in newer.rows] == [stated(row) for row in skus]
    market.world.finance.spoil(StatementFault.only_202309, "us")
    older = read()
    market.world.finance.heal()
    assert older.version == "202309"
    settled = sum(Decimal(row["settlement_amount"]) for row in older.rows)
    assert settled == sum(Decimal(row["settlement_amount"]) for row in newer.rows)


@_REGIONS
def test_a_shop_of_the_oldest_version_is_read_in_it_and_comes_to_the_same(
    market: Market,
    readings: Readings,
    spoil: Callable[[StatementFault, str], None],
    region: str,
) -> None:
    newer = _longest(readings, region)
    spoil(StatementFault.only_202309, _KEYS[region])
    older = _reading(market, region, newer.statement_id)
    assert older.version == "202309"
    assert [(row["id"], row["settlement_amount"]) for row in older.rows] == [
        (row["id"], row["settlement_amount"]) for row in newer.rows
    ]

    async def payments(client: TikTokClient) -> list[Any]:
        return [page async for page in client.finance.payments(market.access(region))]

    (page,) = market.ours(payments)
    assert page.version == "202309"
    assert all(ListedPayment.parse(row).reserve_amount is not None for row in page.rows)


def test_without_the_oldest_version_nothing_is_missed(
    market: Market,
    readings: Readings,
    spoil: Callable[[StatementFault, str], None],
) -> None:
    longest = _longest(readings)
    spoil(StatementFault.without_202309, "us")
    assert list(_reading(market, "US", longest.statement_id).rows) == list(longest.rows)


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        (StatementFault.missing_page, None),
        (StatementFault.moving_pages, None),
        (StatementFault.missing_page, StatementFault.only_202309),
    ],
)
def test_a_statement_of_which_rows_are_missing_is_refused(
    market: Market,
    readings: Readings,
    spoil: Callable[[StatementFault, str], None],
    kind: StatementFault,
    version: StatementFault | None,
) -> None:
    longest = _longest(readings)
    if version is not None:
        spoil(version, "us")
    spoil(kind, longest.statement_id)
    with pytest.raises(TikTokIncomplete, match=longest.statement_id):
        _reading(market, "US", longest.statement_id)


def test_another_shops_statement_is_refused(market: Market) -> None:
    statement_id = _statements(market, "GB")[0].id
    with pytest.raises(TikTokRefused):
        _reading(market, "US", statement_id)

"""The stock flow as Dagster shows it: what NetSuite can promise becomes what TikTok shows.

The assets come from one step: a sale, a receipt or a posted Sales Order reaches TikTok's number in
seconds. They have no partitions; their history is in the lake.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from tiktok_ns_pipeline.dagster_support import (
    DATA,
    OPERATIONS,
    RuntimeResource,
    exceptions_table,
    in_event_loop,
    table_metadata,
)
from tiktok_ns_pipeline.lake.tables import (
    FBT_STOCK,
    RAW_NETSUITE_INVENTORY,
    RAW_TIKTOK_PRODUCTS,
    RAW_TIKTOK_STOCK,
    STAGED_STOCK_LEVELS,
    TIKTOK_STOCK_LEVELS,
)
from tiktok_ns_pipeline.live_runs import FRESH, RETRIES, SHOWN, LiveRun, Patience, dispatched, turn_request

if TYPE_CHECKING:
    from tiktok_ns_pipeline.inventory.report import RunReport
    from tiktok_ns_pipeline.ledger.exceptions import OpenException
    from tiktok_ns_pipeline.settings import Settings

GROUP = "stock"
POOL = "stock"

NETSUITE_INVENTORY = dg.AssetSpec(
    ["netsuite", "inventory"],
    description="Stock per item and Location, as NetSuite keeps it. Not ours: we read it.",
    group_name=GROUP,
    kinds={"netsuite"},
)
TIKTOK_PRODUCTS = dg.AssetSpec(
    ["tiktok_shop", "products"],
    description="The listings of all shops and the stock that they show, as TikTok Shop keeps them.",
    group_name=GROUP,
    kinds={"tiktok"},
)

_INVENTORY = dg.AssetSpec(
    "raw_netsuite_inventory",
    deps=[NETSUITE_INVENTORY],
    description="What NetSuite has of each item at each Location that is published: all of it every few "
    "minutes, what transactions touched in between. Landed where it changed, whole once a day.",
    group_name=GROUP,
    owners=[DATA],
    kinds={"netsuite", "parquet", "duckdb"},
    metadata=table_metadata(RAW_NETSUITE_INVENTORY),
    freshness_policy=FRESH,
)
_PRODUCTS = dg.AssetSpec(
    "raw_tiktok_products",
    deps=[TIKTOK_PRODUCTS],
    description="Listings as TikTok told them, read hourly and when an event names one.",
    group_name=GROUP,
    owners=[DATA],
    kinds={"tiktok", "parquet", "duckdb"},
    metadata=table_metadata(RAW_TIKTOK_PRODUCTS),
)
_SHOWN = dg.AssetSpec(
    "raw_tiktok_stock",
    deps=[TIKTOK_PRODUCTS],
    description="What TikTok shows of each SKU in each warehouse: read before and after every push, and all "
    "of it in a slow cycle.",
    group_name=GROUP,
    owners=[DATA],
    kinds={"tiktok", "parquet", "duckdb"},
    metadata=table_metadata(RAW_TIKTOK_STOCK),
)
_STAGED = dg.AssetSpec(
    "staged_stock_levels",
    deps=[
        "raw_netsuite_inventory",
        "raw_netsuite_items",
        "raw_tiktok_products",
        "raw_tiktok_stock",
        "raw_tiktok_orders",
        "staged_sales_orders",
    ],
    description="What each SKU should show in each warehouse, with every term of the number: what NetSuite "
    "can promise, less what TikTok sold and NetSuite does not know yet, by share, buffer and cap.",
    group_name=GROUP,
    owners=[OPERATIONS],
    kinds={"python", "parquet", "duckdb"},
    metadata=table_metadata(STAGED_STOCK_LEVELS),
)
_PUBLISHED = dg.AssetSpec(
    "tiktok_stock_levels",
    deps=["staged_stock_levels"],
    description="Levels that TikTok took: only those that changed, all warehouses of a SKU in one call, "
    "decided between a reading and the write, and read back.",
    group_name=GROUP,
    owners=[OPERATIONS],
    kinds={"tiktok", "parquet", "duckdb"},
    metadata=table_metadata(TIKTOK_STOCK_LEVELS),
    freshness_policy=FRESH,
)
_FBT = dg.AssetSpec(
    "fbt_stock",
    deps=[TIKTOK_PRODUCTS, "raw_netsuite_inventory"],
    description="What TikTok counts in its own warehouses beside the Location that mirrors it. Never pushed.",
    group_name=GROUP,
    owners=[OPERATIONS],
    kinds={"tiktok", "parquet", "duckdb"},
    metadata=table_metadata(FBT_STOCK),
)


def stock_patience(settings: "Settings") -> Patience:
    """A run stays while trade is live, since starting one takes longer than a change may wait."""
    return Patience(settings.stock_run_budget_s, settings.stock_idle_s)


@dg.multi_asset(
    name="stock_to_tiktok",
    specs=[_INVENTORY, _PRODUCTS, _SHOWN, _STAGED, _PUBLISHED, _FBT],
    pool=POOL,
    retry_policy=RETRIES,
)
def stock_to_tiktok(
    context: dg.AssetExecutionContext, config: LiveRun, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Observe, decide, intend, push and read back, until nothing is due or the time is up."""
    turned = in_event_loop(_turn(runtime, config, context.run.run_id))
    for trouble in turned.report.trouble:
        context.log.warning(trouble)
    yield from _materializations(turned)


@dataclass(frozen=True, slots=True)
class _Turned:
    """What a run did and how things stand after it."""

    report: "RunReport"
    slots: int
    """Numbers that TikTok shows and that are ours to count."""
    seconds: list[float]
    """From a change to TikTok's taking the level, of the pushes of a day, ascending."""
    worst: "list[OpenException]"
    open_exceptions: int


async def _turn(resource: RuntimeResource, config: LiveRun, run_id: str) -> _Turned:
    from tiktok_ns_pipeline.inventory.flow import REPLAYED_KINDS, StockFlow

    async with resource.opened() as runtime:
        report = await StockFlow(runtime, run_id).run(turn_request(config, runtime, stock_patience))
        with runtime.ledger.read() as tx:
            ours = tx.exceptions.list(kinds=REPLAYED_KINDS)
            slots = len(tx.stock.of_account("tiktok"))
        rows = runtime.lake.current(
            TIKTOK_STOCK_LEVELS,
            "pushed_at >= ? AND since IS NOT NULL",
            [datetime.now(UTC) - timedelta(days=1)],
            columns=("since", "pushed_at"),
        )
        seconds = sorted((row["pushed_at"] - row["since"]).total_seconds() for row in rows)
        return _Turned(report, slots, seconds, ours[:SHOWN], len(ours))


def _materializations(turned: _Turned) -> Iterator[dg.MaterializeResult[Any]]:
    report, plan, pushes = turned.report, turned.report.plan, turned.report.pushes
    yield dg.MaterializeResult(
        asset_key=_INVENTORY.key,
        metadata={
            "snapshots": report.snapshots,
            "items_moved": report.items_moved,
            "sales_orders_shown": report.sales_orders_shown,
            "looks": report.turns,
            "trouble": dg.MetadataValue.json(report.trouble[:20]),
        },
    )
    yield dg.MaterializeResult(
        asset_key=_PRODUCTS.key, metadata={"listings_changed": report.listings, "events": report.events}
    )
    yield dg.MaterializeResult(
        asset_key=_SHOWN.key,
        metadata={
            "skus_read": report.levels_read,
            "slots_that_differed": report.differed + pushes.differed,
            "unseen_dismissed": report.dismissed,
        },
    )
    yield dg.MaterializeResult(
        asset_key=_STAGED.key,
        metadata={
            "orders_booked": report.orders,
            "slots_decided": plan.decided,
            "skus_planned": plan.planned,
            "slots_held": plan.held,
            "items_oversold": plan.oversold,
        },
    )
    latency = (
        {f"seconds_p{share}": _quantile(turned.seconds, share) for share in (50, 95)}
        if turned.seconds
        else {}
    )
    yield dg.MaterializeResult(
        asset_key=_PUBLISHED.key,
        metadata={
            "dagster/row_count": turned.slots,
            "skus_pushed": pushes.skus,
            "levels_changed": pushes.levels,
            "calls": pushes.calls,
            "nothing_to_do": pushes.nothing_to_do,
            **latency,
            **dispatched(report.dispatch),
            "open_exceptions": turned.open_exceptions,
            "worst_exceptions": dg.MetadataValue.md(exceptions_table(turned.worst, turned.open_exceptions)),
            "help": "`tiktok-ns explain stock <sku>`; README, «Exceptions».",
        },
    )
    yield dg.MaterializeResult(asset_key=_FBT.key, metadata={"items_that_differ": report.fbt_differ})


def _quantile(ascending: list[float], percent: int) -> float:
    return ascending[min(len(ascending) - 1, len(ascending) * percent // 100)]

"""The orders flow as Dagster shows it: a TikTok order becomes one NetSuite Sales Order.

Three assets come from one step. The flow observes, stages and posts side by side until nothing is
left to do, so that an order waits for seconds and not for the next run; a step for each asset would
make the first orders of a burst wait for its last (and cost two seconds more, D B.2).

The assets have no partitions: orders change across days. What to read may be given in the
Launchpad, by order id or by time of the last change.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from tiktok_ns_pipeline.dagster_support import (
    DATA,
    OPERATIONS,
    RuntimeResource,
    exceptions_table,
    in_event_loop,
    table_metadata,
)
from tiktok_ns_pipeline.lake.tables import RAW_NETSUITE_ITEMS, RAW_TIKTOK_ORDERS, STAGED_SALES_ORDERS
from tiktok_ns_pipeline.live_runs import (
    FRESH,
    RETRIES,
    SHOWN,
    LiveRun,
    dispatched,
    named_ids,
    refused,
    turn_request,
)

if TYPE_CHECKING:
    from tiktok_ns_pipeline.ledger.exceptions import OpenException
    from tiktok_ns_pipeline.orders.flow import RunReport, RunRequest
    from tiktok_ns_pipeline.runtime import Runtime

GROUP = "orders"
POOL = "orders"

TIKTOK_SHOP_ORDERS = dg.AssetSpec(
    ["tiktok_shop", "orders"],
    description="The orders of all shops as TikTok Shop keeps them. Not ours: we read it.",
    group_name=GROUP,
    kinds={"tiktok"},
)
NETSUITE_ITEMS = dg.AssetSpec(
    ["netsuite", "items"],
    description="The items of the NetSuite account. Not ours: we read it.",
    group_name=GROUP,
    kinds={"netsuite"},
)

_RAW = dg.AssetSpec(
    "raw_tiktok_orders",
    deps=[TIKTOK_SHOP_ORDERS],
    description="Orders of all mapped shops as TikTok told them, landed unchanged. Read from the watermark "
    "on update_time, with an overlap.",
    group_name=GROUP,
    owners=[DATA],
    kinds={"tiktok", "parquet", "duckdb"},
    metadata=table_metadata(RAW_TIKTOK_ORDERS),
    freshness_policy=FRESH,
)
_STAGED = dg.AssetSpec(
    "staged_sales_orders",
    deps=["raw_tiktok_orders", "raw_netsuite_items"],
    description="For each order the Sales Order that should exist, by the seller's mapping, or why none "
    "does: it waits, is skipped by a rule, or is parked as an exception that somebody owns.",
    group_name=GROUP,
    owners=[OPERATIONS],
    kinds={"python", "parquet", "duckdb"},
    metadata=table_metadata(STAGED_SALES_ORDERS),
)
_PUBLISHED = dg.AssetSpec(
    "netsuite_sales_orders",
    deps=["staged_sales_orders"],
    description="Sales Orders in NetSuite, one for each order, exactly once in effect. Their totals are read "
    "back and compared, and their numbers are told to TikTok.",
    group_name=GROUP,
    owners=[OPERATIONS],
    kinds={"netsuite"},
    freshness_policy=FRESH,
)


class OrdersRun(LiveRun):
    """What a run shall read and how long it goes on; all defaults mean «go on from where we were»."""

    order_ids: list[str] = Field(default=[], description="read exactly these TikTok orders, such as 5764…")
    since: str = Field(
        default="",
        description="read orders that changed at or after this, such as 2026-11-20 or 2026-11-20T08:00:00Z",
    )
    until: str = Field(
        default="", description="read orders that changed before this; UTC unless it says otherwise"
    )


@dg.multi_asset(
    name="sales_orders_from_tiktok", specs=[_RAW, _STAGED, _PUBLISHED], pool=POOL, retry_policy=RETRIES
)
def sales_orders_from_tiktok(
    context: dg.AssetExecutionContext, config: OrdersRun, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Observe, stage, intend, apply and read back, until nothing is due or the time is up."""
    turned = in_event_loop(_turn(runtime, config, context.run.run_id))
    for trouble in turned.report.trouble:
        context.log.warning(trouble)
    if turned.report.item_snapshots:
        context.log_event(
            dg.AssetMaterialization(
                "raw_netsuite_items", description="Read anew in the course of a run of orders."
            )
        )
    yield from _materializations(turned)


@dg.asset(
    deps=[NETSUITE_ITEMS],
    group_name=GROUP,
    owners=[DATA],
    kinds={"netsuite", "parquet", "duckdb"},
    metadata=table_metadata(RAW_NETSUITE_ITEMS),
    retry_policy=RETRIES,
)
def raw_netsuite_items(
    context: dg.AssetExecutionContext, runtime: RuntimeResource
) -> dg.MaterializeResult[Any]:
    """All items of the NetSuite account, read as one snapshot; SKUs are resolved against the newest."""
    items, read_at = in_event_loop(_snapshot(runtime, context.run.run_id))
    return dg.MaterializeResult(
        metadata={"dagster/row_count": items, "read_at": dg.MetadataValue.timestamp(read_at)}
    )


def run_request(config: OrdersRun, runtime: "Runtime") -> "RunRequest":
    """The run that a person or the sensor asked for. Raises dg.Failure naming the field that is wrong."""
    from tiktok_ns_pipeline.orders.flow import RunRequest

    turn = turn_request(config, runtime)
    since, until = _instant("since", config.since), _instant("until", config.until)
    if since and until and since >= until:
        raise refused("until", f"{config.until!r} is not after since ({config.since!r})")
    return RunRequest(
        shops=turn.shops,
        since=since,
        until=until,
        order_ids=named_ids(config.order_ids),
        budget_s=turn.budget_s,
        idle_s=turn.idle_s,
        # A look into the past must not hold up the orders of today.
        lane="bulk" if since or until else "orders",
    )


def _instant(field: str, text: str) -> datetime | None:
    if not text.strip():
        return None
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise refused(
            field, f"{text!r} is no date; write one such as 2026-11-20 or 2026-11-20T08:00:00Z"
        ) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Turned:
    """What a run did and how things stand after it."""

    report: "RunReport"
    posted: int
    """Sales Orders in NetSuite that we know of."""
    oldest_pending_s: float
    worst: "list[OpenException]"
    open_exceptions: int


async def _turn(resource: RuntimeResource, config: OrdersRun, run_id: str) -> _Turned:
    from tiktok_ns_pipeline.ledger.facts import SALES_ORDER
    from tiktok_ns_pipeline.orders.flow import OrdersFlow

    async with resource.opened() as runtime:
        report = await OrdersFlow(runtime, run_id).run(run_request(config, runtime))
        with runtime.ledger.read() as tx:
            oldest = tx.intents.oldest_open(SALES_ORDER)
            return _Turned(
                report=report,
                posted=tx.links.count(SALES_ORDER),
                oldest_pending_s=(runtime.clock.now() - oldest).total_seconds() if oldest else 0.0,
                worst=tx.exceptions.list(limit=SHOWN),
                open_exceptions=tx.exceptions.count_unresolved(),
            )


async def _snapshot(resource: RuntimeResource, run_id: str) -> tuple[int, datetime]:
    from tiktok_ns_pipeline.goods.snapshot import CURSOR, snapshot_items

    async with resource.opened() as runtime:
        await snapshot_items(runtime, run_id)
        with runtime.ledger.read() as tx:
            stored = tx.cursors.get(CURSOR)
    return int(stored["items"]), datetime.fromisoformat(stored["read_at"])


def _materializations(turned: _Turned) -> Iterator[dg.MaterializeResult[Any]]:
    from tiktok_ns_pipeline.ledger.facts import CUSTOMER, REFERENCE, SALES_ORDER

    report = turned.report
    by_shop = {f"orders_observed_{shop}": count for shop, count in sorted(report.observed_by_shop.items())}
    yield dg.MaterializeResult(
        asset_key=_RAW.key,
        metadata={
            "orders_listed": report.listed,
            "orders_observed": report.observed,
            **by_shop,
            "looks": report.turns,
            "not_found": dg.MetadataValue.json(list(report.not_found)),
            "trouble": dg.MetadataValue.json(report.trouble[:20]),
        },
    )
    plan = report.plan
    by_kind = {f"parked_{kind}": count for kind, count in sorted(plan.parked_by_kind.items())}
    yield dg.MaterializeResult(
        asset_key=_STAGED.key,
        metadata={
            "orders_planned": plan.planned,
            "orders_revised": plan.revised,
            "orders_replayed": plan.replayed,
            "orders_waiting": plan.waiting,
            "orders_skipped": plan.skipped,
            "orders_parked": plan.parked,
            **by_kind,
        },
    )
    dispatch = report.dispatch
    yield dg.MaterializeResult(
        asset_key=_PUBLISHED.key,
        metadata={
            "dagster/row_count": turned.posted,
            "sales_orders_written": dispatch.applied.get(SALES_ORDER, 0),
            "customers_created": dispatch.applied.get(CUSTOMER, 0),
            "numbers_told_to_tiktok": dispatch.applied.get(REFERENCE, 0),
            "read_back": report.acknowledged,
            **dispatched(dispatch),
            "oldest_pending_s": turned.oldest_pending_s,
            "open_exceptions": turned.open_exceptions,
            "worst_exceptions": dg.MetadataValue.md(exceptions_table(turned.worst, turned.open_exceptions)),
            "help": "README, «Exceptions»: `tiktok-ns exceptions show <number>`, then mend and replay.",
        },
    )

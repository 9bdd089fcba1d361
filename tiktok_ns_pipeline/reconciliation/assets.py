"""The proofs as Dagster shows them: one partition for each day, proved anew as often as one likes.

A partition re-lists its day from both systems in full, so a range of partitions is the backfill. Days
are proved one run each: every day has its own verdict, figures and history, and a day that cannot be
read does not take the others with it. Stock alone has no days: it can only be read as it is now, and
its history is in the lake.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from tiktok_ns_pipeline.dagster_support import FINANCE, OPERATIONS, RuntimeResource, table_metadata
from tiktok_ns_pipeline.lake.tables import (
    FULFILMENT_RECONCILIATION,
    ORDER_RECONCILIATION,
    STOCK_RECONCILIATION,
)
from tiktok_ns_pipeline.reconciliation.checks import (
    ASSET,
    CHECK_SPECS,
    DAYS,
    FULFILMENT_ASSET,
    FULFILMENT_CHECK_SPECS,
    STOCK_ASSET,
    STOCK_CHECK_SPECS,
    answer,
)
from tiktok_ns_pipeline.reconciliation.showing import (
    GROUP,
    RETRIES,
    WORST,
    amounts_table,
    day_of_every_shop,
    proved,
    worst,
)

if TYPE_CHECKING:
    from tiktok_ns_pipeline.reconciliation.stock.model import StockProof

POOL = "order_proof"
FULFILMENT_POOL = "fulfilment_proof"
STOCK_POOL = "stock_proof"


@dg.asset(
    name=ASSET,
    deps=[dg.AssetKey(["tiktok_shop", "orders"]), "netsuite_sales_orders"],
    partitions_def=DAYS,
    check_specs=CHECK_SPECS,
    group_name=GROUP,
    owners=[FINANCE],
    kinds={"tiktok", "netsuite", "parquet", "duckdb"},
    metadata=table_metadata(ORDER_RECONCILIATION),
    pool=POOL,
    retry_policy=RETRIES,
)
def order_reconciliation(
    context: dg.AssetExecutionContext, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Every order of the day at TikTok against every Sales Order in NetSuite, in both directions.

    Read from the two systems alone, never from our own records. Each shop's day is its own business
    day of that date. Materialise a range of days to prove it again.
    """
    from tiktok_ns_pipeline.reconciliation.checking import CHECKS
    from tiktok_ns_pipeline.reconciliation.every_shop import reconcile_every_shop

    day = date.fromisoformat(context.partition_key)
    proofs = proved(runtime, reconcile_every_shop, day, context.run.run_id)
    counts = {
        "tiktok_orders": sum(proof.tiktok_orders for proof in proofs.values()),
        "netsuite_sales_orders": sum(proof.netsuite_sales_orders for proof in proofs.values()),
    }
    yield day_of_every_shop(context, proofs, CHECKS, counts=counts)


@dg.asset(
    name=FULFILMENT_ASSET,
    deps=[
        dg.AssetKey(["tiktok_shop", "orders"]),
        dg.AssetKey(["netsuite", "item_fulfillments"]),
        "tiktok_shipments",
        "netsuite_order_closures",
        "netsuite_bills",
    ],
    partitions_def=DAYS,
    check_specs=FULFILMENT_CHECK_SPECS,
    group_name=GROUP,
    owners=[OPERATIONS, FINANCE],
    kinds={"tiktok", "netsuite", "parquet", "duckdb"},
    metadata=table_metadata(FULFILMENT_RECONCILIATION),
    pool=FULFILMENT_POOL,
    retry_policy=RETRIES,
)
def fulfilment_reconciliation(
    context: dg.AssetExecutionContext, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """What followed the orders of the day: every unit that left or that TikTok shows as gone, every
    order that is or should be closed, every bill.

    Read from the two systems alone, whenever it happened: an order is shipped, cancelled and billed
    days after it was placed, so a day is worth proving again. Each shop's day is its own business day.
    """
    from tiktok_ns_pipeline.reconciliation.every_shop import prove_fulfilments_of_every_shop
    from tiktok_ns_pipeline.reconciliation.fulfilments.checking import CHECKS, LISTING

    day = date.fromisoformat(context.partition_key)
    proofs = proved(runtime, prove_fulfilments_of_every_shop, day, context.run.run_id)
    counts = {
        "units_shipped_in_netsuite": sum(proof.shipped_in_netsuite for proof in proofs.values()),
        "units_shipped_at_tiktok": sum(proof.shipped_at_tiktok for proof in proofs.values()),
    }
    amounts = {shop: proof.amounts() for shop, proof in proofs.items()}
    tables = {"amounts": amounts_table("to bill", "billed", amounts), "worst": worst(proofs, LISTING)}
    yield day_of_every_shop(context, proofs, CHECKS, counts=counts, tables=tables)


@dg.asset(
    name=STOCK_ASSET,
    deps=[
        dg.AssetKey(["tiktok_shop", "orders"]),
        dg.AssetKey(["netsuite", "inventory"]),
        "netsuite_sales_orders",
        "tiktok_stock_levels",
    ],
    check_specs=STOCK_CHECK_SPECS,
    group_name=GROUP,
    owners=[OPERATIONS],
    kinds={"tiktok", "netsuite", "parquet", "duckdb"},
    metadata=table_metadata(STOCK_RECONCILIATION),
    pool=STOCK_POOL,
    retry_policy=RETRIES,
)
def stock_reconciliation(
    context: dg.AssetExecutionContext, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """What TikTok shows of every SKU and warehouse against what NetSuite can still promise, and whether
    NetSuite holds the goods of all open orders.

    Read from the two systems alone, never from our own levels. What is wrong is looked at again after some
    seconds and after NetSuite's next snapshot: what does not stand in every look is only moving.
    """
    from tiktok_ns_pipeline.reconciliation.every_shop import prove_stock_of_every_shop
    from tiktok_ns_pipeline.reconciliation.stock.checking import CHECKS

    proof = proved(runtime, prove_stock_of_every_shop, context.run.run_id)
    is_clean = not (proof.unread or proof.wrong or proof.oversold)
    (context.log.info if is_clean else context.log.warning)(proof.statement)
    yield dg.MaterializeResult(
        metadata=_stock_metadata(proof), check_results=[answer(question(proof)) for question in CHECKS]
    )


def _stock_metadata(proof: "StockProof") -> dict[str, Any]:
    from tiktok_ns_pipeline.reconciliation.stock.checking import LEVELS
    from tiktok_ns_pipeline.reconciliation.stock.model import Verdict

    verdicts = Counter(level.verdict.value for level in proof.levels)
    return {
        "dagster/row_count": len(proof.levels) + len(proof.covers),
        "units_shown": proof.shown,
        "units_shown_beyond_stock": proof.units(Verdict.SHOWS_MORE_THAN_EXISTS),
        "units_not_shown": proof.units(Verdict.SHOWS_LESS),
        "items_oversold": len(proof.oversold),
        "units_oversold": float(sum(cover.oversold for cover in proof.oversold)),
        "open_orders": proof.open_orders,
        "differences": len(proof.wrong),
        "shops_not_proved": len(proof.unread),
        **dict(sorted(verdicts.items())),
        "worst": dg.MetadataValue.md(LEVELS.worst(proof.wrong, WORST) or "none"),
        "statement": proof.statement,
    }

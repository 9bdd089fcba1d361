"""The proof of refunds as Dagster shows it: a partition for each business day on which TikTok last changed a
return or cancellation, or on which a credit is dated."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from tiktok_ns_pipeline.dagster_support import FINANCE, RuntimeResource, table_metadata
from tiktok_ns_pipeline.lake.tables import REFUND_RECONCILIATION
from tiktok_ns_pipeline.reconciliation.checks import DAYS, specs_by_day
from tiktok_ns_pipeline.reconciliation.showing import GROUP, RETRIES, day_of_every_shop, proved, worst

ASSET = "refund_reconciliation"
POOL = "refund_proof"

_QUESTIONS = {
    "refunds_have_credits": "Every refund of what was billed has its Credit Memo or Cash Refund.",
    "credits_have_refunds": "Every credit is the only one of a refund, and no more than was billed.",
}


@dg.asset(
    name=ASSET,
    deps=[
        dg.AssetKey(["tiktok_shop", "returns"]),
        dg.AssetKey(["tiktok_shop", "cancellations"]),
        "netsuite_bills",
        "netsuite_refunds",
    ],
    partitions_def=DAYS,
    check_specs=specs_by_day(ASSET, _QUESTIONS),
    group_name=GROUP,
    owners=[FINANCE],
    kinds={"tiktok", "netsuite", "parquet", "duckdb"},
    metadata=table_metadata(REFUND_RECONCILIATION),
    pool=POOL,
    retry_policy=RETRIES,
)
def refund_reconciliation(
    context: dg.AssetExecutionContext, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Every refund that TikTok completed, of returns and of cancellations, against NetSuite's credits, in
    both directions.

    Read from the two systems alone, never from our own records. Each shop's day is its own business day.
    """
    from tiktok_ns_pipeline.reconciliation.every_shop import prove_refunds_of_every_shop
    from tiktok_ns_pipeline.reconciliation.refunds.checking import CHECKS, LISTING

    day = date.fromisoformat(context.partition_key)
    proofs = proved(runtime, prove_refunds_of_every_shop, day, context.run.run_id)
    yield day_of_every_shop(context, proofs, CHECKS, tables={"worst": worst(proofs, LISTING)})

"""The proof of refunds as Dagster shows it: a partition for each business day on which TikTok last changed a
return or cancellation, or on which a credit is dated."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from tiktok_ns_pipeline.dagster_support import (
    FINANCE,
    RuntimeResource,
    in_event_loop,
    markdown_table,
    table_metadata,
)
from tiktok_ns_pipeline.lake.tables import REFUND_RECONCILIATION
from tiktok_ns_pipeline.reconciliation.checks import DAYS, answer, specs_by_day

if TYPE_CHECKING:
    from tiktok_ns_pipeline.reconciliation.refunds.model import RefundProof

GROUP = "reconciliation"
ASSET = "refund_reconciliation"
POOL = "refund_proof"
_WORST = 20

_QUESTIONS = {
    "refunds_have_credits": "Every refund of what was billed has its Credit Memo or Cash Refund.",
    "credits_have_refunds": "Every credit is the only one of a refund, and no more than was billed.",
}

_RETRIES = dg.RetryPolicy(
    max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)


@dg.asset(
    name=ASSET,
    deps=[
        dg.AssetKey(["tiktok_shop", "orders"]),
        dg.AssetKey(["tiktok_shop", "cancellations"]),
        "netsuite_bills",
    ],
    partitions_def=DAYS,
    check_specs=specs_by_day(ASSET, _QUESTIONS),
    group_name=GROUP,
    owners=[FINANCE],
    kinds={"tiktok", "netsuite", "parquet", "duckdb"},
    metadata=table_metadata(REFUND_RECONCILIATION),
    pool=POOL,
    retry_policy=_RETRIES,
)
def refund_reconciliation(
    context: dg.AssetExecutionContext, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Every refund that TikTok completed, of returns and of cancellations, against NetSuite's credits, in
    both directions.

    Read from the two systems alone, never from our own records. Each shop's day is its own business day.
    """
    day = date.fromisoformat(context.partition_key)
    proofs = in_event_loop(_prove(runtime, day, context.run.run_id))
    for shop, proof in proofs.items():
        (context.log.warning if proof.not_run or proof.wrong else context.log.info)(
            f"{shop}: {proof.statement}"
        )
    yield dg.MaterializeResult(metadata=_metadata(proofs), check_results=list(_check_results(proofs)))


async def _prove(resource: RuntimeResource, day: date, run_id: str) -> "dict[str, RefundProof]":
    from tiktok_ns_pipeline.reconciliation.every_shop import prove_refunds_of_every_shop

    async with resource.opened() as runtime:
        return await prove_refunds_of_every_shop(runtime, day, run_id)


def _check_results(proofs: "Mapping[str, RefundProof]") -> Iterator[dg.AssetCheckResult]:
    from tiktok_ns_pipeline.reconciliation.refunds.checking import CHECKS

    unread = any(proof.not_run for proof in proofs.values())
    for question in CHECKS:
        yield answer({shop: question(proof) for shop, proof in proofs.items()}, unread=unread)


def _metadata(proofs: "Mapping[str, RefundProof]") -> dict[str, Any]:
    from tiktok_ns_pipeline.reconciliation.refunds.checking import worst

    ran = {shop: proof for shop, proof in proofs.items() if not proof.not_run}
    tables = {shop: worst(proof, _WORST) for shop, proof in ran.items() if proof.wrong}
    statements = [(shop, proof.statement) for shop, proof in proofs.items()]
    return {
        "dagster/partition_row_count": sum(len(proof.rows) for proof in ran.values()),
        "differences": sum(len(proof.wrong) for proof in ran.values()),
        "shops_not_proved": len(proofs) - len(ran),
        **dict(sorted(Counter(row.verdict.value for one in ran.values() for row in one.rows).items())),
        "worst": dg.MetadataValue.md(
            "\n\n".join(f"**shop {shop}**\n\n{table}" for shop, table in tables.items()) or "none"
        ),
        "statements": dg.MetadataValue.md(markdown_table(("shop", "statement"), statements)),
    }

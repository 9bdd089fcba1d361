"""The billing flow as Dagster shows it: what was shipped becomes a Cash Sale or an Invoice.

Two assets come from one step: a bill is planned and made side by side, so that it waits for seconds.
The assets have no partitions; what landed since the last run is looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from tiktok_ns_pipeline.dagster_support import (
    FINANCE,
    RuntimeResource,
    amounts_text,
    exceptions_table,
    in_event_loop,
    table_metadata,
)
from tiktok_ns_pipeline.lake.tables import NETSUITE_BILLS, STAGED_BILLS
from tiktok_ns_pipeline.live_runs import FRESH, RETRIES, SHOWN, LiveRun, dispatched, turn_request

if TYPE_CHECKING:
    from tiktok_ns_pipeline.billing.flow import RunReport
    from tiktok_ns_pipeline.ledger.exceptions import OpenException

GROUP = "billing"
POOL = "billing"

_STAGED = dg.AssetSpec(
    "staged_bills",
    deps=["raw_netsuite_item_fulfillments"],
    description="For each Item Fulfillment that stands as shipped the bill that should exist, made from the "
    "Sales Order's own amounts, or why none does. Shops whose policy is `none` have no bills.",
    group_name=GROUP,
    owners=[FINANCE],
    kinds={"python", "parquet", "duckdb"},
    metadata=table_metadata(STAGED_BILLS),
)
_PUBLISHED = dg.AssetSpec(
    "netsuite_bills",
    deps=["staged_bills"],
    description="Cash Sales and Invoices in NetSuite, one for each shipment, exactly once in effect. Their "
    "totals are read back and compared with what was shipped.",
    group_name=GROUP,
    owners=[FINANCE],
    kinds={"netsuite", "parquet"},
    metadata=table_metadata(NETSUITE_BILLS),
    freshness_policy=FRESH,
)


@dg.multi_asset(name="bills_of_shipments", specs=[_STAGED, _PUBLISHED], pool=POOL, retry_policy=RETRIES)
def bills_of_shipments(
    context: dg.AssetExecutionContext, config: LiveRun, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Observe, stage, intend, apply and read back, until nothing is due or the time is up."""
    turned = in_event_loop(_turn(runtime, config, context.run.run_id))
    for trouble in turned.report.trouble:
        context.log.warning(trouble)
    yield from _materializations(turned)


@dataclass(frozen=True, slots=True)
class _Turned:
    """What a run did and how things stand after it."""

    report: "RunReport"
    billed: int
    """Bills in NetSuite that we know of."""
    oldest_pending_s: float
    worst: "list[OpenException]"
    open_exceptions: int


async def _turn(resource: RuntimeResource, config: LiveRun, run_id: str) -> _Turned:
    from tiktok_ns_pipeline.billing.document import SUBJECT
    from tiktok_ns_pipeline.billing.flow import REPLAYABLE, BillingFlow
    from tiktok_ns_pipeline.ledger.facts import BILL

    async with resource.opened() as runtime:
        report = await BillingFlow(runtime, run_id).run(turn_request(config, runtime))
        with runtime.ledger.read() as tx:
            oldest = tx.intents.oldest_open(BILL)
            ours = [one for one in tx.exceptions.list(kinds=REPLAYABLE) if one.subject.startswith(SUBJECT)]
            return _Turned(
                report=report,
                billed=tx.links.count(BILL),
                oldest_pending_s=(runtime.clock.now() - oldest).total_seconds() if oldest else 0.0,
                worst=ours[:SHOWN],
                open_exceptions=len(ours),
            )


def _materializations(turned: _Turned) -> Iterator[dg.MaterializeResult[Any]]:
    from tiktok_ns_pipeline.ledger.facts import BILL

    report = turned.report
    plan, dispatch = report.plan, report.dispatch
    by_kind = {f"parked_{kind}": count for kind, count in sorted(plan.parked_by_kind.items())}
    yield dg.MaterializeResult(
        asset_key=_STAGED.key,
        metadata={
            "shipments_considered": report.considered,
            "bills_planned": plan.planned,
            "bills_revised": plan.revised,
            "bills_replayed": plan.replayed,
            "bills_withdrawn": plan.withdrawn,
            "shipments_skipped": plan.skipped,
            "shipments_parked": plan.parked,
            **by_kind,
            "amounts_planned": amounts_text(plan.planned_amounts),
            "looks": report.turns,
            "trouble": dg.MetadataValue.json(report.trouble[:20]),
        },
    )
    yield dg.MaterializeResult(
        asset_key=_PUBLISHED.key,
        metadata={
            "dagster/row_count": turned.billed,
            "bills_written": dispatch.applied.get(BILL, 0),
            "read_back": report.read_back,
            "amounts_billed": amounts_text(report.billed_amounts),
            **dispatched(dispatch),
            "oldest_pending_s": turned.oldest_pending_s,
            "open_exceptions": turned.open_exceptions,
            "worst_exceptions": dg.MetadataValue.md(exceptions_table(turned.worst, turned.open_exceptions)),
            "help": "README, «Exceptions»: `tiktok-ns exceptions show <number>`, then mend and replay.",
        },
    )

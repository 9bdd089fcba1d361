"""The shipments flow as Dagster shows it: Item Fulfillments become shipments that TikTok knows of.

The assets come from one step. The flow observes, stages and tells side by side until nothing is left
to do, so that a parcel waits for seconds and not for the next run. They have no partitions: what was
shipped today is corrected tomorrow.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
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
    RAW_NETSUITE_ITEM_FULFILLMENTS,
    RAW_TIKTOK_PACKAGES,
    STAGED_SHIPMENTS,
    TIKTOK_SHIPMENTS,
)
from tiktok_ns_pipeline.live_runs import FRESH, RETRIES, SHOWN, LiveRun, dispatched, turn_request

if TYPE_CHECKING:
    from tiktok_ns_pipeline.fulfilment.flow import RunReport
    from tiktok_ns_pipeline.ledger.exceptions import OpenException

GROUP = "fulfilment"
POOL = "shipments"

NETSUITE_ITEM_FULFILLMENTS = dg.AssetSpec(
    ["netsuite", "item_fulfillments"],
    description="What the seller's warehouse shipped, as NetSuite keeps it. Not ours: we read it.",
    group_name=GROUP,
    kinds={"netsuite"},
)
TIKTOK_PACKAGES = dg.AssetSpec(
    ["tiktok_shop", "packages"],
    description="The packages of all shops as TikTok Shop keeps them.",
    group_name=GROUP,
    kinds={"tiktok"},
)

_RAW = dg.AssetSpec(
    "raw_netsuite_item_fulfillments",
    deps=[NETSUITE_ITEM_FULFILLMENTS],
    description="Item Fulfillments of our Sales Orders as NetSuite told them, in every state, with lines, "
    "tracking numbers and carrier; deleted ones are marked as gone.",
    group_name=GROUP,
    owners=[DATA],
    kinds={"netsuite", "parquet", "duckdb"},
    metadata=table_metadata(RAW_NETSUITE_ITEM_FULFILLMENTS),
    freshness_policy=FRESH,
)
_PACKAGES = dg.AssetSpec(
    "raw_tiktok_packages",
    deps=[TIKTOK_PACKAGES],
    description="Packages as TikTok told them, landed unchanged. Those of TikTok's own warehouse become Item "
    "Fulfillments.",
    group_name=GROUP,
    owners=[DATA],
    kinds={"tiktok", "parquet", "duckdb"},
    metadata=table_metadata(RAW_TIKTOK_PACKAGES),
)
_STAGED = dg.AssetSpec(
    "staged_shipments",
    deps=["raw_netsuite_item_fulfillments", "raw_tiktok_orders"],
    description="For each order the parcels that TikTok should know of, with the units in each, or why "
    "there are none (yet).",
    group_name=GROUP,
    owners=[OPERATIONS],
    kinds={"python", "parquet", "duckdb"},
    metadata=table_metadata(STAGED_SHIPMENTS),
)
_PUBLISHED = dg.AssetSpec(
    "tiktok_shipments",
    deps=["staged_shipments", "raw_tiktok_packages"],
    description="Parcels that TikTok knows of, exactly once in effect, by the call of their market; and Item "
    "Fulfillments of what TikTok's own warehouse shipped.",
    group_name=GROUP,
    owners=[OPERATIONS],
    kinds={"tiktok", "parquet", "duckdb"},
    metadata=table_metadata(TIKTOK_SHIPMENTS),
    freshness_policy=FRESH,
)


@dg.multi_asset(
    name="shipments_to_tiktok",
    specs=[_RAW, _PACKAGES, _STAGED, _PUBLISHED],
    pool=POOL,
    retry_policy=RETRIES,
)
def shipments_to_tiktok(
    context: dg.AssetExecutionContext, config: LiveRun, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Observe, stage, intend, tell and record, until nothing is due or the time is up."""
    turned = in_event_loop(_turn(runtime, config, context.run.run_id))
    for trouble in turned.report.trouble:
        context.log.warning(trouble)
    yield from _materializations(turned)


@dataclass(frozen=True, slots=True)
class _Turned:
    """What a run did and how things stand after it."""

    report: "RunReport"
    told: int
    """Parcels that TikTok knows of."""
    seconds: list[float]
    """From saving to acceptance, of the parcels first told within a day, ascending."""
    worst: "list[OpenException]"
    open_exceptions: int


async def _turn(resource: RuntimeResource, config: LiveRun, run_id: str) -> _Turned:
    from tiktok_ns_pipeline.fulfilment.flow import REPLAYED_KINDS, FulfilmentFlow, is_of_this_flow
    from tiktok_ns_pipeline.fulfilment.recording import seconds_to_acceptance
    from tiktok_ns_pipeline.ledger.facts import SHIPMENT

    async with resource.opened() as runtime:
        report = await FulfilmentFlow(runtime, run_id).run(turn_request(config, runtime))
        with runtime.ledger.read() as tx:
            ours = [one for one in tx.exceptions.list(kinds=REPLAYED_KINDS) if is_of_this_flow(one)]
            told = tx.links.count(SHIPMENT)
        seconds = seconds_to_acceptance(runtime, timedelta(days=1))
        return _Turned(report, told, seconds, ours[:SHOWN], len(ours))


def _materializations(turned: _Turned) -> Iterator[dg.MaterializeResult[Any]]:
    from tiktok_ns_pipeline.ledger.facts import CHANNEL_FULFILMENT, SHIPMENT

    report = turned.report
    yield dg.MaterializeResult(
        asset_key=_RAW.key,
        metadata={
            "fulfilments_observed": report.observed,
            "looks": report.turns,
            "trouble": dg.MetadataValue.json(report.trouble[:20]),
        },
    )
    yield dg.MaterializeResult(asset_key=_PACKAGES.key, metadata={"packages_observed": report.packages})
    plan = report.plan
    yield dg.MaterializeResult(
        asset_key=_STAGED.key,
        metadata={
            **{f"orders_{outcome}": count for outcome, count in sorted(plan.orders.items())},
            "parcels_planned": plan.planned,
            "parcels_revised": plan.revised,
            "parcels_replayed": plan.replayed,
            "parcels_withdrawn": plan.withdrawn,
            **{f"parked_{kind}": count for kind, count in sorted(plan.parked_by_kind.items())},
        },
    )
    dispatch = report.dispatch
    latency = (
        {f"seconds_p{share}": _quantile(turned.seconds, share) for share in (50, 95)}
        if turned.seconds
        else {}
    )
    yield dg.MaterializeResult(
        asset_key=_PUBLISHED.key,
        metadata={
            "dagster/row_count": turned.told,
            "parcels_told": dispatch.applied.get(SHIPMENT, 0),
            "channel_fulfilments_made": dispatch.applied.get(CHANNEL_FULFILMENT, 0),
            **latency,
            **dispatched(dispatch),
            "open_exceptions": turned.open_exceptions,
            "worst_exceptions": dg.MetadataValue.md(exceptions_table(turned.worst, turned.open_exceptions)),
            "help": "README, «Exceptions»: `tiktok-ns exceptions show <number>`, then mend and replay.",
        },
    )


def _quantile(ascending: list[float], percent: int) -> float:
    return ascending[min(len(ascending) - 1, len(ascending) * percent // 100)]

"""The refunds flow as Dagster shows it: what TikTok gives back becomes credits in NetSuite.

Three assets come from one step, as in the other rooms. They have no partitions: a return changes over
weeks; the Launchpad takes shops, order ids and return ids.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from tiktok_ns_pipeline.dagster_support import (
    DATA,
    FINANCE,
    RuntimeResource,
    amounts_text,
    exceptions_table,
    in_event_loop,
    table_metadata,
)
from tiktok_ns_pipeline.lake.tables import NETSUITE_REFUNDS, RAW_TIKTOK_RETURNS, STAGED_REFUNDS
from tiktok_ns_pipeline.live_runs import FRESH, RETRIES, SHOWN, LiveRun, dispatched, named_ids, turn_request

if TYPE_CHECKING:
    from tiktok_ns_pipeline.ledger.exceptions import OpenException
    from tiktok_ns_pipeline.refunds.flow import RefundsReport, RefundsRequest
    from tiktok_ns_pipeline.runtime import Runtime

GROUP = "refunds"
POOL = "refunds"

TIKTOK_SHOP_RETURNS = dg.AssetSpec(
    ["tiktok_shop", "returns"],
    description="Returns, refunds and replacements, as TikTok Shop keeps them. Not ours: we read them, and "
    "leave the answers to people.",
    group_name=GROUP,
    kinds={"tiktok"},
)

_RAW = dg.AssetSpec(
    "raw_tiktok_returns",
    deps=[TIKTOK_SHOP_RETURNS],
    description="Returns, refunds and replacements of all mapped shops as TikTok told them, landed as they "
    "came. Read from a watermark on update_time, with an overlap.",
    group_name=GROUP,
    owners=[DATA],
    kinds={"tiktok", "parquet", "duckdb"},
    metadata=table_metadata(RAW_TIKTOK_RETURNS),
    freshness_policy=FRESH,
)
_STAGED = dg.AssetSpec(
    "staged_refunds",
    deps=[_RAW.key, "raw_tiktok_cancellations", "raw_tiktok_orders", "netsuite_bills"],
    description="For each return, and each cancellation of an order that had left: where goods and money "
    "are, and the documents that should exist for it, never beyond what was billed; or why there is none.",
    group_name=GROUP,
    owners=[FINANCE],
    kinds={"python", "parquet", "duckdb"},
    metadata=table_metadata(STAGED_REFUNDS),
)
_PUBLISHED = dg.AssetSpec(
    "netsuite_refunds",
    deps=[_STAGED.key],
    description="Return Authorizations, receipts and credits in NetSuite, each exactly once in effect. "
    "Credits are read back and compared to the cent; receipts of the warehouse are watched.",
    group_name=GROUP,
    owners=[FINANCE],
    kinds={"netsuite", "parquet"},
    metadata=table_metadata(NETSUITE_REFUNDS),
    freshness_policy=FRESH,
)


class RefundsRun(LiveRun):
    """What a run shall read and how long it goes on; all defaults mean «go on from where we were»."""

    order_ids: list[str] = Field(
        default=[], description="read the returns of these TikTok orders, too, such as 5764…"
    )
    return_ids: list[str] = Field(default=[], description="read these TikTok returns, too, such as 4035…")


@dg.multi_asset(name="refunds_of_returns", specs=[_RAW, _STAGED, _PUBLISHED], pool=POOL, retry_policy=RETRIES)
def refunds_of_returns(
    context: dg.AssetExecutionContext, config: RefundsRun, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Observe, stage, intend, apply and read back, until nothing is due or the time is up."""
    turned = in_event_loop(_turn(runtime, config, context.run.run_id))
    for trouble in turned.report.trouble:
        context.log.warning(trouble)
    yield from _materializations(turned)


def refunds_request(config: RefundsRun, runtime: "Runtime") -> "RefundsRequest":
    """The run that a person or the sensor asked for. Raises dg.Failure naming the field that is wrong."""
    from tiktok_ns_pipeline.refunds.flow import RefundsRequest

    turn = turn_request(config, runtime)
    return RefundsRequest(
        turn.shops,
        turn.budget_s,
        turn.idle_s,
        order_ids=named_ids(config.order_ids),
        return_ids=named_ids(config.return_ids),
    )


@dataclass(frozen=True, slots=True)
class _Turned:
    """What a run did and how things stand after it."""

    report: "RefundsReport"
    credited: int
    """Credits in NetSuite that we know of."""
    oldest_pending_s: float
    expected_returns: int
    """Orders that were cancelled too late, and are not settled."""
    worst: "list[OpenException]"
    open_exceptions: int


async def _turn(resource: RuntimeResource, config: RefundsRun, run_id: str) -> _Turned:
    from tiktok_ns_pipeline.ledger.facts import CREDIT
    from tiktok_ns_pipeline.refunds.flow import KINDS, RefundsFlow
    from tiktok_ns_pipeline.refunds.looking import unresolved

    async with resource.opened() as runtime:
        report = await RefundsFlow(runtime, run_id).run(refunds_request(config, runtime))
        with runtime.ledger.read() as tx:
            oldest = min(filter(None, map(tx.intents.oldest_open, KINDS)), default=None)
            ours = unresolved(tx)
            return _Turned(
                report=report,
                credited=tx.links.count(CREDIT),
                oldest_pending_s=(runtime.clock.now() - oldest).total_seconds() if oldest else 0.0,
                expected_returns=len(tx.expected_returns.open()),
                worst=ours[:SHOWN],
                open_exceptions=len(ours),
            )


def _materializations(turned: _Turned) -> Iterator[dg.MaterializeResult[Any]]:
    from tiktok_ns_pipeline.ledger.facts import CREDIT, ITEM_RECEIPT, REFUND_EXCESS, RETURN_AUTHORIZATION

    report = turned.report
    plan, dispatch = report.plan, report.dispatch
    yield dg.MaterializeResult(
        asset_key=_RAW.key,
        metadata={
            "listed": report.listed,
            "returns_observed": report.returns,
            "events": report.events,
            "looks": report.turns,
            "trouble": dg.MetadataValue.json(report.trouble[:20]),
        },
    )
    by_kind = {f"parked_{kind}": count for kind, count in sorted(plan.parked_by_kind.items())}
    yield dg.MaterializeResult(
        asset_key=_STAGED.key,
        metadata={
            "cancellations_considered": report.cancellations,
            "claims_decided": plan.decided,
            "documents_planned": plan.planned,
            "documents_revised": plan.revised,
            "documents_replayed": plan.replayed,
            "documents_withdrawn": plan.withdrawn,
            "claims_waiting": plan.waiting,
            "claims_parked": plan.parked,
            **by_kind,
            "amounts_planned": amounts_text(plan.planned_amounts),
        },
    )
    yield dg.MaterializeResult(
        asset_key=_PUBLISHED.key,
        metadata={
            "dagster/row_count": turned.credited,
            "return_authorizations_written": dispatch.applied.get(RETURN_AUTHORIZATION, 0),
            "item_receipts_written": dispatch.applied.get(ITEM_RECEIPT, 0),
            "credits_written": dispatch.applied.get(CREDIT, 0),
            "beyond_the_bill_written": dispatch.applied.get(REFUND_EXCESS, 0),
            "read_back": report.read_back,
            "amounts_credited": amounts_text(report.credited_amounts),
            **dispatched(dispatch),
            "oldest_pending_s": turned.oldest_pending_s,
            "expected_returns": turned.expected_returns,
            "open_exceptions": turned.open_exceptions,
            "worst_exceptions": dg.MetadataValue.md(exceptions_table(turned.worst, turned.open_exceptions)),
            "help": "`tiktok-ns explain return <return id>` shows a return from TikTok to NetSuite.",
        },
    )

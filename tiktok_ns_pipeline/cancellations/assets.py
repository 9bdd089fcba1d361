"""The closures flow as Dagster shows it: what TikTok cancelled is closed in NetSuite, or never posted.

Three assets come from one step, as in the orders room: what is cancelled must reach the warehouse in
seconds. The assets have no partitions; the Launchpad takes shops and order ids.
"""

from collections.abc import Iterator
from dataclasses import dataclass
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
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_CANCELLATIONS, STAGED_ORDER_CLOSURES
from tiktok_ns_pipeline.live_runs import FRESH, RETRIES, SHOWN, LiveRun, dispatched, named_ids, turn_request

if TYPE_CHECKING:
    from tiktok_ns_pipeline.cancellations.flow import ClosuresReport, ClosuresRequest
    from tiktok_ns_pipeline.ledger.exceptions import OpenException
    from tiktok_ns_pipeline.runtime import Runtime

GROUP = "cancellations"
POOL = "closures"

TIKTOK_SHOP_CANCELLATIONS = dg.AssetSpec(
    ["tiktok_shop", "cancellations"],
    description="Cancellations and buyers' requests to cancel, as TikTok Shop keeps them. Not ours: we read "
    "them, and answer requests where the mapping says so.",
    group_name=GROUP,
    kinds={"tiktok"},
)

_RAW = dg.AssetSpec(
    "raw_tiktok_cancellations",
    deps=[TIKTOK_SHOP_CANCELLATIONS],
    description="Cancellations of all mapped shops as TikTok told them, landed unchanged. Read from a "
    "watermark on update_time, with an overlap; cancelled orders are read the same way.",
    group_name=GROUP,
    owners=[DATA],
    kinds={"tiktok", "parquet", "duckdb"},
    metadata=table_metadata(RAW_TIKTOK_CANCELLATIONS),
    freshness_policy=FRESH,
)
_STAGED = dg.AssetSpec(
    "staged_order_closures",
    deps=["raw_tiktok_cancellations", "raw_tiktok_orders"],
    description="For each cancelled order and each cancellation what has to be done: close the Sales Order, "
    "answer the buyer's request until its deadline, or nothing.",
    group_name=GROUP,
    owners=[OPERATIONS],
    kinds={"python", "parquet", "duckdb"},
    metadata=table_metadata(STAGED_ORDER_CLOSURES),
)
_PUBLISHED = dg.AssetSpec(
    "netsuite_order_closures",
    deps=["staged_order_closures", "netsuite_sales_orders"],
    description="Sales Orders of cancelled orders, closed before the warehouse begins or never posted. What "
    "came past the mapping's cutoff is left as it is and told to operations.",
    group_name=GROUP,
    owners=[OPERATIONS],
    kinds={"netsuite"},
    freshness_policy=FRESH,
)


class ClosuresRun(LiveRun):
    """What a run shall read and how long it goes on; all defaults mean «go on from where we were»."""

    order_ids: list[str] = Field(default=[], description="read these TikTok orders, too, such as 5764…")


@dg.multi_asset(
    name="order_closures_from_tiktok", specs=[_RAW, _STAGED, _PUBLISHED], pool=POOL, retry_policy=RETRIES
)
def order_closures_from_tiktok(
    context: dg.AssetExecutionContext, config: ClosuresRun, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Observe, stage, intend and apply, until nothing is due or the time is up."""
    turned = in_event_loop(_turn(runtime, config, context.run.run_id))
    for trouble in turned.report.trouble:
        context.log.warning(trouble)
    yield from _materializations(turned)


def closures_request(config: ClosuresRun, runtime: "Runtime") -> "ClosuresRequest":
    """The run that a person or the sensor asked for. Raises dg.Failure naming the field that is wrong."""
    from tiktok_ns_pipeline.cancellations.flow import ClosuresRequest

    turn = turn_request(config, runtime)
    return ClosuresRequest(turn.shops, turn.budget_s, turn.idle_s, order_ids=named_ids(config.order_ids))


@dataclass(frozen=True, slots=True)
class _Turned:
    """What a run did and how things stand after it."""

    report: "ClosuresReport"
    oldest_pending_s: float
    waiting: "list[OpenException]"
    """Requests that wait for an answer, the least time left first."""
    worst: "list[OpenException]"
    expected_returns: int


async def _turn(resource: RuntimeResource, config: ClosuresRun, run_id: str) -> _Turned:
    from tiktok_ns_pipeline.cancellations.flow import REPLAYED_KINDS, ClosuresFlow
    from tiktok_ns_pipeline.cancellations.planning import REQUESTED
    from tiktok_ns_pipeline.ledger.facts import CLOSURE

    async with resource.opened() as runtime:
        report = await ClosuresFlow(runtime, run_id).run(closures_request(config, runtime))
        with runtime.ledger.read() as tx:
            oldest = tx.intents.oldest_open(CLOSURE)
            return _Turned(
                report=report,
                oldest_pending_s=(runtime.clock.now() - oldest).total_seconds() if oldest else 0.0,
                waiting=tx.exceptions.list(kinds=(REQUESTED,)),
                worst=tx.exceptions.list(kinds=REPLAYED_KINDS, limit=SHOWN),
                expected_returns=len(tx.expected_returns.open()),
            )


def _materializations(turned: _Turned) -> Iterator[dg.MaterializeResult[Any]]:
    from tiktok_ns_pipeline.ledger.facts import CANCEL_REPLY

    report, plan, closures = turned.report, turned.report.plan, turned.report.closures
    yield dg.MaterializeResult(
        asset_key=_RAW.key,
        metadata={
            "listed": report.listed,
            "cancelled_orders_observed": report.cancelled_orders,
            "cancellations_observed": report.cancellations,
            "events": report.events,
            "looks": report.turns,
            "trouble": dg.MetadataValue.json(report.trouble[:20]),
        },
    )
    yield dg.MaterializeResult(
        asset_key=_STAGED.key,
        metadata={
            "closures_planned": plan.closures,
            "documents_called_off": plan.called_off,
            "requests": plan.requests,
            "cancellations_ended": plan.ended,
            "malformed": plan.malformed,
            "requests_waiting": len(turned.waiting),
            "requests_by_time_left": dg.MetadataValue.md(
                exceptions_table(turned.waiting[:SHOWN], len(turned.waiting))
            ),
        },
    )
    dispatch = report.dispatch
    yield dg.MaterializeResult(
        asset_key=_PUBLISHED.key,
        metadata={
            "closed": closures.closed,
            "closed_before": closures.closed_before,
            "never_posted": closures.never_posted,
            "too_late": closures.too_late,
            "to_be_stopped": closures.to_be_stopped,
            "requests_answered": dispatch.applied.get(CANCEL_REPLY, 0),
            **dispatched(dispatch),
            "looked_again": report.looked_again,
            "oldest_pending_s": turned.oldest_pending_s,
            "expected_returns": turned.expected_returns,
            "worst_exceptions": dg.MetadataValue.md(exceptions_table(turned.worst)),
            "help": "README, «Exceptions»: `tiktok-ns exceptions show <number>`, then mend and replay.",
        },
    )

"""When the proofs are made.

Orders: today every hour, so that drift shows the same day, and yesterday in the morning. Each shop's
clock decides what its today is, so one hourly schedule asks for the days that are due in any shop.
What follows orders: every morning all days whose orders may still be shipped, cancelled or billed.
Payouts and refunds: every morning the days whose money may still have been under way; every night the
clearing accounts. Stock: every hour, which is also soon after midnight of every shop, so that each day
begins with a proof.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.dagster_support import MAX_RUNTIME_TAG
from tiktok_ns_pipeline.reconciliation.assets import (
    fulfilment_reconciliation,
    order_reconciliation,
    stock_reconciliation,
)
from tiktok_ns_pipeline.reconciliation.days import (
    days_to_follow,
    days_to_prove,
    days_to_refund,
    days_to_settle,
)
from tiktok_ns_pipeline.reconciliation.payouts.assets import clearing_reconciliation, payout_reconciliation
from tiktok_ns_pipeline.reconciliation.refunds.assets import refund_reconciliation

if TYPE_CHECKING:
    from tiktok_ns_pipeline.mapping import Mapping


def _job(
    name: str, asset: dg.AssetsDefinition, description: str, *, longest_s: int = 7200
) -> dg.UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(asset),
        description=description,
        executor_def=dg.in_process_executor,
        tags={MAX_RUNTIME_TAG: str(longest_s)},
    )


def _schedule(
    job: dg.UnresolvedAssetJobDefinition,
    cron: str,
    due: Callable[[Mapping, datetime], list[date]],
    description: str,
) -> dg.ScheduleDefinition:
    """One run for each day that is due in some shop."""

    @dg.schedule(
        name=job.name.replace("_job", "_schedule"),
        job=job,
        cron_schedule=cron,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )
    def requested(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        return _runs(context, due)

    return requested


def _runs(
    context: dg.ScheduleEvaluationContext, due: Callable[[Mapping, datetime], list[date]]
) -> list[dg.RunRequest] | dg.SkipReason:
    from tiktok_ns_pipeline.mapping import MappingError, load_mapping
    from tiktok_ns_pipeline.settings import Settings, SettingsError

    try:
        mapping = load_mapping(Settings.from_environment().mapping_path)
    except (SettingsError, MappingError) as error:
        return dg.SkipReason(f"the shops are not known: {error}")
    hour = context.scheduled_execution_time.astimezone(UTC)
    # The keys tell the runs of one hour apart, which Dagster demands; the next hour has others.
    runs = [
        dg.RunRequest(run_key=f"{hour:%Y-%m-%dT%H}Z proves {day}", partition_key=day.isoformat())
        for day in due(mapping, hour)
    ]
    return runs or dg.SkipReason("no day is due this hour")


order_reconciliation_job = _job(
    "order_reconciliation_job", order_reconciliation, "Proves one day of orders in both directions."
)
fulfilment_reconciliation_job = _job(
    "fulfilment_reconciliation_job",
    fulfilment_reconciliation,
    "Proves what followed one day's orders: shipments, cancellations and bills.",
)
stock_proof_job = _job(
    "stock_proof_job",
    stock_reconciliation,
    "Proves what TikTok shows of all stock, and that what it sold is there.",
    longest_s=3600,
)
payout_reconciliation_job = _job(
    "payout_reconciliation_job",
    payout_reconciliation,
    "Proves one UTC day of statements and payments against journals and, if given, the bank.",
)
refund_reconciliation_job = _job(
    "refund_reconciliation_job",
    refund_reconciliation,
    "Proves one day of refunds against credits, in both directions.",
)
clearing_reconciliation_job = _job(
    "clearing_reconciliation_job",
    clearing_reconciliation,
    "Explains the balance of every clearing account, over its whole history.",
)

clearing_reconciliation_schedule = dg.ScheduleDefinition(
    name="clearing_reconciliation_schedule",
    job=clearing_reconciliation_job,
    cron_schedule="15 4 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night at 04:15 UTC.",
)

stock_proof_schedule = dg.ScheduleDefinition(
    name="stock_proof_schedule",
    job=stock_proof_job,
    cron_schedule="5 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every hour, five minutes past.",
)

order_reconciliation_schedule = _schedule(
    order_reconciliation_job,
    "0 * * * *",
    days_to_prove,
    "Every full hour today, at 07:00 of a shop's own clock yesterday, too.",
)
fulfilment_reconciliation_schedule = _schedule(
    fulfilment_reconciliation_job,
    "30 * * * *",
    days_to_follow,
    "At 07:30 of the first shop's clock: every day of the last `fulfilment.watch_days`.",
)
payout_reconciliation_schedule = _schedule(
    payout_reconciliation_job,
    "10 * * * *",
    days_to_settle,
    "At 07:10 of the first shop's clock: the UTC days of the last two weeks.",
)
refund_reconciliation_schedule = _schedule(
    refund_reconciliation_job,
    "45 * * * *",
    days_to_refund,
    "At 07:45 of the first shop's clock: the last days.",
)

defs = dg.Definitions(
    assets=[
        order_reconciliation,
        fulfilment_reconciliation,
        stock_reconciliation,
        payout_reconciliation,
        refund_reconciliation,
        clearing_reconciliation,
    ],
    jobs=[
        order_reconciliation_job,
        fulfilment_reconciliation_job,
        stock_proof_job,
        payout_reconciliation_job,
        refund_reconciliation_job,
        clearing_reconciliation_job,
    ],
    schedules=[
        order_reconciliation_schedule,
        fulfilment_reconciliation_schedule,
        stock_proof_schedule,
        payout_reconciliation_schedule,
        refund_reconciliation_schedule,
        clearing_reconciliation_schedule,
    ],
)

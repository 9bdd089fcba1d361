"""When the proof is made: today every hour, so that drift shows the same day, and yesterday in the morning.

Each shop's clock decides what its today is, so one hourly schedule asks for the days that are due in
any shop.
"""

from datetime import UTC

import dagster as dg

from tiktok_ns_pipeline.dagster_support import MAX_RUNTIME_TAG
from tiktok_ns_pipeline.reconciliation.assets import order_reconciliation

order_reconciliation_job = dg.define_asset_job(
    "order_reconciliation_job",
    selection=dg.AssetSelection.assets(order_reconciliation),
    description="Proves one day of orders in both directions.",
    executor_def=dg.in_process_executor,
    tags={MAX_RUNTIME_TAG: "7200"},
)


@dg.schedule(
    job=order_reconciliation_job,
    cron_schedule="0 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every full hour today, at 07:00 of a shop's own clock yesterday, too.",
)
def order_reconciliation_schedule(
    context: dg.ScheduleEvaluationContext,
) -> list[dg.RunRequest] | dg.SkipReason:
    """One run for each day that is due in some shop."""
    from tiktok_ns_pipeline.mapping import MappingError, load_mapping
    from tiktok_ns_pipeline.reconciliation.every_shop import days_to_prove
    from tiktok_ns_pipeline.settings import Settings, SettingsError

    try:
        mapping = load_mapping(Settings.from_environment().mapping_path)
    except (SettingsError, MappingError) as error:
        return dg.SkipReason(f"the shops are not known: {error}")
    hour = context.scheduled_execution_time.astimezone(UTC)
    # The keys tell the runs of one hour apart, which Dagster demands; the next hour has others.
    return [
        dg.RunRequest(run_key=f"{hour:%Y-%m-%dT%H}Z proves {day}", partition_key=day.isoformat())
        for day in days_to_prove(mapping, hour)
    ]


defs = dg.Definitions(
    assets=[order_reconciliation],
    jobs=[order_reconciliation_job],
    schedules=[order_reconciliation_schedule],
)

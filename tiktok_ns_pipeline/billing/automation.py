"""When the billing flow turns: the sensor's hint, the job and its limits."""

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.billing.assets import bills_of_shipments
from tiktok_ns_pipeline.billing.checks import bills_equal_shipments
from tiktok_ns_pipeline.dagster_support import MAX_RUNTIME_TAG
from tiktok_ns_pipeline.live_runs import LiveFlow, next_run

if TYPE_CHECKING:
    from tiktok_ns_pipeline.flows.looking import Look
    from tiktok_ns_pipeline.settings import Settings

billing_job = dg.define_asset_job(
    "billing_job",
    selection=dg.AssetSelection.assets(bills_of_shipments),
    description="What was shipped becomes Cash Sales or Invoices, by each shop's policy.",
    executor_def=dg.in_process_executor,
    tags={MAX_RUNTIME_TAG: "3600"},
)


def _look(settings: "Settings", since_last_run: timedelta) -> "Look":
    from tiktok_ns_pipeline.billing.looking import look_for_work

    return look_for_work(settings, since_last_run)


# A bill may wait for what a customer waits for.
LIVE = LiveFlow("billing", billing_job.name, _look, priority=0)


@dg.sensor(
    job=billing_job,
    # The daemon comes by every five seconds; a limit of five would let it miss every other time.
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks our records whether there is anything to bill; never does any work.",
)
def billing_sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One run when there is work and none is waiting or at work."""
    return next_run(context, LIVE)


defs = dg.Definitions(
    assets=[bills_of_shipments],
    asset_checks=[bills_equal_shipments],
    jobs=[billing_job],
    sensors=[billing_sensor],
)

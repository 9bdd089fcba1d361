"""When the closures flow turns: the sensor's hint, the job and its limits."""

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.cancellations.assets import TIKTOK_SHOP_CANCELLATIONS, order_closures_from_tiktok
from tiktok_ns_pipeline.cancellations.checks import cancellation_requests_answered
from tiktok_ns_pipeline.dagster_support import MAX_RUNTIME_TAG
from tiktok_ns_pipeline.live_runs import LiveFlow, next_run

if TYPE_CHECKING:
    from tiktok_ns_pipeline.flows.looking import Look
    from tiktok_ns_pipeline.settings import Settings

closures_job = dg.define_asset_job(
    "closures_job",
    selection=dg.AssetSelection.assets(order_closures_from_tiktok),
    description="Cancelled orders are closed, requests to cancel answered. The Launchpad takes shops and "
    "order ids.",
    executor_def=dg.in_process_executor,
    tags={MAX_RUNTIME_TAG: "3600"},
)


def _look(settings: "Settings", since_last_run: timedelta) -> "Look":
    from tiktok_ns_pipeline.cancellations.looking import look_for_work

    return look_for_work(settings, since_last_run)


LIVE = LiveFlow("closures", closures_job.name, _look, priority=20)
"""Before the other flows: the warehouse is at work."""


@dg.sensor(
    job=closures_job,
    # The daemon comes by every five seconds; a limit of five would let it miss every other time.
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks our records and TikTok whether anything was cancelled; never does any work.",
)
def closures_sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One run when there is work and none is waiting or at work."""
    return next_run(context, LIVE)


defs = dg.Definitions(
    assets=[TIKTOK_SHOP_CANCELLATIONS, order_closures_from_tiktok],
    asset_checks=[cancellation_requests_answered],
    jobs=[closures_job],
    sensors=[closures_sensor],
)

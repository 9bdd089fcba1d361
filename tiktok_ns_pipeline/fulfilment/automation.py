"""When the shipments flow turns: the sensor's hint, the job and its limits."""

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.dagster_support import MAX_RUNTIME_TAG
from tiktok_ns_pipeline.fulfilment.assets import (
    NETSUITE_ITEM_FULFILLMENTS,
    TIKTOK_PACKAGES,
    shipments_to_tiktok,
)
from tiktok_ns_pipeline.fulfilment.checks import dispatch_on_time
from tiktok_ns_pipeline.live_runs import LiveFlow, next_run

if TYPE_CHECKING:
    from tiktok_ns_pipeline.flows.looking import Look
    from tiktok_ns_pipeline.settings import Settings

shipments_job = dg.define_asset_job(
    "shipments_job",
    selection=dg.AssetSelection.assets(shipments_to_tiktok),
    description="Item Fulfillments become shipments at TikTok, and what TikTok's own warehouse shipped "
    "becomes Item Fulfillments. The Launchpad takes shops.",
    executor_def=dg.in_process_executor,
    tags={MAX_RUNTIME_TAG: "3600"},
)


def _look(settings: "Settings", since_last_run: timedelta) -> "Look":
    from tiktok_ns_pipeline.fulfilment.looking import look_for_work

    return look_for_work(settings, since_last_run)


LIVE = LiveFlow("shipments", shipments_job.name, _look)


@dg.sensor(
    job=shipments_job,
    # The daemon comes by every five seconds; a limit of five would let it miss every other time.
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks our records and NetSuite whether there is work; never does any.",
)
def shipments_sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One run when there is work and none is waiting or at work."""
    return next_run(context, LIVE)


defs = dg.Definitions(
    assets=[NETSUITE_ITEM_FULFILLMENTS, TIKTOK_PACKAGES, shipments_to_tiktok],
    asset_checks=[dispatch_on_time],
    jobs=[shipments_job],
    sensors=[shipments_sensor],
)

"""When the shipments flow turns: the sensor's hint, the job and its limits."""

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.fulfilment.assets import (
    NETSUITE_ITEM_FULFILLMENTS,
    TIKTOK_PACKAGES,
    shipments_to_tiktok,
)
from tiktok_ns_pipeline.fulfilment.checks import dispatch_on_time
from tiktok_ns_pipeline.live_runs import LiveFlow, live_job, live_sensor

if TYPE_CHECKING:
    from tiktok_ns_pipeline.flows.looking import Look
    from tiktok_ns_pipeline.settings import Settings

shipments_job = live_job(
    "shipments_job",
    shipments_to_tiktok,
    "Item Fulfillments become shipments at TikTok, and what TikTok's own warehouse shipped "
    "becomes Item Fulfillments. The Launchpad takes shops.",
)


def _look(settings: "Settings", since_last_run: timedelta) -> "Look":
    from tiktok_ns_pipeline.fulfilment.looking import look_for_work

    return look_for_work(settings, since_last_run)


LIVE = LiveFlow("shipments", shipments_job.name, _look)


shipments_sensor = live_sensor(
    LIVE, shipments_job, "Asks our records and NetSuite whether there is work; never does any."
)


defs = dg.Definitions(
    assets=[NETSUITE_ITEM_FULFILLMENTS, TIKTOK_PACKAGES, shipments_to_tiktok],
    asset_checks=[dispatch_on_time],
    jobs=[shipments_job],
    sensors=[shipments_sensor],
)

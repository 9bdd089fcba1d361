"""When the closures flow turns: the sensor's hint, the job and its limits."""

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.cancellations.assets import TIKTOK_SHOP_CANCELLATIONS, order_closures_from_tiktok
from tiktok_ns_pipeline.cancellations.checks import cancellation_requests_answered
from tiktok_ns_pipeline.live_runs import LiveFlow, live_job, live_sensor

if TYPE_CHECKING:
    from tiktok_ns_pipeline.flows.looking import Look
    from tiktok_ns_pipeline.settings import Settings

closures_job = live_job(
    "closures_job",
    order_closures_from_tiktok,
    "Cancelled orders are closed, requests to cancel answered. The Launchpad takes shops and order ids.",
)


def _look(settings: "Settings", since_last_run: timedelta) -> "Look":
    from tiktok_ns_pipeline.cancellations.looking import look_for_work

    return look_for_work(settings, since_last_run)


LIVE = LiveFlow("closures", closures_job.name, _look, priority=20)
"""Before the other flows: the warehouse is at work."""


closures_sensor = live_sensor(
    LIVE, closures_job, "Asks our records and TikTok whether anything was cancelled; never does any work."
)


defs = dg.Definitions(
    assets=[TIKTOK_SHOP_CANCELLATIONS, order_closures_from_tiktok],
    asset_checks=[cancellation_requests_answered],
    jobs=[closures_job],
    sensors=[closures_sensor],
)

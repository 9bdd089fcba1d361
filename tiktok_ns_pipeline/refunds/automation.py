"""When the refunds flow turns: the sensor's hint, the job and its limits."""

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.live_runs import LiveFlow, live_job, live_sensor
from tiktok_ns_pipeline.refunds.assets import TIKTOK_SHOP_RETURNS, refunds_of_returns
from tiktok_ns_pipeline.refunds.checks import refunds_posted_in_time, returns_answered_in_time

if TYPE_CHECKING:
    from tiktok_ns_pipeline.flows.looking import Look
    from tiktok_ns_pipeline.settings import Settings

refunds_job = live_job(
    "refunds_job",
    refunds_of_returns,
    "Returns and refunds become Return Authorizations and credits. The Launchpad takes shops, order ids and "
    "return ids.",
)


def _look(settings: "Settings", since_last_run: timedelta) -> "Look":
    from tiktok_ns_pipeline.refunds.looking import look_for_work

    return look_for_work(settings, since_last_run)


LIVE = LiveFlow("refunds", refunds_job.name, _look)


refunds_sensor = live_sensor(
    LIVE, refunds_job, "Asks our records and TikTok whether anything is given back; never does any work."
)


defs = dg.Definitions(
    assets=[TIKTOK_SHOP_RETURNS, refunds_of_returns],
    asset_checks=[returns_answered_in_time, refunds_posted_in_time],
    jobs=[refunds_job],
    sensors=[refunds_sensor],
)

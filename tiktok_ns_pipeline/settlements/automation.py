"""When the settlement flow turns: the sensor's hint, the job and its limits."""

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.live_runs import LiveFlow, live_job, live_sensor
from tiktok_ns_pipeline.settlements.assets import TIKTOK_SHOP_FINANCE, payouts_of_statements
from tiktok_ns_pipeline.settlements.checks import (
    journals_match_payouts,
    payouts_have_journals,
    statements_foot,
)

if TYPE_CHECKING:
    from tiktok_ns_pipeline.flows.looking import Look
    from tiktok_ns_pipeline.settings import Settings

settlements_job = live_job(
    "settlements_job",
    payouts_of_statements,
    "What TikTok settled and paid is read, footed and posted, by each shop's policy.",
)


def _look(settings: "Settings", since_last_run: timedelta) -> "Look":
    from tiktok_ns_pipeline.settlements.looking import look_for_work

    return look_for_work(settings, since_last_run)


# A payout may wait for what a customer waits for.
LIVE = LiveFlow("settlements", settlements_job.name, _look, priority=-5)


settlements_sensor = live_sensor(
    LIVE, settlements_job, "Asks our records whether TikTok is to be asked about money; never does any work."
)


defs = dg.Definitions(
    assets=[TIKTOK_SHOP_FINANCE, payouts_of_statements],
    asset_checks=[statements_foot, payouts_have_journals, journals_match_payouts],
    jobs=[settlements_job],
    sensors=[settlements_sensor],
)

"""When the billing flow turns: the sensor's hint, the job and its limits."""

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.billing.assets import bills_of_shipments
from tiktok_ns_pipeline.billing.checks import bills_equal_shipments
from tiktok_ns_pipeline.live_runs import LiveFlow, live_job, live_sensor

if TYPE_CHECKING:
    from tiktok_ns_pipeline.flows.looking import Look
    from tiktok_ns_pipeline.settings import Settings

billing_job = live_job(
    "billing_job",
    bills_of_shipments,
    "What was shipped becomes Cash Sales or Invoices, by each shop's policy.",
)


def _look(settings: "Settings", since_last_run: timedelta) -> "Look":
    from tiktok_ns_pipeline.billing.looking import look_for_work

    return look_for_work(settings, since_last_run)


# A bill may wait for what a customer waits for.
LIVE = LiveFlow("billing", billing_job.name, _look, priority=0)


billing_sensor = live_sensor(
    LIVE, billing_job, "Asks our records whether there is anything to bill; never does any work."
)


defs = dg.Definitions(
    assets=[bills_of_shipments],
    asset_checks=[bills_equal_shipments],
    jobs=[billing_job],
    sensors=[billing_sensor],
)

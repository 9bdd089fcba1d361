"""When the stock flow turns: the sensor's hint, the job and its limits."""

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.inventory.assets import (
    NETSUITE_INVENTORY,
    TIKTOK_PRODUCTS,
    stock_patience,
    stock_to_tiktok,
)
from tiktok_ns_pipeline.inventory.checks import (
    sku_mapping_complete,
    stock_positions_balance,
    stock_snapshot_fresh,
)
from tiktok_ns_pipeline.live_runs import LiveFlow, live_job, live_sensor

if TYPE_CHECKING:
    from tiktok_ns_pipeline.flows.looking import Look
    from tiktok_ns_pipeline.settings import Settings

stock_job = live_job(
    "stock_job",
    stock_to_tiktok,
    "What NetSuite can promise becomes what TikTok shows, less what TikTok sold that NetSuite does not know.",
)


def _look(settings: "Settings", since_last_run: timedelta) -> "Look":
    from tiktok_ns_pipeline.inventory.looking import look_for_work

    return look_for_work(settings, since_last_run)


LIVE = LiveFlow("stock", stock_job.name, _look, priority=15, patience=stock_patience)
"""After cancellations, before the others: buyers are at work."""


stock_sensor = live_sensor(
    LIVE, stock_job, "Asks our records and NetSuite whether stock moved; never does any work."
)


defs = dg.Definitions(
    assets=[NETSUITE_INVENTORY, TIKTOK_PRODUCTS, stock_to_tiktok],
    asset_checks=[stock_snapshot_fresh, sku_mapping_complete, stock_positions_balance],
    jobs=[stock_job],
    sensors=[stock_sensor],
)

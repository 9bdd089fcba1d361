"""When the orders flow turns: the sensor's hint, the jobs and their limits."""

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.dagster_support import MAX_RUNTIME_TAG
from tiktok_ns_pipeline.live_runs import LiveFlow, live_job, live_sensor
from tiktok_ns_pipeline.orders.assets import (
    NETSUITE_ITEMS,
    TIKTOK_SHOP_ORDERS,
    raw_netsuite_items,
    sales_orders_from_tiktok,
)
from tiktok_ns_pipeline.orders.checks import control_totals_hold, mapping_complete, orders_posted_in_time

if TYPE_CHECKING:
    from tiktok_ns_pipeline.flows.looking import Look
    from tiktok_ns_pipeline.settings import Settings

orders_job = live_job(
    "orders_job",
    sales_orders_from_tiktok,
    "TikTok orders become Sales Orders. The Launchpad takes shops, order ids and times.",
)

items_job = dg.define_asset_job(
    "items_job",
    selection=dg.AssetSelection.assets(raw_netsuite_items),
    description="All items of the NetSuite account are read anew.",
    executor_def=dg.in_process_executor,
    tags={MAX_RUNTIME_TAG: "1800"},
)

items_schedule = dg.ScheduleDefinition(
    name="items_schedule",
    job=items_job,
    cron_schedule="20 * * * *",
    description="Hourly. A run of orders reads the items itself when its snapshot is too old.",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


def _look(settings: "Settings", since_last_run: timedelta) -> "Look":
    from tiktok_ns_pipeline.orders.looking import look_for_work

    return look_for_work(settings, since_last_run)


LIVE = LiveFlow("orders", orders_job.name, _look)


orders_sensor = live_sensor(
    LIVE, orders_job, "Asks our records and TikTok whether there is work; never does any."
)


defs = dg.Definitions(
    assets=[TIKTOK_SHOP_ORDERS, NETSUITE_ITEMS, raw_netsuite_items, sales_orders_from_tiktok],
    asset_checks=[control_totals_hold, mapping_complete, orders_posted_in_time],
    jobs=[orders_job, items_job],
    schedules=[items_schedule],
    sensors=[orders_sensor],
)

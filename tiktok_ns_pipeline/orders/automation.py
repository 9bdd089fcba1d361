"""When the orders flow turns: the sensor's hint, the jobs and their limits."""

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.dagster_support import MAX_RUNTIME_TAG
from tiktok_ns_pipeline.live_runs import LiveFlow, next_run
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

orders_job = dg.define_asset_job(
    "orders_job",
    selection=dg.AssetSelection.assets(sales_orders_from_tiktok),
    description="TikTok orders become Sales Orders. The Launchpad takes shops, order ids and times.",
    executor_def=dg.in_process_executor,
    tags={MAX_RUNTIME_TAG: "3600"},
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


@dg.sensor(
    job=orders_job,
    # The daemon comes by every five seconds; a limit of five would let it miss every other time.
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks our records and TikTok whether there is work; never does any.",
)
def orders_sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One run when there is work and none is waiting or at work."""
    return next_run(context, LIVE)


defs = dg.Definitions(
    assets=[TIKTOK_SHOP_ORDERS, NETSUITE_ITEMS, raw_netsuite_items, sales_orders_from_tiktok],
    asset_checks=[control_totals_hold, mapping_complete, orders_posted_in_time],
    jobs=[orders_job, items_job],
    schedules=[items_schedule],
    sensors=[orders_sensor],
)

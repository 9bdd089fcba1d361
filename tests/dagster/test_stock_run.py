"""A run of stock in Dagster, and its sensor: real ledger, real lake, a sandbox over loopback."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import dagster as dg
import pytest

from tests.dagster.stage import Stage
from tests.inventory.stock_desk import MAIN, sku_of
from tiktok_ns_pipeline.definitions import defs
from tiktok_ns_pipeline.inventory.automation import LIVE, stock_sensor
from tiktok_ns_pipeline.ledger.inbox import NewEvent
from tiktok_ns_pipeline.sandbox.stockroom import count_stock


@pytest.fixture(scope="module")
def first(on_stage: Stage, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """The first run of all, with an item in stock that no shop lists."""
    on_stage.books.seed_items(1, on_hand=7)
    return run(instance)


def run(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("stock_job").execute_in_process(
        instance=instance, tags=LIVE.tags, raise_on_error=False
    )


def evaluate(instance: dg.DagsterInstance) -> tuple[bool, str]:
    """Whether the sensor asks for a run, and why."""
    with dg.build_sensor_context(instance=instance) as context:
        tick = stock_sensor.evaluate_tick(context)
    if not tick.run_requests:
        return False, tick.skip_message or ""
    (request,) = tick.run_requests
    assert request.run_key is None
    return True, request.tags["tiktok_ns/reason"]


def figures(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey(asset)]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def test_the_first_run_makes_tiktok_show_what_netsuite_has(
    on_stage: Stage, first: dg.ExecuteInProcessResult
) -> None:
    assert first.success
    assert figures(first, "raw_netsuite_inventory")["snapshots"] >= 1
    published = figures(first, "tiktok_stock_levels")
    assert published["skus_pushed"] > 0
    assert published["levels_changed"] <= published["dagster/row_count"]
    assert 0 <= published["seconds_p50"] <= published["seconds_p95"]
    available = on_stage.books.stock("301", "6").available
    assert on_stage.world.stock.available("us", sku_of("SKU-001"), MAIN) == available


def test_the_checks_tell_what_a_run_left(first: dg.ExecuteInProcessResult) -> None:
    found = checks(first)
    assert {name: check.metadata["status"].value for name, check in found.items()} == {
        "stock_snapshot_fresh": "passed",
        "sku_mapping_complete": "failed",
        "stock_positions_balance": "passed",
    }
    mismatches = found["sku_mapping_complete"].metadata
    unlisted, unknown = mismatches["items_without_listing"].value, mismatches["skus_without_item"].value
    assert unlisted == 1
    assert unknown > 0
    assert mismatches["number_of_offenders"].value == unlisted + unknown
    table = str(mismatches["table"].value)
    assert "listing without an item" in table
    assert "item without a listing" in table


def test_figures_are_numbers_so_that_dagster_plots_them(first: dg.ExecuteInProcessResult) -> None:
    for event in first.get_asset_materialization_events():
        for name, value in event.materialization.metadata.items():
            if name not in {"trouble", "worst_exceptions", "help"}:
                assert isinstance(value, (dg.IntMetadataValue, dg.FloatMetadataValue)), name


def test_a_count_in_netsuite_is_work_and_a_run_shows_it(
    on_stage: Stage, instance: dg.DagsterInstance, first: dg.ExecuteInProcessResult
) -> None:
    is_due, reason = evaluate(instance)
    assert not is_due, reason
    assert "no transaction was saved since" in reason
    time.sleep(1.1)  # the account's clock tells whole seconds
    count_stock(on_stage.books, "301", "6", Decimal(17))
    is_due, reason = evaluate(instance)
    assert is_due
    assert "a transaction was saved at" in reason
    assert figures(run(instance), "tiktok_stock_levels")["skus_pushed"] >= 1
    assert on_stage.world.stock.available("us", sku_of("SKU-001"), MAIN) == 17
    assert not evaluate(instance)[0]


def test_orders_that_landed_and_events_are_work_until_a_run_looked(
    on_stage: Stage, instance: dg.DagsterInstance, first: dg.ExecuteInProcessResult
) -> None:
    on_stage.place()
    assert defs.resolve_job_def("orders_job").execute_in_process(instance=instance).success
    assert evaluate(instance) == (True, "orders of shop us landed")
    event = NewEvent("n1", "tiktok", "7495000000000000001", "15", "product 1", "stock", '{"data":{}}')
    with on_stage.ledger() as ledger, ledger.begin() as tx:
        tx.inbox.store([event])
    assert evaluate(instance) == (True, "TikTok told of products or stock")
    result = run(instance)
    assert figures(result, "staged_stock_levels")["orders_booked"] == 1
    assert figures(result, "raw_tiktok_products")["events"] == 1
    assert not evaluate(instance)[0]

"""Billing in Dagster: real ledger, real lake, a sandbox over loopback."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import dagster as dg

from tests.dagster.stage import Stage, until
from tiktok_ns_pipeline import billing, exact_json, orders
from tiktok_ns_pipeline.billing.assets import bills_of_shipments
from tiktok_ns_pipeline.billing.automation import LIVE, billing_sensor
from tiktok_ns_pipeline.clock import SystemClock
from tiktok_ns_pipeline.dagster_support import RuntimeResource
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import RAW_NETSUITE_ITEM_FULFILLMENTS
from tiktok_ns_pipeline.sandbox.faults import FaultKind

OP = bills_of_shipments.op.name
defs = dg.Definitions.merge(
    orders.defs,
    billing.defs,
    dg.Definitions(resources={"runtime": RuntimeResource()}, executor=dg.in_process_executor),
)


def run(instance: dg.DagsterInstance, name: str = "billing_job", **tags: str) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def(name)
    return job.execute_in_process(instance=instance, raise_on_error=False, tags=tags)


def figures(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey(asset)]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def the_check(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    [check] = result.get_asset_check_evaluations()
    return check


def ship(stage: Stage, order_id: str, **shipped: Any) -> None:
    """Ship an order whole, and land the shipment."""
    shown = next(one for one in stage.sales_orders() if one["custbody_tts_order_id"] == order_id)
    body = {"shipStatus": {"id": "C"}}
    record = stage.books.transform("salesOrder", shown["id"], "itemFulfillment", body).record
    day = date.fromisoformat(record.get("tranDate"))
    row = {
        "channel": "tiktok",
        "order_id": order_id,
        "fulfilment_id": record.id,
        "tran_id": record.get("tranId"),
        "status": "C",
        "gone": False,
        "sales_order_id": shown["id"],
        "tran_date": day,
        "modified_at": datetime.now(UTC),
        "lines": exact_json.dumps(
            [{"orderLine": one["orderLine"], "quantity": one["quantity"]} for one in record.lines()]
        ),
        "tracking": "[]",
        "payload": "{}",
        "read_at": datetime.now(UTC),
        **shipped,
    }
    shop = shown["custbody_tts_shop"]
    Lake(stage.settings.lake_url, SystemClock()).land(
        RAW_NETSUITE_ITEM_FULFILLMENTS, [row], shop=shop, day=day, run_id="shipments"
    )


def evaluate(instance: dg.DagsterInstance) -> str | None:
    """Why the sensor asks for a run; None when it does not."""
    with dg.build_sensor_context(instance=instance) as context:
        tick = billing_sensor.evaluate_tick(context)
    return tick.run_requests[0].tags["tiktok_ns/reason"] if tick.run_requests else None


def test_before_anything_was_shipped_the_check_did_not_run(on_stage: Stage, instance: dg.DagsterInstance):
    result = run(instance)
    assert result.success
    check = the_check(result)
    assert check.description is not None
    assert check.description.startswith("not run: ")


def test_shipments_of_two_shops_become_bills_and_amounts_by_currency(
    on_stage: Stage, instance: dg.DagsterInstance
):
    ids = [on_stage.place("SKU-001", "SKU-002"), on_stage.place("SKU-003", shop="uk")]
    assert run(instance, "orders_job").success
    assert run(instance, **LIVE.tags).success
    assert evaluate(instance) is None
    for order_id in ids:
        ship(on_stage, order_id)
    reason = evaluate(instance)
    assert reason is not None
    assert "shipments landed" in reason

    result = run(instance, **LIVE.tags)
    assert result.success
    sold = {one["custbody_tts_order_id"]: one["total"] for one in on_stage.sales_orders()}
    told = f"{sold[ids[1]]:.2f} GBP, {sold[ids[0]]:.2f} USD"
    planned = figures(result, "staged_bills")
    assert (planned["bills_planned"], planned["amounts_planned"]) == (2, told)
    billed = figures(result, "netsuite_bills")
    assert billed["dagster/row_count"] == billed["bills_written"] == billed["read_back"] == 2
    assert billed["amounts_billed"] == told
    assert billed["open_exceptions"] == 0
    check = the_check(result)
    assert check.passed
    assert f"{sold[ids[1]]:.2f}" in str(check.metadata["totals"].value)
    assert len(list(on_stage.books.records("cashSale"))) == len(list(on_stage.books.records("invoice"))) == 1
    assert evaluate(instance) is None


def test_a_bill_that_comes_to_something_else_fails_the_check_with_both_amounts(
    on_stage: Stage, instance: dg.DagsterInstance
):
    order_id = on_stage.place("SKU-004")
    assert run(instance, "orders_job").success
    ship(on_stage, order_id)
    transform = "POST /services/rest/record/v1/salesOrder"
    on_stage.run.sandbox.faults.inject(FaultKind.http_429, "netsuite", transform, times=50)
    config = {"ops": {OP: {"config": {"budget_seconds": 0.5}}}}
    assert (
        defs.resolve_job_def("billing_job").execute_in_process(instance=instance, run_config=config).success
    )
    # Somebody adds shipping to the Sales Order, which NetSuite puts on its first bill.
    on_stage.run.sandbox.faults.stop()
    shown = next(one for one in on_stage.sales_orders() if one["custbody_tts_order_id"] == order_id)
    added = {"shipMethod": {"id": "4721"}, "shippingCost": Decimal("5.00")}
    on_stage.books.patch("salesOrder", shown["id"], added)

    def is_billed() -> bool:
        result = run(instance, **LIVE.tags)
        return not the_check(result).passed and figures(result, "netsuite_bills")["open_exceptions"] == 1

    until(is_billed, 30, "a bill that differs")
    check = the_check(run(instance, **LIVE.tags))
    assert f"us/tts-us-cs-{order_id}-" in str(check.metadata["offenders"].value)
    assert "instead of" in str(check.metadata["table"].value)
    assert check.severity == dg.AssetCheckSeverity.ERROR

"""A run of shipments in Dagster, and its sensor: real ledger, real lake, a sandbox over loopback."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from tests.dagster.stage import Stage
from tiktok_ns_pipeline.definitions import defs
from tiktok_ns_pipeline.fulfilment.assets import shipments_to_tiktok
from tiktok_ns_pipeline.fulfilment.automation import LIVE, shipments_sensor
from tiktok_ns_pipeline.ledger.inbox import NewEvent

OP = shipments_to_tiktok.op.name


def run(instance: dg.DagsterInstance, job: str = "shipments_job", **config: Any) -> dg.ExecuteInProcessResult:
    given = {"ops": {OP: {"config": config}}} if config else {}
    tags = LIVE.tags if job == "shipments_job" and not config else None
    return defs.resolve_job_def(job).execute_in_process(
        instance=instance, run_config=given, tags=tags, raise_on_error=False
    )


def evaluate(instance: dg.DagsterInstance) -> tuple[bool, str]:
    """Whether the sensor asks for a run, and why."""
    with dg.build_sensor_context(instance=instance) as context:
        tick = shipments_sensor.evaluate_tick(context)
    if not tick.run_requests:
        return False, tick.skip_message or ""
    (request,) = tick.run_requests
    assert request.run_key is None
    return True, request.tags["tiktok_ns/reason"]


def figures(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey(asset)]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def the_check(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    [evaluation] = result.get_asset_check_evaluations()
    return evaluation


def shipped(stage: Stage, tracking: str) -> str:
    """An order of which a fulfilment was just saved in NetSuite."""
    order_id = stage.place()
    assert defs.resolve_job_def("orders_job").execute_in_process().success
    [order] = [one for one in stage.sales_orders() if one["custbody_tts_order_id"] == order_id]
    body = {
        "shipStatus": {"id": "C"},
        "shipMethod": {"id": "4722"},
        "package": {"items": [{"packageTrackingNumber": tracking}]},
    }
    stage.books.transform("salesOrder", str(order["id"]), "itemFulfillment", body)
    return order_id


def test_before_anything_is_shipped_the_check_did_not_run(on_stage: Stage, instance: dg.DagsterInstance):
    assert evaluate(instance)[0]
    result = run(instance)
    assert result.success
    check = the_check(result)
    assert (check.passed, check.metadata["status"].value) == (False, "not run")


def test_a_saved_fulfilment_is_work_and_a_run_tells_tiktok(on_stage: Stage, instance: dg.DagsterInstance):
    run(instance)
    is_due, reason = evaluate(instance)
    assert not is_due, reason
    assert "no Item Fulfillment was saved since" in reason
    time.sleep(1.1)  # the account's clock tells whole seconds
    order_id = shipped(on_stage, "1Z999AA10123456784")
    is_due, reason = evaluate(instance)
    assert is_due
    assert "an Item Fulfillment was saved at" in reason
    result = run(instance)
    assert result.success
    assert on_stage.world.facts(order_id).lines[0].shipped.tracking == "1Z999AA10123456784"
    told = figures(result, "tiktok_shipments")
    assert (told["parcels_told"], told["dagster/row_count"], told["open_exceptions"]) == (1, 1, 0)
    assert 0 <= told["seconds_p50"] <= told["seconds_p95"]
    assert figures(result, "raw_netsuite_item_fulfillments")["fulfilments_observed"] == 1
    assert figures(result, "staged_shipments")["orders_staged"] >= 1
    assert not evaluate(instance)[0]


def test_figures_are_numbers_so_that_dagster_plots_them(on_stage: Stage, instance: dg.DagsterInstance):
    for event in run(instance).get_asset_materialization_events():
        for name, value in event.materialization.metadata.items():
            if name not in {"trouble", "worst_exceptions", "help"}:
                assert isinstance(value, (dg.IntMetadataValue, dg.FloatMetadataValue)), name


def test_what_tiktok_says_about_packages_is_work_until_it_was_looked_at(
    on_stage: Stage, instance: dg.DagsterInstance
):
    run(instance)
    shop_id = "7495000000000000001"
    body = '{"type":4,"shop_id":"7495000000000000001","timestamp":1760000000,"data":{}}'
    event = NewEvent("n1", "tiktok", shop_id, "4", "package 1", "shipments", body)
    with on_stage.ledger() as ledger, ledger.begin() as tx:
        tx.inbox.store([event])
    assert evaluate(instance) == (True, "TikTok told of packages")
    run(instance)
    assert not evaluate(instance)[0]


def test_an_order_near_its_deadline_warns_before_tiktok_counts_it(
    on_stage: Stage, instance: dg.DagsterInstance
):
    # The sandbox's orders are to be dispatched within two days.
    order_id = on_stage.place(placed_at=datetime.now(UTC) - timedelta(hours=45))
    on_stage.world.change_address(order_id)  # it changed just now, so that it is seen
    assert defs.resolve_job_def("orders_job").execute_in_process().success
    check = the_check(run(instance))
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert "offenders" in check.metadata, check.description
    assert f"us/{order_id}" in str(check.metadata["offenders"].value)
    assert "2:59" in str(check.metadata["table"].value)
    assert isinstance(check.metadata["projected_late_rate"], dg.FloatMetadataValue)


def test_a_shop_that_does_not_exist_is_refused_by_name(on_stage: Stage, instance: dg.DagsterInstance):
    result = run(instance, shops=["mars"])
    assert not result.success
    [failure] = [e for e in result.all_events if e.is_step_failure]
    assert "mars is no shop of the mapping" in str(failure.step_failure_data.user_failure_data)

"""A run of closures in Dagster, and the sensor that asks for it: real ledger, a sandbox over loopback.

The tests tell one story, from the first look to a request that a person has to answer.
"""

import time
from typing import Any

import dagster as dg

from tests.dagster.stage import Stage
from tiktok_ns_pipeline.cancellations.assets import order_closures_from_tiktok
from tiktok_ns_pipeline.cancellations.automation import LIVE, closures_sensor
from tiktok_ns_pipeline.clock import SystemClock
from tiktok_ns_pipeline.definitions import defs
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_CANCELLATIONS, STAGED_ORDER_CLOSURES
from tiktok_ns_pipeline.ledger.exceptions import NewException

OP = order_closures_from_tiktok.op.name


def run(instance: dg.DagsterInstance, **config: Any) -> dg.ExecuteInProcessResult:
    given = {"ops": {OP: {"config": config}}} if config else {}
    return defs.resolve_job_def("closures_job").execute_in_process(
        instance=instance, run_config=given, tags=LIVE.tags, raise_on_error=False
    )


def post(instance: dg.DagsterInstance) -> None:
    assert defs.resolve_job_def("orders_job").execute_in_process(instance=instance).success


def figures(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey(asset)]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def answered(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.check_name == "cancellation_requests_answered"
    return evaluation


def asked(instance: dg.DagsterInstance) -> tuple[dict[str, str] | None, str]:
    with dg.build_sensor_context(instance=instance) as context:
        tick = closures_sensor.evaluate_tick(context)
    if not tick.run_requests:
        return None, tick.skip_message or ""
    (request,) = tick.run_requests
    return dict(request.tags), request.tags["tiktok_ns/reason"]


def state_of(stage: Stage, order_id: str) -> str:
    [record] = [one for one in stage.sales_orders() if one["externalId"].endswith(order_id)]
    return record["status"]["id"]


def test_a_cancelled_order_is_work_and_is_closed(on_stage: Stage, instance: dg.DagsterInstance):
    order_id, other = on_stage.place("SKU-001", "SKU-002"), on_stage.place()
    post(instance)
    first = run(instance)
    assert first.success
    assert answered(first).metadata["status"].value == "not run"
    assert asked(instance)[0] is None

    on_stage.world.cancel_order(order_id)
    tags, reason = asked(instance)
    assert tags is not None
    assert tags["dagster/priority"] == "20"
    assert "orders of shop us: something was cancelled at" in reason
    result = run(instance)
    assert result.success
    published = figures(result, "netsuite_order_closures")
    assert (published["closed"], published["too_late"], published["oldest_pending_s"]) == (1, 0, 0.0)
    assert figures(result, "staged_order_closures")["closures_planned"] == 1
    assert figures(result, "raw_tiktok_cancellations")["cancelled_orders_observed"] == 1
    assert (state_of(on_stage, order_id), state_of(on_stage, other)) == ("H", "B")
    assert asked(instance)[0] is None

    lake = Lake(on_stage.settings.lake_url, SystemClock())
    assert {row["order_id"] for row in lake.current(RAW_TIKTOK_CANCELLATIONS)} == {order_id}
    staged = {row["subject"]: row["outcome"] for row in lake.current(STAGED_ORDER_CLOSURES)}
    lake.close()
    assert staged[f"order {order_id}"] == "closure"
    assert sorted(staged.values()) == ["closure", "ended"]


def test_a_request_is_work_and_is_answered(on_stage: Stage, instance: dg.DagsterInstance):
    order_id = on_stage.place()
    post(instance)
    time.sleep(1.1)  # an update_time is a whole second
    on_stage.world.request_cancellation(order_id)
    assert "cancellations of shop us: something was cancelled at" in asked(instance)[1]
    result = run(instance)
    assert figures(result, "netsuite_order_closures")["requests_answered"] == 1
    assert answered(result).passed
    assert state_of(on_stage, order_id) == "H"


def test_who_waits_for_a_person_shows_with_the_time_left(on_stage: Stage, instance: dg.DagsterInstance):
    with on_stage.ledger() as ledger, ledger.begin() as tx:
        number = tx.exceptions.open(
            NewException(
                "cancellation_requested",
                "tiktok",
                "us",
                "cancellation 1",
                "request",
                "the buyer asks",
                "answer",
                "operations",
                "error",
            )
        )
    result = run(instance)
    assert not answered(result).passed
    assert answered(result).severity == dg.AssetCheckSeverity.WARN
    assert "requests that wait for an answer: 1" in (answered(result).description or "")
    assert figures(result, "staged_order_closures")["requests_waiting"] == 1
    with on_stage.ledger() as ledger, ledger.begin() as tx:
        tx.exceptions.request_replay([number], "somebody")
    assert asked(instance)[1] == "somebody asked for a replay"
    with on_stage.ledger() as ledger, ledger.begin() as tx:
        tx.exceptions.resolve(number, "it was only a test", "somebody")


def test_an_unknown_shop_is_named(on_stage: Stage, instance: dg.DagsterInstance):
    result = run(instance, shops=["mars"])
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "mars is no shop of the mapping" in str(failure.step_failure_data.user_failure_data.description)

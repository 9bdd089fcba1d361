"""Refunds in Dagster: real ledger, real lake, a sandbox over loopback."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from tests.dagster.stage import Stage
from tiktok_ns_pipeline import billing, cancellations, exact_json, orders, refunds
from tiktok_ns_pipeline.clock import SystemClock
from tiktok_ns_pipeline.dagster_support import RuntimeResource
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_RETURNS
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.claims import ToldClaim
from tiktok_ns_pipeline.refunds.assets import refunds_of_returns
from tiktok_ns_pipeline.refunds.automation import LIVE, refunds_sensor
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.world import ShiftedClock

OP = refunds_of_returns.op.name
defs = dg.Definitions.merge(
    orders.defs,
    billing.defs,
    cancellations.defs,
    refunds.defs,
    dg.Definitions(resources={"runtime": RuntimeResource()}, executor=dg.in_process_executor),
)


def run(instance: dg.DagsterInstance, name: str = "refunds_job", **config: Any) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def(name)
    ops = {"ops": {OP: {"config": config}}} if config else {}
    return job.execute_in_process(instance=instance, raise_on_error=False, run_config=ops, tags=LIVE.tags)


def figures(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """The metadata of all three assets."""
    events = result.get_asset_materialization_events()
    return {name: value.value for event in events for name, value in event.materialization.metadata.items()}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def evaluate(instance: dg.DagsterInstance) -> str | None:
    """Why the sensor asks for a run; None when it does not."""
    with dg.build_sensor_context(instance=instance) as context:
        tick = refunds_sensor.evaluate_tick(context)
    return tick.run_requests[0].tags["tiktok_ns/reason"] if tick.run_requests else None


@pytest.fixture(scope="module")
def sold(on_stage: Stage, instance: dg.DagsterInstance) -> str:
    """An order that was posted, shipped, billed and delivered."""
    order_id = on_stage.place("SKU-001")
    assert run(instance, "orders_job").success
    [order] = on_stage.sales_orders()
    on_stage.books.transform("salesOrder", order["id"], "itemFulfillment", {"shipStatus": {"id": "C"}})
    on_stage.books.transform("salesOrder", order["id"], "cashSale", {"account": {"id": "125"}})
    on_stage.world.move_to(order_id, Status.delivered)
    return order_id


def test_before_any_return_the_checks_did_not_run(on_stage: Stage, instance: dg.DagsterInstance):
    result = run(instance)
    assert result.success
    assert len(result.get_asset_materialization_events()) == 3
    assert all((one.description or "").startswith("not run: ") for one in checks(result).values())
    assert len(checks(result)) == 2


def test_what_is_asked_shows_with_the_time_left_and_what_is_refunded_is_credited_once(
    on_stage: Stage, instance: dg.DagsterInstance, sold: str
):
    return_id = on_stage.world.returns.ask(sold, kind="REFUND")
    assert "returns of shop us" in (evaluate(instance) or "")

    asked = run(instance)
    assert asked.success
    answered = checks(asked)["returns_answered_in_time"]
    assert answered.passed, answered.description
    assert "time left for the first: 47 h" in (answered.description or "")
    assert return_id in answered.metadata["table"].value

    on_stage.world.returns.decide(shop_of("us"), return_id, "APPROVE_REFUND", "yes")
    on_stage.world.clock.advance(2 * 3_600)
    credited = run(instance)

    assert credited.success
    [credit] = on_stage.books.records("cashRefund")
    found = figures(credited)
    assert found["credits_written"] == found["read_back"] == found["dagster/row_count"] == 1
    assert found["amounts_planned"] == found["amounts_credited"] == f"{credit['total']:f} USD"
    assert all(one.passed for one in checks(credited).values())
    assert figures(run(instance, return_ids=[return_id], order_ids=[sold]))["credits_written"] == 0
    assert evaluate(instance) is None
    address = on_stage.world.facts(sold).address
    shown = str([event.materialization.metadata for event in credited.get_asset_materialization_events()])
    assert not any(secret in shown for secret in (address["name"], address["phone_number"]))


def test_the_launchpad_refuses_a_shop_that_is_none(on_stage: Stage, instance: dg.DagsterInstance):
    result = run(instance, shops=["mars"])
    assert not result.success
    failure = result.failure_data_for_node(OP)
    assert failure is not None
    assert "mars is no shop of the mapping" in str(failure.user_failure_data)


def test_checks_name_what_nobody_answered_and_what_waits_too_long(
    on_stage: Stage, instance: dg.DagsterInstance
):
    now = datetime.now(UTC)
    lake = Lake(on_stage.settings.lake_url, SystemClock())
    for return_id, until in (("4040", now + timedelta(hours=3)), ("4041", now - timedelta(hours=1))):
        row = {
            "channel": "tiktok",
            "return_id": return_id,
            "order_id": "5760",
            "return_type": "REFUND",
            "return_status": "RETURN_OR_REFUND_REQUEST_PENDING",
            "deadline": until,
            "payload": exact_json.dumps({}),
            "read_at": now,
        }
        lake.land(RAW_TIKTOK_RETURNS, [row], shop="vn", day=now.date(), run_id="test")
    lake.close()
    two_days_ago = ShiftedClock(SystemClock())
    two_days_ago.offset = timedelta(days=-2)
    ledger = Ledger.open(on_stage.settings.database_url, two_days_ago)
    with ledger.begin() as tx:
        tx.claims.tell("tiktok", "vn", [ToldClaim("4040", "5760", "return", now.date())])
        [claim] = tx.claims.find("tiktok", "vn", ["4040"])
        tx.claims.decided(claim, "waiting", "its bill is not there yet", "", None)
    ledger.close()

    found = checks(run(instance, shops=["us"]))

    answered, posted = found["returns_answered_in_time"], found["refunds_posted_in_time"]
    assert not answered.passed
    assert answered.severity is dg.AssetCheckSeverity.ERROR
    assert answered.metadata["offenders"].value == ["vn/4041", "vn/4040"]
    assert not posted.passed
    assert posted.severity is dg.AssetCheckSeverity.WARN
    assert posted.metadata["offenders"].value == ["vn/4040"]
    assert "its bill is not there yet" in posted.metadata["table"].value

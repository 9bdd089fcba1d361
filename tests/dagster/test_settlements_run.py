"""Settlements in Dagster: real ledger, real lake, a sandbox over loopback."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import dagster as dg

from tests.dagster.stage import Stage
from tiktok_ns_pipeline import billing, orders, settlements
from tiktok_ns_pipeline.clock import SystemClock
from tiktok_ns_pipeline.dagster_support import RuntimeResource
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import (
    NETSUITE_PAYOUT_JOURNALS,
    RAW_TIKTOK_PAYMENTS,
    STAGED_PAYOUT_JOURNALS,
)
from tiktok_ns_pipeline.settlements.automation import settlements_sensor

defs = dg.Definitions.merge(
    orders.defs,
    billing.defs,
    settlements.defs,
    dg.Definitions(resources={"runtime": RuntimeResource()}, executor=dg.in_process_executor),
)
DAY = date(2026, 11, 1)


def run(instance: dg.DagsterInstance, config: dict[str, Any] | None = None) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def("settlements_job")
    ops = {"ops": {"payouts_of_statements": {"config": config or {}}}}
    return job.execute_in_process(instance=instance, raise_on_error=False, run_config=ops)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def land(stage: Stage, table: Any, **row: Any) -> None:
    lake = Lake(stage.settings.lake_url, SystemClock())
    lake.land(table, [{"channel": "tiktok", **row}], shop="us", day=DAY, run_id="test")
    lake.close()


def test_a_run_that_finds_nothing_shows_every_asset_and_checks_nothing(
    on_stage: Stage, instance: dg.DagsterInstance
):
    result = run(instance)
    assert result.success
    assert len(result.get_asset_materialization_events()) == 9
    assert all(
        one.description is not None and one.description.startswith("not run: ")
        for one in checks(result).values()
    )
    assert len(checks(result)) == 3


def test_the_sensor_asks_for_a_run_when_tiktok_was_not_asked_for_an_hour(
    on_stage: Stage, instance: dg.DagsterInstance
):
    with dg.build_sensor_context(instance=instance) as context:
        assert settlements_sensor.evaluate_tick(context).run_requests
    assert run(instance).success


def test_a_day_that_is_none_is_refused_by_name(on_stage: Stage, instance: dg.DagsterInstance):
    result = run(instance, {"since": "the first"})
    assert not result.success
    failure = result.failure_data_for_node("payouts_of_statements")
    assert failure is not None
    assert failure.error is not None
    assert "since" in str(failure.error.message) or "since" in str(failure.user_failure_data)


def test_checks_name_what_is_refused_missing_and_different(on_stage: Stage, instance: dg.DagsterInstance):
    now = datetime.now(UTC)
    staged = {"statements": "1", "currency": "USD", "staged_at": now}
    land(on_stage, STAGED_PAYOUT_JOURNALS, key="1", outcome="parked", reason="a cent is off", **staged)
    paid = {"status": "PAID", "shape": "202605", "payload": "{}"}
    land(on_stage, RAW_TIKTOK_PAYMENTS, payment_id="77", read_at=now - timedelta(days=1), **paid)
    land(
        on_stage,
        NETSUITE_PAYOUT_JOURNALS,
        kind="je",
        key="78",
        record_type="journalEntry",
        netsuite_id="5",
        external_id="tts-us-je-78",
        tran_date=DAY,
        currency="USD",
        expected_total=Decimal(10),
        posted_total=Decimal(9),
        read_at=now,
    )
    found = checks(run(instance, {"shops": ["vn"]}))
    assert {name: one.passed for name, one in found.items()} == {
        "statements_foot": False,
        "payouts_have_journals": False,
        "journals_match_payouts": False,
    }
    assert found["statements_foot"].metadata["offenders"].value == ["us/1"]
    assert found["payouts_have_journals"].metadata["offenders"].value == ["us/77"]
    assert found["journals_match_payouts"].metadata["offenders"].value == ["us/tts-us-je-78"]

"""The proof's partitions in Dagster, against a sandbox over loopback."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from tests.dagster.stage import Stage
from tiktok_ns_pipeline.clock import SystemClock
from tiktok_ns_pipeline.definitions import defs
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import ORDER_RECONCILIATION
from tiktok_ns_pipeline.mapping import load_mapping
from tiktok_ns_pipeline.reconciliation.automation import order_reconciliation_schedule
from tiktok_ns_pipeline.reconciliation.checks import DAYS
from tiktok_ns_pipeline.reconciliation.days import days_to_prove
from tiktok_ns_pipeline.sandbox.faults import FaultKind

PACIFIC = ZoneInfo("America/Los_Angeles")


def today(stage: Stage) -> str:
    return stage.world.now().astimezone(PACIFIC).date().isoformat()


def post(instance: dg.DagsterInstance) -> None:
    assert defs.resolve_job_def("orders_job").execute_in_process(instance=instance).success


def prove(
    instance: dg.DagsterInstance, day: str
) -> tuple[dict[str, Any], dict[str, dg.AssetCheckEvaluation]]:
    job = defs.resolve_job_def("order_reconciliation_job")
    result = job.execute_in_process(instance=instance, partition_key=day)
    (event,) = result.get_asset_materialization_events()
    figures = {name: value.value for name, value in event.materialization.metadata.items()}
    checks = {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}
    assert {check.partition for check in checks.values()} == {day}
    return figures, checks


def failed(checks: dict[str, dg.AssetCheckEvaluation]) -> dict[str, list[str]]:
    return {
        name: list(check.metadata["offenders"].value)
        for name, check in checks.items()
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    }


def not_run(checks: dict[str, dg.AssetCheckEvaluation]) -> set[str]:
    return {name for name, check in checks.items() if check.metadata["status"].value == "not run"}


@pytest.fixture(scope="module")
def posted(on_stage: Stage, instance: dg.DagsterInstance) -> list[str]:
    """Three orders of today with their Sales Orders."""
    ids = [on_stage.place("SKU-001"), on_stage.place("SKU-002", "SKU-003"), on_stage.place("SKU-004")]
    post(instance)
    return ids


def test_a_clean_day_passes_and_is_kept(on_stage: Stage, instance: dg.DagsterInstance, posted: list[str]):
    figures, checks = prove(instance, today(on_stage))
    assert all(check.passed for check in checks.values())
    assert figures["matched"] == figures["tiktok_orders"] == figures["netsuite_sales_orders"] == 3
    assert figures["dagster/partition_row_count"] == 3
    assert figures["differences"] == figures["shops_not_proved"] == 0
    assert "difference = none" in figures["statements"]
    rows = Lake(on_stage.settings.lake_url, SystemClock()).current(ORDER_RECONCILIATION, shop="us")
    assert {row["order_id"]: row["verdict"] for row in rows} == dict.fromkeys(posted, "matched")


def test_a_day_without_orders_did_not_run(on_stage: Stage, instance: dg.DagsterInstance, posted: list[str]):
    yesterday = (date.fromisoformat(today(on_stage)) - timedelta(days=1)).isoformat()
    _figures, checks = prove(instance, yesterday)
    assert not_run(checks) == set(checks)
    assert all(check.severity == dg.AssetCheckSeverity.WARN and not check.passed for check in checks.values())


def test_a_deleted_sales_order_is_named_as_missing(
    on_stage: Stage,
    instance: dg.DagsterInstance,
    posted: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path,
):
    on_stage.books.delete("salesOrder", str(sales_order_of(on_stage, posted[0])["id"]))
    monkeypatch.setenv("TNS_MAPPING", without_grace(on_stage, tmp_path))
    figures, checks = prove(instance, today(on_stage))
    assert failed(checks) == {"no_missing_orders": [f"us/{posted[0]}"]}
    assert checks["no_missing_orders"].metadata["number_of_offenders"].value == 1
    assert posted[0] in str(checks["no_missing_orders"].metadata["table"].value)
    assert figures["missing_in_netsuite"] == figures["differences"] == 1


def test_an_order_that_the_pipeline_never_saw_is_named_as_missing(
    on_stage: Stage,
    instance: dg.DagsterInstance,
    posted: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path,
):
    unseen = on_stage.place("SKU-005", shop="uk")
    monkeypatch.setenv("TNS_MAPPING", without_grace(on_stage, tmp_path))
    london = on_stage.world.now().astimezone(ZoneInfo("Europe/London")).date().isoformat()
    _figures, checks = prove(instance, london)
    assert f"uk/{unseen}" in failed(checks)["no_missing_orders"]
    post(instance)
    _figures, checks = prove(instance, london)
    assert f"uk/{unseen}" not in failed(checks).get("no_missing_orders", [])


def test_a_sales_order_whose_order_tiktok_does_not_know_is_an_orphan(
    on_stage: Stage, instance: dg.DagsterInstance, posted: list[str]
):
    stray = "576999999999999999"
    line = {
        "item": {"id": "301"},
        "quantity": 1,
        "price": {"id": "-1"},
        "rate": Decimal("9.99"),
        "location": {"id": "6"},
    }
    body = {
        "externalId": f"tts-us-so-{stray}",
        "entity": sales_order_of(on_stage, posted[1])["entity"],
        "tranDate": today(on_stage),
        "custbody_tts_shop": "us",
        "item": {"items": [line]},
    }
    saved = on_stage.books.create("salesOrder", body).record.id
    _figures, checks = prove(instance, today(on_stage))
    assert failed(checks)["no_orphan_sales_orders"] == [f"us/{stray}"]
    on_stage.books.delete("salesOrder", saved)
    _figures, checks = prove(instance, today(on_stage))
    assert "no_orphan_sales_orders" not in failed(checks)


def test_an_amount_that_somebody_changed_is_named(
    on_stage: Stage,
    instance: dg.DagsterInstance,
    posted: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path,
):
    record = sales_order_of(on_stage, posted[2])
    line = record["item"]["items"][0]
    dearer = {"line": line["line"], "rate": line["rate"] + 1, "amount": line["amount"] + 1}
    on_stage.books.patch("salesOrder", str(record["id"]), {"item": {"items": [dearer]}})
    monkeypatch.setenv("TNS_MAPPING", without_grace(on_stage, tmp_path))
    _figures, checks = prove(instance, today(on_stage))
    assert failed(checks)["order_amounts_agree"] == [f"us/{posted[2]}"]


@pytest.mark.parametrize(("system", "match"), [("tiktok", "/orders/search"), ("netsuite", "/suiteql")])
def test_a_side_that_cannot_be_read_is_no_clean_proof(
    on_stage: Stage, instance: dg.DagsterInstance, posted: list[str], system: str, match: str
):
    kind = FaultKind.unauthorized
    on_stage.run.sandbox.faults.inject(kind, system, match, times=1000)
    try:
        figures, checks = prove(instance, today(on_stage))
    finally:
        on_stage.run.sandbox.faults.stop()
    assert not_run(checks) == set(checks)
    assert figures["shops_not_proved"] == 3
    for check in checks.values():
        assert check.description is not None
        assert f"{system} could not be read" in check.description


def sales_order_of(stage: Stage, order_id: str) -> dict[str, Any]:
    return next(r for r in stage.sales_orders() if r["externalId"] == f"tts-us-so-{order_id}")


def without_grace(stage: Stage, folder: Any) -> str:
    text = stage.settings.mapping_path.read_text().splitlines()
    changed = ["  grace_minutes: 0" if line.strip().startswith("grace_minutes:") else line for line in text]
    path = folder / "mapping.yaml"
    path.write_text("\n".join(changed))
    return str(path)


def test_a_day_can_be_proved_as_soon_as_it_begins_anywhere():
    kiritimati = datetime.now(ZoneInfo("Pacific/Kiritimati")).date()
    assert DAYS.get_last_partition_key() == kiritimati.isoformat()


def test_every_hour_today_and_at_seven_of_the_shops_clock_yesterday(on_stage: Stage):
    mapping = load_mapping(on_stage.settings.mapping_path)

    def due(hour: int) -> list[str]:
        return [day.isoformat() for day in days_to_prove(mapping, datetime(2026, 8, 3, hour, tzinfo=UTC))]

    assert due(12) == ["2026-08-03"]
    assert due(6) == ["2026-08-02", "2026-08-03"]  # Los Angeles is still in the day before; 07:00 in London
    assert due(14) == ["2026-08-02", "2026-08-03"]  # 07:00 in Los Angeles
    assert due(20) == ["2026-08-03", "2026-08-04"]  # the next day has begun in Ho Chi Minh City


def test_the_schedule_asks_for_one_run_a_day(on_stage: Stage, instance: dg.DagsterInstance):
    at = datetime(2026, 8, 3, 14, tzinfo=UTC)
    with dg.build_schedule_context(
        instance=instance, scheduled_execution_time=at, repository_def=defs.get_repository_def()
    ) as context:
        tick = order_reconciliation_schedule.evaluate_tick(context)
    assert tick.run_requests is not None
    assert [request.partition_key for request in tick.run_requests] == ["2026-08-02", "2026-08-03"]

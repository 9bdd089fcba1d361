"""The proof of what follows orders, in Dagster, against a sandbox over loopback."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from tests.dagster.stage import Stage
from tiktok_ns_pipeline.definitions import defs
from tiktok_ns_pipeline.mapping import load_mapping
from tiktok_ns_pipeline.reconciliation.automation import fulfilment_reconciliation_schedule
from tiktok_ns_pipeline.reconciliation.days import days_to_follow
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.faults import FaultKind

PACIFIC = ZoneInfo("America/Los_Angeles")
UPS = "7117859084333745966"


def today(stage: Stage) -> str:
    return stage.world.now().astimezone(PACIFIC).date().isoformat()


def prove(
    instance: dg.DagsterInstance, day: str
) -> tuple[dict[str, Any], dict[str, dg.AssetCheckEvaluation]]:
    job = defs.resolve_job_def("fulfilment_reconciliation_job")
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


def sale_of(stage: Stage, order_id: str) -> dict[str, Any]:
    return next(r for r in stage.sales_orders() if r["externalId"] == f"tts-us-so-{order_id}")


def ship(stage: Stage, order_id: str) -> str:
    """The warehouse ships, and our pipeline tells TikTok."""
    body = {"shipStatus": {"id": "C"}, "package": {"items": [{"packageTrackingNumber": f"1Z{order_id}"}]}}
    sale = str(sale_of(stage, order_id)["id"])
    fulfilment = stage.books.transform("salesOrder", sale, "itemFulfillment", body).id
    stage.world.parcels.mark_shipped(shop_of("us"), order_id, f"1Z{order_id}", UPS, [])
    return fulfilment


def bill(stage: Stage, order_id: str) -> str:
    sale = str(sale_of(stage, order_id)["id"])
    return stage.books.transform("salesOrder", sale, "cashSale", {"account": {"id": "125"}}).id


@pytest.fixture(scope="module")
def shipped(
    on_stage: Stage, instance: dg.DagsterInstance, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """Three orders of today that are posted, shipped, told and billed; no grace from here on."""
    ids = [on_stage.place("SKU-001"), on_stage.place("SKU-002", "SKU-003"), on_stage.place("SKU-004")]
    assert defs.resolve_job_def("orders_job").execute_in_process(instance=instance).success
    for order_id in ids:
        ship(on_stage, order_id)
        bill(on_stage, order_id)
    return ids


@pytest.fixture(autouse=True)
def without_grace(on_stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    text = on_stage.settings.mapping_path.read_text().splitlines()
    changed = ["  grace_minutes: 0" if line.strip().startswith("grace_minutes:") else line for line in text]
    path = tmp_path / "mapping.yaml"
    path.write_text("\n".join(changed))
    monkeypatch.setenv("TNS_MAPPING", str(path))


def test_a_clean_day_passes_with_its_figures(
    on_stage: Stage, instance: dg.DagsterInstance, shipped: list[str]
) -> None:
    figures, checks = prove(instance, today(on_stage))
    assert failed(checks) == {}
    assert not_run(checks) == set()
    assert (figures["units_shipped_in_netsuite"], figures["units_shipped_at_tiktok"]) == (4, 4)
    assert figures["matched"] == figures["dagster/partition_row_count"] == 4 + 3 + 3
    assert figures["differences"] == figures["shops_not_proved"] == 0
    assert figures["worst"] == "none"
    totals = sum((Decimal(sale_of(on_stage, one)["total"]) for one in shipped), Decimal(0))
    assert f"| us | USD | {totals:,f} | {totals:,f} | +0.00 |" in figures["amounts"]


def test_a_day_without_orders_did_not_run(
    on_stage: Stage, instance: dg.DagsterInstance, shipped: list[str]
) -> None:
    long_ago = (on_stage.world.now() - timedelta(days=30)).date().isoformat()
    _figures, checks = prove(instance, long_ago)
    assert not_run(checks) == set(checks)
    assert len(checks) == 4


def test_each_question_names_its_own_offender(
    on_stage: Stage, instance: dg.DagsterInstance, shipped: list[str]
) -> None:
    ids = [on_stage.place("SKU-001") for _ in range(4)]
    untold, by_hand, cancelled, unbilled = ids
    assert defs.resolve_job_def("orders_job").execute_in_process(instance=instance).success
    body = {"shipStatus": {"id": "C"}, "package": {"items": [{"packageTrackingNumber": "1Z777777"}]}}
    on_stage.books.transform("salesOrder", str(sale_of(on_stage, untold)["id"]), "itemFulfillment", body)
    bill(on_stage, untold)
    on_stage.world.parcels.mark_shipped(shop_of("us"), by_hand, "1Z888888", UPS, [])
    on_stage.world.cancel_order(cancelled)
    ship(on_stage, unbilled)

    figures, checks = prove(instance, today(on_stage))

    [unit] = [line["id"] for line in on_stage.world.order(untold)["line_items"]]
    [other] = [line["id"] for line in on_stage.world.order(by_hand)["line_items"]]
    assert failed(checks) == {
        "no_unsynced_fulfilments": [f"us/{untold}/{unit}"],
        "no_shipment_without_fulfilment": [f"us/{by_hand}/{other}"],
        "cancelled_orders_closed": [f"us/{cancelled}"],
        "shipped_orders_billed": [f"us/{unbilled}"],
    }
    assert figures["differences"] == 4
    assert figures["not_told"] == figures["shipped_without_fulfilment"] == figures["not_billed"] == 1
    assert all(order_id in figures["worst"] for order_id in ids)


@pytest.mark.parametrize(("system", "match"), [("tiktok", "/orders/search"), ("netsuite", "/suiteql")])
def test_a_side_that_cannot_be_read_is_no_clean_proof(
    on_stage: Stage, instance: dg.DagsterInstance, shipped: list[str], system: str, match: str
) -> None:
    on_stage.run.sandbox.faults.inject(FaultKind.unauthorized, system, match, times=1000)
    try:
        figures, checks = prove(instance, today(on_stage))
    finally:
        on_stage.run.sandbox.faults.stop()
    assert not_run(checks) == set(checks)
    assert figures["shops_not_proved"] == 3
    assert all(f"{system} could not be read" in (check.description or "") for check in checks.values())


def test_every_morning_all_days_that_are_watched(on_stage: Stage) -> None:
    mapping = load_mapping(on_stage.settings.mapping_path)
    assert days_to_follow(mapping, datetime(2026, 8, 3, 13, 30, tzinfo=UTC)) == []
    days = days_to_follow(mapping, datetime(2026, 8, 3, 14, 30, tzinfo=UTC))  # 07:30 in Los Angeles
    assert (days[0].isoformat(), days[-1].isoformat(), len(days)) == ("2026-07-20", "2026-08-03", 15)


def test_the_schedule_asks_for_one_run_a_day(on_stage: Stage, instance: dg.DagsterInstance) -> None:
    for hour, runs in ((13, 0), (14, 15)):
        at = datetime(2026, 8, 3, hour, 30, tzinfo=UTC)
        with dg.build_schedule_context(
            instance=instance, scheduled_execution_time=at, repository_def=defs.get_repository_def()
        ) as context:
            tick = fulfilment_reconciliation_schedule.evaluate_tick(context)
        assert len(tick.run_requests or ()) == runs

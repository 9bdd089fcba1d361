"""A run of orders in Dagster: real ledger, real lake, a sandbox over loopback."""

from typing import Any

import dagster as dg
import pytest

from tests.dagster.stage import Stage
from tiktok_ns_pipeline.clock import SystemClock
from tiktok_ns_pipeline.definitions import defs
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import RAW_NETSUITE_ITEMS, STAGED_SALES_ORDERS
from tiktok_ns_pipeline.ledger.exceptions import NewException
from tiktok_ns_pipeline.mapping.exception_kinds import KINDS
from tiktok_ns_pipeline.orders.assets import OrdersRun, sales_orders_from_tiktok
from tiktok_ns_pipeline.orders.checks import TOTALS, UNMAPPED

OP = sales_orders_from_tiktok.op.name


def run(instance: dg.DagsterInstance, **config: Any) -> dg.ExecuteInProcessResult:
    given = {"ops": {OP: {"config": config}}} if config else {}
    job = defs.resolve_job_def("orders_job")
    return job.execute_in_process(instance=instance, run_config=given, raise_on_error=False)


def figures(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey(asset)]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


def external_ids(stage: Stage) -> set[str]:
    return {record["externalId"] for record in stage.sales_orders()}


def test_before_any_order_the_checks_did_not_run(on_stage: Stage, instance: dg.DagsterInstance):
    result = run(instance)
    assert result.success
    for check in checks(result).values():
        assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert check.description is not None
        assert check.description.startswith("not run: ")
        assert check.metadata["status"].value == "not run"


def test_a_run_posts_what_may_be_fulfilled_and_shows_what_it_did(
    on_stage: Stage, instance: dg.DagsterInstance
):
    ids = [on_stage.place("SKU-001", "SKU-001", "SKU-002"), on_stage.place(shop="uk")]
    unpaid = on_stage.world.place_order("us", ["SKU-003"], status="UNPAID")
    result = run(instance)
    assert result.success
    assert external_ids(on_stage) == {f"tts-us-so-{ids[0]}", f"tts-uk-so-{ids[1]}"}
    assert figures(result, "raw_tiktok_orders")["orders_observed"] == 3
    staged = figures(result, "staged_sales_orders")
    assert (staged["orders_planned"], staged["orders_waiting"], staged["orders_parked"]) == (2, 1, 0)
    posted = figures(result, "netsuite_sales_orders")
    assert posted["dagster/row_count"] == posted["sales_orders_written"] == posted["read_back"] == 2
    assert posted["numbers_told_to_tiktok"] == 2
    assert all(check.passed for check in checks(result).values())
    rows = Lake(on_stage.settings.lake_url, SystemClock()).current(
        STAGED_SALES_ORDERS, "order_id = ?", [unpaid]
    )
    assert [(row["outcome"], row["run_id"]) for row in rows] == [("waiting", result.run_id)]


def test_figures_are_numbers_so_that_dagster_plots_them(on_stage: Stage, instance: dg.DagsterInstance):
    result = run(instance)
    for event in result.get_asset_materialization_events():
        for name, value in event.materialization.metadata.items():
            if name not in {"not_found", "trouble", "worst_exceptions", "help"}:
                assert isinstance(value, (dg.IntMetadataValue, dg.FloatMetadataValue)), name


def test_an_unmapped_sku_fails_the_check_that_asks_for_it_and_no_other(
    on_stage: Stage, instance: dg.DagsterInstance
):
    order = on_stage.place("SKU-UNKNOWN")
    result = run(instance)
    assert result.success
    found = checks(result)
    assert [name for name, check in found.items() if not check.passed] == ["mapping_complete"]
    check = found["mapping_complete"]
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert check.metadata["number_of_offenders"].value == 1
    assert f"order {order}" in str(check.metadata["offenders"].value)
    table = str(check.metadata["table"].value)
    assert "SKU-UNKNOWN" in table
    assert "operations" in table
    assert "SKU-UNKNOWN" in figures(result, "netsuite_sales_orders")["worst_exceptions"]


def test_what_waits_longer_than_the_grace_is_late(
    on_stage: Stage, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, tmp_path
):
    mapping = on_stage.settings.mapping_path.read_text()
    assert "grace_minutes: " in mapping
    lines = [
        "  grace_minutes: 0" if line.strip().startswith("grace_minutes:") else line
        for line in mapping.splitlines()
    ]
    (tmp_path / "mapping.yaml").write_text("\n".join(lines))
    monkeypatch.setenv("TNS_MAPPING", str(tmp_path / "mapping.yaml"))
    check = checks(run(instance))["orders_posted_in_time"]
    assert not check.passed
    assert "unmapped_sku" in str(check.metadata["table"].value)
    assert isinstance(check.metadata["oldest_pending_s"], dg.FloatMetadataValue)


def test_a_total_that_differs_in_netsuite_fails_the_check_of_totals(
    on_stage: Stage, instance: dg.DagsterInstance
):
    differs = NewException(
        "total_differs", "tiktok", "us", "order 1", "total", "9 is not 10", "look", "finance", "critical"
    )
    with on_stage.ledger() as ledger, ledger.begin() as tx:
        number = tx.exceptions.open(differs)
    check = checks(run(instance))["control_totals_hold"]
    assert not check.passed
    assert check.metadata["offenders"].value == ["us/order 1: total"]
    assert "9 is not 10" in str(check.metadata["table"].value)
    with on_stage.ledger() as ledger, ledger.begin() as tx:
        tx.exceptions.resolve(number, "it was only a test", "somebody")
    assert checks(run(instance))["control_totals_hold"].passed


def test_the_checks_ask_for_kinds_that_exist():
    assert {*TOTALS, *UNMAPPED} <= set(KINDS)


def test_named_orders_are_read_and_those_that_tiktok_does_not_know_are_named(
    on_stage: Stage, instance: dg.DagsterInstance
):
    wanted, other = on_stage.place(), on_stage.place()
    result = run(instance, order_ids=[wanted, "576000000009999999", f" {wanted} "])
    assert result.success
    assert f"tts-us-so-{wanted}" in external_ids(on_stage)
    assert f"tts-us-so-{other}" not in external_ids(on_stage)
    assert figures(result, "raw_tiktok_orders")["not_found"] == ["576000000009999999"]
    assert run(instance, since="2026-01-01", shops=["us"]).success
    assert f"tts-us-so-{other}" in external_ids(on_stage)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"since": "20.11.2026"}, "Run config, since: '20.11.2026' is no date; write one such as 2026-11-20"),
        (
            {"since": "2026-11-20", "until": "2026-11-19"},
            "Run config, until: '2026-11-19' is not after since",
        ),
        ({"shops": ["fr"]}, "Run config, shops: fr is no shop of the mapping (us, uk, vn)"),
    ],
)
def test_a_wrong_run_config_is_refused_at_once_naming_the_field(
    on_stage: Stage, instance: dg.DagsterInstance, config: dict[str, Any], says: str
):
    result = run(instance, **config)
    assert not result.success
    failure = result.failure_data_for_node(OP)
    assert failure is not None
    assert says in str(failure.user_failure_data)
    assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]


def test_a_missing_setting_fails_the_run_at_once_naming_it(
    on_stage: Stage, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("TNS_TIKTOK_APP_SECRET")
    result = run(instance)
    failure = result.failure_data_for_node(OP)
    assert failure is not None
    assert "neither TNS_TIKTOK_APP_SECRET nor TNS_TIKTOK_APP_SECRET_FILE is set" in str(
        failure.user_failure_data
    )


def test_every_field_of_the_launchpad_says_what_it_is_for():
    assert all(field.description for field in OrdersRun.model_fields.values())


def test_items_are_read_as_one_snapshot(on_stage: Stage, instance: dg.DagsterInstance):
    result = defs.resolve_job_def("items_job").execute_in_process(instance=instance)
    rows = Lake(on_stage.settings.lake_url, SystemClock()).current(RAW_NETSUITE_ITEMS)
    assert figures(result, "raw_netsuite_items")["dagster/row_count"] == len(rows) > 40
    assert len({row["snapshot_id"] for row in rows}) == 1

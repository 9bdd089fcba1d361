"""The proof of stock, in Dagster, against a sandbox over loopback that shows more than the books have."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from tests.dagster.stage import Stage
from tiktok_ns_pipeline.definitions import defs
from tiktok_ns_pipeline.sandbox.faults import FaultKind


@pytest.fixture(autouse=True)
def looking_again_at_once(on_stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    text = on_stage.settings.mapping_path.read_text().splitlines()
    changed = ["  grace_minutes: 0" if line.strip().startswith("grace_minutes:") else line for line in text]
    path = tmp_path / "mapping.yaml"
    path.write_text("\n".join(changed))
    monkeypatch.setenv("TNS_MAPPING", str(path))


def prove(instance: dg.DagsterInstance) -> tuple[dict[str, Any], dict[str, dg.AssetCheckEvaluation]]:
    result = defs.resolve_job_def("stock_proof_job").execute_in_process(instance=instance)
    (event,) = result.get_asset_materialization_events()
    figures = {name: value.value for name, value in event.materialization.metadata.items()}
    return figures, {check.check_name: check for check in result.get_asset_check_evaluations()}


def status(checks: dict[str, dg.AssetCheckEvaluation]) -> dict[str, Any]:
    return {name: check.metadata["status"].value for name, check in checks.items()}


def test_both_questions_name_what_is_wrong(on_stage: Stage, instance: dg.DagsterInstance) -> None:
    order_id = on_stage.place("SKU-020")
    on_stage.books.set_stock("320", "6", 0)
    on_stage.books.set_stock("320", "7", 0)

    figures, checks = prove(instance)

    assert status(checks) == {"stock_levels_agree": "failed", "no_oversold_skus": "failed"}
    assert order_id in checks["no_oversold_skus"].metadata["table"].value
    assert figures["items_oversold"] == figures["units_oversold"] == 1
    assert figures["differences"] == figures["shows_more_than_exists"] > 0
    assert figures["units_shown_beyond_stock"] > 0
    assert "SKU-020" in figures["worst"]
    assert figures["shops_not_proved"] == 0


@pytest.mark.parametrize(("system", "match"), [("tiktok", "/inventory/search"), ("netsuite", "/suiteql")])
def test_a_side_that_cannot_be_read_is_no_clean_proof(
    on_stage: Stage, instance: dg.DagsterInstance, system: str, match: str
) -> None:
    on_stage.run.sandbox.faults.inject(FaultKind.unauthorized, system, match, times=1000)
    try:
        figures, checks = prove(instance)
    finally:
        on_stage.run.sandbox.faults.stop()
    assert status(checks) == {"stock_levels_agree": "not run", "no_oversold_skus": "not run"}
    assert figures["shops_not_proved"] == 3
    assert f"{system} could not be read" in figures["statement"]

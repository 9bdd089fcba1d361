"""What the code location offers; who adds or renames something changes this list knowingly."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg

from tests.dagster.stage import ROOT
from tiktok_ns_pipeline.dagster_support import POOLS
from tiktok_ns_pipeline.definitions import defs
from tiktok_ns_pipeline.lake.tables import TABLES

HEAVY = ("pandas", "duckdb", "pyarrow", "alembic")


def repository():
    return defs.get_repository_def()


def test_definitions_load_and_hold_together():
    dg.Definitions.validate_loadable(defs)


def test_assets_by_group():
    graph = defs.resolve_asset_graph()
    groups: dict[str | None, set[str]] = {}
    for key in graph.get_all_asset_keys():
        groups.setdefault(graph.get(key).group_name, set()).add(key.to_user_string())
    assert groups == {
        "orders": {
            "tiktok_shop/orders",
            "netsuite/items",
            "raw_tiktok_orders",
            "raw_netsuite_items",
            "staged_sales_orders",
            "netsuite_sales_orders",
        },
        "cancellations": {
            "tiktok_shop/cancellations",
            "raw_tiktok_cancellations",
            "staged_order_closures",
            "netsuite_order_closures",
        },
        "fulfilment": {
            "netsuite/item_fulfillments",
            "tiktok_shop/packages",
            "raw_netsuite_item_fulfillments",
            "raw_tiktok_packages",
            "staged_shipments",
            "tiktok_shipments",
        },
        "billing": {"staged_bills", "netsuite_bills"},
        "stock": {
            "netsuite/inventory",
            "tiktok_shop/products",
            "raw_netsuite_inventory",
            "raw_tiktok_products",
            "raw_tiktok_stock",
            "staged_stock_levels",
            "tiktok_stock_levels",
            "fbt_stock",
        },
        "refunds": {
            "tiktok_shop/returns",
            "raw_tiktok_returns",
            "staged_refunds",
            "netsuite_refunds",
        },
        "settlements": {
            "tiktok_shop/finance",
            "raw_tiktok_statements",
            "raw_tiktok_statement_transactions",
            "raw_tiktok_payments",
            "raw_tiktok_withdrawals",
            "raw_tiktok_unsettled",
            "staged_payout_journals",
            "netsuite_payout_journals",
            "settlement_matches",
            "unsettled_sales",
        },
        "reconciliation": {
            "order_reconciliation",
            "fulfilment_reconciliation",
            "stock_reconciliation",
            "payout_reconciliation",
            "refund_reconciliation",
            "clearing_reconciliation",
        },
    }


def test_an_order_flows_from_tiktok_through_staging_to_netsuite_and_into_the_proof():
    graph = defs.resolve_asset_graph()

    def upstream(name: str) -> set[str]:
        return {key.to_user_string() for key in graph.get(dg.AssetKey(name)).parent_keys}

    assert upstream("raw_tiktok_orders") == {"tiktok_shop/orders"}
    assert upstream("staged_sales_orders") == {"raw_tiktok_orders", "raw_netsuite_items"}
    assert upstream("netsuite_sales_orders") == {"staged_sales_orders"}
    assert upstream("raw_tiktok_cancellations") == {"tiktok_shop/cancellations"}
    assert upstream("staged_order_closures") == {"raw_tiktok_cancellations", "raw_tiktok_orders"}
    assert upstream("netsuite_order_closures") == {"staged_order_closures", "netsuite_sales_orders"}
    assert upstream("raw_netsuite_item_fulfillments") == {"netsuite/item_fulfillments"}
    assert upstream("raw_tiktok_packages") == {"tiktok_shop/packages"}
    assert upstream("staged_shipments") == {"raw_netsuite_item_fulfillments", "raw_tiktok_orders"}
    assert upstream("tiktok_shipments") == {"staged_shipments", "raw_tiktok_packages"}
    assert upstream("raw_netsuite_inventory") == {"netsuite/inventory"}
    assert upstream("staged_stock_levels") == {
        "raw_netsuite_inventory",
        "raw_netsuite_items",
        "raw_tiktok_products",
        "raw_tiktok_stock",
        "raw_tiktok_orders",
        "staged_sales_orders",
    }
    assert upstream("tiktok_stock_levels") == {"staged_stock_levels"}
    assert upstream("raw_tiktok_returns") == {"tiktok_shop/returns"}
    assert upstream("staged_refunds") == {
        "raw_tiktok_returns",
        "raw_tiktok_cancellations",
        "raw_tiktok_orders",
        "netsuite_bills",
    }
    assert upstream("netsuite_refunds") == {"staged_refunds"}
    assert upstream("refund_reconciliation") == {
        "tiktok_shop/returns",
        "tiktok_shop/cancellations",
        "netsuite_bills",
        "netsuite_refunds",
    }
    assert upstream("staged_payout_journals") == {
        "raw_tiktok_statements",
        "raw_tiktok_statement_transactions",
        "raw_tiktok_payments",
    }
    assert upstream("netsuite_payout_journals") == {"staged_payout_journals"}
    assert upstream("order_reconciliation") == {"tiktok_shop/orders", "netsuite_sales_orders"}
    assert upstream("stock_reconciliation") == {
        "tiktok_shop/orders",
        "netsuite/inventory",
        "netsuite_sales_orders",
        "tiktok_stock_levels",
    }
    assert upstream("payout_reconciliation") == {"tiktok_shop/finance", "netsuite_payout_journals"}
    assert upstream("clearing_reconciliation") == {
        "tiktok_shop/finance",
        "netsuite_payout_journals",
        "netsuite_bills",
        "netsuite_refunds",
    }
    assert upstream("fulfilment_reconciliation") == {
        "tiktok_shop/orders",
        "netsuite/item_fulfillments",
        "tiktok_shipments",
        "netsuite_order_closures",
        "netsuite_bills",
    }


def test_jobs_schedules_sensors_and_checks():
    found = repository()
    jobs = {job.name for job in found.get_all_jobs() if not job.name.startswith("__")}
    assert jobs == {
        "orders_job",
        "billing_job",
        "items_job",
        "closures_job",
        "shipments_job",
        "stock_job",
        "refunds_job",
        "settlements_job",
        "order_reconciliation_job",
        "fulfilment_reconciliation_job",
        "stock_proof_job",
        "payout_reconciliation_job",
        "refund_reconciliation_job",
        "clearing_reconciliation_job",
        "maintenance_job",
        "webhooks_job",
    }
    assert {(s.name, s.cron_schedule, s.default_status.value) for s in found.schedule_defs} == {
        ("items_schedule", "20 * * * *", "RUNNING"),
        ("order_reconciliation_schedule", "0 * * * *", "RUNNING"),
        ("fulfilment_reconciliation_schedule", "30 * * * *", "RUNNING"),
        ("stock_proof_schedule", "5 * * * *", "RUNNING"),
        ("payout_reconciliation_schedule", "10 * * * *", "RUNNING"),
        ("refund_reconciliation_schedule", "45 * * * *", "RUNNING"),
        ("clearing_reconciliation_schedule", "15 4 * * *", "RUNNING"),
        ("maintenance_schedule", "40 3 * * *", "RUNNING"),
        ("webhooks_schedule", "35 * * * *", "RUNNING"),
    }
    assert {(s.name, s.minimum_interval_seconds, s.default_status.value) for s in found.sensor_defs} == {
        ("orders_sensor", 2, "RUNNING"),
        ("billing_sensor", 2, "RUNNING"),
        ("closures_sensor", 2, "RUNNING"),
        ("shipments_sensor", 2, "RUNNING"),
        ("stock_sensor", 2, "RUNNING"),
        ("refunds_sensor", 2, "RUNNING"),
        ("settlements_sensor", 2, "RUNNING"),
    }
    assert {key.to_user_string() for key in defs.resolve_asset_graph().asset_check_keys} == {
        "netsuite_sales_orders:control_totals_hold",
        "netsuite_sales_orders:orders_posted_in_time",
        "staged_sales_orders:mapping_complete",
        "netsuite_order_closures:cancellation_requests_answered",
        "tiktok_shipments:dispatch_on_time",
        "netsuite_bills:bills_equal_shipments",
        "raw_netsuite_inventory:stock_snapshot_fresh",
        "staged_stock_levels:sku_mapping_complete",
        "tiktok_stock_levels:stock_positions_balance",
        "raw_tiktok_returns:returns_answered_in_time",
        "netsuite_refunds:refunds_posted_in_time",
        "staged_payout_journals:statements_foot",
        "netsuite_payout_journals:payouts_have_journals",
        "netsuite_payout_journals:journals_match_payouts",
        "order_reconciliation:no_missing_orders",
        "order_reconciliation:no_orphan_sales_orders",
        "order_reconciliation:order_amounts_agree",
        "fulfilment_reconciliation:no_unsynced_fulfilments",
        "fulfilment_reconciliation:no_shipment_without_fulfilment",
        "fulfilment_reconciliation:cancelled_orders_closed",
        "fulfilment_reconciliation:shipped_orders_billed",
        "stock_reconciliation:stock_levels_agree",
        "stock_reconciliation:no_oversold_skus",
        "payout_reconciliation:payments_add_up",
        "payout_reconciliation:payments_booked",
        "payout_reconciliation:bookings_are_payments",
        "clearing_reconciliation:clearing_account_explained",
        "refund_reconciliation:refunds_have_credits",
        "refund_reconciliation:credits_have_refunds",
    }


def test_every_job_runs_in_one_process_for_a_limited_time():
    for name in (
        "orders_job",
        "billing_job",
        "items_job",
        "closures_job",
        "shipments_job",
        "stock_job",
        "refunds_job",
        "settlements_job",
        "order_reconciliation_job",
        "fulfilment_reconciliation_job",
        "stock_proof_job",
        "payout_reconciliation_job",
        "refund_reconciliation_job",
        "clearing_reconciliation_job",
        "maintenance_job",
        "webhooks_job",
    ):
        job = defs.resolve_job_def(name)
        assert job.executor_def is dg.in_process_executor
        assert int(job.tags["dagster/max_runtime"]) <= 7200


def test_every_asset_of_ours_says_what_it_is_and_whose():
    for spec in defs.resolve_all_asset_specs():
        assert spec.description, spec.key
        assert spec.kinds, spec.key
        if len(spec.key.path) == 1:
            assert spec.owners, spec.key


def test_tables_are_described_to_the_last_column():
    metadata = {spec.key.to_user_string(): spec.metadata for spec in defs.resolve_all_asset_specs()}
    for table in TABLES:
        if table.name in metadata:
            columns = metadata[table.name]["dagster/column_schema"].columns
            assert [column.name for column in columns] == list(table.column_names)
            assert all(column.description for column in columns)


def test_every_pool_in_use_has_a_limit():
    used = {
        pool for job in repository().get_all_jobs() for node in job.nodes for pool in node.definition.pools
    }
    assert used == set(POOLS)


def test_loading_brings_nothing_heavy():
    program = f"import tiktok_ns_pipeline.definitions, sys; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_loading_uses_nothing_that_dagster_calls_beta_preview_or_deprecated():
    program = "import tiktok_ns_pipeline.definitions as d; d.defs.get_repository_def()"
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", program], capture_output=True, text=True, check=True
    )
    warned = [
        line for line in done.stderr.splitlines() if "Warning" in line and "pydantic_compat" not in line
    ]
    assert warned == []


def test_the_flow_itself_does_without_dagster():
    program = "import tiktok_ns_pipeline.orders.flow, sys; print('dagster' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_workspace_and_instance_are_taken_as_they_stand(tmp_path: Path):
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    command = [Path(sys.executable).with_name("dagster"), "definitions", "validate"]
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Validation successful for code location tiktok_ns_pipeline" in done.stdout
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.telemetry_enabled is False
        assert instance.run_monitoring_enabled

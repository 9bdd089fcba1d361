"""Runs a test in virtual time with a world, books and a pipeline between them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.database import open_engine
from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.orders.flow import RunRequest
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock, run_virtual

SOON = RunRequest(budget_s=3600, idle_s=10)
"""A run that ends when nothing was due for ten seconds."""

_ROOT = tempfile.TemporaryDirectory(prefix="rigs-")
_free: list[Path] = []


@cache
def _migrated_ledger() -> Path:
    """An empty ledger to copy: making the tables takes longer than many a test."""
    path = Path(_ROOT.name, "migrated.sqlite")
    Ledger.open(f"sqlite:///{path}", durable=False).close()
    return path


@contextmanager
def rig_folder() -> Iterator[Path]:
    """A folder with an empty ledger; the same one for test after test, as a process remembers the SQL
    that it prepared by the database's path."""
    folder = _free.pop() if _free else Path(tempfile.mkdtemp(dir=_ROOT.name))
    ledger = folder / "ledger.sqlite"
    shutil.copyfile(_migrated_ledger(), ledger)
    try:
        yield folder
    finally:
        for durable in (True, False):
            # Tests of processes that die leave connections behind.
            open_engine(f"sqlite:///{ledger}", durable=durable).dispose()
        shutil.rmtree(folder)
        folder.mkdir()
        _free.append(folder)


def in_world(
    test: Callable[[Rig], Awaitable[None]], *, database_url: str | None = None, **options: Any
) -> None:
    """Give the test a rig whose seller has consented; its ledger is where `database_url` says."""

    async def body(clock: VirtualClock) -> None:
        rig = Rig(folder, clock, **options)
        if database_url is not None:
            rig.settings = replace(rig.settings, database_url=database_url)
        await rig.log_in()
        await test(rig)

    with rig_folder() as folder:
        run_virtual(body)


def sales_orders(rig: Rig) -> list[dict[str, Any]]:
    return list(rig.books.records("salesOrder"))


def lines(record: dict[str, Any]) -> list[dict[str, Any]]:
    return record["item"]["items"]


def exceptions(rig: Rig, *states: str) -> list[OpenException]:
    ledger = rig.ledger()
    with ledger.read() as tx:
        found = tx.exceptions.list(states=states or ("open", "acknowledged"))
    ledger.close()
    return found


def kinds(rig: Rig) -> list[str]:
    return [exception.kind for exception in exceptions(rig)]

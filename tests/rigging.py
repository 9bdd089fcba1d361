"""Runs a test in virtual time with a world, books and a pipeline between them."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.orders.flow import RunRequest
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock, run_virtual

SOON = RunRequest(budget_s=3600, idle_s=10)
"""A run that ends when nothing was due for ten seconds."""


def in_world(
    test: Callable[[Rig], Awaitable[None]], *, database_url: str | None = None, **options: Any
) -> None:
    """Give the test a rig whose seller has consented; its ledger is where `database_url` says."""

    async def body(clock: VirtualClock) -> None:
        rig = Rig(Path(folder), clock, **options)
        if database_url is not None:
            rig.settings = replace(rig.settings, database_url=database_url)
        await rig.log_in()
        await test(rig)

    with tempfile.TemporaryDirectory() as folder:
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

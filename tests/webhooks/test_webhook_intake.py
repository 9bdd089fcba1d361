"""Group commit: many requests, few transactions, and nobody waits longer than TikTok does."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.webhooks.conftest import body_of
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.inbox import NewEvent
from tiktok_ns_pipeline.webhooks.events import event_of
from tiktok_ns_pipeline.webhooks.intake import Intake, NotStored


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def inbox(file: Path) -> Iterator[Ledger]:
    with closing(Ledger.open(f"sqlite:///{file}")) as ledger:
        yield ledger


def intake_of(ledger: Ledger, **options: float) -> Intake:
    def store(events: Sequence[NewEvent]) -> int:
        with ledger.begin() as tx:
            return tx.inbox.store(events)

    return Intake(store, **options)  # type: ignore[arg-type]


async def outcomes(intake: Intake, numbers: range) -> list[bool]:
    """Whether each was stored."""

    async def one(number: int) -> bool:
        try:
            await intake.take(event_of(body_of(number)))
        except NotStored:
            return False
        return True

    return list(await asyncio.gather(*map(one, numbers)))


def test_what_comes_while_a_commit_is_under_way_shares_the_next(inbox: Ledger) -> None:
    commits: list[object] = []
    sa.event.listen(inbox.engine, "commit", commits.append)

    async def body() -> None:
        intake = intake_of(inbox, most_at_once=100)
        assert all(await outcomes(intake, range(300)))
        assert (intake.stored, intake.duplicates) == (300, 0)
        await intake.finish()

    asyncio.run(body())
    assert len(commits) <= 4


def test_a_store_that_is_locked_too_long_is_told_as_not_stored(inbox: Ledger, file: Path) -> None:
    async def body() -> None:
        intake = intake_of(inbox, patience_s=0.3)
        locked.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert not any(await outcomes(intake, range(10)))
        assert time.monotonic() - began < 1
        locked.execute("ROLLBACK")
        assert all(await outcomes(intake, range(10)))
        await intake.finish()

    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as locked:
        asyncio.run(body())
    with inbox.read() as tx:
        assert len(tx.inbox.take("orders", 100)) == 10


def test_when_too_many_wait_the_next_one_is_told_at_once(inbox: Ledger, file: Path) -> None:
    async def body() -> None:
        intake = intake_of(inbox, patience_s=1, most_waiting=5)
        locked.execute("BEGIN IMMEDIATE")
        first = asyncio.create_task(outcomes(intake, range(1)))
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(outcomes(intake, range(1, 6)))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        assert await outcomes(intake, range(6, 9)) == [False] * 3
        assert time.monotonic() - began < 0.2
        locked.execute("ROLLBACK")
        assert all(await first)
        assert all(await waiting)
        await intake.finish()

    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as locked:
        asyncio.run(body())


def test_what_was_given_up_is_not_tried_for_ever(inbox: Ledger, file: Path) -> None:
    async def body() -> None:
        intake = intake_of(inbox, patience_s=0.3)
        assert not any(await outcomes(intake, range(3)))
        await intake.finish()
        assert intake.failures >= 1

    with closing(sqlite3.connect(file, isolation_level=None)) as broken:
        broken.execute("DROP TABLE webhook_inbox")
        asyncio.run(body())

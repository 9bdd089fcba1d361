from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from cryptography.fernet import Fernet

from tests.conftest import SetClock
from tiktok_ns_pipeline.ledger import Ledger, LedgerError
from tiktok_ns_pipeline.ledger.exceptions import NewException
from tiktok_ns_pipeline.ledger.schema import metadata
from tiktok_ns_pipeline.tokens import TokenSet


def trouble(cause: str = "sku:RED-M", **more) -> NewException:
    fields = {
        "kind": "unmapped_sku",
        "channel": "tiktok",
        "shop": "us",
        "subject": "order 1",
        "cause": cause,
        "message": "no item for RED-M",
        "what_to_do": "add it",
        "owner": "operations",
        "severity": "error",
    }
    return NewException(**{**fields, **more})


def opened(ledger: Ledger, new: NewException) -> int:
    with ledger.begin() as tx:
        return tx.exceptions.open(new)


def test_migrations_build_exactly_the_declared_tables(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        dialect = connection.dialect.name

        def is_declared_for_it(item: Any, *_: Any) -> bool:
            return item.info.get("only_on", dialect) == dialect

        context = MigrationContext.configure(connection, opts={"include_object": is_declared_for_it})
        assert compare_metadata(context, metadata) == []


def test_a_newer_database_is_refused_with_what_to_do(ledger: Ledger, ledger_url: str) -> None:
    with ledger.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LedgerError, match=r"version 9999, which this code does not know.*newer code"):
        Ledger.open(ledger_url)


def test_opening_again_changes_nothing(ledger: Ledger, ledger_url: str) -> None:
    identity = opened(ledger, trouble())
    again = Ledger.open(ledger_url)
    with again.read() as tx:
        assert tx.exceptions.get(identity).cause == "sku:RED-M"
    again.close()


def test_the_same_trouble_is_one_exception_reopened(ledger: Ledger, clock: SetClock) -> None:
    first = opened(ledger, trouble())
    assert opened(ledger, trouble()) == first
    with ledger.begin() as tx:
        tx.exceptions.resolve(first, "item added", "ana")
    clock.forward(hours=1)
    assert opened(ledger, trouble()) == first
    with ledger.read() as tx:
        assert [event.event for event in tx.exceptions.events(first)] == ["opened", "resolved", "reopened"]
        assert tx.exceptions.get(first).opened_at == clock.now()


def test_what_is_proved_gone_is_cleared_and_the_rest_stays(ledger: Ledger) -> None:
    gone, stays = opened(ledger, trouble("sku:A")), opened(ledger, trouble("sku:B"))
    with ledger.begin() as tx:
        keep = [("unmapped_sku", "sku:B")]
        tx.exceptions.clear(channel="tiktok", shop="us", subject="order 1", reason="mapped", keep=keep)
    with ledger.read() as tx:
        assert tx.exceptions.get(gone).state == "resolved"
        assert tx.exceptions.get(stays).state == "open"


def test_resolving_needs_a_reason(ledger: Ledger) -> None:
    identity = opened(ledger, trouble())
    with ledger.begin() as tx, pytest.raises(ValueError, match="with a reason"):
        tx.exceptions.resolve(identity, "  ", "ana")


def test_the_soonest_due_comes_first(ledger: Ledger, clock: SetClock) -> None:
    opened(ledger, trouble("late", due_at=clock.now() + timedelta(days=2)))
    opened(ledger, trouble("never"))
    opened(ledger, trouble("soon", due_at=clock.now() + timedelta(hours=1)))
    with ledger.read() as tx:
        assert [exception.cause for exception in tx.exceptions.list()] == ["soon", "late", "never"]


def test_a_deadline_that_is_learned_later_binds_and_is_never_moved_away(
    ledger: Ledger, clock: SetClock
) -> None:
    soon, late = clock.now() + timedelta(hours=1), clock.now() + timedelta(hours=9)
    for due_at, binding in ((None, None), (late, late), (soon, soon), (late, soon), (None, soon)):
        identity = opened(ledger, trouble(due_at=due_at))
        with ledger.read() as tx:
            assert tx.exceptions.get(identity).due_at == binding


def test_tokens_are_unreadable_at_rest_and_survive(ledger: Ledger, clock: SetClock) -> None:
    store = ledger.token_store(Fernet.generate_key().decode())
    tokens = TokenSet("ROW_secret", clock.now() + timedelta(days=7), "ROW_refresh", None, ("a", "b"))
    store.save("tiktok:key", tokens)
    assert store.load("tiktok:key") == tokens
    with ledger.engine.connect() as connection:
        stored = connection.execute(sa.text("SELECT secret FROM oauth_tokens")).scalar_one()
    assert b"secret" not in bytes(stored)


def test_another_encryption_key_is_named_as_the_cause(ledger: Ledger, clock: SetClock) -> None:
    ledger.token_store(Fernet.generate_key().decode()).save("a", TokenSet("t", clock.now()))
    with pytest.raises(LedgerError, match="another TNS_ENCRYPTION_KEY"):
        ledger.token_store(Fernet.generate_key().decode()).load("a")


def test_one_process_refreshes_at_a_time(ledger: Ledger, clock: SetClock) -> None:
    store = ledger.token_store(Fernet.generate_key().decode())
    until = clock.now() + timedelta(seconds=20)
    assert store.try_lock("a", "one", until)
    assert not store.try_lock("a", "two", until)
    store.unlock("a", "two")
    assert not store.try_lock("a", "two", until)
    clock.forward(seconds=21)
    assert store.try_lock("a", "two", clock.now() + timedelta(seconds=20))


def test_a_watermark_never_moves_back(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        tx.cursors.advance("w", "2026-08-03T10:00:00+00:00")
        tx.cursors.advance("w", "2026-08-03T09:00:00+00:00")
        assert tx.cursors.get("w") == "2026-08-03T10:00:00+00:00"


def test_an_error_rolls_the_whole_transaction_back(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError), ledger.begin() as tx:
        tx.cursors.set("w", 1)
        raise RuntimeError
    with ledger.read() as tx:
        assert tx.cursors.get("w") is None

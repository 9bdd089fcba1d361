"""One table of exception kinds, each with an owner, a due time and something to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tiktok_ns_pipeline.mapping import exception_kinds
from tiktok_ns_pipeline.mapping.exception_kinds import KINDS, kind_named

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)


def test_no_kind_is_named_twice_and_each_says_what_to_do() -> None:
    rows = exception_kinds._ROWS

    assert len({row.name for row in rows}) == len(rows)
    assert all(row.what_to_do.endswith(".") and row.title and row.source for row in rows)
    assert all(len(row.name) <= 60 for row in rows)


def test_it_is_due_before_the_parcel_must_leave() -> None:
    kind = kind_named("unmapped_sku")

    assert kind.due_at(NOW) == NOW + timedelta(hours=24)
    assert kind.due_at(NOW, NOW + timedelta(hours=3)) == NOW + timedelta(hours=3)
    assert kind.due_at(NOW, NOW + timedelta(hours=90)) == NOW + timedelta(hours=24)


def test_a_login_waits_for_no_dispatch_deadline() -> None:
    assert KINDS["login_refused"].due_at(NOW, NOW - timedelta(days=1)) == NOW + timedelta(hours=1)

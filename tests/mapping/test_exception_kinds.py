"""One table of exception kinds, each with an owner, a due time and something to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tiktok_ns_pipeline.mapping.exception_kinds import KINDS, ROWS, kind_named

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)


def test_no_kind_is_named_twice_and_each_says_what_to_do() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert all(row.what_to_do.endswith(".") and row.title and row.source for row in ROWS)
    assert all(len(row.name) <= 60 for row in ROWS)


def test_it_is_due_before_the_parcel_must_leave() -> None:
    kind = kind_named("unmapped_sku")

    assert kind.due_at(NOW) == NOW + timedelta(hours=24)
    assert kind.due_at(NOW, NOW + timedelta(hours=3)) == NOW + timedelta(hours=3)
    assert kind.due_at(NOW, NOW + timedelta(hours=90)) == NOW + timedelta(hours=24)


def test_a_login_waits_for_no_dispatch_deadline() -> None:
    assert KINDS["login_refused"].due_at(NOW, NOW - timedelta(days=1)) == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    "name",
    [
        "unmapped_carrier",
        "tracking_missing",
        "tracking_refused",
        "shipment_refused",
        "label_not_bought",
        "combined_package_incomplete",
        "shipped_quantity_differs",
        "malformed_fulfilment",
    ],
)
def test_what_keeps_a_parcel_from_tiktok_is_due_by_the_dispatch_deadline(name: str) -> None:
    assert kind_named(name).due_at(NOW, NOW + timedelta(hours=1)) == NOW + timedelta(hours=1)
    assert kind_named(name).owner == "operations"


def test_a_request_to_cancel_is_due_when_tiktok_approves_it_by_itself() -> None:
    kind = kind_named("cancellation_requested")

    assert kind.due_at(NOW, NOW + timedelta(hours=7)) == NOW + timedelta(hours=7)
    assert kind.due_at(NOW) == NOW + timedelta(hours=24)


@pytest.mark.parametrize("name", ["dispatch_deadline_missed", "shipped_after_cancellation", "bill_differs"])
def test_what_a_passed_deadline_cannot_hurry_has_its_own_time(name: str) -> None:
    assert kind_named(name).due_at(NOW, NOW - timedelta(days=1)) > NOW


def test_a_kind_has_an_owner_who_can_act_on_it() -> None:
    owners = {name: kind_named(name).owner for name in ("bill_differs", "no_open_period", "tiktok_refused")}

    assert owners == {"bill_differs": "finance", "no_open_period": "finance", "tiktok_refused": "data"}

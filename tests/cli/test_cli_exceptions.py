"""What waits for a person, at the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cli.conftest import Run
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.exceptions import NewException


def open_exception(ledger: Ledger, subject: str = "order 5001", **changes: Any) -> int:
    fields: dict[str, Any] = {
        "kind": "unmapped_sku",
        "channel": "tiktok",
        "shop": "us",
        "subject": subject,
        "cause": "sku:RED-M",
        "message": f"{subject} has SKU RED-M [red], which no NetSuite item carries.",
        "what_to_do": "Add it under `items`.",
        "owner": "operations",
        "severity": "error",
        "due_at": datetime.now(UTC) + timedelta(hours=5),
        **changes,
    }
    with ledger.begin() as tx:
        return tx.exceptions.open(NewException(**fields))


def listed(run: Run, *options: str) -> list[int]:
    return [one["id"] for one in json.loads(run("exceptions", "list", "--json", *options).stdout)]


def test_none_is_said_in_words(run: Run, ledger: Ledger):
    result = run("exceptions", "list")
    assert (result.exit_code, result.stdout) == (0, "No exceptions.\n")


def test_the_list_shows_what_is_wrong_whose_it_is_and_when_it_is_due(run: Run, ledger: Ledger):
    number = open_exception(ledger)
    overdue = open_exception(ledger, "order 5002", due_at=datetime.now(UTC) - timedelta(hours=30))
    text = run("exceptions", "list").stdout
    assert str(number) in text and "unmapped_sku" in text and "operations" in text
    assert "has SKU RED-M [red], which" in " ".join(text.replace("│", " ").split())
    assert "in 5 h" in text and "30 h ago" in text
    assert text.index("order 5002") < text.index("order 5001")
    assert overdue != number and "2 in all: unmapped_sku 2" in text


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), {"a", "b", "c"}),
        (("--kind", "netsuite_refused"), {"b"}),
        (("--kind", "netsuite_refused", "--kind", "unmapped_sku"), {"a", "b", "c"}),
        (("--cause", "sku:RED-M"), {"a", "c"}),
        (("--shop", "uk"), {"c"}),
        (("--owner", "finance"), {"b"}),
        (("--subject", "order 1"), {"a"}),
        (("--state", "resolved"), set()),
        (("--state", "acknowledged"), {"c"}),
        (("--state", "open"), {"a", "b"}),
        (("--limit", "1"), {"a"}),
    ],
)
def test_filters(run: Run, ledger: Ledger, options: tuple[str, ...], found: set[str]):
    numbers = {
        open_exception(ledger, "order 1"): "a",
        open_exception(ledger, "order 2", kind="netsuite_refused", cause="form", owner="finance"): "b",
        open_exception(ledger, "order 3", shop="uk"): "c",
    }
    (third,) = [number for number, name in numbers.items() if name == "c"]
    assert run("exceptions", "acknowledge", str(third)).exit_code == 0
    assert {numbers[number] for number in listed(run, *options)} == found


@pytest.mark.parametrize(
    ("within", "found"),
    [("30m", ["overdue"]), ("12h", ["overdue", "soon"]), ("2d", ["overdue", "soon", "later"])],
)
def test_what_is_due_soon_comes_with_what_is_overdue_the_most_urgent_first(
    run: Run, ledger: Ledger, within: str, found: list[str]
):
    now = datetime.now(UTC)
    names = {
        open_exception(ledger, "order 1", due_at=now + timedelta(hours=30)): "later",
        open_exception(ledger, "order 2", due_at=now + timedelta(hours=5)): "soon",
        open_exception(ledger, "order 3", due_at=now - timedelta(hours=1)): "overdue",
        open_exception(ledger, "order 4", due_at=None): "never",
    }
    assert [names[number] for number in listed(run, "--due-within", within)] == found


@pytest.mark.parametrize("within", ["", "h", "12", "-3h", "1w", "²h", "99999d"])
def test_a_time_that_is_none_is_told(run: Run, ledger: Ledger, within: str):
    result = run("exceptions", "list", "--due-within", within)
    assert result.exit_code == 2
    assert "write one such as 30m, 12h or 2d" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--kind", "unmaped_sku"), "did you mean unmapped_sku?"),
        (("--kind", "zzz"), "docs/runbook.md has them all"),
        (("--owner", "bob"), "write one of operations, finance, data"),
    ],
)
def test_a_mistyped_filter_is_no_good_news(run: Run, ledger: Ledger, options: tuple[str, ...], told: str):
    open_exception(ledger)
    result = run("exceptions", "list", *options)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.replace("│", " ").split())


def test_show_tells_the_whole_story(run: Run, ledger: Ledger):
    number = open_exception(ledger)
    run("exceptions", "acknowledge", str(number), "--note", "asked the supplier")
    text = run("exceptions", "show", str(number)).stdout
    assert "has SKU RED-M [red]" in text and "What to do: Add it under `items`." in text
    assert "docs/runbook.md#unmapped_sku" in text
    assert "opened by pipeline" in text and "acknowledged by cli" in text and "asked the supplier" in text
    story = json.loads(run("exceptions", "show", str(number), "--json").stdout)
    assert [event["event"] for event in story["events"]] == ["opened", "acknowledged"]


def test_replay_single_by_cause_or_all(run: Run, ledger: Ledger):
    red = [open_exception(ledger, f"order {n}") for n in (1, 2)]
    blue = open_exception(ledger, "order 3", cause="sku:BLUE")

    def asked() -> set[int]:
        with ledger.read() as tx:
            return {one.id for one in tx.exceptions.list(replay_requested=True)}

    assert run("exceptions", "replay", str(blue)).exit_code == 0
    assert asked() == {blue}
    assert "2 will be tried again" in run("exceptions", "replay", "--cause", "sku:RED-M").stdout
    assert asked() == {*red, blue}
    assert "3 will be tried again" in run("exceptions", "replay", "--all").stdout


def test_replaying_what_is_settled_fails(run: Run, ledger: Ledger):
    number = open_exception(ledger)
    run("exceptions", "resolve", str(number), "--reason", "by hand")
    assert run("exceptions", "replay", str(number)).exit_code == 1


def test_resolving_needs_a_reason_and_keeps_it(run: Run, ledger: Ledger):
    number = open_exception(ledger)
    assert run("exceptions", "resolve", str(number), "--reason", " ").exit_code == 2
    assert run("exceptions", "resolve", str(number), "--reason", "posted by hand as SO1042").exit_code == 0
    assert listed(run) == []
    assert "posted by hand as SO1042" in run("exceptions", "show", str(number)).stdout


def test_several_are_resolved_all_or_none(run: Run, ledger: Ledger):
    number = open_exception(ledger)
    result = run("exceptions", "resolve", str(number), "99", "--reason", "gone")
    assert result.exit_code == 1
    assert "no exception 99" in result.stderr
    assert listed(run) == [number]


def test_a_settled_exception_cannot_be_acknowledged(run: Run, ledger: Ledger):
    number = open_exception(ledger)
    run("exceptions", "resolve", str(number), "--reason", "by hand")
    assert run("exceptions", "acknowledge", str(number)).exit_code == 1
    assert listed(run, "--state", "resolved") == [number]


def test_resolving_a_refused_login_lets_requests_through_again(run: Run, ledger: Ledger):
    number = open_exception(ledger, "system netsuite", kind="login_refused", cause="login", shop="*")
    later = datetime.now(UTC) + timedelta(hours=1)
    with ledger.begin() as tx:
        tx.leases.lock("netsuite", 5)
        tx.leases.set_breaker("netsuite", later, "login refused")
    assert run("exceptions", "resolve", str(number), "--reason", "new certificate").exit_code == 0
    with ledger.begin() as tx:
        assert tx.leases.lock("netsuite", 5).breaker_until is None

"""Errors are one readable line on stderr and an exit code; never a traceback, never a secret."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Run, Shop
from tiktok_ns_pipeline.ledger import Ledger


def is_one_readable_line(text: str) -> bool:
    return text.startswith("error: ") and text.count("\n") == 1 and "Traceback" not in text


@pytest.mark.parametrize(
    "command", ["explain order 5", "sync orders", "config check", "authorize code"], ids=str.split
)
def test_missing_settings_are_named_all_at_once(command: str, run: Run):
    result = run(*command.split())
    assert result.exit_code == 2
    assert is_one_readable_line(result.stderr)
    assert "TNS_TIKTOK_APP_KEY" in result.stderr and "TNS_NETSUITE_ACCOUNT" in result.stderr


def test_a_mapping_that_cannot_be_used_is_told_with_its_line(shop: Shop):
    shop.edit_mapping("currency: USD", "currency: dollars")
    result = shop.run("config", "check")
    assert result.exit_code == 2
    assert "mapping.yaml" in result.stderr and "currency" in result.stderr
    assert "Traceback" not in result.output


def test_a_ledger_that_is_not_there_is_not_taken_for_an_empty_one(run: Run, tmp_path: Path):
    result = run("exceptions", "list")
    assert result.exit_code == 1
    assert is_one_readable_line(result.stderr)
    assert "tiktok-ns db upgrade" in result.stderr
    assert not (tmp_path / "ledger.sqlite").exists()


def test_a_ledger_newer_than_the_code_is_refused(run: Run, ledger: Ledger, tmp_path: Path):
    ledger.close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    result = run("db", "upgrade")
    assert result.exit_code == 1
    assert is_one_readable_line(result.stderr)
    assert "9999" in result.stderr


def test_a_database_that_cannot_be_reached_is_one_line_without_the_password(run: Run):
    url = "postgresql://ledger:unsaid@127.0.0.1:1/ledger"
    result = run("exceptions", "list", TNS_DATABASE_URL=url)
    assert result.exit_code == 1
    assert is_one_readable_line(result.stderr)
    assert "unsaid" not in result.stderr


def test_a_system_that_does_not_answer_is_one_line(shop: Shop):
    result = shop.run("authorize", "code", TNS_TIKTOK_AUTH_URL="http://127.0.0.1:1")
    assert result.exit_code == 1
    assert is_one_readable_line(result.stderr)


def test_before_the_seller_consented_the_report_says_so(shop: Shop):
    result = shop.run("sync", "orders", "--since", "1h")
    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("not read: ")]
    assert "authorize" in line


def test_a_spent_code_is_refused_in_one_line(shop: Shop):
    result = shop.run("authorize", "not-a-code")
    assert result.exit_code == 1
    assert is_one_readable_line(result.stderr)


@pytest.mark.parametrize(
    "command",
    [
        "sync orders --since yesterday",
        "exceptions list --state closed",
        "exceptions replay",
        "exceptions resolve 1",
        "simulate --faults nonsense=1",
        "sandbox --fault nonsense=1",
        "nonsense",
    ],
)
def test_a_command_that_cannot_be_understood_ends_with_2(command: str, run: Run):
    result = run(*command.split())
    assert result.exit_code == 2
    assert "Traceback" not in result.output

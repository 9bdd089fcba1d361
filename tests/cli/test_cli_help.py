"""Help that a person can use: what a command does, what it needs, and an example that is right."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from tests.cli.conftest import Run
from tiktok_ns_pipeline.cli import app


def commands(group: TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], TyperCommand]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, (*path, name))
        else:
            assert isinstance(command, TyperCommand)
            yield (*path, name), command


ROOT = typer.main.get_command(app)
assert isinstance(ROOT, TyperGroup)
COMMANDS = dict(commands(ROOT))


def test_every_command_of_the_readme_is_there():
    assert set(COMMANDS) == {
        ("demo",),
        ("sandbox",),
        ("simulate",),
        ("explain", "order"),
        ("explain", "shipment"),
        ("explain", "stock"),
        ("explain", "payout"),
        ("explain", "return"),
        ("exceptions", "list"),
        ("exceptions", "show"),
        ("exceptions", "replay"),
        ("exceptions", "resolve"),
        ("exceptions", "acknowledge"),
        ("sync", "orders"),
        ("sync", "shipments"),
        ("sync", "settlements"),
        ("sync", "refunds"),
        ("config", "check"),
        ("config", "new-key"),
        ("authorize",),
        ("webhooks", "serve"),
        ("webhooks", "list"),
        ("webhooks", "register"),
        ("webhooks", "unregister"),
        ("db", "upgrade"),
    }


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_says_what_it_does_what_it_needs_and_how(path: tuple[str, ...], run: Run):
    text = " ".join(run(*path, "--help").output.split())
    assert "Needs" in text
    assert "Example: " in text


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_example_is_a_command_that_can_be_parsed(path: tuple[str, ...]):
    paragraphs = (COMMANDS[path].help or "").split("\n\n")
    (example,) = [" ".join(p.split()) for p in paragraphs if p.strip().startswith("Example: ")]
    words = shlex.split(example.removeprefix("Example: "))
    words = words[words.index("tiktok-ns") + 1 :]
    if ">" in words:
        words = words[: words.index(">")]
    assert tuple(words[: len(path)]) == path
    COMMANDS[path].make_context("tiktok-ns", words[len(path) :])


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_says_what_it_is_for(path: tuple[str, ...]):
    for parameter in COMMANDS[path].params:
        assert getattr(parameter, "help", None), f"{' '.join(path)}: {parameter.name}"


def test_help_answers_without_loading_what_it_does_not_need():
    heavy = {"dagster", "pandas", "duckdb", "pyarrow", "sqlalchemy", "httpx"}
    code = "import sys, tiktok_ns_pipeline.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert heavy.isdisjoint(loaded.split())

"""The runbook has one entry for each kind of exception, and says of it what the table says."""

from __future__ import annotations

import re

import pytest

from tests.orders.order_builder import ROOT
from tiktok_ns_pipeline.mapping.exception_kinds import KINDS, ROWS, ExceptionKind

TEXT = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")


def entries() -> list[tuple[str, str]]:
    """Name and text of every entry, in the order of the page."""
    without_flows = re.sub(r"^## .+\n", "", TEXT, flags=re.MULTILINE)
    parts = re.split(r"^### (.+)\n", without_flows, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def test_every_kind_has_one_entry_and_no_entry_lacks_a_kind() -> None:
    assert [name for name, _ in entries()] == [row.name for row in ROWS]


@pytest.mark.parametrize(("name", "text"), entries())
def test_an_entry_says_what_it_is_whose_it_is_and_until_when(name: str, text: str) -> None:
    kind = KINDS[name]

    assert text.strip().startswith(f"**{kind.title}**\n*{facts(kind)}*\n")


@pytest.mark.parametrize(("name", "text"), entries())
def test_an_entry_has_a_meaning_steps_and_an_end(name: str, text: str) -> None:
    _, meaning, *steps, end = re.split(r"\n\n", text.strip())

    assert meaning.rstrip().endswith(".")
    assert steps and all(step.startswith("1. ") for step in steps)
    assert re.fullmatch(r"Closes when .+\.", end, flags=re.DOTALL), name


def test_the_commands_that_it_names_exist() -> None:
    from typer.main import get_command

    from tiktok_ns_pipeline.cli import app

    root = get_command(app)
    known = set(root.commands)  # pyright: ignore[reportAttributeAccessIssue]
    exceptions = set(root.commands["exceptions"].commands)  # pyright: ignore[reportAttributeAccessIssue]

    assert set(re.findall(r"tiktok-ns ([a-z]+)", TEXT)) <= known
    assert set(re.findall(r"tiktok-ns exceptions ([a-z]+)", TEXT)) <= exceptions


def facts(kind: ExceptionKind) -> str:
    hours = int(kind.within.total_seconds() // 3600)
    deadline = " or TikTok's deadline" if kind.before_dispatch else ""
    return f"{kind.owner}, {kind.severity}, within {hours} h{deadline}"

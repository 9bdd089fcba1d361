"""The house's walls (DESIGN 2): imports go one way, and what runs in production knows no sandbox."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tiktok_ns_pipeline"
ALLOWED_TO_KNOW_THE_SANDBOX = {"sandbox", "commands"}


def test_imports_go_one_way():
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
    ]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_sandbox_contract_names_every_room_that_may_not_know_it():
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    named = contracts["importlinter:contract:sandbox"]["source_modules"].split()
    rooms = {
        path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    # The commands load it when they need it; `cli` only puts commands together.
    expected = rooms - ALLOWED_TO_KNOW_THE_SANDBOX - {"__init__", "cli"}
    assert {name.removeprefix("tiktok_ns_pipeline.") for name in named} == expected


def test_commands_load_the_sandbox_only_when_they_need_it():
    for path in sorted((PACKAGE / "commands").glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            assert not (isinstance(node, ast.ImportFrom) and ".sandbox." in f"{node.module}."), (
                f"{path.name} imports {node.module} at its top"
            )

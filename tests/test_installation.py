"""What is installed is locked: every package by version and hash, from wherever the machine gets packages."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements-installer.lock", "requirements.lock", "requirements-dev.lock")


def pinned(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_and_hashed(lock: str):
    text = re.sub(r"\\\n", " ", (ROOT / lock).read_text())
    requirements = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert requirements
    for requirement in requirements:
        assert re.match(r"[a-z0-9._-]+(\[[^\]]*\])?==\S+ ", requirement), requirement[:80]
        assert "--hash=sha256:" in requirement, requirement[:80]


def test_the_development_lock_holds_all_that_runs_in_the_same_versions():
    """`scripts/install.py` relies on it: after `make test`, `make demo` installs nothing."""
    running, developing = pinned("requirements.lock"), pinned("requirements-dev.lock")
    assert {name: developing.get(name) for name in running} == running


def test_no_registry_is_named():
    files = [*LOCKS, "scripts/install.py", "Makefile", ".ci/run"]
    for file in files:
        assert "://" not in re.sub(r"(?m)^#.*", "", (ROOT / file).read_text()), file


def test_make_says_what_it_can_do():
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("demo", "demo-reset", "test", "lint"):
        assert f"make {target} " in said


def test_ci_is_a_script_that_can_be_run():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True)

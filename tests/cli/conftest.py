"""Commands as a person runs them: in this process, against a ledger or a sandbox that answers on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tiktok_ns_pipeline.cli import app
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.sandbox.demo.settings import MAPPING, sandbox_environment, write_environment
from tiktok_ns_pipeline.sandbox.serve import RunningSandbox, SandboxOptions, running_sandbox

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("TNS_"):
            monkeypatch.delenv(name)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command with its data in the test's folder."""

    def invoke(*arguments: str, **environment: str) -> Result:
        settings = {"TNS_DATA_DIR": str(tmp_path), "COLUMNS": "200", **environment}
        return CliRunner().invoke(app, list(arguments), env=settings)

    return invoke


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield opened
    opened.close()


@dataclass(frozen=True)
class Shop:
    """A sandbox, and a pipeline set up for it whose mapping may be edited."""

    running: RunningSandbox
    mapping: Path
    run: Run

    @property
    def world(self):
        return self.running.sandbox.world

    def consent(self) -> None:
        code = self.running.sandbox.tiktok.tokens.fresh_code()
        assert self.run("authorize", code).exit_code == 0

    def edit_mapping(self, old: str, new: str) -> None:
        text = self.mapping.read_text()
        assert old in text
        self.mapping.write_text(text.replace(old, new, 1))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    options = SandboxOptions(netsuite_save_s=0.0, netsuite_slots=8)
    with running_sandbox(options) as running:
        file = tmp_path / "sandbox.env"
        write_environment(file, running.urls, running.sandbox.books.auth.client_private_key_pem())
        mapping = tmp_path / "mapping.yaml"
        mapping.write_text(MAPPING.read_text())
        settings = {
            **sandbox_environment(running.urls, file),
            "TNS_DATA_DIR": str(tmp_path),
            "TNS_MAPPING": str(mapping),
            "TNS_POLL_SECONDS": "0.1",
            "TNS_IDLE_SECONDS": "0.5",
            "COLUMNS": "220",
        }

        def invoke(*arguments: str, **environment: str) -> Result:
            return CliRunner().invoke(app, list(arguments), env={**settings, **environment})

        yield Shop(running, mapping, invoke)

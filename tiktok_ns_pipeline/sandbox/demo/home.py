"""The demo's folder: everything that a second start goes on with, and everything a person may look into.

mapping.yaml    the seller's decisions, a copy to play with
environment     settings of the pipeline, to be sourced by another terminal
data/           ledger and lake
dagster/        Dagster's home, with its database
sandbox/        the world and NetSuite's books
secrets/        keys
logs/           what each process says
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tiktok_ns_pipeline.sandbox.demo.processes import DemoError
from tiktok_ns_pipeline.sandbox.demo.settings import (
    MAPPING,
    encryption_key_file,
    sandbox_environment,
    write_exports,
)
from tiktok_ns_pipeline.sandbox.serve import Urls

_ROOT = Path(__file__).parents[3]
LOCATION = "tiktok_ns_pipeline"
"""What Dagster calls our code."""

_WORKSPACE = """\
load_from:
  - grpc_server:
      host: 127.0.0.1
      port: {port}
      location_name: {location}
"""


@dataclass(frozen=True, slots=True)
class DemoHome:
    """One folder of a demo."""

    path: Path

    @property
    def processes(self) -> Path:
        """Where the running processes are written down."""
        return self.path / "processes.json"

    @property
    def mapping(self) -> Path:
        """The seller's decisions."""
        return self.path / "mapping.yaml"

    @property
    def logs(self) -> Path:
        """What each process says."""
        return self.path / "logs"

    @property
    def sandbox(self) -> Path:
        """The world and NetSuite's books."""
        return self.path / "sandbox"

    @property
    def environment_file(self) -> Path:
        """Settings for another terminal."""
        return self.path / "environment"

    @property
    def sandbox_environment_file(self) -> Path:
        """Settings as the sandbox writes them, with their keys beside."""
        return self.path / "secrets" / "sandbox"

    @property
    def workspace(self) -> Path:
        """Which code Dagster's processes show and run."""
        return self.path / "dagster" / "workspace.yaml"

    @property
    def database_url(self) -> str:
        """The ledger."""
        return f"sqlite:///{self.path / 'data' / 'ledger.sqlite'}"

    def encryption_key(self) -> str:
        """The key of the ledger's tokens."""
        return encryption_key_file(self.sandbox_environment_file).read_text().strip()

    @contextmanager
    def held(self) -> Generator[None]:
        """Nobody else runs a demo in this folder meanwhile. Raises DemoError when somebody does."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise DemoError(f"a demo runs in {self.path} already; stop it there with Ctrl-C") from None
            yield

    def forget(self) -> None:
        """Remove all that was kept, but not the lock that we hold."""
        for entry in self.path.iterdir():
            if entry.name == "lock":
                continue
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def prepare(self, code_port: int) -> None:
        """Make what is not there yet, and point Dagster's processes at the code server."""
        for folder in ("data", "dagster", "sandbox", "secrets", "logs"):
            (self.path / folder).mkdir(exist_ok=True)
        if not self.mapping.exists():
            shutil.copy(MAPPING, self.mapping)
        shutil.copy(_ROOT / "dagster.yaml", self.path / "dagster" / "dagster.yaml")
        self.workspace.write_text(_WORKSPACE.format(port=code_port, location=LOCATION))

    def environment(self, urls: Urls) -> dict[str, str]:
        """What the pipeline's processes see; written down for other terminals, too."""
        ours = {
            **sandbox_environment(urls, self.sandbox_environment_file),
            "TNS_MAPPING": str(self.mapping),
            "TNS_DATA_DIR": str(self.path / "data"),
            "TNS_NETSUITE_SLOTS": "5",
            "TNS_POLL_SECONDS": "1",
            # A day of the demo's money lasts half a minute.
            "TNS_MONEY_REFRESH_SECONDS": "30",
            # A corrected mapping is read by the next run, and what a run did is shown when it has ended.
            "TNS_RUN_BUDGET_SECONDS": "60",
            "TNS_STOCK_RUN_BUDGET_SECONDS": "120",
            "DAGSTER_HOME": str(self.path / "dagster"),
        }
        write_exports(self.environment_file, ours)
        return ours

    def process_environment(self, urls: Urls) -> dict[str, str]:
        """The same for child processes, without what a caller's own settings would change."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("TNS_", "DAGSTER_"))
        }
        # Without byte code everything starts half as fast.
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        # Dagster starts its run workers by name.
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
        return {**kept, **self.environment(urls), "PATH": path, "PYTHONUNBUFFERED": "1"}

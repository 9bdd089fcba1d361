from collections.abc import Iterator
from pathlib import Path

import pytest

from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.sandbox.serve import SandboxOptions, running_sandbox

from ..conftest import SetClock
from .bench import NOW, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = SetClock(NOW)
    options = SandboxOptions(clock=clock, netsuite_save_s=0.0, netsuite_slots=20)
    with running_sandbox(options) as running:
        yield Bench(running, Lake(str(tmp_path / "lake"), clock), clock)

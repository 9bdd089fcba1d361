from collections.abc import Iterator

import dagster as dg
import pytest

from tests.dagster.stage import Stage, enter, stage


@pytest.fixture(scope="module")
def on_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A sandbox that the seller has opened to us, and this process as one of the pipeline's."""
    folder = tmp_path_factory.mktemp("stage")
    with stage(folder) as opened, pytest.MonkeyPatch.context() as monkeypatch:
        enter(monkeypatch, opened.environment)
        opened.log_in()
        yield opened


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """An instance in memory: on disk, half the time of a run is spent on opening files of its events."""
    with dg.DagsterInstance.ephemeral(str(tmp_path_factory.mktemp("dagster"))) as opened:
        yield opened

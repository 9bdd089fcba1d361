from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cancellations.closing_desk import with_rules


@pytest.fixture
def rules_for(tmp_path: Path) -> Callable[..., Any]:
    """Makes rules for cancellations that differ from the sandbox's."""
    return partial(with_rules, tmp_path)

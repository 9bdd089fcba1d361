"""pyarrow, imported when it is first needed: loading a code location must not pay for it (D A.13).

It has no types of its own; what comes from here is `Any`, and stays inside this room.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def arrow() -> Any:
    """The module `pyarrow`."""
    return import_module("pyarrow")


def arrow_compute() -> Any:
    """The module `pyarrow.compute`."""
    return import_module("pyarrow.compute")


def arrow_parquet() -> Any:
    """The module `pyarrow.parquet`."""
    return import_module("pyarrow.parquet")

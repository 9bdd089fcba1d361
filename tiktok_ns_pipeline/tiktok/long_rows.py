"""Raw rows of an answer of many pages, of which only the last few are held in memory.

The others wait in a temporary file without a name, in portions, and are read back each time somebody goes
through the rows. So what is known only after the last page (that all rows came, each once) costs a disk's
space and not the memory of the process.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from tiktok_ns_pipeline import exact_json

Raw = dict[str, Any]

_PORTION = 1_000
"""Rows that are held in memory."""


class LongRows(Collection[Raw]):
    """Rows in the order in which they were added. The file goes with the object."""

    def __init__(self, portion: int = _PORTION) -> None:
        self._portion = portion
        self._last: list[Raw] = []
        self._file: Any = None
        self._places: list[tuple[int, int]] = []
        """Where a portion begins in the file, and how long it is."""
        self._count = 0

    def add(self, rows: Sequence[Raw]) -> None:
        """Add rows behind the others."""
        self._last += rows
        self._count += len(rows)
        if len(self._last) > self._portion:
            self._put_aside()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Raw]:
        for start, length in self._places:
            yield from exact_json.loads(os.pread(self._file.fileno(), length, start))
        yield from self._last

    def __contains__(self, row: object) -> bool:
        return any(row == one for one in self)

    def _put_aside(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it lives as long as this
        # What UTF-8 cannot tell (half of a pair) is an escape in JSON.
        content = exact_json.dumps(self._last).encode("utf-8", "backslashreplace")
        start = sum(self._places[-1]) if self._places else 0
        self._file.write(content)
        self._places.append((start, len(content)))
        self._last = []

"""Many small files of one day become one, while others land and read.

The new file is written first, beside a note of the names that it replaces. A reader that sees the
new file leaves those names out; a reader that settled its files before keeps reading them, for
they are removed only after a grace period, longer than any query takes.

Invariant: a file is removed only when a file that holds all its rows is complete. Whatever is
killed when, and however many compact at once, no row is lost; the worst is a row read twice until
the next compaction, and the current view keeps one per key.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tiktok_ns_pipeline.lake import landing, naming
from tiktok_ns_pipeline.lake.lazily import arrow, arrow_parquet
from tiktok_ns_pipeline.lake.storage import Storage
from tiktok_ns_pipeline.lake.tables import Table

# One compaction holds its rows in memory; larger files are large enough already.
_LARGEST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Compaction:
    """What one compaction did."""

    merged: int
    """Small files that were put together."""
    written: int
    """Files that now hold their rows."""
    removed: int
    """Files of earlier compactions whose grace was over."""


def live(storage: Storage, paths: Sequence[str]) -> list[str]:
    """The data files among these that no other one of them replaces."""
    present = frozenset(paths)
    replaced: set[str] = set()
    for note in paths:
        if note.endswith(naming.REPLACES) and _new_file(note) in present:
            replaced.update(_replaced_by(storage, note))
    return [path for path in paths if path.endswith(naming.DATA) and path not in replaced]


def compact(
    storage: Storage, table: Table, paths: Sequence[str], now: datetime, at_least: int
) -> tuple[int, int]:
    """Merge the small files of each day; how many files became how many. `now` names the new files."""
    by_folder: defaultdict[str, list[str]] = defaultdict(list)
    for path in live(storage, paths):
        by_folder[naming.folder_of(path)].append(path)
    merged = written = 0
    for folder, files in by_folder.items():
        try:
            batch = _small(storage, files)
            if len(batch) < max(at_least, 2):
                continue
            content = _put_together(storage, table, batch)
        except FileNotFoundError:
            # Another compaction has been here, and its grace has ended meanwhile.
            continue
        stem = f"{folder}/{naming.stem(now)}"
        names = [naming.name_of(path) for path in batch]
        # The note first: from the moment the new file is seen, the old ones are not.
        storage.put(stem + naming.REPLACES, json.dumps(names).encode())
        storage.put(stem + naming.DATA, content)
        merged += len(batch)
        written += 1
    return merged, written


def remove_replaced(storage: Storage, paths: Sequence[str], before: datetime) -> int:
    """Remove the files that were replaced before an instant, and their notes; how many data files."""
    present = frozenset(paths)
    removed = 0
    for note in sorted(path for path in paths if path.endswith(naming.REPLACES)):
        if not naming.landed_by(note, before):
            continue
        if _new_file(note) in present:
            old = [path for path in _replaced_by(storage, note) if path in present]
            for path in old:
                storage.remove(path)
            removed += len(old)
        # Without its new file the note is what a killed compaction left, and says nothing.
        storage.remove(note)
    return removed


def _new_file(note: str) -> str:
    return note.removesuffix(naming.REPLACES) + naming.DATA


def _replaced_by(storage: Storage, note: str) -> Iterable[str]:
    folder = naming.folder_of(note)
    try:
        return [f"{folder}/{name}" for name in json.loads(storage.read(note))]
    except FileNotFoundError:
        # Removed since it was listed, and so were the files that it named.
        return []


def _small(storage: Storage, files: Sequence[str]) -> list[str]:
    """The smallest files of a folder that fit into one compaction."""
    sized = sorted((storage.size(path), path) for path in files)
    batch: list[str] = []
    total = 0
    for size, path in sized:
        total += size
        if total > _LARGEST_BYTES:
            break
        batch.append(path)
    return sorted(batch)


def _put_together(storage: Storage, table: Table, files: Sequence[str]) -> bytes:
    pa = arrow()
    schema = table.arrow_schema()
    parts: list[Any] = []
    for path in files:
        part = arrow_parquet().read_table(pa.BufferReader(storage.read(path)))
        columns = [
            part[field.name] if field.name in part.column_names else pa.nulls(part.num_rows, field.type)
            for field in schema
        ]
        parts.append(pa.table(columns, schema=schema))
    # Two compactions at one time hold the same rows; put together, each row is one again.
    once = pa.concat_tables(parts).group_by(list(table.column_names)).aggregate([])
    ordered = once.sort_by([(column, "ascending") for column in (*table.key, *table.version, "landed_at")])
    return landing.parquet(pa.table([ordered[name] for name in table.column_names], schema=schema))

"""Where the lake's files are: a folder, or an object store behind fsspec.

Both keep one promise: a file is complete or absent, whatever is killed when. A folder writes aside
and renames; an object store takes one PUT. Nothing is ever changed in place.

Paths are relative to the lake's root, with slashes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ASIDE = "_aside"


class Storage(Protocol):
    """Immutable files under one root."""

    is_local: bool
    """Whether DuckDB reads these files by itself."""

    def files(self, folder: str) -> list[str]:
        """Paths of all complete files below a folder, sorted; none where there is no such folder."""
        ...

    def put(self, path: str, content: bytes) -> None:
        """Make a new file, complete or not at all."""
        ...

    def read(self, path: str) -> bytes:
        """The content of a file. Raises FileNotFoundError."""
        ...

    def size(self, path: str) -> int:
        """Bytes of a file. Raises FileNotFoundError."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file; one that is gone already is no error."""
        ...

    def address(self, path: str) -> str:
        """The name under which DuckDB opens the file."""
        ...

    def open_to(self, connection: DuckDBPyConnection) -> None:
        """Let a DuckDB connection read these files."""
        ...

    def sweep(self, before: str) -> int:
        """Remove what killed writers left aside under names that sort before this one; how many."""
        ...


def storage_at(root_url: str, *, durable: bool = True) -> Storage:
    """The storage behind a URL: a plain path or `file://` is a folder, all else goes through fsspec.

    `durable=False` skips a folder's disk barriers, for simulations only.
    """
    if "://" not in root_url or root_url.startswith("file://"):
        return Folder(Path(root_url.removeprefix("file://")).absolute(), durable=durable)
    return ObjectStore(root_url)


class Folder:
    """Files of a local folder."""

    is_local = True

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self._root = str(root)
        self._durable = durable

    def files(self, folder: str) -> list[str]:
        """Paths of all complete files below a folder, sorted; none where there is no such folder."""
        return sorted(self._walk(folder))

    def _walk(self, folder: str) -> Iterator[str]:
        try:
            entries = list(os.scandir(f"{self._root}/{folder}"))
        except FileNotFoundError:
            return
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_file():
                yield path
            elif entry.name != _ASIDE:
                yield from self._walk(path)

    def put(self, path: str, content: bytes) -> None:
        """Write aside, make it durable, rename: the file appears whole or not at all."""
        target = Path(self._root, path)
        aside = Path(self._root, _ASIDE, f"{target.name}.{uuid4().hex}")
        try:
            self._write(aside, content)
        except FileNotFoundError:
            self._make_folder(aside.parent)
            self._write(aside, content)
        try:
            aside.rename(target)
        except FileNotFoundError:
            self._make_folder(target.parent)
            aside.rename(target)
        # The name must survive a power cut as well as the bytes do: the cursor of whoever landed
        # these rows moves on next.
        self._sync_folder(target.parent)

    def read(self, path: str) -> bytes:
        """The content of a file. Raises FileNotFoundError."""
        return Path(self._root, path).read_bytes()

    def size(self, path: str) -> int:
        """Bytes of a file. Raises FileNotFoundError."""
        return Path(self._root, path).stat().st_size

    def remove(self, path: str) -> None:
        """Remove a file; one that is gone already is no error."""
        Path(self._root, path).unlink(missing_ok=True)

    def address(self, path: str) -> str:
        """The name under which DuckDB opens the file."""
        return f"{self._root}/{path}"

    def open_to(self, connection: DuckDBPyConnection) -> None:
        """Nothing to do: DuckDB reads local files by itself."""

    def sweep(self, before: str) -> int:
        """Remove what killed writers left aside under names that sort before this one; how many."""
        try:
            names = os.listdir(f"{self._root}/{_ASIDE}")
        except FileNotFoundError:
            return 0
        left_over = [name for name in names if name < before]
        for name in left_over:
            Path(self._root, _ASIDE, name).unlink(missing_ok=True)
        return len(left_over)

    def _write(self, path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content)
            if self._durable:
                file.flush()
                os.fsync(file.fileno())

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        self._sync_folder(folder.parent)

    def _sync_folder(self, folder: Path) -> None:
        if not self._durable:
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class ObjectStore:
    """Files of an object store, or of any other file system that fsspec knows."""

    is_local = False

    def __init__(self, root_url: str) -> None:
        from upath import UPath

        root = UPath(root_url)
        self._fs: Any = root.fs
        self._root = root.path.rstrip("/")
        self._protocol = root.protocol

    def files(self, folder: str) -> list[str]:
        """Paths of all complete files below a folder, sorted; none where there is no such folder."""
        # fsspec remembers listings; a lake must see what other processes landed.
        self._fs.invalidate_cache()
        found: list[str] = self._fs.find(f"{self._root}/{folder}")
        start = len(self._root.lstrip("/")) + 1 if self._root.lstrip("/") else 0
        return sorted(path.lstrip("/")[start:] for path in found)

    def put(self, path: str, content: bytes) -> None:
        """One PUT."""
        self._fs.pipe_file(f"{self._root}/{path}", content)

    def read(self, path: str) -> bytes:
        """The content of a file. Raises FileNotFoundError."""
        return self._fs.cat_file(f"{self._root}/{path}")

    def size(self, path: str) -> int:
        """Bytes of a file. Raises FileNotFoundError."""
        return int(self._fs.size(f"{self._root}/{path}"))

    def remove(self, path: str) -> None:
        """Remove a file; one that is gone already is no error."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._root}/{path}")

    def address(self, path: str) -> str:
        """The name under which DuckDB opens the file."""
        return f"{self._protocol}://{self._root.lstrip('/')}/{path}"

    def open_to(self, connection: DuckDBPyConnection) -> None:
        """Let DuckDB read through fsspec, so that it needs no extension and no second login."""
        connection.register_filesystem(self._fs)

    def sweep(self, before: str) -> int:
        """Nothing to do: a PUT that did not end left nothing."""
        return 0

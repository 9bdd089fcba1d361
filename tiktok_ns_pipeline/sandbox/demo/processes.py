"""The demo's processes: started each in a group of its own, stopped without a survivor.

A group of its own keeps the terminal's Ctrl-C away from them, so that they end in the order that is
good for them, together with whatever they started themselves. What was started is written down: a
demo that was killed leaves processes behind, and the next one ends them before it begins.

Invariant: after `stop`, and after `end_leftovers`, no process of any recorded group is alive.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What tells a demo to end: Ctrl-C, the system, the terminal's end."""

_PATIENCE_S = 10.0
_ANY_PORT = range(20_000, 32_000)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class DemoError(Exception):
    """The demo cannot go on; the message says why and where to look."""


@dataclass(frozen=True, slots=True)
class Started:
    """One process and the file that holds what it says."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Processes:
    """What one demo has running."""

    def __init__(
        self, record: Path, logs: Path, environment: Mapping[str, str], *, patience_s: float = _PATIENCE_S
    ) -> None:
        """`record` is where the groups are written down; `environment` is what all of them see. What does
        not end by itself within `patience_s` is killed."""
        self._record = record
        self._logs = logs
        self._environment = dict(environment)
        self._started: list[Started] = []
        self._patience_s = patience_s

    def start(self, name: str, command: Sequence[str]) -> Started:
        """Start a process in a group of its own; what it says goes to `<logs>/<name>.log`."""
        log = self._logs / f"{name}.log"
        # Between its birth and being written down nobody would know of it.
        with _signals_deferred(), log.open("ab") as out:
            process = subprocess.Popen(  # noqa: S603 - commands of ours
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            started = Started(name, process, log)
            self._started.append(started)
            groups = [{"group": one.process.pid, "born": _born(one.process.pid)} for one in self._started]
            self._record.write_text(json.dumps(groups))
        return started

    def run_through(self, name: str, command: Sequence[str]) -> None:
        """Run a process to its end. Raises DemoError when it fails."""
        one = self.start(name, command)
        while one.process.poll() is None:
            time.sleep(0.05)
        self._started.remove(one)
        if one.process.returncode:
            raise DemoError(f"{name} failed: {_last_line(one.log)} All of it is in {one.log}")

    def check(self) -> None:
        """Raises DemoError when one of them ended by itself."""
        for one in self._started:
            if one.process.poll() is not None:
                raise DemoError(
                    f"{one.name} ended by itself (exit code {one.process.returncode}): "
                    f"{_last_line(one.log)} All of it is in {one.log}"
                )

    def wait_for_port(self, one: Started, port: int, timeout_s: float = 90.0) -> None:
        """Until the process takes connections. Raises DemoError when it ends or takes too long."""
        ends = time.monotonic() + timeout_s
        while not _answers(port):
            self.check()
            if time.monotonic() > ends:
                raise DemoError(f"{one.name} does not answer after {timeout_s:.0f} s; see {one.log}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End all: first what uses the others, at once, and last what was started first."""
        first, others = self._started[:1], self._started[1:]
        for wave in (others, first):
            processes = [one.process for one in wave]
            _end_groups([process.pid for process in processes], self._patience_s, reap=processes)
        self._started.clear()
        self._record.unlink(missing_ok=True)


def end_leftovers(record: Path) -> int:
    """End what a killed demo left behind; tells how many groups that were."""
    if not record.exists():
        return 0
    # The number may be another program's by now: the same process was born at the same time.
    left = [
        int(entry["group"])
        for entry in json.loads(record.read_text())
        if entry["born"] and _born(entry["group"]) == entry["born"]
    ]
    _end_groups(left, _PATIENCE_S)
    record.unlink()
    return len(left)


def free_ports(*wanted: int) -> list[int]:
    """The wanted ports of the loopback address, each replaced by a free one where taken; 0 wants any."""
    with ExitStack() as held:
        return [held.enter_context(_bound(port)).getsockname()[1] for port in wanted]


def _bound(port: int) -> socket.socket:
    """A socket on the port, or on any. It is held until all are chosen, or two could be the same.

    Two demos that start at once must not choose alike, and a chosen port is bound only seconds later: it
    is drawn from below those that the system hands out to connections.
    """
    for one in ([port] if port else []) + random.sample(_ANY_PORT, 50):
        with suppress(OSError):
            return socket.create_server(("127.0.0.1", one))
    return socket.create_server(("127.0.0.1", 0))


@contextmanager
def _signals_deferred() -> Generator[None]:
    """Signals that mean the end are delivered when the block is left."""
    came: list[int] = []
    before = {each: signal.signal(each, lambda number, _: came.append(number)) for each in STOPPING}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in came:
            signal.raise_signal(number)


def _end_groups(
    groups: Sequence[int], patience_s: float, reap: Sequence[subprocess.Popen[bytes]] = ()
) -> None:
    """Ask the groups to end, and make them end when they do not."""
    for asked in (signal.SIGTERM, signal.SIGKILL):
        for group in groups:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, asked)
        ends = time.monotonic() + patience_s
        while any(map(_is_alive, groups)) and time.monotonic() < ends:
            time.sleep(0.05)
        for process in reap:
            process.poll()


def _is_alive(group: int) -> bool:
    """Whether the group has a member that still runs; one that is dead and not buried does not."""
    processes = Path("/proc")
    if not (processes / "self" / "stat").exists():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, 0)
            return True
        return False
    for folder in processes.iterdir():
        if folder.name.isdigit():
            with suppress(OSError, ValueError):
                state, _parent, member_of = _after_name(folder).split()[:3]
                if int(member_of) == group and state not in "ZX":
                    return True
    return False


def _born(pid: int) -> str:
    """When a process was born, in the system's own words; empty for one that is not there."""
    with suppress(OSError, IndexError):
        return _after_name(Path(f"/proc/{pid}")).split()[19]
    asked = ["ps", "-o", "lstart=", "-p", str(pid)]
    with suppress(OSError):
        said = subprocess.run(asked, check=False, capture_output=True, text=True)  # noqa: S603
        return said.stdout.strip()
    return ""


def _after_name(folder: Path) -> str:
    """Fields 3 and on of a process's stat line; the name before them may hold blanks."""
    return (folder / "stat").read_text().rpartition(")")[2]


def _answers(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _last_line(log: Path) -> str:
    lines = _COLOURS.sub("", log.read_text(errors="replace")).strip().splitlines()
    return lines[-1] if lines else "it said nothing."

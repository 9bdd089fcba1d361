"""What the demo starts it also ends: with everything that it started, even what does not listen."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tiktok_ns_pipeline.sandbox.demo.processes import DemoError, Processes, end_leftovers, free_ports

PARENT_AND_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""
SLOW_TO_END = """
import signal, sys, time
def end(*_):
    time.sleep(float(sys.argv[2]))
    open(sys.argv[1], "a").write(sys.argv[3])
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(60)
"""
LISTENING = """
import socket, sys, time
time.sleep(0.3)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def said(log: Path) -> str:
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        if log.exists() and (text := log.read_text().strip()):
            return text
        time.sleep(0.02)
    raise AssertionError(f"nothing in {log}")


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "processes.json"


@pytest.fixture
def running(tmp_path: Path, record: Path) -> Iterator[Processes]:
    running = Processes(record, tmp_path, os.environ)
    yield running
    running.stop()


def test_stopping_ends_children_of_children_too(running: Processes, record: Path):
    parent = running.start("parent", [sys.executable, "-c", PARENT_AND_CHILD])
    child = int(said(parent.log))
    assert is_alive(parent.process.pid) and is_alive(child)
    running.stop()
    assert not is_alive(parent.process.pid) and not is_alive(child)
    assert not record.exists()


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path, record: Path):
    running = Processes(record, tmp_path, os.environ, patience_s=0.5)
    deaf = running.start("deaf", [sys.executable, "-c", DEAF])
    said(deaf.log)
    running.stop()
    assert deaf.process.returncode == -signal.SIGKILL


def test_what_was_started_first_ends_last(running: Processes, tmp_path: Path):
    """The pipeline may still finish what it has under way with the systems."""
    story = tmp_path / "story"
    for name, pause in (("sandbox", "0"), ("pipeline", "0.5")):
        said(running.start(name, [sys.executable, "-c", SLOW_TO_END, str(story), pause, f"{name} "]).log)
    running.stop()
    assert story.read_text() == "pipeline sandbox "


def test_a_process_that_ends_by_itself_is_told_with_its_last_words(running: Processes):
    one = running.start(
        "code", [sys.executable, "-c", "print('loading'); raise SystemExit('no such module')"]
    )
    one.process.wait()
    with pytest.raises(DemoError, match=r"code ended by itself \(exit code 1\): no such module"):
        running.check()


def test_a_preparation_that_fails_is_told(running: Processes):
    with pytest.raises(DemoError, match="prepare failed: disk is full"):
        running.run_through("prepare", [sys.executable, "-c", "raise SystemExit('disk is full')"])
    running.run_through("prepare", [sys.executable, "-c", ""])
    running.check()


def test_waiting_for_a_port_ends_when_it_answers_or_the_process_is_gone(running: Processes):
    (port,) = free_ports(0)
    running.wait_for_port(running.start("server", [sys.executable, "-c", LISTENING, str(port)]), port)
    (other,) = free_ports(0)
    with pytest.raises(DemoError, match="dead ended by itself"):
        running.wait_for_port(running.start("dead", [sys.executable, "-c", ""]), other)


def test_leftovers_of_a_killed_demo_are_ended(tmp_path: Path, record: Path):
    killed = Processes(record, tmp_path, os.environ)
    left = killed.start("left", [sys.executable, "-c", PARENT_AND_CHILD])
    child = int(said(left.log))
    assert end_leftovers(record) == 1
    assert left.process.wait() == -signal.SIGTERM
    assert not is_alive(child)
    assert not record.exists()
    assert end_leftovers(record) == 0


def test_a_number_that_now_belongs_to_another_program_is_left_alone(tmp_path: Path, record: Path):
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        record.write_text(f'[{{"group": {stranger.pid}, "born": "an hour ago"}}]')
        assert end_leftovers(record) == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_taken_ports_are_replaced_and_free_ones_kept():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        (wanted,) = free_ports(0)
        first, second, third = free_ports(number, wanted, number)
        assert first != number and third != number and first != third
        assert second == wanted


def test_two_demos_that_choose_at_once_choose_differently():
    chosen = [free_ports(0, 0, 0, 0, 0) for _ in range(20)]

    ports = [port for each in chosen for port in each]
    assert len(ports) - len(set(ports)) <= 5  # of 100 out of 12,000 hardly one is the same
    assert all(port < 32_768 for port in ports)  # the system gives those from there on to connections

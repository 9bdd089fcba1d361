"""Install the project into `.venv` from locked, hashed requirements; Python is all that must be there.

uv does the work: the machine's own, or one that is put into `.uv` first. The project itself is not
built but linked: a `.pth` file and a launcher are all that it needs, so no build tool is fetched.
Where packages come from is the machine's business (the settings of pip and uv), not this file's.

Invariant: `.venv/installed` holds what is installed, and is written last; an interrupted
installation is done again, a finished one costs nothing.

    python3 scripts/install.py          what `make demo` needs
    python3 scripts/install.py --dev    and what the tests need
"""

# ruff: noqa: S603, T201 - it runs fixed commands and speaks to a person

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
UV_HOME = ROOT / ".uv"
STAMP = VENV / "installed"
OLDEST = (3, 11)

LAUNCHER = """#!{python}
import sys

from tiktok_ns_pipeline.cli import app

sys.exit(app())
"""


def main(arguments: list[str]) -> int:
    """Install unless that is done already; returns an exit code."""
    if sys.version_info < OLDEST:
        return _fail(f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, this is {sys.version.split()[0]}")
    lock = ROOT / ("requirements-dev.lock" if "--dev" in arguments else "requirements.lock")
    # The development lock holds everything of the other one, in the same versions.
    if _installed() in {_fingerprint(lock), _fingerprint(ROOT / "requirements-dev.lock")}:
        return 0
    started = time.monotonic()
    print(f"Installing {lock.name} into {VENV.name} ...", flush=True)
    try:
        uv = _uv()
        _run([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(VENV)])
        hashed = ["--require-hashes", "--requirement", str(lock)]
        _run([uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(_python()), *hashed])
        _link_project()
    except (OSError, subprocess.CalledProcessError) as error:
        return _fail(f"the installation stopped: {error}")
    STAMP.write_text(_fingerprint(lock))
    print(f"Installed in {time.monotonic() - started:.0f} s.", flush=True)
    return 0


def _installed() -> str:
    return STAMP.read_text() if STAMP.exists() and _python().exists() else ""


def _fingerprint(lock: Path) -> str:
    """What `.venv` holds when `lock` is installed: a moved clone or another Python is another one."""
    facts = (lock.read_bytes(), Path(__file__).read_bytes(), sys.version.encode(), str(ROOT).encode())
    return hashlib.sha256(b"\n".join(facts)).hexdigest()


def _uv() -> str:
    """The machine's uv, or our own."""
    known = shutil.which("uv") or shutil.which("uv", path=str(UV_HOME / "bin"))
    if known:
        return known
    lock = ["--require-hashes", "--requirement", str(ROOT / "requirements-installer.lock")]
    if _succeeds([sys.executable, "-m", "venv", "--clear", str(UV_HOME)]):
        _run([str(UV_HOME / "bin" / "python"), "-m", "pip", "install", "-qq", *lock])
    elif _succeeds([sys.executable, "-m", "pip", "--version"]):
        # Debian splits venv from Python: pip alone will do.
        shutil.rmtree(UV_HOME, ignore_errors=True)
        _run([sys.executable, "-m", "pip", "install", "-qq", "--target", str(UV_HOME), *lock])
    else:
        raise OSError("this Python has neither venv nor pip; on Debian and Ubuntu: apt install python3-venv")
    return str(UV_HOME / "bin" / "uv")


def _python() -> Path:
    return VENV / "bin" / "python"


def _link_project() -> None:
    """Make `import tiktok_ns_pipeline` and `tiktok-ns` work from anywhere in this environment."""
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(subprocess.check_output([_python(), "-c", where], text=True).strip())
    (packages / "tiktok_ns_pipeline.pth").write_text(f"{ROOT}\n")
    launcher = VENV / "bin" / "tiktok-ns"
    launcher.write_text(LAUNCHER.format(python=_python()))
    launcher.chmod(0o755)
    _run([str(_python()), "-m", "compileall", "-q", str(ROOT / "tiktok_ns_pipeline")])


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, cwd=ROOT, env=_environment())


def _succeeds(command: list[str]) -> bool:
    done = subprocess.run(
        command, check=False, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return done.returncode == 0


def _environment() -> dict[str, str]:
    """uv installs from where pip would: it does not read pip's settings by itself."""
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "VIRTUAL_ENV": str(VENV)}
    for setting, variable in (("index-url", "UV_DEFAULT_INDEX"), ("cert", "SSL_CERT_FILE")):
        value = os.environ.get(f"PIP_{setting.upper().replace('-', '_')}") or _pip_setting(setting)
        if value:
            environment.setdefault(variable, value)
    return environment


def _pip_setting(name: str) -> str:
    asked = [sys.executable, "-m", "pip", "config", "get", f"global.{name}"]
    return subprocess.run(asked, check=False, capture_output=True, text=True).stdout.strip()


def _fail(reason: str) -> int:
    print(f"error: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The environment of a pipeline whose TikTok Shop and NetSuite are a sandbox."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from cryptography.fernet import Fernet

from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, APP_SECRET
from tiktok_ns_pipeline.sandbox.netsuite_auth import CERTIFICATES, CLIENT_ID
from tiktok_ns_pipeline.sandbox.serve import Urls

MAPPING = Path(__file__).parents[3] / "config" / "mapping.sandbox.yaml"
ACCOUNT = "1234567_SB1"


def sandbox_environment(urls: Urls, file: Path) -> dict[str, str]:
    """What names the two systems and opens them; secrets lie where `write_environment` puts them."""
    return {
        "TNS_TIKTOK_APP_KEY": APP_KEY,
        "TNS_TIKTOK_APP_SECRET": APP_SECRET,
        "TNS_TIKTOK_API_URL": urls.tiktok,
        "TNS_TIKTOK_AUTH_URL": urls.tiktok,
        "TNS_NETSUITE_ACCOUNT": ACCOUNT,
        "TNS_NETSUITE_URL": urls.netsuite,
        "TNS_NETSUITE_CLIENT_ID": CLIENT_ID,
        "TNS_NETSUITE_CERTIFICATE_ID": next(kid for kid, used in CERTIFICATES.items() if used == "ES256"),
        "TNS_NETSUITE_PRIVATE_KEY_FILE": str(_beside(file, "netsuite-key.pem")),
        "TNS_ENCRYPTION_KEY_FILE": str(encryption_key_file(file)),
    }


def write_environment(file: Path, urls: Urls, private_key_pem: str) -> None:
    """Write complete settings for a pipeline as a file that a shell can source.

    The encryption key is kept if there is one: what a ledger encrypted with it would be lost.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    _write_secret(_beside(file, "netsuite-key.pem"), private_key_pem)
    encryption_key = encryption_key_file(file)
    if not encryption_key.exists():
        _write_secret(encryption_key, Fernet.generate_key().decode())
    write_exports(file, {**sandbox_environment(urls, file), "TNS_MAPPING": str(MAPPING)})


def encryption_key_file(file: Path) -> Path:
    """Where `write_environment(file, ...)` puts the key of the ledger's tokens."""
    return _beside(file, "encryption-key")


def write_exports(file: Path, environment: Mapping[str, str]) -> None:
    """Write variables for a shell to source."""
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()]
    file.write_text("".join(lines))


def _beside(file: Path, name: str) -> Path:
    return file.absolute().with_name(f"{file.name}.{name}")


def _write_secret(file: Path, text: str) -> None:
    """Write a file that nobody else may read."""
    file.touch(mode=0o600)
    file.write_text(text)

"""Settings: what the machine decides, read from the environment; the seller's decisions are the mapping.

A secret may be given by value (`TNS_X`) or by reference to a file that holds it (`TNS_X_FILE`), as
container platforms do. `repr` shows no secret. What is missing is named together with what to write.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

TIKTOK_API = "https://open-api.tiktokglobalshop.com"
TIKTOK_AUTH = "https://auth.tiktok-shops.com"


class SettingsError(Exception):
    """The environment lacks something or says something impossible."""


@dataclass(frozen=True, slots=True)
class TikTokSettings:
    """The TikTok Shop app (T 1)."""

    app_key: str
    app_secret: str = field(repr=False)
    api_url: str = TIKTOK_API
    auth_url: str = TIKTOK_AUTH


@dataclass(frozen=True, slots=True)
class NetSuiteSettings:
    """The NetSuite account and how we log in (N 1)."""

    account: str
    base_url: str
    auth: Literal["oauth2", "tba"]
    client_id: str = ""
    certificate_id: str = ""
    private_key: str = field(default="", repr=False)
    algorithm: Literal["ES256", "PS256"] = "ES256"
    consumer_key: str = ""
    consumer_secret: str = field(default="", repr=False)
    token_id: str = ""
    token_secret: str = field(default="", repr=False)
    slots: int = 0
    """Concurrent requests that we may use of the account's limit (N 4.3); 0 leaves it to the mapping."""
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the environment decides."""

    data_dir: Path
    database_url: str = field(repr=False)
    lake_url: str
    mapping_path: Path
    encryption_key: str = field(repr=False)
    tiktok: TikTokSettings
    netsuite: NetSuiteSettings
    durable: bool = True
    webhooks_url: str = ""
    """Where TikTok reaches the receiver of webhooks from the internet; empty where there is none."""
    holder: str = ""
    """Names this process in leases and the audit trail."""
    poll_s: float = 2.0
    """Pause between two looks at TikTok while a run is draining."""
    run_budget_s: float = 120.0
    idle_s: float = 4.0
    stock_run_budget_s: float = 600.0
    stock_idle_s: float = 60.0
    """A stock run stays while trade is live: starting one takes longer than any change may wait."""
    overlap_s: float = 120.0
    """How far behind the watermark each look begins: fresh orders can appear late (T 3.1)."""
    first_look_days: int = 7
    items_refresh_s: float = 600.0
    money_refresh_s: float = 3600.0
    """How often TikTok is asked about statements and payments."""
    lease_s: float = 45.0
    """How long what a process was about to do stays its own after its last sign of life."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the environment; raises SettingsError naming every variable that is missing."""
        reader = _Reader(os.environ if environment is None else environment)
        data_dir = Path(reader.optional("TNS_DATA_DIR", ".tns")).absolute()
        settings = cls(
            data_dir=data_dir,
            database_url=reader.optional("TNS_DATABASE_URL", f"sqlite:///{data_dir / 'ledger.sqlite'}"),
            lake_url=reader.optional("TNS_LAKE_URL", str(data_dir / "lake")),
            mapping_path=Path(reader.optional("TNS_MAPPING", "config/mapping.yaml")),
            encryption_key=reader.secret("TNS_ENCRYPTION_KEY"),
            tiktok=TikTokSettings(
                app_key=reader.required("TNS_TIKTOK_APP_KEY"),
                app_secret=reader.secret("TNS_TIKTOK_APP_SECRET"),
                api_url=reader.optional("TNS_TIKTOK_API_URL", TIKTOK_API),
                auth_url=reader.optional("TNS_TIKTOK_AUTH_URL", TIKTOK_AUTH),
            ),
            netsuite=_netsuite(reader),
            webhooks_url=reader.optional("TNS_WEBHOOKS_URL", ""),
            holder=f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}",
            poll_s=reader.number("TNS_POLL_SECONDS", 2.0),
            run_budget_s=reader.number("TNS_RUN_BUDGET_SECONDS", 120.0),
            idle_s=reader.number("TNS_IDLE_SECONDS", 4.0),
            stock_run_budget_s=reader.number("TNS_STOCK_RUN_BUDGET_SECONDS", 600.0),
            stock_idle_s=reader.number("TNS_STOCK_IDLE_SECONDS", 60.0),
            overlap_s=reader.number("TNS_OVERLAP_SECONDS", 120.0),
            first_look_days=int(reader.number("TNS_FIRST_LOOK_DAYS", 7)),
            items_refresh_s=reader.number("TNS_ITEMS_REFRESH_SECONDS", 600.0),
            money_refresh_s=reader.number("TNS_MONEY_REFRESH_SECONDS", 3600.0),
            lease_s=reader.number("TNS_LEASE_SECONDS", 45.0, least=1.0),
        )
        reader.complain()
        return settings


@dataclass(frozen=True, slots=True)
class ReceiverSettings:
    """All that the receiver of webhooks may know: it faces the internet."""

    database_url: str = field(repr=False)
    app_key: str
    app_secret: str = field(repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> ReceiverSettings:
        """Read the environment; raises SettingsError naming every variable that is missing."""
        reader = _Reader(os.environ if environment is None else environment)
        settings = cls(
            database_url=database_url(environment),
            app_key=reader.required("TNS_TIKTOK_APP_KEY"),
            app_secret=reader.secret("TNS_TIKTOK_APP_SECRET"),
        )
        reader.complain()
        return settings


def database_url(environment: Mapping[str, str] | None = None) -> str:
    """The ledger's URL alone, for what needs no account (`db upgrade`, `exceptions list`)."""
    reader = _Reader(os.environ if environment is None else environment)
    data_dir = Path(reader.optional("TNS_DATA_DIR", ".tns")).absolute()
    return reader.optional("TNS_DATABASE_URL", f"sqlite:///{data_dir / 'ledger.sqlite'}")


def webhooks_url(environment: Mapping[str, str] | None = None) -> str:
    """The receiver's public address alone; empty where there is none."""
    return _Reader(os.environ if environment is None else environment).optional("TNS_WEBHOOKS_URL", "")


class _Reader:
    """Collects what is missing, so that the reader of the error mends all of it at once."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._problems: list[str] = []

    def optional(self, name: str, default: str) -> str:
        return self._environment.get(name) or default

    def required(self, name: str) -> str:
        value = self._environment.get(name, "")
        if not value:
            self._problems.append(f"{name} is not set")
        return value

    def secret(self, name: str) -> str:
        path = self._environment.get(f"{name}_FILE")
        if not path:
            value = self._environment.get(name, "")
            if not value:
                self._problems.append(f"neither {name} nor {name}_FILE is set")
            return value
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            self._problems.append(f"{name}_FILE cannot be read: {error.strerror}")
            return ""

    def number(self, name: str, default: float, *, least: float = 0.0) -> float:
        text = self._environment.get(name)
        try:
            value = default if not text else float(text)
        except ValueError:
            value = -1.0
        if value < least:
            self._problems.append(f"{name} must be a number, {least:g} or more")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.optional(name, choices[0])
        if value not in choices:
            self._problems.append(f"{name} must be one of {', '.join(choices)}")
        return value

    def complain(self) -> None:
        if self._problems:
            raise SettingsError(
                "; ".join(self._problems) + ". README, «Connect real accounts», says what each is for."
            )


def _netsuite(reader: _Reader) -> NetSuiteSettings:
    account = reader.required("TNS_NETSUITE_ACCOUNT")
    host = account.lower().replace("_", "-")
    common = NetSuiteSettings(
        account=account,
        base_url=reader.optional("TNS_NETSUITE_URL", f"https://{host}.suitetalk.api.netsuite.com"),
        auth="oauth2",
        slots=int(reader.number("TNS_NETSUITE_SLOTS", 0)),
        timeout_s=reader.number("TNS_NETSUITE_TIMEOUT_SECONDS", 60.0),
    )
    if reader.choice("TNS_NETSUITE_AUTH", ("oauth2", "tba")) == "tba":
        return replace(
            common,
            auth="tba",
            consumer_key=reader.required("TNS_NETSUITE_CONSUMER_KEY"),
            consumer_secret=reader.secret("TNS_NETSUITE_CONSUMER_SECRET"),
            token_id=reader.required("TNS_NETSUITE_TOKEN_ID"),
            token_secret=reader.secret("TNS_NETSUITE_TOKEN_SECRET"),
        )
    algorithm = reader.choice("TNS_NETSUITE_ALGORITHM", ("ES256", "PS256"))
    return replace(
        common,
        client_id=reader.required("TNS_NETSUITE_CLIENT_ID"),
        certificate_id=reader.required("TNS_NETSUITE_CERTIFICATE_ID"),
        private_key=reader.secret("TNS_NETSUITE_PRIVATE_KEY"),
        algorithm="PS256" if algorithm == "PS256" else "ES256",
    )

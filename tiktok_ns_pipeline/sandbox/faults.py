"""What goes wrong, when, and how often: one plan for both simulated systems.

A server asks the plan once for each API request (`decide`) and acts on the `Fault` it gets; what is
no request (a row that shows up late, a crash of the pipeline at a named point) is asked by `strikes`.
A fault comes either by rate, from a seeded generator, or because a test injected it for the next
request that matches.

*Before commit* means that nothing happened behind the failure, *after commit* that everything did:
the caller cannot tell the two apart, which is the point of having both.

Invariant: equal seeds, rates and sequences of requests give equal faults.
"""

from __future__ import annotations

import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

System = Literal["tiktok", "netsuite", "pipeline"]


class FaultKind(StrEnum):
    """The ways in which a system fails its caller (DESIGN 7)."""

    refuse = "refuse"
    delay = "delay"
    timeout_before_commit = "timeout_before_commit"
    timeout_after_commit = "timeout_after_commit"
    cut_before_commit = "cut_before_commit"
    cut_after_commit = "cut_after_commit"
    http_429 = "http_429"
    concurrency_400 = "concurrency_400"
    http_500_before = "http_500_before"
    http_500_after = "http_500_after"
    http_503 = "http_503"
    html_body = "html_body"
    unauthorized = "unauthorized"
    stale_page = "stale_page"
    duplicate_rows = "duplicate_rows"
    late_visibility = "late_visibility"
    suiteql_lag = "suiteql_lag"
    record_changed = "record_changed"
    script_alters_value = "script_alters_value"
    webhook_drop = "webhook_drop"
    webhook_duplicate = "webhook_duplicate"
    webhook_reorder = "webhook_reorder"
    webhook_delay = "webhook_delay"
    webhook_forged = "webhook_forged"
    crash = "crash"


def is_write(method: str, path: str) -> bool:
    """Whether a request changes something; searches and queries by POST do not."""
    return method not in {"GET", "HEAD", "OPTIONS"} and not path.endswith(("/search", "_search", "/suiteql"))


_HITS: dict[str, Callable[[str, str], bool]] = {
    "any": lambda method, path: True,
    "write": is_write,
    "create": lambda method, path: is_write(method, path) and method in {"POST", "PUT"},
    "amend": lambda method, path: method == "PATCH",
    "search": lambda method, path: path.endswith("/search"),
    "suiteql": lambda method, path: path.endswith("/suiteql"),
    "never": lambda method, path: False,
}

# kind: systems that can fail so, and the requests it can hit; what hits none is asked by `strikes`.
_REACH: dict[FaultKind, tuple[tuple[System, ...], str]] = {
    FaultKind.refuse: (("tiktok", "netsuite"), "any"),
    FaultKind.delay: (("tiktok", "netsuite"), "any"),
    FaultKind.timeout_before_commit: (("tiktok", "netsuite"), "any"),
    FaultKind.timeout_after_commit: (("tiktok", "netsuite"), "write"),
    FaultKind.cut_before_commit: (("tiktok", "netsuite"), "any"),
    FaultKind.cut_after_commit: (("tiktok", "netsuite"), "write"),
    FaultKind.http_429: (("tiktok", "netsuite"), "any"),
    FaultKind.concurrency_400: (("netsuite",), "any"),
    FaultKind.http_500_before: (("tiktok", "netsuite"), "any"),
    FaultKind.http_500_after: (("tiktok", "netsuite"), "write"),
    FaultKind.http_503: (("tiktok", "netsuite"), "any"),
    FaultKind.html_body: (("tiktok", "netsuite"), "any"),
    FaultKind.unauthorized: (("tiktok", "netsuite"), "any"),
    FaultKind.stale_page: (("tiktok",), "search"),
    FaultKind.duplicate_rows: (("tiktok",), "search"),
    FaultKind.late_visibility: (("tiktok",), "never"),
    FaultKind.suiteql_lag: (("netsuite",), "suiteql"),
    FaultKind.record_changed: (("netsuite",), "amend"),
    FaultKind.script_alters_value: (("netsuite",), "create"),
    FaultKind.webhook_drop: (("tiktok",), "never"),
    FaultKind.webhook_duplicate: (("tiktok",), "never"),
    FaultKind.webhook_reorder: (("tiktok",), "never"),
    FaultKind.webhook_delay: (("tiktok",), "never"),
    FaultKind.webhook_forged: (("tiktok",), "never"),
    FaultKind.crash: (("pipeline",), "never"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure to act out. `seconds` is how long a delay lasts or a time-out hangs."""

    kind: FaultKind
    system: System
    method: str
    path: str
    seconds: float


class DropConnection(Exception):
    """Raised by an app instead of an answer: the connection ends without one."""


class RefuseConnection(DropConnection):
    """The connection is not even accepted; no byte of the request is read."""


@dataclass(slots=True)
class _Injection:
    kind: FaultKind
    system: System
    match: str
    times: int


_Wanted = Callable[[_Injection], bool]


class FaultPlan:
    """Decides about every request. Without rates nothing fails but what is injected.

    `rates` gives the probability of a kind per request that it can hit; `hang_s` is how long a
    time-out keeps its caller waiting (choose it longer than the callers' own limit), `delay_s` the
    longest mere delay. Safe to use from several threads.
    """

    def __init__(
        self,
        seed: int = 0,
        rates: Mapping[tuple[System, FaultKind], float] | None = None,
        hang_s: float = 120.0,
        delay_s: float = 3.0,
    ) -> None:
        self.hang_s = hang_s
        self.delay_s = delay_s
        self.counts: Counter[tuple[System, FaultKind]] = Counter()
        """How many faults struck, by system and kind."""
        self.asked: Counter[System] = Counter()
        """How many API requests were asked about, which is how many there were."""
        self.latest: deque[Fault] = deque(maxlen=1_000)
        """The last faults that struck, newest at the end."""
        self._random = random.Random(f"faults {seed}")
        self._injections: list[_Injection] = []
        self._lock = threading.Lock()
        self._rates: dict[tuple[System, FaultKind], float] = {}
        for (system, kind), rate in (rates or {}).items():
            self.set_rate(system, kind, rate)

    def set_rate(self, system: System, kind: FaultKind, rate: float) -> None:
        """Let a kind strike at that probability from now on; raises ValueError when it cannot."""
        if system not in _REACH[kind][0]:
            raise ValueError(f"{system} cannot fail by {kind}; it can on {', '.join(_REACH[kind][0])}")
        if not 0 <= rate <= 1:
            raise ValueError(f"the rate of {system} {kind} is a probability, not {rate}")
        self._rates[system, kind] = rate

    def inject(self, kind: FaultKind, system: System, match: str = "", times: int = 1) -> None:
        """Let the next `times` requests of `system` that carry `match` fail so.

        `match` is looked for in "METHOD /path" (or in the subject given to `strikes`).
        """
        if system not in _REACH[kind][0]:
            raise ValueError(f"{system} cannot fail by {kind}; it can on {', '.join(_REACH[kind][0])}")
        with self._lock:
            self._injections.append(_Injection(kind, system, match, times))

    def decide(self, system: System, method: str, path: str) -> Fault | None:
        """The fault that this request meets, or None."""
        with self._lock:
            self.asked[system] += 1
            kind = self._injected(system, f"{method} {path}", method, path)
            if kind is None:
                kind = self._drawn(system, method, path)
            return None if kind is None else self._struck(kind, system, method, path)

    def decide_injected(self, system: System, method: str, path: str) -> Fault | None:
        """Like `decide`, but only for what was injected by match (token endpoints)."""
        with self._lock:
            kind = self._injected(system, f"{method} {path}", method, path, only_named=True)
            return None if kind is None else self._struck(kind, system, method, path)

    def strikes(self, kind: FaultKind, system: System, subject: str = "") -> bool:
        """Whether a fault that is no request's strikes now, such as a crash at the point `subject`."""
        with self._lock:
            struck = self._take(
                lambda one: one.kind is kind and one.system == system and one.match in subject
            )
            rate = self._rates.get((system, kind), 0.0)
            if struck is None and not (rate and self._random.random() < rate):
                return False
            self._struck(kind, system, "", subject)
            return True

    def stop(self) -> None:
        """No more faults: rates and waiting injections are dropped, the counts stay."""
        with self._lock:
            self._rates.clear()
            self._injections.clear()

    def by_kind(self) -> dict[str, int]:
        """Counts as "system.kind" -> number, for reports."""
        return {f"{system}.{kind}": count for (system, kind), count in sorted(self.counts.items())}

    def _injected(
        self, system: System, subject: str, method: str, path: str, only_named: bool = False
    ) -> FaultKind | None:
        found = self._take(
            lambda one: (
                one.system == system
                and one.match in subject
                and bool(one.match or not only_named)
                and _HITS[_REACH[one.kind][1]](method, path)
            )
        )
        return None if found is None else found.kind

    def _take(self, wanted: _Wanted) -> _Injection | None:
        for injection in self._injections:
            if wanted(injection):
                injection.times -= 1
                if injection.times <= 0:
                    self._injections.remove(injection)
                return injection
        return None

    def _drawn(self, system: System, method: str, path: str) -> FaultKind | None:
        if not self._rates:
            return None
        point = self._random.random()
        for (rated, kind), rate in self._rates.items():
            if rated == system and _HITS[_REACH[kind][1]](method, path):
                point -= rate
                if point < 0:
                    return kind
        return None

    def _struck(self, kind: FaultKind, system: System, method: str, path: str) -> Fault:
        seconds = self.hang_s
        if kind is FaultKind.delay:
            seconds = round(self._random.uniform(self.delay_s / 10, self.delay_s), 3)
        fault = Fault(kind, system, method, path, seconds)
        self.counts[system, kind] += 1
        self.latest.append(fault)
        return fault


def rates_of(text: str) -> dict[tuple[System, FaultKind], float]:
    """Read a plan such as `all=0.02` or `tiktok.http_429=0.1,netsuite.delay=0.05`; later parts win.

    `all` means every kind on every system that can fail so. Raises ValueError naming the bad part.
    """
    rates: dict[tuple[System, FaultKind], float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        system, _, kind = name.partition(".")
        try:
            rate = float(number or "0.01")
            kinds = list(FaultKind) if name == "all" or kind == "all" else [FaultKind(kind)]
        except ValueError:
            raise ValueError(
                f"{part!r} is no fault rate; write system.kind=probability with one of {', '.join(FaultKind)}"
            ) from None
        for one in kinds:
            for able in _REACH[one][0]:
                if system in {"all", able}:
                    rates[able, one] = rate
    return rates

"""docker/compose.yaml as Compose reads it, so that a test starts exactly what a deployment starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DOCKER = Path(__file__).parents[2] / "docker"

# ${NAME}, ${NAME:-default}, ${NAME:?complaint}
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<how>:-|:\?)(?P<text>[^}]*))?\}")


@dataclass(frozen=True)
class Service:
    """One service: what it runs, what it sees, how its health is asked for."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    health: tuple[str, ...]
    raw: Mapping[str, Any]


def read_compose(variables: Mapping[str, str]) -> dict[str, Service]:
    """All services, with the variables of `docker/.env` filled in. KeyError for one that must be given."""
    text = (DOCKER / "compose.yaml").read_text()
    document = _filled(yaml.safe_load(text), variables)
    return {
        name: Service(
            name=name,
            command=tuple(service.get("command", ())),
            environment={key: str(value) for key, value in service.get("environment", {}).items()},
            health=tuple(service.get("healthcheck", {}).get("test", ())[1:]),
            raw=service,
        )
        for name, service in document["services"].items()
    }


def with_paths(text: str, paths: Mapping[str, Path]) -> str:
    """Paths inside the container as paths of this machine."""
    for inside, outside in paths.items():
        text = text.replace(inside, str(outside))
    return text


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, variables) for each in value]
    return _VARIABLE.sub(lambda found: _value(found, variables), value) if isinstance(value, str) else value


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    given = variables.get(found["name"], "")
    if found["how"] == ":?" and not given:
        raise KeyError(f"{found['name']}: {found['text']}")
    return given or (found["text"] or "" if found["how"] == ":-" else "")

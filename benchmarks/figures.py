"""What every benchmark's command line shares: choose parts, measure them, print the figures as JSON.

Beside the figures stand their aims and the machine, with its load before and after: what a figure is
worth depends on it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

Part = Callable[[argparse.Namespace], Any]


def command_line(description: str | None, parts: Mapping[str, Part]) -> argparse.ArgumentParser:
    """The options of a benchmark with these parts; `description` is its module's docstring."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="the figures as JSON on one line")
    parser.add_argument("--quick", action="store_true", help="less of everything, for a first look")
    parser.add_argument("--part", action="append", choices=list(parts), help="only this; repeatable")
    return parser


def measure(parser: argparse.ArgumentParser, parts: Mapping[str, Part], aims: Mapping[str, Any]) -> None:
    """Measure what the command line asks for, and print it."""
    options = parser.parse_args()
    figures: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()},
        "aims": aims,
    }
    for name in options.part or parts:
        figures[name] = parts[name](options)
    figures["machine"]["load_after"] = os.getloadavg()
    print(json.dumps(rounded(figures), indent=None if options.json else 2))


def rounded(value: Any, digits: int = 3) -> Any:
    """The same with shorter numbers."""
    if isinstance(value, Mapping):
        return {name: rounded(each, digits) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each, digits) for each in value]
    if isinstance(value, (float, Decimal)):
        return round(float(value), digits)
    return value

"""YAML as a person means it: every value is the text that stands there, and knows its line.

PyYAML's usual rules turn `NO` into false, `0012` into 10 and 1.1 into a float. Here an id keeps its
leading zeros, a rate stays exact and a repeated key is an error instead of a silent loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C library reads a mapping ten times as fast, where PyYAML was built with it."""

_DEEPEST = 24
_NOTHING = {"", "~", "null"}
_TRUTH = {"true": True, "false": False}

Path = tuple[str | int, ...]


class YamlError(ValueError):
    """The text is not YAML, or not YAML that has one meaning."""


@dataclass(frozen=True, slots=True)
class YamlText:
    """What a YAML text holds: dicts, lists, texts, true, false and None."""

    data: Any
    lines: dict[Path, int]
    """Line (from 1) of every value, by its path."""

    def line_of(self, path: Sequence[str | int]) -> int | None:
        """Line of a value, or of the nearest thing around it that exists."""
        for end in range(len(path), -1, -1):
            line = self.lines.get(tuple(path[:end]))
            if line is not None:
                return line
        return None


def read_yaml(text: str) -> YamlText:
    """Read a YAML text. Raises YamlError with the line of the trouble."""
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, ValueError) as error:
        raise YamlError(f"this is not YAML: {error}") from None
    if node is None:
        return YamlText({}, {(): 1})
    lines: dict[Path, int] = {}
    return YamlText(_value(node, (), lines), lines)


def _value(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    line = node.start_mark.line + 1
    lines[path] = line
    if len(path) > _DEEPEST:
        raise YamlError(f"line {line}: nested deeper than {_DEEPEST} levels")
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), lines) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines)
    text = str(node.value)
    if node.style:  # pyright: ignore[reportAttributeAccessIssue,reportUnknownMemberType]
        return text  # quoted: a text, whatever it looks like
    if text in _NOTHING:
        return None
    return _TRUTH.get(text, text)


def _mapping(node: yaml.MappingNode, path: Path, lines: dict[Path, int]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise YamlError(f"line {line}: a key must be a plain text")
        if key in result:
            raise YamlError(f"line {line}: {key!r} stands there twice; keep one of them")
        result[key] = _value(value_node, (*path, key), lines)
    return result

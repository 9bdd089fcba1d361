"""What is wrong with a mapping, in words for the person who wrote it.

pydantic finds the faults; here each becomes one line: where in the file, what is wrong, what to
write. The hints are the fields' own descriptions, so a field is explained in one place.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from tiktok_ns_pipeline.mapping.yaml_text import Path, YamlText


def complaints(error: ValidationError, document: YamlText, model: type[BaseModel]) -> list[str]:
    """One line for each thing to mend, in the order of the file."""
    placed: list[tuple[int, str]] = []
    for detail in error.errors(include_url=False):
        path = _path_in_file(detail["loc"], document.data)
        line = document.line_of(path) or 0
        where = ".".join(str(part) for part in path) or "the file"
        placed.append((line, f"line {line}, {where}: {_complaint(detail, path, model)}"))
    return [text for _, text in sorted(placed)]


def _path_in_file(loc: tuple[int | str, ...], data: Any) -> Path:
    """The error's place without what stands only in pydantic's picture of it, such as union tags."""
    path: list[int | str] = []
    for index, part in enumerate(loc):
        is_last = index == len(loc) - 1
        inside = _child(data, part)
        if inside is _ABSENT and not (is_last and part != "[key]"):
            continue
        path.append(part)
        data = None if inside is _ABSENT else inside
    return tuple(path)


_ABSENT = object()


def _child(data: Any, part: int | str) -> Any:
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return _ABSENT


def _complaint(detail: ErrorDetails, path: Path, model: type[BaseModel]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    beside, field = _fields_at(model, path)
    name = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        return f"there is no such key here; {_nearest(name, beside)}"
    if kind == "value_error":
        return str(context["error"])
    return _misfit(detail, name, field)


def _misfit(detail: ErrorDetails, name: str, field: FieldInfo | None) -> str:
    """A value that is not there or not of the kind that belongs there."""
    kind, context = detail["type"], detail.get("ctx", {})
    hint = field.description if field and field.description else ""
    if kind == "missing":
        return f"this is missing; write `{name}: ...`" + (f" ({hint})" if hint else "")
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        key = str(context["discriminator"]).strip("'")
        tags = context.get("expected_tags") or _tags(field, key)
        return f"`{key}` must say which it is; write `{key}:` with one of {tags}"
    if kind == "literal_error":
        return f"{detail['input']!r} is not one of {context['expected']}; write one of these"
    if kind.endswith(("_type", "_parsing")) or kind == "string_pattern_mismatch":
        return f"{_shown(detail['input'])} does not fit" + (f"; write here: {hint}" if hint else "")
    return f"{detail['msg']}" + (f"; write here: {hint}" if hint else "")


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return "a list" if isinstance(value, list) else "a group of keys"
    return repr(value)


def _nearest(name: str, around: Iterable[str]) -> str:
    known = sorted(around)
    near = get_close_matches(name, known, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"the keys here are {', '.join(known)}" if known else "remove it"


def _tags(field: FieldInfo | None, key: str) -> str:
    tags = [
        tag
        for model in _models_in(field.annotation if field else None)
        for tag in get_args(model.model_fields[key].annotation)
        if key in model.model_fields
    ]
    return ", ".join(repr(tag) for tag in tags)


def _fields_at(model: type[BaseModel], path: Path) -> tuple[set[str], FieldInfo | None]:
    """Names of the fields beside the path's end, and the field at its end, where it is one."""
    models: list[type[BaseModel]] = [model]
    beside: set[str] = set()
    field: FieldInfo | None = None
    for part in path:
        beside = {name for candidate in models for name in candidate.model_fields}
        found = [candidate.model_fields[str(part)] for candidate in models if part in candidate.model_fields]
        if found:
            field = found[0]
            models = [inner for info in found for inner in _models_in(info.annotation)]
    return beside, field


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]

"""The `q` filter of record lists (N 2.4): conditions on body fields, joined by AND and OR.

AND binds tighter, parentheses group, most operators have a `_NOT` form. Dates are written as the
account displays them. Text is compared without regard to case.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from tiktok_ns_pipeline.sandbox.books.catalogue import Field, Kind, Schema
from tiktok_ns_pipeline.sandbox.books.errors import BookError, invalid_parameter
from tiktok_ns_pipeline.sandbox.books.store import Record

Test = Callable[[Record], bool]
Compare = Callable[[Any, list[Any]], bool]

_TOKENS = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([()\[\],])|([^\s()\[\],"]+))')
_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_MOST_TERMS = 200

_TEXT: dict[str, Compare] = {
    "IS": lambda value, given: value == given[0],
    "CONTAIN": lambda value, given: given[0] in value,
    "START_WITH": lambda value, given: value.startswith(given[0]),
    "END_WITH": lambda value, given: value.endswith(given[0]),
    "ENDWITH": lambda value, given: value.endswith(given[0]),
}
_NUMBER: dict[str, Compare] = {
    "EQUAL": lambda value, given: value == given[0],
    "ANY_OF": lambda value, given: value in given,
    "WITHIN": lambda value, given: given[0] <= value <= given[-1],
    "BETWEEN": lambda value, given: given[0] <= value <= given[-1],
    "GREATER": lambda value, given: value > given[0],
    "GREATER_OR_EQUAL": lambda value, given: value >= given[0],
    "LESS": lambda value, given: value < given[0],
    "LESS_OR_EQUAL": lambda value, given: value <= given[0],
}
_DAY: dict[str, Compare] = {
    "ON": lambda value, given: value == given[0],
    "AFTER": lambda value, given: value > given[0],
    "BEFORE": lambda value, given: value < given[0],
    "ON_OR_AFTER": lambda value, given: value >= given[0],
    "ON_OR_BEFORE": lambda value, given: value <= given[0],
}
_CODE: dict[str, Compare] = {
    "IS": lambda value, given: value == given[0],
    "EQUAL": lambda value, given: value == given[0],
    "ANY_OF": lambda value, given: value in given,
}
_OPERATORS: dict[Kind, dict[str, Compare]] = {
    Kind.text: _TEXT,
    Kind.number: _NUMBER,
    Kind.integer: _NUMBER,
    Kind.reference: _NUMBER,
    Kind.choice: _CODE,
    Kind.flag: {"IS": _CODE["IS"]},
    Kind.day: _DAY,
    Kind.instant: _DAY,
}


def _refused(why: str) -> BookError:
    return invalid_parameter(f"Invalid query parameter: {why}.", "q")


def parsed_filter(text: str, schema: Schema, zone: ZoneInfo) -> Test:
    """The condition that a record must meet. Raises BookError (INVALID_PARAMETER)."""
    return _Parser(text, schema, zone).parse()


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    quoted: bool = False

    def __bool__(self) -> bool:
        return self.quoted or bool(self.text)

    def says(self, word: str) -> bool:
        return not self.quoted and self.text.upper() == word


_END = _Token("")


class _Parser:
    def __init__(self, text: str, schema: Schema, zone: ZoneInfo) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._schema = schema
        self._zone = zone

    def parse(self) -> Test:
        test = self._either()
        if self._peek():
            raise _refused(f"unexpected '{self._peek().text}'")
        return test

    def _peek(self) -> _Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else _END

    def _next(self) -> _Token:
        token = self._peek()
        if not token:
            raise _refused("unexpected end")
        self._at += 1
        return token

    def _either(self) -> Test:
        tests = [self._both()]
        while self._peek().says("OR"):
            self._next()
            tests.append(self._both())
        return lambda record: any(test(record) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._peek().says("AND"):
            self._next()
            tests.append(self._one())
        return lambda record: all(test(record) for test in tests)

    def _one(self) -> Test:
        if self._peek().says("("):
            self._next()
            test = self._either()
            if not self._next().says(")"):
                raise _refused("a parenthesis is not closed")
            return test
        return self._condition()

    def _condition(self) -> Test:
        name = self._next().text
        field = self._schema.fields.get(name.lower())
        if field is None or _kind(field) not in _OPERATORS:
            raise _refused(f"field '{name}' cannot be filtered by")
        operator = self._next().text.upper()
        negated = operator.endswith("_NOT")
        operator = operator.removesuffix("_NOT")
        if operator == "EMPTY":
            return lambda record: (_value(record, field, self._zone) is None) != negated
        compare = _OPERATORS[_kind(field)].get(operator)
        if compare is None:
            raise _refused(f"operator '{operator}' does not fit field '{name}'")
        given = [_typed(field, token) for token in self._values()]

        def test(record: Record) -> bool:
            value = _value(record, field, self._zone)
            return (value is not None and compare(value, given)) != negated

        return test

    def _values(self) -> list[_Token]:
        if not self._peek().says("["):
            return [self._next()]
        self._next()
        values: list[_Token] = []
        while not self._peek().says("]"):
            token = self._next()
            if not token.says(","):
                values.append(token)
        self._next()
        if not values:
            raise _refused("an empty list of values")
        return values


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while text[at:].strip():
        found = _TOKENS.match(text, at)
        if found is None or len(tokens) > _MOST_TERMS:
            raise _refused("it cannot be read")
        if found[1] is not None:
            tokens.append(_Token(re.sub(r"\\(.)", r"\1", found[1]), quoted=True))
        else:
            tokens.append(_Token(found[2] or found[3]))
        at = found.end()
    if not tokens:
        raise _refused("it is empty")
    return tokens


_NUMBERS = {Kind.number, Kind.integer, Kind.reference}


def _kind(field: Field) -> Kind:
    """Ids are written as text and compared as numbers."""
    return Kind.integer if field.name == "id" else field.kind


def _typed(field: Field, token: _Token) -> Any:
    if _kind(field) in _NUMBERS:
        try:
            return Decimal(token.text)
        except InvalidOperation:
            raise _refused(f"'{token.text}' is no number") from None
    if field.kind in {Kind.day, Kind.instant}:
        found = _DATE.fullmatch(token.text)
        if found is None:
            raise _refused(f"'{token.text}' is no date of this account")
        month, day, year = map(int, found.groups())
        return date(year, month, day)
    if field.kind is Kind.flag:
        return token.text.lower() in {"true", "t"}
    return token.text.lower() if field.kind is Kind.text else token.text


def _value(record: Record, field: Field, zone: ZoneInfo) -> Any:
    value = record.id if field.name == "id" else record.get(field.name)
    if value is None:
        return False if field.kind is Kind.flag else None
    if _kind(field) in _NUMBERS:
        return Decimal(value)
    if field.kind is Kind.day:
        return date.fromisoformat(value)
    if field.kind is Kind.instant:
        return datetime.fromisoformat(value).astimezone(zone).date()
    return value.lower() if field.kind is Kind.text else value

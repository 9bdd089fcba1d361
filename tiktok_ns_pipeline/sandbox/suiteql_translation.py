"""From SuiteQL to SQLite: the query in other words, or the refusal that the service gives.

The parser reads Oracle's dialect (N 3.2). What Oracle knows and SQLite does not is rewritten (ROWNUM,
dates, BUILTIN functions, null in concatenations); what SQLite would answer and SuiteQL refuses is
refused. Names are checked against the tables; misspelled columns show when the query runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.dialects.oracle import Oracle
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError

from tiktok_ns_pipeline.sandbox.suiteql_functions import FUNCTIONS

MOST_IN_LIST = 1_000
_CACHED_TRANSLATIONS = 500


class SuiteQLError(Exception):
    """A refused query; the text continues `Search error occurred:` or stands alone (N 3.7)."""


@dataclass(frozen=True, slots=True)
class Translation:
    """A query in SQLite's words."""

    sql: str
    ordered: bool
    markers: int
    """Number of `?` in the query."""
    sources: str
    """Aliases and tables as error texts list them."""


def unsupported() -> SuiteQLError:
    """The refusal for whatever the service does not understand."""
    return SuiteQLError("Invalid or unsupported search.")


_OWN_FUNCTIONS = {name for name, _, _ in FUNCTIONS} | {"SYSDATE"}


class _SuiteDialect(Oracle):
    """Oracle's, with the functions left alone that are implemented here by their own name."""

    class Parser(Oracle.Parser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {
            name: build
            for name, build in cast("dict[str, Any]", Oracle.Parser.FUNCTIONS).items()
            if name not in _OWN_FUNCTIONS
        }


class _MirrorDialect(SQLite):
    """SQLite with names in backticks: a misspelled one stays an error instead of becoming text."""

    class Tokenizer(SQLite.Tokenizer):
        IDENTIFIERS: ClassVar[list[str | tuple[str, str]]] = ["`"]


# Functions of other dialects, which the translator would understand (N 3.2).
_FOREIGN_FUNCTIONS = {"IFNULL", "ISNULL", "GETDATE", "NOW", "GROUP_CONCAT", "STRING_AGG", "DATE_TRUNC"}
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_DATE_FUNCTIONS = {"TO_DATE", "TO_TIMESTAMP", "TRUNC", "ADD_MONTHS", "LAST_DAY", "SYSDATE", "NS_RANGE"}

Columns = Mapping[str, Mapping[str, str]]
_cache: dict[str, Translation] = {}


def translated(query: str, columns: Columns) -> Translation:
    """The query in SQLite's words; remembered by its text. Raises SuiteQLError."""
    found = _cache.get(query)
    if found is None:
        if len(_cache) >= _CACHED_TRANSLATIONS:
            del _cache[next(iter(_cache))]
        found = _cache[query] = _translate(query, columns)
    return found


def _translate(query: str, columns: Columns) -> Translation:
    try:
        numbered, markers = _numbered_markers(query)
        tree = sqlglot.parse_one(numbered, read=_SuiteDialect)
    except SqlglotError:
        raise unsupported() from None
    if not isinstance(tree, (exp.Select, exp.SetOperation)):
        raise unsupported()
    _refuse_foreign_forms(tree, columns)
    sources = _sources(tree)
    for union in tree.find_all(exp.SetOperation):
        _refuse_mixed_columns(union, columns)
    for select in tree.find_all(exp.Select):
        _refuse_loose_grouping(select)
        _refuse_alias_in_where(select, columns)
    for marker in list(tree.find_all(exp.Placeholder)):
        marker.replace(exp.Var(this=f"?{marker.name[1:]}"))
    for node in reversed(list(tree.walk(bfs=True))):
        node.replace(_rewritten(node, columns))
    _name_outputs(tree)
    for select in reversed(list(tree.find_all(exp.Select))):
        _limit_by_rownum(select)
    ordered = tree.args.get("order") is not None
    for one in tree.find_all(exp.Ordered):
        # Ids are never null; without the clause SQLite can walk its index.
        if isinstance(one.this, exp.Column) and one.this.name.lower() == "id":
            one.set("nulls_first", not one.args.get("desc"))
    text = tree.sql(_MirrorDialect, identify=True)
    return Translation(text, ordered, markers, sources)


def _refuse_foreign_forms(tree: exp.Expr, columns: Columns) -> None:
    for table in tree.find_all(exp.Table):
        if table.name.lower() not in columns:
            raise SuiteQLError(f"Search error occurred: Record '{table.name}' was not found.")
    if tree.find(exp.With, exp.Limit, exp.CurrentDate) or any(
        column.args.get("join_mark") for column in tree.find_all(exp.Column)
    ):
        raise unsupported()
    for listed in tree.find_all(exp.In):
        if len(listed.expressions) > MOST_IN_LIST:
            raise unsupported()
    for function in tree.find_all(exp.Anonymous):
        inside_builtin = isinstance(function.parent, exp.Dot)
        if function.name.upper() not in _OWN_FUNCTIONS and not inside_builtin:
            raise unsupported()


def _sources(tree: exp.Expr) -> str:
    pairs = [f"{table.alias_or_name}={table.name}" for table in tree.find_all(exp.Table)]
    return "{" + ", ".join(dict.fromkeys(pairs)) + "}"


def _refuse_loose_grouping(select: exp.Select) -> None:
    """SQLite picks any row for a column that is neither grouped nor aggregated; Oracle refuses."""
    group = select.args.get("group")
    grouped = {one.sql().lower() for one in group.expressions} if group else set[str]()
    aggregates = [one for one in _own(select, exp.AggFunc) if not isinstance(one.parent, exp.Window)]
    if not group and not aggregates:
        return
    for output in select.expressions:
        value = output.unalias()
        if value.sql().lower() in grouped:
            continue
        for column in value.find_all(exp.Column):
            if not column.find_ancestor(exp.AggFunc) and column.sql().lower() not in grouped:
                raise unsupported()


def _own(select: exp.Select, kind: type[exp.Expr]) -> list[exp.Expr]:
    """Nodes of a kind in the select's outputs, subqueries left out."""
    return [
        node
        for output in select.expressions
        for node in output.find_all(kind)
        if node.find_ancestor(exp.Select) is select
    ]


def _refuse_mixed_columns(union: exp.SetOperation, columns: Columns) -> None:
    """SQLite lets a column hold text here and numbers there; Oracle wants one type in all selects."""
    left, right = _first_select(union.this), _first_select(union.expression)
    if left is None or right is None:
        return
    for one, other in zip(left.expressions, right.expressions, strict=False):
        types = {_type(one.unalias(), left, columns), _type(other.unalias(), right, columns)} - {None}
        if len(types) > 1:
            raise unsupported()


def _first_select(tree: exp.Expr) -> exp.Select | None:
    while isinstance(tree, (exp.SetOperation, exp.Subquery)):
        tree = tree.this
    return tree if isinstance(tree, exp.Select) else None


def _type(value: exp.Expr, select: exp.Select, columns: Columns) -> str | None:
    """Oracle's type of an output: `text`, `number` or `date`; None where it is open, as for NULL."""
    if isinstance(value, exp.Literal):
        return "text" if value.is_string else "number"
    if isinstance(value, (exp.Coalesce, exp.Paren)):
        return _type(value.this, select, columns)
    if isinstance(value, exp.Anonymous) and value.name.upper() == "TO_CHAR":
        return "text"
    if not isinstance(value, exp.Column):
        return None
    for table in select.find_all(exp.Table):
        if not value.table or value.table.lower() == table.alias_or_name.lower():
            kind = columns.get(table.name.lower(), {}).get(value.name.lower())
            if kind is not None:
                return {"flag": "text", ">status": "text"}.get(
                    kind, kind if kind in {"text", "date"} else "number"
                )
    return None


def _refuse_alias_in_where(select: exp.Select, columns: Columns) -> None:
    """SQLite lets a condition use an output's alias; Oracle does not know it yet."""
    where = select.args.get("where")
    aliases = {one.alias.lower() for one in select.expressions if isinstance(one, exp.Alias)}
    tables = [table.name.lower() for table in select.find_all(exp.Table)]
    known = {name for table in tables for name in columns[table]}
    for column in where.find_all(exp.Column) if where else ():
        name = column.name.lower()
        if not column.table and name in aliases and name not in known:
            raise SuiteQLError(
                f"Search error occurred: Unknown identifier '{column.name}'. "
                f"Available identifiers are: {_sources(select)}."
            )


def _rewritten(node: exp.Expr, columns: Columns) -> exp.Expr:
    """One node in SQLite's words; its children are rewritten already."""
    if isinstance(node, exp.CurrentTimestamp):
        return exp.Anonymous(this="SYSDATE")
    if isinstance(node, exp.Dot) and node.this.name.upper() == "BUILTIN":
        return _builtin(node, columns)
    if isinstance(node, (exp.Add, exp.Sub)) and _is_date(node, columns):
        sign = 1 if isinstance(node, exp.Add) else -1
        return exp.Anonymous(this="NS_SHIFT", expressions=[node.left, node.right, exp.Literal.number(sign)])
    if isinstance(node, exp.DPipe):
        for name in ("this", "expression"):
            node.set(name, exp.Coalesce(this=node.args[name], expressions=[exp.Literal.string("")]))
    if isinstance(node, _COMPARISONS):
        _compare_dates(node, ("this", "expression"), columns)
    if isinstance(node, exp.Between):
        _compare_dates(node, ("this", "low", "high"), columns)
    return node


def _numbered_markers(query: str) -> tuple[str, int]:
    """The query with `?` numbered, so that a condition may move without taking another's value."""
    parts: list[str] = []
    done = markers = 0
    for token in _SuiteDialect().tokenize(query):
        if token.text.upper() in _FOREIGN_FUNCTIONS:
            raise unsupported()
        if token.token_type is TokenType.PLACEHOLDER:
            markers += 1
            parts += [query[done : token.start], f":p{markers}"]
            done = token.end + 1
        elif token.token_type is TokenType.COLON:
            raise unsupported()
    return "".join([*parts, query[done:]]), markers


def _is_date(node: exp.Expr, columns: Columns) -> bool:
    if isinstance(node, exp.Column):
        return node.name.lower() in _date_names(columns)
    if isinstance(node, exp.Anonymous):
        return node.name.upper() in _DATE_FUNCTIONS
    if isinstance(node, (exp.Add, exp.Sub)):
        return _is_date(node.left, columns) or _is_date(node.right, columns)
    if isinstance(node, (exp.Paren, exp.Coalesce, exp.Max, exp.Min)):
        return _is_date(node.this, columns)
    return isinstance(node, (exp.CurrentTimestamp, exp.CurrentDate))


def _date_names(columns: Columns) -> set[str]:
    return {name for table in columns.values() for name, kind in table.items() if kind == "date"}


def _compare_dates(node: exp.Expr, places: tuple[str, ...], columns: Columns) -> None:
    """Text beside a date is read as a date of the account, or refused."""
    if not any(_is_date(node.args[place], columns) for place in places):
        return
    for place in places:
        value = node.args[place]
        if isinstance(value, (exp.Literal, exp.Var)):
            node.set(place, exp.Anonymous(this="NS_AS_DATE", expressions=[value]))


def _builtin(node: exp.Dot, columns: Columns) -> exp.Expr:
    function = node.expression
    if function.name.upper() == "RELATIVE_RANGES" and len(function.expressions) == 2:
        return exp.Anonymous(
            this="NS_RANGE", expressions=[exp.Anonymous(this="SYSDATE"), *function.expressions]
        )
    if function.name.upper() != "DF" or len(function.expressions) != 1:
        raise unsupported()
    (column,) = function.expressions
    if not isinstance(column, exp.Column):
        raise unsupported()
    target = _target(node, column, columns)
    if target is None:
        return column
    shown = column.sql(_MirrorDialect, identify=True)
    kind = f"'{target}'"
    if target == "status":
        kind = f"'status ' || {exp.column('type', column.table or None).sql(_MirrorDialect, identify=True)}"
    name = f"(SELECT `name` FROM `ns_names` WHERE `kind` = {kind} AND `id` = CAST({shown} AS TEXT))"
    return sqlglot.parse_one(name, read=_MirrorDialect)


def _target(node: exp.Expr, column: exp.Column, columns: Columns) -> str | None:
    """What a column refers to: the name of a record type, or None for plain values."""
    select = node.find_ancestor(exp.Select)
    for table in select.find_all(exp.Table) if select else ():
        if not column.table or column.table.lower() == table.alias_or_name.lower():
            kind = columns.get(table.name.lower(), {}).get(column.name.lower(), "")
            if kind.startswith(">"):
                return kind[1:]
    return None


def _name_outputs(tree: exp.Expr) -> None:
    """Outputs without a name are called expr1, expr2, ..."""
    first = tree
    while isinstance(first, exp.SetOperation):
        first = first.this
    if not isinstance(first, exp.Select):
        return
    for index, output in enumerate(first.expressions, start=1):
        if not isinstance(output, (exp.Column, exp.Alias, exp.Star)):
            output.replace(exp.alias_(output.copy(), f"expr{index}"))


def _limit_by_rownum(select: exp.Select) -> None:
    """`ROWNUM <= n` takes the first rows found, before they are ordered (N 3.2)."""
    where = select.args.get("where")
    conditions = list(where.this.flatten()) if where and isinstance(where.this, exp.And) else []
    conditions = conditions or ([where.this] if where else [])
    most = None
    for condition in conditions:
        if _is_rownum(condition.this) and isinstance(condition, (exp.LTE, exp.LT, exp.EQ)):
            most = condition.expression.copy()
            if isinstance(condition, exp.LT):
                most = exp.Sub(this=most, expression=exp.Literal.number(1))
            condition.replace(exp.true())
    for column in [one for one in _own(select, exp.Column) if _is_rownum(one)]:
        column.replace(sqlglot.parse_one("ROW_NUMBER() OVER ()", read=_MirrorDialect))
    if any(_is_rownum(column) for column in select.find_all(exp.Column)):
        raise unsupported()
    if most is not None:
        _take_first(select, most)


def _is_rownum(node: object) -> bool:
    return isinstance(node, exp.Column) and node.name.upper() == "ROWNUM" and not node.table


def _take_first(select: exp.Select, most: exp.Expr) -> None:
    if select.args.get("limit") or select.args.get("group") or select.args.get("distinct"):
        raise unsupported()
    order = select.args.get("order")
    if _own(select, exp.AggFunc):
        raise unsupported()
    if order is None:
        select.set("limit", exp.Limit(expression=most))
        return
    names = {output.alias_or_name.lower() for output in select.expressions}
    for one in order.find_all(exp.Column):
        if one.name.lower() not in names:
            raise unsupported()
        one.set("table", None)
    inner = select.copy()
    inner.set("order", None)
    inner.set("limit", exp.Limit(expression=most))
    for place in ("from_", "joins", "where"):
        select.set(place, None)
    select.set("expressions", [exp.Star()])
    select.from_(inner.subquery("first_rows"), copy=False)

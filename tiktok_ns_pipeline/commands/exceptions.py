"""`tiktok-ns exceptions`: what waits for a person, and what a person does about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from tiktok_ns_pipeline.commands.terminal import WRONG, console, fail, shown

if TYPE_CHECKING:
    from tiktok_ns_pipeline.ledger import Transaction
    from tiktok_ns_pipeline.ledger.exceptions import OpenException

app = typer.Typer(no_args_is_help=True, help="What waits for a person, and what a person does about it.")

_STATES = ("open", "acknowledged", "resolved")
_OWNERS = ("operations", "finance", "data")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_COLOURS = {"critical": "bold red", "error": "red", "warning": "yellow", "info": "dim"}

Ids = Annotated[list[int] | None, typer.Argument(help="numbers of exceptions, as `list` shows them")]
Kind = Annotated[list[str] | None, typer.Option(help="only this kind, such as unmapped_sku; repeatable")]
Cause = Annotated[str | None, typer.Option(help="only this cause, such as sku:RED-M")]
Shop = Annotated[str | None, typer.Option(help="only this shop, by its code in the mapping")]
Json = Annotated[bool, typer.Option("--json", help="for programs")]


@app.command("list")
def list_exceptions(
    kind: Kind = None,
    cause: Cause = None,
    shop: Shop = None,
    subject: Annotated[str | None, typer.Option(help='only this subject, such as "order 5764…"')] = None,
    owner: Annotated[str | None, typer.Option(help="only of operations, finance or data")] = None,
    due_within: Annotated[
        str | None, typer.Option(help="only what is due so soon or overdue, such as 30m, 12h or 2d")
    ] = None,
    state: Annotated[
        str, typer.Option(help="unresolved, open, acknowledged, resolved or all")
    ] = "unresolved",
    limit: Annotated[int, typer.Option(min=1, help="show at most so many")] = 100,
    as_json: Json = False,
) -> None:
    """List exceptions, the most urgent first.

    Needs the ledger only (TNS_DATABASE_URL or TNS_DATA_DIR). Shows no buyer's data.

    Example: tiktok-ns exceptions list --owner finance --due-within 12h
    """
    from tiktok_ns_pipeline.commands.ledger_access import existing_ledger

    states = _states(state)
    due_by = None if due_within is None else datetime.now(UTC) + _span(due_within)
    with existing_ledger() as ledger, ledger.read() as tx:
        found = tx.exceptions.list(
            states=states,
            kinds=kind or (),
            shop=shop,
            subject=subject,
            cause=cause,
            owner=owner,
        )
    if due_by is not None:
        found = [one for one in found if one.due_at is not None and one.due_at <= due_by]
    if not found:
        _refuse_unknown(kind or (), owner)
    if as_json:
        _print_json([asdict(exception) for exception in found[:limit]])
        return
    if not found:
        console().print("No exceptions." if state in {"unresolved", "all"} else f"No {state} exceptions.")
        return
    console().print(_table(found[:limit]))
    kinds = ", ".join(f"{name} {count}" for name, count in Counter(e.kind for e in found).most_common())
    more = f" ({len(found) - limit} more, see --limit)" if len(found) > limit else ""
    console().print(f"{len(found)} in all: {kinds}{more}")


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="number of the exception")], as_json: Json = False
) -> None:
    """Show one exception: what is wrong, what to do, and what has happened to it.

    Needs the ledger only.

    Example: tiktok-ns exceptions show 17
    """
    from tiktok_ns_pipeline.commands.ledger_access import existing_ledger

    with existing_ledger() as ledger, ledger.read() as tx:
        exception = _get(tx, number)
        events = tx.exceptions.events(number)
    if as_json:
        _print_json({**asdict(exception), "events": [asdict(event) for event in events]})
        return
    out = console()
    out.print(f"[bold]{exception.kind}[/bold] {exception.subject}, shop {exception.shop}")
    out.print(exception.message, markup=False, soft_wrap=True)
    out.print(f"What to do: {exception.what_to_do}", markup=False, soft_wrap=True)
    out.print(f"Step by step: docs/runbook.md#{exception.kind}", markup=False, soft_wrap=True)
    asked = ", a replay is asked for" if exception.replay_requested_at else ""
    out.print(
        f"{exception.severity}, owner {exception.owner}, {exception.state}{asked}, "
        f"opened {shown(exception.opened_at)}, due {shown(exception.due_at)}, cause {exception.cause}",
        markup=False,
        soft_wrap=True,
    )
    for event in events:
        out.print(f"  {shown(event.at)}  {event.event} by {event.actor}  {event.note}", markup=False)


@app.command()
def replay(
    numbers: Ids = None,
    kind: Kind = None,
    cause: Cause = None,
    shop: Shop = None,
    everything: Annotated[bool, typer.Option("--all", help="every unresolved exception")] = False,
) -> None:
    """Try again: single exceptions, all of one kind or cause, or all.

    Needs the ledger only; the next run of the flow that it belongs to does it. A correction of the
    mapping needs no replay: what it concerns is tried again by itself.

    Example: tiktok-ns exceptions replay --cause sku:RED-M
    """
    from tiktok_ns_pipeline.commands.ledger_access import actor, existing_ledger

    if not (numbers or kind or cause or shop or everything):
        raise typer.BadParameter("say which: numbers, --kind, --cause, --shop, or --all")
    with existing_ledger() as ledger, ledger.begin() as tx:
        chosen = [_get(tx, number).id for number in numbers or ()]
        if kind or cause or shop or everything:
            chosen += [e.id for e in tx.exceptions.list(kinds=kind or (), cause=cause, shop=shop)]
        asked = tx.exceptions.request_replay(sorted(set(chosen)), actor())
    console().print(f"{asked} will be tried again by the next run.")
    if not asked:
        raise typer.Exit(WRONG)


@app.command()
def resolve(
    numbers: Annotated[list[int], typer.Argument(help="numbers of exceptions")],
    reason: Annotated[str, typer.Option(help="why this is settled; kept for ever")],
) -> None:
    """Settle exceptions by a person's decision; the same trouble found again reopens them.

    Needs the ledger only. A resolved `login_refused` lets requests to that system through again.

    Example: tiktok-ns exceptions resolve 17 --reason "posted by hand as SO1042"
    """
    from tiktok_ns_pipeline.commands.ledger_access import actor, existing_ledger

    if not reason.strip():
        raise typer.BadParameter("an exception is resolved with a reason", param_hint="--reason")
    with existing_ledger() as ledger, ledger.begin() as tx:
        for exception in [_get(tx, number) for number in numbers]:
            tx.exceptions.resolve(exception.id, reason, actor())
            if exception.kind == "login_refused":
                tx.leases.set_breaker(exception.subject.removeprefix("system "), None, None)
    console().print(f"{len(numbers)} resolved.")


@app.command()
def acknowledge(
    numbers: Annotated[list[int], typer.Argument(help="numbers of exceptions")],
    note: Annotated[str, typer.Option(help="for whoever looks next")] = "",
) -> None:
    """Say that somebody is at work on exceptions.

    Needs the ledger only.

    Example: tiktok-ns exceptions acknowledge 17 18 --note "asked the warehouse"
    """
    from tiktok_ns_pipeline.commands.ledger_access import actor, existing_ledger

    with existing_ledger() as ledger, ledger.begin() as tx:
        for exception in [_get(tx, number) for number in numbers]:
            if exception.state == "resolved":
                fail(f"exception {exception.id} is resolved already")
            tx.exceptions.acknowledge(exception.id, actor(), note)
    console().print(f"{len(numbers)} acknowledged.")


def _get(tx: Transaction, number: int) -> OpenException:
    try:
        return tx.exceptions.get(number)
    except KeyError as error:
        fail(str(error.args[0]))


def _states(name: str) -> Sequence[str]:
    if name in _STATES:
        return (name,)
    if name not in {"unresolved", "all"}:
        raise typer.BadParameter(f"{name!r} is no state; write unresolved, all, {', '.join(_STATES)}")
    return _STATES if name == "all" else _STATES[:2]


def _span(text: str) -> timedelta:
    """How long `30m`, `12h` or `2d` is."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not (number.isascii() and number.isdigit()) or len(number) > 4:
        raise typer.BadParameter(f"{text!r} is no time; write one such as 30m, 12h or 2d")
    return int(number) * _UNITS[unit]


def _refuse_unknown(kinds: Sequence[str], owner: str | None) -> None:
    """Nothing found under a name that cannot be found is a typing error, not good news."""
    from difflib import get_close_matches

    from tiktok_ns_pipeline.mapping.exception_kinds import KINDS

    for name in kinds:
        if name not in KINDS:
            near = get_close_matches(name, KINDS, n=1)
            hint = f"did you mean {near[0]}?" if near else "docs/runbook.md has them all"
            raise typer.BadParameter(f"{name!r} is no kind of exception; {hint}")
    if owner not in (None, *_OWNERS):
        raise typer.BadParameter(f"{owner!r} owns nothing; write one of {', '.join(_OWNERS)}")


def _table(found: Sequence[OpenException]) -> Table:
    table = Table("no", "kind", "subject", "shop", "owner", "due", "what is wrong")
    table.columns[0].justify = "right"
    for column in table.columns[:6]:
        column.no_wrap = True
    now = datetime.now(UTC)
    for one in found:
        number = f"{one.id}{'' if one.state == 'open' else ' ' + one.state[:3]}"
        kind = f"[{_COLOURS.get(one.severity, '')}]{one.kind}[/]" if one.severity in _COLOURS else one.kind
        message = one.message.replace("[", r"\[")
        table.add_row(number, kind, one.subject, one.shop, one.owner, _due(one, now), message)
    return table


def _due(exception: OpenException, now: datetime) -> str:
    """How long there is left, which is what a person wants to know."""
    if exception.due_at is None or exception.state == "resolved":
        return "-"
    left = exception.due_at - now
    text = _rough(abs(left))
    return f"in {text}" if left > timedelta() else f"[bold red]{text} ago[/]"


def _rough(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def _print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, default=str, indent=2))

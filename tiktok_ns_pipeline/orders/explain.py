"""Why an order became what it became: each decision with the rule that made it.

Shows what staging noted down and decides nothing by itself. No buyer's data: addresses and names are
in the document, not in its explanation.
"""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from tiktok_ns_pipeline.orders.outcome import Decision, Outcome, Parked, Skipped, Staged, Waiting


def decision_rows(outcome: Outcome) -> list[tuple[str, str, str, str]]:
    """What was decided, its value, the rule, and where the rule stands."""
    return [(each.what, each.value, each.rule, each.source) for each in _decisions(outcome)]


def verdict(outcome: Outcome) -> str:
    """The outcome in one sentence."""
    about = f"Order {outcome.order_id} of shop {outcome.shop} ({outcome.status or 'no status'})"
    match outcome:
        case Staged():
            document = outcome.document
            return (
                f"{about} becomes Sales Order {document.external_id} of {document.control_total} "
                f"{document.currency}, {document.platform_discount} of it receivable from TikTok."
            )
        case Waiting():
            return f"{about} waits: {outcome.reason}."
        case Skipped():
            return f"{about} becomes no Sales Order: {outcome.reason} (rule: {outcome.rule})."
        case Parked():
            return f"{about} is parked for {_counted(len(outcome.problems), 'problem')}."


def explanation(outcome: Outcome) -> RenderableType:
    """The verdict, the problems, the lines and the decisions, for a terminal."""
    parts: list[RenderableType] = [Text(verdict(outcome), style="bold")]
    if isinstance(outcome, Parked):
        parts.append(_problem_table(outcome))
    if isinstance(outcome, Staged):
        parts.append(_line_table(outcome))
    if rows := decision_rows(outcome):
        parts.append(_table("Decisions", ("what", "value", "rule", "source"), rows))
    return Group(*parts)


def explanation_text(outcome: Outcome, width: int = 120) -> str:
    """The same as plain text."""
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(explanation(outcome))
    return capture.get()


def _decisions(outcome: Outcome) -> tuple[Decision, ...]:
    return () if isinstance(outcome, Waiting) else outcome.decisions


def _problem_table(outcome: Parked) -> Table:
    rows = [(each.kind, each.cause, each.message, each.what_to_do) for each in outcome.problems]
    return _table("Problems", ("kind", "cause", "what is wrong", "what to do"), rows)


def _line_table(outcome: Staged) -> Table:
    rows = [
        (
            line.key,
            line.item_id,
            str(line.quantity),
            str(line.rate),
            str(line.amount),
            str(line.tax_amount),
            str(len(line.channel_line_ids)),
        )
        for line in outcome.document.lines
    ]
    return _table("Lines", ("key", "item", "quantity", "rate", "amount", "tax", "unit lines"), rows)


def _table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    table = Table(title=title, title_justify="left", show_lines=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # Text, so that square brackets in a name are no markup.
        table.add_row(*(Text(cell) for cell in row))
    return table


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")

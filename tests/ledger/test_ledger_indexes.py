"""What is asked for all the time costs the same however much was ever done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.conftest import SetClock
from tiktok_ns_pipeline.ledger import Ledger, Transaction
from tiktok_ns_pipeline.ledger.intents import FactKey, NewIntent

QUESTIONS: dict[str, Callable[[Transaction], Any]] = {
    "when something is due": lambda tx: tx.intents.next_due(["cust", "so"]),
    "what to do next": lambda tx: tx.intents.claim(
        holder="one",
        kinds=["cust", "so"],
        limit=5,
        lease_until=SetClock().now() + timedelta(seconds=45),
        shops=["us", "uk"],
    ),
    "what to read back": lambda tx: tx.links.not_read_back("so"),
    "whether a webhook waits": lambda tx: tx.inbox.is_waiting("orders", ["7495"]),
    "which webhooks wait": lambda tx: tx.inbox.take("orders", 50, ["7495", "7496"]),
    "what is known of an order": lambda tx: tx.intents.newest([FactKey("tiktok", "us", "so", "1")]),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_of_every_turn_reads_a_whole_table(tmp_path: Path, question: str) -> None:
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}", SetClock())
    with ledger.begin() as tx:
        tx.intents.plan([NewIntent("orders", FactKey("tiktok", "us", "so", "1"), {}, "a", "orders")])
    asked: list[tuple[str, Any]] = []

    @sa.event.listens_for(ledger.engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    with ledger.begin() as tx:
        QUESTIONS[question](tx)
    questions = [each for each in asked if each[0].startswith(("SELECT", "UPDATE"))]
    assert questions
    with ledger.engine.connect() as connection:
        for statement, parameters in questions:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            steps = [row[-1] for row in plan]
            assert not [step for step in steps if step.startswith("SCAN") and "CONSTANT" not in step], steps
    ledger.close()

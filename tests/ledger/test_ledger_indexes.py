"""What is asked for all the time costs the same however much was ever done."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.conftest import SetClock
from tiktok_ns_pipeline.ledger import Ledger, Transaction
from tiktok_ns_pipeline.ledger.intents import FactKey, NewIntent
from tiktok_ns_pipeline.ledger.stock import StockKey

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
    "what an order's parcels are": lambda tx: tx.intents.newest_of("tiktok", "us", "ship", "577."),
    "what is shown of a SKU": lambda tx: tx.stock.balances([StockKey("tiktok", "us", "1729", "W1")]),
    "what an order holds": lambda tx: tx.stock.held([("us", "577")]),
    "who holds an item": lambda tx: tx.stock.holders("40"),
    "what stock moved": lambda tx: tx.stock.moved_after(5),
    "which stock NetSuite did not tell": lambda tx: tx.stock.not_read_since("netsuite", SetClock().now()),
    "what was sold lately": lambda tx: tx.stock.since("tiktok", "sale", SetClock().now()),
    "which claims to look at": lambda tx: tx.claims.due("tiktok", "us", 50),
    "whether a claim is to be looked at": lambda tx: tx.claims.is_due(["us", "uk"]),
    "what is claimed of an order": lambda tx: tx.claims.of_order("tiktok", "us", "577"),
    "what an order wakes": lambda tx: tx.claims.wake("tiktok", "us", order_ids=["577"]),
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


def test_facts_of_one_order_are_found_by_the_beginning_of_their_key(ledger: Ledger) -> None:
    parcels = [
        FactKey("tiktok", "us", "ship", f"{order}.1.{number}") for order in range(900) for number in (1, 2)
    ]
    with ledger.begin() as tx:
        tx.intents.plan([NewIntent("shipments", fact, {}, "a", "documents") for fact in parcels])
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    asked: list[tuple[str, Any]] = []

    @sa.event.listens_for(ledger.engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    with ledger.read() as tx:
        found = tx.intents.newest_of("tiktok", "us", "ship", "77.")
    [question] = [each for each in asked if each[0].startswith("SELECT") and "business_key" in each[0]]

    assert {fact.business_key for fact in found} == {"77.1.1", "77.1.2"}
    with ledger.engine.connect() as connection:
        dialect = connection.dialect.name
        explain = "EXPLAIN" if dialect == "postgresql" else "EXPLAIN QUERY PLAN"
        plan = connection.exec_driver_sql(f"{explain} {question[0]}", question[1]).all()
    steps = "\n".join(str(row[-1]) for row in plan)
    range_of_the_index = {
        "sqlite": r"SEARCH intents USING INDEX \S*intents\S* .*business_key>\? AND business_key<\?",
        "postgresql": r"ix_intents_prefix(.|\n)*Index Cond: .*business_key\)?(::text)? ~>=~ ",
    }
    assert re.search(range_of_the_index[dialect], steps), steps


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("a", ["a", "a.b", "a\U0010ffff", "aB"]),
        ("A", ["A"]),
        ("a%", []),
        ("\ud7ff", ["\ud7ff1"]),
        ("a\U0010ffff", ["a\U0010ffff"]),
        ("\U0010ffff", ["\U0010ffff"]),
        ("", ["A", "a", "a.b", "aB", "a\U0010ffff", "b", "\ud7ff1", "\ue000", "\U0010ffff"]),
    ],
)
def test_a_beginning_is_taken_as_it_is_spelt(ledger: Ledger, prefix: str, found: list[str]) -> None:
    keys = ["A", "a", "a.b", "aB", "a\U0010ffff", "b", "\ud7ff1", "\ue000", "\U0010ffff"]
    with ledger.begin() as tx:
        facts = [FactKey("tiktok", "us", "ship", key) for key in keys]
        tx.intents.plan([NewIntent("shipments", fact, {}, "a", "documents") for fact in facts])
    with ledger.read() as tx:
        told = tx.intents.newest_of("tiktok", "us", "ship", prefix)
    assert {fact.business_key for fact in told} == set(found)

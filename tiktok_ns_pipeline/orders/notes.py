"""What staging notes down about one order while it looks at it: decisions and problems."""

from __future__ import annotations

from dataclasses import replace

from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.orders.outcome import Decision


class Notes:
    """Decisions and problems in the order in which they came up; each problem once."""

    def __init__(self, order_id: str, shop: str) -> None:
        self._about = f"Order {order_id} of shop {shop}"
        self._problems: dict[tuple[str, str], Problem] = {}
        self._decisions: dict[tuple[str, str], Decision] = {}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems."""
        return tuple(self._problems.values())

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """All decisions."""
        return tuple(self._decisions.values())

    def decided(self, what: str, value: object, rule: str, source: str) -> None:
        """Note that something was decided, and by which rule."""
        decision = Decision(what, str(value), rule, source)
        self._decisions.setdefault((what, decision.value), decision)

    def problem(self, kind: str, cause: str, message: str) -> None:
        """Note that something is wrong; `message` continues «Order … of shop …: »."""
        self.found(Problem.of(kind, cause, message))

    def found(self, problem: Problem) -> None:
        """Note a problem; of several with one cause the first stands."""
        named = replace(problem, message=f"{self._about}: {problem.message}")
        self._problems.setdefault((problem.kind, problem.cause), named)

"""The benchmark of large payouts measures the same sums on both sides, and says so."""

from __future__ import annotations

from pathlib import Path

from benchmarks.settlement import in_this_process, paid_out, payout

TRANSACTIONS = 300


def test_ours_and_pandas_agree_on_every_total_of_a_payout(tmp_path: Path) -> None:
    with paid_out(tmp_path, TRANSACTIONS):
        figures = payout(tmp_path, TRANSACTIONS, in_this_process)
    assert (figures["totals_that_differ"], figures["landed_rows"]) == ([], TRANSACTIONS)
    # Every amount of an order, type of adjustment, the reserve, the net, and each of seven statements.
    assert figures["totals"] > 20
    for step in ("landing", "ours", "pandas"):
        assert set(figures[step]) == {"seconds", "cpu_s", "memory_mb_idle", "memory_mb_more"}
    assert set(figures["ours_to_pandas"]) == {"cpu_s", "seconds", "memory_mb_more"}
    assert figures["pandas_leaves_out"]

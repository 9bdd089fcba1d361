"""What a failure means, by code first (T 2.3, 2.4)."""

from typing import Any

import pytest

from tests.tiktok.samples import sample
from tiktok_ns_pipeline.tiktok.errors import (
    RULES,
    PartialFailure,
    TikTokAmbiguous,
    TikTokAuthenticationError,
    TikTokError,
    TikTokPermissionError,
    TikTokRefused,
    TikTokThrottled,
    TikTokTransient,
    TikTokUnknownError,
    error_class,
    rule_for,
)
from tiktok_ns_pipeline.tiktok.meanings import MEANINGS, meaning_of

_OBSERVED = sample("errors_observed.json")
_EXPECTED: dict[int, type[TikTokError]] = {
    36009002: TikTokThrottled,
    36009003: TikTokTransient,
    36009004: TikTokRefused,
    36009005: TikTokAuthenticationError,
    36009007: TikTokTransient,
    36009009: TikTokRefused,
    36009010: TikTokRefused,
    36009033: TikTokPermissionError,
    36009037: TikTokThrottled,
    101000: TikTokAuthenticationError,
    105002: TikTokAuthenticationError,
    105005: TikTokPermissionError,
    106001: TikTokAuthenticationError,
    106013: TikTokRefused,
    98001004: TikTokRefused,
    21008111: TikTokRefused,
    12052093: TikTokRefused,
    12052254: TikTokRefused,
    12052180: TikTokRefused,
    25001001: TikTokRefused,
    11007009: TikTokRefused,
}


@pytest.mark.parametrize(
    "observed", [*_OBSERVED["gateway"], *_OBSERVED["domain"]], ids=lambda entry: entry["when"]
)
@pytest.mark.parametrize("status_hint", ["as seen", 200])
def test_every_observed_error_has_its_class_whatever_the_http_status(observed: Any, status_hint: Any) -> None:
    code = observed["body"]["code"]
    status = observed["http_status"] if status_hint == "as seen" else status_hint
    assert error_class(rule_for(code, status), "read") is _EXPECTED[code]


@pytest.mark.parametrize(
    ("code", "status", "effect", "expected"),
    [
        (None, 429, "write", TikTokThrottled),
        (None, 503, "read", TikTokTransient),
        (None, 503, "write", TikTokAmbiguous),
        (None, 500, "write", TikTokAmbiguous),
        (None, 401, "read", TikTokAuthenticationError),
        (None, 403, "read", TikTokPermissionError),
        (None, 404, "read", TikTokUnknownError),
        (36009003, 200, "write", TikTokAmbiguous),
        (36009002, 503, "write", TikTokThrottled),
        (66009315, 200, "read", TikTokUnknownError),
        (66009315, 500, "read", TikTokTransient),
        (66009315, 500, "write", TikTokAmbiguous),
        (12051111, 500, "write", TikTokRefused),
        (-1, 200, "read", TikTokUnknownError),
    ],
)
def test_the_status_decides_only_where_no_known_code_does(
    code: int | None, status: int, effect: Any, expected: type[TikTokError]
) -> None:
    assert error_class(rule_for(code, status), effect) is expected


def test_no_code_is_in_two_rows_and_every_row_names_its_source() -> None:
    codes = [code for rule in RULES for code in rule.codes]
    assert len(codes) == len(set(codes))
    assert all(rule.source.startswith("T ") and rule.advice for rule in RULES)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (21011020, "already_shipped"),
        (21011044, "on_hold"),
        (21011041, "cancelled"),
        (21008044, "request_pending"),
        (11028006, "tracking_unknown"),
        (21034012, "tracking_duplicate"),
        (21011050, "update_refused"),
        (21042057, "not_awaiting_shipment"),
        (21011048, "name_the_lines"),
        (21011054, "slot_refused"),
        (21004019, "invoice_missing"),
        (21008106, "not_in_market"),
        (21008025, "channel_ships"),
        (21008111, "not_yours"),
        (25011012, "already_answered"),
        (25001020, "reason_refused"),
        (21001001, None),
        (105002, None),
        (None, None),
    ],
)
def test_a_refusal_that_steers_a_flow_has_a_meaning(code: int | None, meaning: str | None) -> None:
    assert meaning_of(code) == meaning


def test_what_has_a_meaning_is_a_refusal_and_in_one_row_with_its_source() -> None:
    codes = [code for row in MEANINGS for code in row.codes]
    assert len(codes) == len(set(codes))
    assert {error_class(rule_for(code, 200), "write") for code in codes} == {TikTokRefused}
    assert all(row.source.startswith("T ") and row.says for row in MEANINGS)


@pytest.mark.parametrize("code", ["36020001", 36020001])
def test_the_code_of_a_partial_failure_is_text_however_it_came(code: Any) -> None:
    failure = PartialFailure.parse(
        {"code": code, "message": "Invalid order_id", "detail": {"order_id": "576"}}
    )
    assert failure == PartialFailure("36020001", "Invalid order_id", {"order_id": "576"})
    assert failure.order_id == "576"


@pytest.mark.parametrize("entry", [None, "broken", 7, {}, {"code": "1", "detail": []}])
def test_an_odd_partial_failure_is_kept_rather_than_lost(entry: Any) -> None:
    assert PartialFailure.parse(entry).order_id is None

"""What each answer of NetSuite means: the table, row by row, and what an error shows."""

from __future__ import annotations

import pickle
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.netsuite.scripted_server import OPERATION, Answer, problem, sample
from tiktok_ns_pipeline.netsuite import (
    NetSuiteAmbiguous,
    NetSuiteAuthenticationError,
    NetSuiteConflict,
    NetSuiteDuplicate,
    NetSuiteError,
    NetSuiteNotFound,
    NetSuitePermissionError,
    NetSuiteRefused,
    NetSuiteThrottled,
    NetSuiteTransient,
    NetSuiteUnknownError,
)
from tiktok_ns_pipeline.netsuite.errors import ERROR_RULES, error_of
from tiktok_ns_pipeline.netsuite.errors import Answer as Received

REQUEST = "POST /services/rest/record/v1/salesOrder"


def meaning(answer: Answer, *, writes: bool = True) -> NetSuiteError | None:
    headers = httpx.Headers({"x-n-operationid": OPERATION, **answer.headers})
    return error_of(Received.read(answer.status, headers, answer.content), request=REQUEST, writes=writes)


def recorded(name: str) -> Answer:
    response = sample(name)["response"]
    return Answer(response["status"], response["body"], response["headers"])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("capture.error.400.transaction-id.json", NetSuiteNotFound),
        ("capture.error.404.entity-id.json", NetSuiteNotFound),
        ("capture.error.404.record-type.json", NetSuiteRefused),
    ],
)
def test_recorded_error(name: str, kind: type[NetSuiteError]) -> None:
    answer = recorded(name)
    error = meaning(answer)
    assert type(error) is kind
    assert error.operation_id == answer.headers["x-n-operationid"]


# One entry of synthetic.errors.json each, in its order.
CATALOGUE = [
    NetSuiteNotFound,
    NetSuiteNotFound,
    NetSuiteRefused,  # an unknown record type is a wrong address, not an absent record
    NetSuiteRefused,
    NetSuiteDuplicate,
    NetSuiteDuplicate,
    NetSuiteRefused,
    NetSuiteRefused,
    NetSuiteRefused,
    NetSuiteRefused,
    NetSuiteRefused,
    NetSuiteAuthenticationError,
    NetSuitePermissionError,
    NetSuiteThrottled,
    NetSuiteThrottled,
    NetSuiteAmbiguous,
]


@pytest.mark.parametrize(
    ("entry", "kind"), list(zip(sample("synthetic.errors.json")["errors"], CATALOGUE, strict=True))
)
def test_catalogued_error(entry: dict[str, Any], kind: type[NetSuiteError]) -> None:
    assert type(meaning(Answer(entry["status"], entry["body"]))) is kind


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        # The code decides, whatever the status.
        (problem(400, "CONCURRENCY_LIMIT_EXCEEDED", "x"), NetSuiteThrottled),
        (problem(429, "CONCURRENCY_LIMIT_EXCEEDED", "x"), NetSuiteThrottled),
        (problem(409, "RCRD_HAS_BEEN_CHANGED", "x"), NetSuiteConflict),
        (problem(400, "RCRD_HAS_BEEN_CHANGED", "x"), NetSuiteConflict),
        (problem(400, "DUP_RCRD", "x"), NetSuiteDuplicate),
        (problem(400, "UNEXPECTED_ERROR", "x"), NetSuiteAmbiguous),
        (problem(400, "UNABLE_TO_SAVE_THE_TRANSACTION_DUE_TO_AN_ERROR", "nexus"), NetSuiteRefused),
        (
            problem(400, "INVALID_PARAMETER", "Search error occurred: Record 'customer' was not found."),
            NetSuitePermissionError,
        ),
        (Answer(400, {"error": {"code": "SSS_REQUEST_LIMIT_EXCEEDED", "message": "x"}}), NetSuiteThrottled),
        (Answer(429, {"title": "x", "o:errorCode": "CONCURRENCY_LIMIT_EXCEEDED"}), NetSuiteThrottled),
        # Then the sentence.
        (
            problem(400, "USER_ERROR", "Concurrent request limit exceeded. Request blocked."),
            NetSuiteThrottled,
        ),
        (problem(400, "USER_ERROR", "Record has been changed"), NetSuiteConflict),
        (problem(400, "", "Invalid url. Spaces are not allowed in the URL."), NetSuiteRefused),
        # Then the status.
        (Answer(401), NetSuiteAuthenticationError),
        (Answer(403), NetSuitePermissionError),
        (Answer(405), NetSuiteRefused),
        (Answer(415), NetSuiteRefused),
        (Answer(429), NetSuiteThrottled),
        (Answer(500), NetSuiteAmbiguous),
        (Answer(504, b"<html>gateway</html>"), NetSuiteAmbiguous),
        # Nothing known: a person looks.
        (Answer(400), NetSuiteUnknownError),
        (problem(400, "NEVER_SEEN", "x"), NetSuiteUnknownError),
        (Answer(302), NetSuiteUnknownError),
        # Absence is said by NetSuite in so many words, or not at all.
        (Answer(404), NetSuiteUnknownError),
        (Answer(404, b"<html>not here</html>"), NetSuiteAmbiguous),
    ],
)
def test_error_is_decided_by_code_then_sentence_then_status(
    answer: Answer, kind: type[NetSuiteError]
) -> None:
    assert type(meaning(answer)) is kind


def test_table_asks_for_codes_then_sentences_then_statuses() -> None:
    stages = [2 if row.statuses else 1 if row.sentence and not row.code else 0 for row in ERROR_RULES]
    catch_all = [row.code for row in ERROR_RULES].index("USER_ERROR")
    assert stages[:catch_all] == sorted(stages[:catch_all])
    assert set(stages[catch_all + 1 :]) == {2}
    assert all(row.source for row in ERROR_RULES)


def test_most_telling_of_several_problems_decides() -> None:
    body = {
        "o:errorDetails": [
            {"detail": "Something", "o:errorCode": "USER_ERROR"},
            {"detail": "Too many", "o:errorCode": "CONCURRENCY_LIMIT_EXCEEDED"},
        ]
    }
    assert type(meaning(Answer(400, body))) is NetSuiteThrottled


@pytest.mark.parametrize(
    "answer", [Answer(500), Answer(200, b"<html>"), problem(500, "UNEXPECTED_ERROR", "x")]
)
def test_unclear_write_is_ambiguous_and_unclear_read_is_transient(answer: Answer) -> None:
    assert type(meaning(answer, writes=True)) is NetSuiteAmbiguous
    assert type(meaning(answer, writes=False)) is NetSuiteTransient


@pytest.mark.parametrize("answer", [Answer(204), Answer(200, {"a": 1}), Answer(201, {"a": 1})])
def test_success_of_a_write_is_no_error(answer: Answer) -> None:
    assert meaning(answer) is None


def test_read_without_a_document_is_transient() -> None:
    assert type(meaning(Answer(200), writes=False)) is NetSuiteTransient
    assert type(meaning(Answer(200, [1]), writes=False)) is NetSuiteTransient
    assert meaning(Answer(200, {}), writes=False) is None


@given(status=st.integers(200, 599), content=st.binary(max_size=60), writes=st.booleans())
def test_no_answer_is_too_strange_to_be_classified(status: int, content: bytes, writes: bool) -> None:
    error = error_of(Received.read(status, {}, content), request=REQUEST, writes=writes)
    assert error is None or (isinstance(error, NetSuiteError) and str(error))
    assert not (isinstance(error, NetSuiteAmbiguous) and not writes)
    assert not (isinstance(error, NetSuiteTransient) and writes)


@pytest.mark.parametrize(
    "details", [None, "x", [None], [1, "x"], [{"detail": None}], [{"o:errorCode": 7}], {}]
)
def test_misshapen_error_body_is_still_an_error(details: Any) -> None:
    assert isinstance(meaning(Answer(400, {"o:errorDetails": details})), NetSuiteUnknownError)


def test_error_names_request_reason_place_and_operation() -> None:
    error = meaning(
        problem(
            400,
            "INVALID_CONTENT",
            "Error while accessing resource: You have entered an Invalid Field Value 9999 for the"
            " following field: item",
            **{"o:errorPath": "item.items[0].item"},
        )
    )
    assert error is not None
    assert (error.status, error.code, error.path) == (400, "INVALID_CONTENT", "item.items[0].item")
    text = str(error)
    for part in (REQUEST, "9999", "field: item", "INVALID_CONTENT", "item.items[0].item", OPERATION):
        assert part in text


@pytest.mark.parametrize(
    "detail",
    [
        "You have entered an Invalid Field Value Jane Doe for the following field: addressee",
        "You have entered an Invalid Field Value 78701 for the following field: zip",
        "You have entered an Invalid Field Value 15125550100 for the following field: custbody_x",
        "The address Jane.Doe@example.com is not valid",
        f"You have entered an Invalid Field Value Jane {'x' * 5000} for the following field: memo",
    ],
)
def test_error_hides_what_may_be_a_buyer_s(detail: str) -> None:
    text = str(meaning(problem(400, "USER_ERROR", detail)))
    for secret in ("Jane", "78701", "15125550100", "example.com"):
        assert secret not in text


def test_long_detail_is_cut() -> None:
    error = meaning(problem(400, "USER_ERROR", "x" * 10_000))
    assert error is not None and len(error.detail) < 400


def test_only_a_throttle_slows_the_gate_down() -> None:
    assert [rule.error for rule in ERROR_RULES if rule.error.throttled] == [
        rule.error for rule in ERROR_RULES if rule.error is NetSuiteThrottled
    ]


def test_error_survives_the_way_between_processes() -> None:
    error = meaning(problem(400, "USER_ERROR", "Please enter value(s) for: Subsidiary."))
    assert str(pickle.loads(pickle.dumps(error))) == str(error)

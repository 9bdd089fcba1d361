"""What can go wrong at NetSuite, as a tree of exceptions, and the one table that decides which it is.

The caller's question is always the same: was it done, may I repeat it, who has to act? So the classes
stand for answers to that question, not for HTTP statuses. NetSuite says what happened in `o:errorCode`;
one code (USER_ERROR) covers so much that only the sentence tells; the status comes last, since the
same error arrives under several (concurrency as 429 and as 400, N 4.2).

Vocabulary: an answer is *unclear* when it does not tell whether the request took effect. An unclear read
is transient (read again); an unclear write is ambiguous (look first whether it happened).

Invariant: an error shows the operation id and a short reason, never the request's body, a buyer's data
or a credential.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from tiktok_ns_pipeline import exact_json


class NetSuiteError(Exception):
    """Anything that NetSuite, or the way to it, did not do. Caught by its subclasses."""

    throttled: ClassVar[bool] = False
    advice: ClassVar[str] = "Read the detail; Oracle support finds the request by its operation id."

    def __init__(
        self,
        detail: str,
        *,
        request: str = "",
        status: int | None = None,
        code: str | None = None,
        path: str | None = None,
        operation_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """`detail` is NetSuite's sentence, `path` the field it blames (`o:errorPath`)."""
        super().__init__(detail)
        self.detail = detail
        self.request = request
        self.status = status
        self.code = code
        self.path = path
        self.operation_id = operation_id
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        marks = [
            f"HTTP {self.status}" if self.status is not None else "",
            self.code or "",
            f"at {self.path}" if self.path else "",
            f"operation {self.operation_id}" if self.operation_id else "",
        ]
        known = ", ".join(mark for mark in marks if mark)
        return f"{self.request or 'NetSuite'}: {self.detail}{f' ({known})' if known else ''}. {self.advice}"


class NetSuiteThrottled(NetSuiteError):
    """Refused untouched because too many requests are under way in the account (N 4.3)."""

    throttled = True
    advice = "Nothing was done; send fewer at a time and repeat."


class NetSuiteTransient(NetSuiteError):
    """A read that got no usable answer."""

    advice = "Nothing was changed; read again."


class NetSuiteAmbiguous(NetSuiteError):
    """A write whose outcome is unknown: it may have been saved, or may still be (N 4.2)."""

    advice = "It may have been saved: look the external id up before sending it again."


class NetSuiteNotSent(NetSuiteError):
    """A write of which no byte has left."""

    advice = "Nothing was done; send it again."


class NetSuiteAuthenticationError(NetSuiteError):
    """The login is refused. Repeating it locks the token: five bad logins, 30 minutes (N 1.4)."""

    advice = (
        "Stop sending, and compare keys, certificate, role and this machine's clock with the"
        " Login Audit Trail before the next attempt."
    )


class NetSuitePermissionError(NetSuiteError):
    """The role may not do this, or does not see the table (N 1.5, 3.7)."""

    advice = "Give the integration's role the permission, or switch the feature on."


class NetSuiteNotFound(NetSuiteError):
    """No record of this type has the id."""

    advice = "It was deleted, never made, or is of another type."


class NetSuiteDuplicate(NetSuiteError):
    """A record with this external id or name is there already (N 4.2)."""

    advice = "Look it up by its external id; do not send it again."


class NetSuiteConflict(NetSuiteError):
    """Somebody saved the record between our read and our write (N 4.2)."""

    advice = "Nothing was changed by us; read the record again and decide anew."


class NetSuiteRefused(NetSuiteError):
    """NetSuite understood and will not: repeating the same changes nothing."""

    advice = "Correct what the detail names; repeating it unchanged is of no use."


class NetSuiteUnknownError(NetSuiteError):
    """An error that the table does not know."""

    advice = "A person has to look; add a row to the table of error rules."


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One row of the table: what an answer must show, and what it then means.

    `code` and `sentence` are regular expressions (whole code, anywhere in the detail), compared without
    regard to case.
    """

    error: type[NetSuiteError]
    source: str
    code: str | None = None
    sentence: str | None = None
    statuses: range | None = None

    def applies(self, status: int, code: str, detail: str) -> bool:
        """Whether an answer shows all that this row asks for."""
        return (
            (self.statuses is None or status in self.statuses)
            and (self.code is None or re.fullmatch(self.code, code, re.IGNORECASE) is not None)
            and (self.sentence is None or re.search(self.sentence, detail, re.IGNORECASE) is not None)
        )


# Read from the top, the first row that applies decides. Codes, then sentences, then statuses.
# NetSuiteAmbiguous stands for «unclear»: on a read it becomes NetSuiteTransient.
ERROR_RULES: tuple[ErrorRule, ...] = (
    ErrorRule(NetSuiteThrottled, "N 4.2", code="CONCURRENCY_LIMIT_EXCEEDED|SSS_REQUEST_LIMIT_EXCEEDED"),
    ErrorRule(NetSuiteAuthenticationError, "N 1.4, 4.2", code="INVALID_LOGIN|INVALID_LOGIN_ATTEMPT"),
    ErrorRule(NetSuitePermissionError, "N 4.2", code="INSUFFICIENT_PERMISSION"),
    # A type that does not exist is a wrong address: it must never look like a record that is absent.
    ErrorRule(NetSuiteRefused, "N 4.2", code="NONEXISTENT_ID", sentence="record type .* does not exist"),
    ErrorRule(NetSuiteNotFound, "N 4.2", code="NONEXISTENT_ID"),
    ErrorRule(NetSuiteConflict, "N 4.2", code="RCRD_HAS_BEEN_CHANGED"),
    ErrorRule(NetSuiteDuplicate, "N 4.2", code="DUP_RCRD|DUP_ENTITY|UNIQUE_CUST_ID_REQD"),
    ErrorRule(NetSuiteAmbiguous, "N 4.2", code="UNEXPECTED_ERROR"),
    # A table that the role may not see looks like one that does not exist.
    ErrorRule(
        NetSuitePermissionError, "N 1.5, 3.7", code="INVALID_PARAMETER", sentence="record '.*' was not found"
    ),
    ErrorRule(NetSuiteRefused, "N 4.2", code="INVALID_(CONTENT|ID|PARAMETER|REQUEST|KEY_OR_REF|FLD_VALUE)"),
    ErrorRule(NetSuiteRefused, "N 4.2", code="UNABLE_TO_SAVE_THE_TRANSACTION_.*"),
    ErrorRule(NetSuiteThrottled, "N 4.2", sentence="concurrent request limit exceeded"),
    ErrorRule(NetSuiteDuplicate, "N 4.2", sentence="already exists"),
    ErrorRule(NetSuiteNotFound, "N 4.2", sentence="transaction type specified is incorrect"),
    ErrorRule(NetSuiteConflict, "N 4.2", sentence="record has been changed"),
    ErrorRule(NetSuiteRefused, "N 4.2", sentence="spaces are not allowed in the url"),
    ErrorRule(NetSuiteRefused, "N 4.2", code="USER_ERROR"),
    ErrorRule(NetSuiteAuthenticationError, "N 1.3, 1.4", statuses=range(401, 402)),
    ErrorRule(NetSuitePermissionError, "N 4.2", statuses=range(403, 404)),
    ErrorRule(NetSuiteRefused, "N 4.2", statuses=range(405, 407)),
    ErrorRule(NetSuiteRefused, "N 4.2", statuses=range(415, 416)),
    ErrorRule(NetSuiteThrottled, "N 4.2", statuses=range(429, 430)),
    ErrorRule(NetSuiteAmbiguous, "N 4.2", statuses=range(500, 600)),
)

# Statuses that a gateway, too, gives only to a request which it did not pass on.
_CERTAIN_WITHOUT_JSON = (401, 429)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers (names in any case), and the JSON object in the body.

    A gateway can answer with a page instead of JSON, under any status (N 4.1): `is_page`.
    """

    status: int
    headers: Mapping[str, str]
    document: dict[str, Any] | None
    is_page: bool

    @classmethod
    def read(cls, status: int, headers: Mapping[str, str], content: bytes) -> Answer:
        """Parse the body once."""
        document = _json_object(content)
        return cls(status, headers, document, is_page=document is None and bool(content.strip()))

    @property
    def operation_id(self) -> str | None:
        """What Oracle support asks for (N 2.1)."""
        return self.headers.get("x-n-operationid")


@dataclass(frozen=True, slots=True)
class _Problem:
    """One element of `o:errorDetails`."""

    code: str
    detail: str
    path: str | None


def error_of(answer: Answer, *, request: str, writes: bool) -> NetSuiteError | None:
    """The error that an answer means, or None for a success.

    `request` names the request for the reader (method and path, no body); `writes` says whether it
    could have changed something, which decides what an unclear answer is.
    """
    is_complete = not answer.is_page and (writes or answer.document is not None)
    if answer.status < 300 and is_complete:
        return None
    kind, problem = NetSuiteAmbiguous, _Problem("", "no JSON came back", None)
    if answer.status in _CERTAIN_WITHOUT_JSON or (answer.status >= 300 and not answer.is_page):
        kind, problem = _decide(answer.status, _problems(answer.document))
    if kind is NetSuiteAmbiguous and not writes:
        kind = NetSuiteTransient
    return kind(
        problem.detail,
        request=request,
        status=answer.status,
        code=problem.code or None,
        path=problem.path,
        operation_id=answer.operation_id,
        retry_after_s=_seconds(answer.headers.get("retry-after")),
    )


def _decide(status: int, problems: list[_Problem]) -> tuple[type[NetSuiteError], _Problem]:
    """The highest row of the table that applies to any of the problems, with that problem."""
    for rule in ERROR_RULES:
        for problem in problems:
            if rule.applies(status, problem.code, problem.detail):
                return rule.error, problem
    return NetSuiteUnknownError, problems[0]


def _json_object(content: bytes) -> dict[str, Any] | None:
    try:
        document = exact_json.loads(content)
    except ValueError:
        return None
    return cast("dict[str, Any]", document) if isinstance(document, dict) else None


def _problems(document: dict[str, Any] | None) -> list[_Problem]:
    """The problems that an error body lists; at least one, blank where it lists none (N 4.1)."""
    body = document or {}
    details: Any = body.get("o:errorDetails")
    # RESTlets wrap their error differently (N 7).
    if not isinstance(details, list) and isinstance(body.get("error"), dict):
        details = [{"o:errorCode": body["error"].get("code"), "detail": body["error"].get("message")}]
    elements = cast("list[Any]", details) if isinstance(details, list) else []
    problems = [
        _Problem(
            code=str(element.get("o:errorCode") or ""),
            detail=_presentable(str(element.get("detail") or "")),
            path=element.get("o:errorPath"),
        )
        for element in (cast("dict[str, Any]", each) for each in elements if isinstance(each, dict))
    ]
    # Some answers carry the code at the top as well (N 4.1).
    outer = _Problem(
        str(body.get("o:errorCode") or ""), _presentable(str(body.get("title") or "no reason given")), None
    )
    return [*problems, outer] if outer.code or not problems else problems


_LONGEST_DETAIL = 300
# The value may be so long that the sentence was cut inside it.
_FIELD_VALUE = re.compile(
    r"(invalid field value )(.*?)(?: for the following field: (\w+)|\Z)", re.IGNORECASE | re.DOTALL
)
_RECORD_ID = re.compile(r"-?\d{1,9}")
_EMAIL = re.compile(r"[^\s@'\"<>]{1,64}@[^\s@'\"<>]+")
_BUYER_FIELD = re.compile(r"addr|attention|city|state|zip|phone|mail|name", re.IGNORECASE)


def _presentable(detail: str) -> str:
    """The sentence without what the request carried: NetSuite quotes refused values, and a refused
    value may be a buyer's name. Ids of records stay, they are what has to be corrected."""

    def without_value(found: re.Match[str]) -> str:
        said, value, name = found.groups()
        shown = name and _RECORD_ID.fullmatch(value) and not _BUYER_FIELD.search(name)
        return f"{said}{value if shown else '(hidden)'} for the following field: {name or 'unknown'}"

    # Cut twice: once before the search, once what is shown, so that no half of a value can slip through.
    text = _FIELD_VALUE.sub(without_value, detail[: 8 * _LONGEST_DETAIL])
    text = _EMAIL.sub("(hidden)", text).strip().rstrip(".")
    return text if len(text) <= _LONGEST_DETAIL else text[:_LONGEST_DETAIL] + "…"


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After is not documented, but honoured when it comes in seconds (N 4.2)."""
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() else None

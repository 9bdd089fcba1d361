"""Refusals of the simulated books, in the wording and with the codes of the product (N 4.2)."""

from __future__ import annotations

# Sentence that opens most refusals of the record service.
_ACCESS = "Error while accessing a resource. "


class BookError(Exception):
    """A refusal: nothing was changed.

    `status` and `code` are what the record service answers with, `path` names the place in the
    body, `url` the address and `param` the query parameter at fault.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        path: str | None = None,
        url: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}" + (f" ({path})" if path else ""))
        self.status = status
        self.code = code
        self.detail = detail
        self.path = path
        self.url = url
        self.param = param


def refused(sentence: str) -> BookError:
    """A business rule said no."""
    return BookError(400, "USER_ERROR", _ACCESS + sentence)


def missing(*labels: str) -> BookError:
    """A field that the form makes mandatory is empty; labels as the user interface has them."""
    return refused(f"Please enter value(s) for: {', '.join(labels)}.")


def duplicate_entity() -> BookError:
    """Name or external id of an entity is taken."""
    return refused("This entity already exists.")


def duplicate_record() -> BookError:
    """External id of a transaction or list record is taken."""
    return refused("This record already exists.")


def wrong_transaction() -> BookError:
    """No transaction of that type has this id: 400, not 404 (N 4.2)."""
    return refused("Transaction type specified is incorrect.")


def closed_period() -> BookError:
    """The date lies in no open accounting period."""
    return refused(
        "The transaction date you specified is not within the date range of your accounting period."
    )


def nonexistent_instance() -> BookError:
    """No entity or list record has this id."""
    return BookError(
        404, "NONEXISTENT_ID", "The record instance does not exist. Provide a valid record instance ID."
    )


def nonexistent_type(name: str, url: str | None) -> BookError:
    """The record service has no such record type."""
    return BookError(404, "NONEXISTENT_ID", f"Record type '{name}' does not exist.", url=url)


def invalid_identifier(identifier: str, url: str | None) -> BookError:
    """What stands where an id belongs is none."""
    return BookError(
        400,
        "INVALID_ID",
        f"Invalid record instance identifier '{identifier}'. Provide a valid record instance ID.",
        url=url,
    )


def invalid_value(value: object, name: str, path: str) -> BookError:
    """A field holds what it cannot hold, or refers to what does not exist."""
    detail = f"You have entered an Invalid Field Value {value} for the following field: {name}"
    return BookError(400, "INVALID_CONTENT", f"Error while accessing resource: {detail}", path=path)


def invalid_content(sentence: str, path: str) -> BookError:
    """The body has a shape that the record does not have."""
    return BookError(400, "INVALID_CONTENT", f"Error while accessing resource: {sentence}", path=path)


def invalid_request(sentence: str) -> BookError:
    """The request itself cannot be read."""
    return BookError(400, "INVALID_REQUEST", sentence)


def invalid_parameter(sentence: str, param: str) -> BookError:
    """A query parameter holds what it cannot hold."""
    return BookError(400, "INVALID_PARAMETER", sentence, param=param)

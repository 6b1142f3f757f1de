# SPDX-License-Identifier: Apache-2.0
"""What the library says no with: Personalize's own codes and words, as far as it has them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from personalize_local.wire.errors import ImportRefused, JobRefused, ServiceError, TrainingRefused

FAILED: Final = "CREATE FAILED"
"""Code of what ends a job of the service: the message is its failureReason."""
DAMAGED: Final = "Damaged"
"""Code of a folder that is cut off, changed or none of the library's."""
NEWER: Final = "NewerFormat"
"""Code of a folder that a newer version of the library wrote."""


class Refused(Exception):
    """The library does not do this.

    `code` is that of an API's error (InvalidInputException, ResourceNotFoundException …), FAILED, DAMAGED or NEWER;
    `message` is a sentence for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what the engine refuses into Refused."""
    try:
        yield
    except ServiceError as error:
        raise Refused(error.code, error.message) from error
    except (ImportRefused, TrainingRefused, JobRefused) as error:
        raise Refused(FAILED, str(error)) from error

# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with a table, and whose fault it is."""


class IntakeError(Exception):
    """The base of all errors of this library.

    Attributes:
        resource: the name of the file or the column, as the caller gave it.
        reason: the error and, if known, its remedy.
    """

    def __init__(self, resource: str, reason: str) -> None:
        super().__init__(f"{resource}: {reason}")
        self.resource = resource
        self.reason = reason


class Refused(IntakeError):
    """The table is refused; the same bytes will be refused again."""


class Incomplete(IntakeError):
    """A file that an earlier step of a check in ranges had to leave is missing."""

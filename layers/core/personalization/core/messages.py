# SPDX-License-Identifier: Apache-2.0
"""Messages between the state machines and the functions, JSON in camelCase, and the steps that they ask for."""

from collections.abc import Callable, Mapping
from functools import partial
from operator import is_
from typing import Annotated, Any, Generic, Self, TypeVar, Union

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from table_intake.wording import Text

from personalization.core import stored
from personalization.core.errors import Broken, Rejected

Context = TypeVar("Context")
Answer = TypeVar("Answer")
is_none = partial(is_, None)
"""For members that a message leaves out where they are None."""


Sentence = Annotated[InstanceOf[Text] | str, Field(union_mode="left_to_right")]
"""A string that stays a `Text` in the process that made it; in JSON it is its English."""


class Part(BaseModel):
    """A JSON message between the state machine and a function."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    @classmethod
    def read(cls, value: object) -> Self:
        """Parse JSON from the state machine; unknown members are ignored.

        Raises:
            Broken: it is invalid, so the state machine and the functions do not match.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise _broken(error) from None

    def as_json(self) -> dict[str, object]:
        """Return the message in the state machine's JSON."""
        return self.model_dump(mode="json", by_alias=True)

    def replaced(self, **changes: object) -> Self:
        """Return the message with other values of some fields, which are checked as those of a new one are.

        Raises:
            TypeError: there is no such field.
        """
        if unknown := changes.keys() - type(self).model_fields.keys():
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        return type(self).model_validate({**dict(self), **changes})


def of_this_version(value: object) -> object:
    """Return a value that a machine has kept since an earlier step, before it is parsed.

    Raises:
        Rejected: the execution began before 0.1.0.
    """
    if isinstance(value, Mapping) and value.get("version") != stored.VERSION:
        raise Rejected("the execution", "it began before version 0.1.0: start it again")
    return value


class Steps(Generic[Context, Answer]):
    """A function's one table of steps.

    Args:
        acts: by its request, what a step does. The `step` of a request is the literal that tells it from the others.
    """

    def __init__(self, acts: Mapping[type[Part], Callable[[Any, Context], Answer]]) -> None:
        self.acts = acts
        requests: Any = Annotated[Union[tuple(acts)], Field(discriminator="step")]  # noqa: UP007 - of any number
        self._requests: TypeAdapter[Part] = TypeAdapter(requests)

    def read(self, event: object) -> Part:
        """Return the request in an event.

        Raises:
            Broken: there is no such step or its request is invalid, so the state machine and the function do not match.
        """
        try:
            return self._requests.validate_python(event)
        except ValidationError as error:
            raise _broken(error) from None

    def take(self, event: object, context: Context) -> Answer:
        """Take the step that an event asks for; see `read` for what is raised."""
        request = self.read(event)
        return self.acts[type(request)](request, context)


def _broken(error: ValidationError) -> Broken:
    return Broken("the step's input", " ".join(str(error).split()))

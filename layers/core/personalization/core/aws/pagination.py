# SPDX-License-Identifier: Apache-2.0
"""What AWS lists page by page, as one sequence: whatever a service calls the token of its next page.

A client's own method is passed, and not its name as to botocore's paginators, which do not know all of these lists:
so a reader, and the test of the roles, see what is called.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

_TOKENS = {
    "nextToken": "nextToken",
    "NextToken": "NextToken",
    "NextContinuationToken": "ContinuationToken",
    "NextKeyMarker": "KeyMarker",
    "NextVersionIdMarker": "VersionIdMarker",
    "LastEvaluatedKey": "ExclusiveStartKey",
}
"""What an answer calls its token, and what the next request does: Personalize, Scheduler, S3 (twice), DynamoDB."""
Page = TypeVar("Page", bound=Mapping[str, Any])


def pages(ask: Callable[..., Page], **asked: Any) -> Iterator[Page]:  # noqa: ANN401 - of any operation
    """The answers to a request, page after page, each asked for when it is wanted.

    Args:
        ask: a client's method: a list, a query or a scan.
        asked: its parameters.
    """
    more: dict[str, Any] = {}
    while True:
        page = ask(**{**asked, **more})
        yield page
        more = {name: page[token] for token, name in _TOKENS.items() if page.get(token)}
        if not more:
            return


def paginate(ask: Callable[..., Mapping[str, Any]], member: str, **asked: Any) -> Iterator[Any]:  # noqa: ANN401
    """What all pages have in their `member`; see `pages`."""
    for page in pages(ask, **asked):
        yield from page.get(member, ())

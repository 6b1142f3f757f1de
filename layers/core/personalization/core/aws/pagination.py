# SPDX-License-Identifier: Apache-2.0
"""Paginate AWS's lists, whatever a service calls the token of its next page.

Callers pass a client's method and not its name as to botocore's paginators, which lack some of these lists: so a
reader, and the test of the roles, see which operation is called.
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
"""Names of tokens in an answer and in the next request: Personalize, Scheduler, S3 (twice), DynamoDB."""
Page = TypeVar("Page", bound=Mapping[str, Any])


def pages(ask: Callable[..., Page], **parameters: Any) -> Iterator[Page]:  # noqa: ANN401 - of any operation
    """Iterate over the pages of a request, each requested on demand.

    Args:
        ask: a client's method: a list, a query or a scan.
        parameters: its parameters.
    """
    more: dict[str, Any] = {}
    while True:
        page = ask(**{**parameters, **more})
        yield page
        more = {name: page[token] for token, name in _TOKENS.items() if page.get(token)}
        if not more:
            return


def paginate(ask: Callable[..., Mapping[str, Any]], member: str, **parameters: Any) -> Iterator[Any]:  # noqa: ANN401
    """Iterate over the elements of all pages' `member`; see `pages`."""
    for page in pages(ask, **parameters):
        yield from page.get(member, ())

# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from personalization.core.aws.pagination import pages, paginate

TOKENS = [
    ("nextToken", "nextToken"),
    ("NextToken", "NextToken"),
    ("NextContinuationToken", "ContinuationToken"),
    ("LastEvaluatedKey", "ExclusiveStartKey"),
]


class Numbers:
    """A service that lists three numbers, one a page, and an empty page between them."""

    def __init__(self, token: str, name: str) -> None:
        self.requests: list[dict[str, Any]] = []
        self._token = token
        self._name = name

    def list(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - as clients have it
        """One page."""
        self.requests.append(request)
        number = request.get(self._name, {"at": 0})["at"]
        page = {} if number == 1 else {"numbers": [number]}
        return page if number == 3 else page | {self._token: {"at": number + 1}}


@pytest.mark.parametrize(("token", "name"), TOKENS)
def test_every_page_is_asked_for_with_the_token_of_the_one_before(token: str, name: str) -> None:
    numbers = Numbers(token, name)
    assert list(paginate(numbers.list, "numbers", of="shop")) == [0, 2, 3]
    assert numbers.requests == [{"of": "shop"}, *({"of": "shop", name: {"at": at}} for at in (1, 2, 3))]


def test_no_page_is_asked_for_before_it_is_wanted() -> None:
    numbers = Numbers("nextToken", "nextToken")
    assert next(paginate(numbers.list, "numbers")) == 0
    assert len(numbers.requests) == 1
    assert [page.get("numbers") for page in pages(numbers.list)] == [[0], None, [2], [3]]

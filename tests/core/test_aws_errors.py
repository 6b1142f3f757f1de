# SPDX-License-Identifier: Apache-2.0
"""Every client that the application makes raises the application's errors, and names what a request was about."""

import io
from collections.abc import Iterator

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber
from moto import mock_aws
from personalization.core.aws import clients, errors
from personalization.core.errors import Broken, ConditionFailed, Missing, PersonalizationError, Rejected, RetryLater

ARN = "arn:aws:personalize:us-east-1:123456789012:campaign/c"


@pytest.fixture(autouse=True)
def _new_clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    clients.forget()
    with mock_aws():
        yield
    clients.forget()


@pytest.mark.parametrize(
    ("code", "status", "kind", "word"),
    [
        ("ThrottlingException", 400, RetryLater, "throttled"),
        ("ServiceUnavailable", 503, RetryLater, "failing"),
        ("ResourceNotFoundException", 400, Missing, "missing"),
        ("InvalidInputException", 400, Rejected, "failing"),
        ("AccessDeniedException", 403, Broken, "failing"),
    ],
)
def test_a_service_s_refusal_is_an_error_of_ours(
    code: str, status: int, kind: type[PersonalizationError], word: str
) -> None:
    client = clients.personalize()
    with Stubber(client) as stub:
        stub.add_client_error("describe_campaign", code, "because", status)
        with pytest.raises(kind) as refused:
            client.describe_campaign(campaignArn=ARN)
    assert type(refused.value) is kind
    assert (refused.value.resource, errors.reason(refused.value), errors.code(refused.value)) == (ARN, word, code)


def test_what_another_caller_changed_first_is_told_from_other_errors() -> None:
    client = clients.dynamodb()
    with Stubber(client) as stub:
        stub.add_client_error("put_item", "ConditionalCheckFailedException", "no", 400)
        with pytest.raises(ConditionFailed, match=r"^shops: "):
            client.put_item(TableName="shops", Item={"shop": {"S": "demo"}})


def test_a_request_that_botocore_refuses_is_refused_and_one_without_an_answer_is_tried_later() -> None:
    with pytest.raises(Rejected, match="Missing required parameter"):
        clients.personalize().describe_campaign()  # type: ignore[call-arg]

    def silent(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url="there")

    client = clients.s3()
    client.meta.events.register("before-send.s3.HeadObject", silent)
    with pytest.raises(RetryLater, match=r"drops/a\.csv: no answer: ReadTimeoutError") as late:
        client.head_object(Bucket="b", Key="drops/a.csv")
    assert errors.reason(late.value) == "slow"


def test_a_body_that_ends_early_is_tried_later() -> None:
    client = clients.s3()
    with Stubber(client) as stub:
        stub.add_response("get_object", {"Body": StreamingBody(io.BytesIO(b"half"), 8)})
        body = client.get_object(Bucket="b", Key="drops/a.csv")["Body"]
    with pytest.raises(RetryLater, match=r"drops/a\.csv: no answer: IncompleteReadError"):
        [*iter(lambda: body.read(3), b"")]

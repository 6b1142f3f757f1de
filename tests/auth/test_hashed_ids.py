# SPDX-License-Identifier: Apache-2.0
"""A shop whose ids are e-mail addresses and which hashes them: nothing behind the doors has an address."""

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
import pytest
from personalization.auth import keys
from personalization.auth.caller import Caller
from personalization.core.aws import clients
from personalization.core.errors import PersonalizationError, Rejected
from personalization.likelihood import inputs
from personalization.shop.records import release_store
from table_intake.hashing import hash_id

from functions.get_recommendations import app as get_recommendations
from functions.issue_session import app as issue_session
from functions.record_events import app as record_events
from functions.run_batch import app as run_batch
from functions.validate_drop import app as validate_drop
from tests.handlers import containers
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.issuer import AUDIENCE, Issuer
from tests.handlers.queues import Queues
from tests.handlers.samples import BUCKET, RECOMMENDED, RELEASE, SHOPPER_EVENTS, TABLE, Drop, Event, body, load

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")
SETTINGS = (
    "hash: [email]\ndomain: custom\ninteractions: {columns: {email: USER_ID}}\nusers: {columns: {email: USER_ID}}\n"
)
ROWS = "".join(f"User{n % 100}@Example.com,i{n % 50},{1_700_000_000 + n}\n" for n in range(1200))
SALES = f"email,ITEM_ID,TIMESTAMP\n{ROWS}odd@example.com,i1,never\nodd2@example.com,i1\n"
ANN = "Ann@Example.com"
KEY = "retail-hash-key"
"""The name of the secret."""


SCHEMA = json.dumps({
    "type": "record", "name": "Interactions", "namespace": "com.amazonaws.personalize.schema", "version": "1.0",
    "fields": [
        {"name": name, "type": kind}
        for name, kind in (("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))
    ],
})  # fmt: skip


@pytest.fixture(autouse=True)
def _begun(bucket: "S3Client", personalize: FakePersonalize) -> Iterator[None]:
    """Containers that have just started, and a stack without a key."""
    personalize.reset()
    bucket.delete_object(Bucket=BUCKET, Key="drops/demo/settings.yaml")
    containers.start(validate_drop, get_recommendations, issue_session, record_events)
    containers.start(
        *(__import__(f"functions.{name}.steps", fromlist=["steps"]) for name in ("validate_drop", "run_batch"))
    )
    yield
    client = boto3.client("secretsmanager")
    for secret in client.list_secrets()["SecretList"]:
        client.delete_secret(SecretId=secret["ARN"], ForceDeleteWithoutRecovery=True)


@pytest.fixture
def hashing(drop: Drop, table: "DynamoDBClient", personalize: FakePersonalize) -> Iterator[str]:
    """The key of a stack in which `demo` has imported and promoted, and hashes its ids."""
    drop("drops/demo/settings.yaml", SETTINGS)
    plan = checked(drop("drops/demo/interactions/orders.csv", SALES))
    release_store.put(table, TABLE, {**RELEASE, "hashed": plan["hashed"], "contextColumns": []})
    personalize.reset()
    yield boto3.client("secretsmanager").get_secret_value(SecretId=KEY)["SecretString"]
    for item in table.scan(TableName=SHOPPER_EVENTS)["Items"]:
        table.delete_item(TableName=SHOPPER_EVENTS, Key={name: item[name] for name in ("shopper", "event")})


def checked(event: Event) -> Any:  # noqa: ANN401 - a plan
    return validate_drop.handler(event, None)


def request(name: str, *, user: str = ANN, content: object = None, **query: str) -> Event:
    """A request of a server for a user."""
    event = load(name)
    parameters = {
        **(event["pathParameters"] or {}),
        **({"userId": quote(user)} if "userId" in event["resource"] else {}),
    }
    sent = event["body"] if content is None else json.dumps(content)
    return {**event, "pathParameters": parameters, "queryStringParameters": query or None, "body": sent}


@pytest.fixture
def behind(
    bucket: "S3Client", table: "DynamoDBClient", personalize: FakePersonalize, capfd: pytest.CaptureFixture[str]
) -> Callable[[], str]:
    """What is in the bucket, apart from what the shop dropped, in the tables, in Personalize's requests and in logs."""

    def everything() -> str:
        names = [entry["Key"] for entry in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]]
        objects = [bucket.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in names if name[:6] != "drops/"]
        items = [table.scan(TableName=name)["Items"] for name in (TABLE, SHOPPER_EVENTS)]
        told = json.dumps([items, personalize.calls]) + "".join(capfd.readouterr())
        return b"\n".join(objects).decode(errors="replace") + told

    return everything


def test_nothing_that_a_request_or_a_drop_leaves_has_an_address(
    hashing: str, drop: Drop, personalize: FakePersonalize, queues: Queues, behind: Callable[[], str]
) -> None:
    ann = hash_id(hashing, "demo", ANN)
    personalize.says("GetRecommendations", RECOMMENDED)
    personalize.says("GetPersonalizedRanking", {"recommendationId": "R", "personalizedRanking": []})
    for name in ("api_recommendations", "api_placement", "api_placements", "api_ranking"):
        assert get_recommendations.handler(request(name), None)["statusCode"] == 200, name
    assert get_recommendations.handler(request("api_popular", userId=ANN), None)["statusCode"] == 200
    assert get_recommendations.handler(request("api_purchase_likelihood"), None)["statusCode"] in {200, 409}
    users = [parameters["userId"] for _, parameters in personalize.calls]
    assert users
    assert set(users) == {ann}

    event = {"eventType": "View", "itemId": "i1"}
    sent = {"userId": ANN, "sessionId": "carol@example.com", "events": [event]}
    assert record_events.handler(request("api_events", content=sent), None)["statusCode"] == 202
    put_events = personalize.body_of("PutEvents")
    assert (put_events["userId"], put_events["sessionId"]) == (ann, hash_id(hashing, "demo", "carol@example.com"))
    personalize.fails("PutEvents", "InternalServerException", status=500)
    assert record_events.handler(request("api_events", content=sent), None)["statusCode"] == 202
    assert "@" not in json.dumps(queues.client.receive_message(QueueUrl=queues.events)["Messages"][0]["Body"])
    put = {"properties": {"AGE": "30"}}
    assert record_events.handler(request("api_put_user", content=put), None)["statusCode"] == 202
    assert personalize.body_of("PutUsers")["users"][0]["userId"] == ann
    assert record_events.handler(request("api_delete_user"), None)["statusCode"] == 202

    refused = drop("drops/demo/users/users.csv", "email,AGE\n" + "dan@example.com,\n" * 3 + "eve@example.com\n" * 9)
    with pytest.raises(Rejected):
        checked(refused)
    told = behind()
    assert ann in told
    assert "@example.com" not in told.lower()
    assert hashing not in told


def test_a_hash_is_as_good_as_its_address_and_a_session_asks_as_its_events_do(
    hashing: str, personalize: FakePersonalize
) -> None:
    personalize.says("GetRecommendations", RECOMMENDED)
    for user in (hash_id(hashing, "demo", ANN), ANN.lower(), f" {ANN}"):
        get_recommendations.handler(request("api_recommendations", user=user), None)
    assert len({parameters["userId"] for _, parameters in personalize.calls}) == 1
    sent = {"sessionId": "visitor-1", "events": [{"eventType": "View", "itemId": "i1"}]}
    record_events.handler(request("api_events", content=sent), None)
    get_recommendations.handler(request("api_recommendations", user="visitor-1"), None)
    assert personalize.body_of("GetRecommendations")["userId"] == personalize.body_of("PutEvents")["sessionId"]


def test_properties_of_hashed_columns_are_hashed(
    hashing: str, table: "DynamoDBClient", personalize: FakePersonalize
) -> None:
    release_store.put(table, TABLE, {**RELEASE, "hashed": ["PHONE", "USER_ID"]})
    put = {"properties": {"PHONE": 821012345678, "AGE": "30", "phone_2": "x"}}
    assert record_events.handler(request("api_put_user", content=put), None)["statusCode"] == 202
    properties = json.loads(personalize.body_of("PutUsers")["users"][0]["properties"])
    assert properties == {"phone": hash_id(hashing, "demo", "821012345678"), "age": "30", "phone_2": "x"}
    event = {"eventType": "View", "properties": {"phone": "1"}}
    record_events.handler(request("api_events", content={"sessionId": "s", "events": [event]}), None)
    (sent,) = personalize.body_of("PutEvents")["eventList"]
    assert json.loads(sent["properties"]) == {"phone": hash_id(hashing, "demo", "1")}


def test_properties_under_the_names_of_the_shop_s_own_files_are_hashed(
    hashing: str, personalize: FakePersonalize, behind: Callable[[], str]
) -> None:
    properties = {"email": ANN, "EMAIL": ANN, "e-Mail": ANN}
    assert record_events.handler(request("api_put_user", content={"properties": properties}), None)["statusCode"] == 202
    event = {"eventType": "View", "properties": {"email": ANN}}
    record_events.handler(request("api_events", content={"sessionId": "s", "events": [event]}), None)
    (sent,) = personalize.body_of("PutEvents")["eventList"]
    assert json.loads(sent["properties"]) == {"email": hash_id(hashing, "demo", ANN)}
    assert "@example.com" not in behind().lower()


@pytest.mark.parametrize("blank", [" ", "\u3000", "\ufeff"])
def test_an_id_of_which_no_hash_can_be_made_is_refused(blank: str, hashing: str, personalize: FakePersonalize) -> None:
    event = {"eventType": "View", "itemId": "i1"}
    for name, user, content in (
        ("api_events", ANN, {"sessionId": blank, "events": [event]}),
        ("api_events", ANN, {"sessionId": "s", "userId": blank, "events": [event]}),
        ("api_put_user", blank, {"properties": {"AGE": "30"}}),
        ("api_delete_user", blank, None),
    ):
        assert record_events.handler(request(name, user=user, content=content), None)["statusCode"] == 400, name
    assert get_recommendations.handler(request("api_recommendations", user=blank), None)["statusCode"] == 400
    assert not personalize.calls
    assert hashing


@pytest.mark.usefixtures("demo")
def test_a_shop_that_hashes_nothing_asks_for_no_key(table: "DynamoDBClient", personalize: FakePersonalize) -> None:
    release_store.put(table, TABLE, RELEASE)
    personalize.says("GetRecommendations", RECOMMENDED)
    assert get_recommendations.handler(request("api_recommendations"), None)["statusCode"] == 200
    assert personalize.body_of("GetRecommendations")["userId"] == ANN
    assert not boto3.client("secretsmanager").list_secrets()["SecretList"]


def test_without_its_key_a_shop_answers_nobody_by_an_address(hashing: str, personalize: FakePersonalize) -> None:
    boto3.client("secretsmanager").delete_secret(SecretId=KEY, ForceDeleteWithoutRecovery=True)
    answer = get_recommendations.handler(request("api_recommendations"), None)
    assert answer["statusCode"] == 503
    assert not personalize.calls
    assert hashing


def test_a_browser_s_token_has_the_hash_and_the_issuer_s_own_token_serves_too(
    hashing: str, personalize: FakePersonalize, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer, ann = Issuer(), hash_id(hashing, "demo", ANN)
    secret = boto3.client("secretsmanager").create_secret(Name="session-keys", SecretString="1" * 64)["ARN"]
    told = {
        "TOKEN_ISSUER": issuer.url, "TOKEN_AUDIENCE": AUDIENCE, "TOKEN_ALGORITHMS": "RS256", "TOKEN_USER_CLAIM": "sub",
        "SESSION_KEYS": secret, "SESSION_MINUTES": "60",
    }  # fmt: skip
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    keys.forget()
    begun = {**load("api_sessions"), "body": json.dumps({"userToken": issuer.token(ANN)})}
    answer = issue_session.handler(begun, None)
    issuer.close()
    keys.forget()
    assert body(answer)["userId"] == ann

    personalize.says("GetRecommendations", RECOMMENDED)
    for user, session, named in ((ann, body(answer)["sessionId"], ann), (ANN, "", ANN)):
        context = {name: str(value) for name, value in Caller(user, session, "", 2**33).context().items()}
        event = request("api_recommendations", user=named)
        event["requestContext"] = {**event["requestContext"], "authorizer": context}
        assert get_recommendations.handler(event, None)["statusCode"] == 200
        assert personalize.body_of("GetRecommendations")["userId"] == ann
        event["pathParameters"]["userId"] = "bob@example.com"
        assert get_recommendations.handler(event, None)["statusCode"] == 403


def test_a_batch_job_s_list_may_have_addresses(
    hashing: str, bucket: "S3Client", personalize: FakePersonalize, drop: Drop
) -> None:
    ann, bob = (hash_id(hashing, "demo", f"{name}@example.com") for name in ("ann", "bob"))
    key = inputs.key("demo", "interactions", "FULL", 1, "run-0")
    bucket.put_object(Bucket=BUCKET, Key=key, Body=f"USER_ID,ITEM_ID,TIMESTAMP\n{ann},i1,1700000000\n".encode())
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/x"}})
    drop("drops/demo/settings.yaml", f"{SETTINGS}batch: {{some: {{users: {{file: a.txt}}}}}}\n")
    drop("drops/demo/lists/a.txt", f"{ANN}\nBob@example.com\n{bob}\n")
    personalize.says("DescribeSchema", {"schema": {"schema": SCHEMA}})
    jobs: Any = run_batch.handler({**load("run_batch_plan"), "batch": "some"}, None)["jobs"]
    written = run_batch.handler({"step": "write", "job": jobs[0]}, None)
    assert written["lines"] == 2
    exports = bucket.list_objects_v2(Bucket=BUCKET, Prefix="exports/")["Contents"]
    text = b"".join(bucket.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read() for entry in exports).decode()
    assert {json.loads(line)["userId"] for line in text.splitlines()} == {ann, bob}


@pytest.mark.parametrize("key", ["", "another key of thirty-two characters"])
def test_a_key_that_was_lost_or_changed_makes_no_second_user_of_one(
    key: str, drop: Drop, personalize: FakePersonalize
) -> None:
    drop("drops/demo/settings.yaml", SETTINGS)
    first = checked(drop("drops/demo/interactions/orders.csv", SALES))
    secrets = boto3.client("secretsmanager")
    before = secrets.get_secret_value(SecretId=KEY)["SecretString"]
    secrets.delete_secret(SecretId=KEY, ForceDeleteWithoutRecovery=True)
    if key:
        secrets.create_secret(Name=KEY, SecretString=key)
    containers.start(validate_drop, import_module("functions.validate_drop.steps"))
    personalize.says("DescribeDatasetGroup", {"datasetGroup": {"status": "ACTIVE"}})
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/x"}})
    personalize.says("DescribeSchema", {"schema": {"schema": first["schema"]["text"]}})
    with pytest.raises(PersonalizationError, match="another key" if key else "there is no key"):
        checked(drop("drops/demo/interactions/more.csv", SALES))
    assert [secret["Name"] for secret in secrets.list_secrets()["SecretList"]] == ([KEY] if key else [])
    secrets.delete_secret(SecretId=KEY, ForceDeleteWithoutRecovery=True)
    secrets.create_secret(Name=KEY, SecretString=before)
    containers.start(validate_drop, import_module("functions.validate_drop.steps"))
    assert checked(drop("drops/demo/interactions/more.csv", SALES))["hashed"]


def test_of_two_first_imports_at_once_the_first_one_s_key_counts(drop: Drop) -> None:
    client, other = clients.secretsmanager(), "the key of thirty-two characters .."

    def overtaken(**_: object) -> None:
        boto3.client("secretsmanager").create_secret(Name=KEY, SecretString=other)

    drop("drops/demo/settings.yaml", SETTINGS)
    call = "before-call.secretsmanager.CreateSecret"
    client.meta.events.register(call, overtaken)
    try:
        checked(drop("drops/demo/interactions/orders.csv", SALES))
    finally:
        client.meta.events.unregister(call, overtaken)
    assert boto3.client("secretsmanager").get_secret_value(SecretId=KEY)["SecretString"] == other
    again = drop("drops/demo/interactions/orders.csv", SALES)
    assert checked(again)["hashed"]
    copy = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"imports/demo/{again['run']}/")["Contents"][0]
    rows = boto3.client("s3").get_object(Bucket=BUCKET, Key=copy["Key"])["Body"].read().decode()
    assert hash_id(other, "demo", "user7@example.com") in rows


def test_the_first_import_decides_for_good_what_ids_are(drop: Drop, personalize: FakePersonalize) -> None:
    drop("drops/demo/settings.yaml", SETTINGS)
    first = checked(drop("drops/demo/interactions/orders.csv", SALES))
    assert first["hashed"] == ["EMAIL", "USER_ID"]
    key = boto3.client("secretsmanager").get_secret_value(SecretId=KEY)["SecretString"]
    users = "email,AGE\n" + "".join(f"user{n}@example.com,3\n" for n in range(30))
    assert checked(drop("drops/demo/users/users.csv", users))["hashed"] == ["EMAIL", "USER_ID"]
    assert boto3.client("secretsmanager").get_secret_value(SecretId=KEY)["SecretString"] == key

    personalize.says("DescribeDatasetGroup", {"datasetGroup": {"status": "ACTIVE"}})
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/x"}})
    personalize.says("DescribeSchema", {"schema": {"schema": SCHEMA}})
    without = SETTINGS.replace("hash: [email]\n", "")
    drop("drops/demo/settings.yaml", without)
    items = "ITEM_ID,email\ni1,seller@example.com\n"
    for key, content in (("interactions/orders.csv", SALES), ("items/items.csv", items)):
        with pytest.raises(Rejected, match="the setting hash is gone"):
            checked(drop(f"drops/demo/{key}", content))
    drop("drops/other/settings.yaml", SETTINGS)
    # A hashed column of items would have the API hash the ids of users, too.
    for key, content in (("interactions/orders.csv", SALES), ("items/items.csv", items)):
        with pytest.raises(Rejected, match="the setting hash is new"):
            checked(drop(f"drops/other/{key}", content))
    personalize.reset()
    # A shop that was removed, or never imported what it checked, begins anew.
    assert "hashed" not in checked(drop("drops/demo/interactions/orders.csv", SALES))

# SPDX-License-Identifier: Apache-2.0
"""Who may ask a local cloud what: every port as a page of another origin and a stranger meet it, over HTTP."""

import hashlib
import json
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import botocore.session
import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError
from personalize_local.server import origins

from local.cloud import lifecycle
from local.cloud.environments import cloud_python
from local.cloud.home import Home, State, access
from tests.app.laptop import listening
from tests.app.waiting import BOUND
from tests.local.test_launcher import function, role

pytestmark = pytest.mark.skipif(not cloud_python().exists(), reason="no .local/cloud: make setup")
HTTP = urllib3.PoolManager(retries=False, timeout=BOUND)
KEYLESS = ("test", "000000000000", "AKIASTRANGER00000000")
"""Access keys that everybody knows, or nobody has."""
FOREIGN = [
    {"Host": "evil.example"},
    {"Host": "evil.example:{port}"},
    {"Host": "127.0.0.1.evil.example:{port}"},
    {"Host": "localhost.:{port}"},
    {"Host": "0.0.0.0:{port}"},
    {"Host": "[::1]:{port}"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:5173"},
    {"Origin": "http://localhost:{port}"},
    {"Origin": "https://127.0.0.1:{port}"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:{port}"},
]
"""What a page of another origin, or another name for this machine, can't help sending."""
EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound
SECRET = {"Bucket": "vault", "Key": "secret"}
OWN_HEADERS = [{}, {"Host": "localhost:{port}"}, {"Origin": "http://127.0.0.1:{port}"}, {"Sec-Fetch-Site": "none"}]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The folder of the local cloud that `started` is."""
    return Home(tmp_path_factory.mktemp("guard"))


@pytest.fixture(scope="module")
def started(home: Home) -> Iterator[State]:
    """A local AWS and an engine with a bucket that holds a secret and what everybody may read, and a function."""
    state = lifecycle.start(home, faults=True)
    try:
        lifecycle.wait_ready(home, state)
        role(state, "anyone")
        s3 = boto3.client("s3", **access(state))
        s3.create_bucket(Bucket="vault")
        s3.delete_public_access_block(Bucket="vault")
        shown = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::vault/shown/*",
        }
        s3.put_bucket_policy(Bucket="vault", Policy=json.dumps({"Version": "2012-10-17", "Statement": [shown]}))
        for key in ("secret", "shown/to all", "drops/shop/users/a.csv"):
            s3.put_object(Bucket="vault", Key=key, Body=b"told")
        function(state, "asking", "import os\ndef handler(event, _): return os.environ['AWS_ACCESS_KEY_ID']")
        boto3.client("lambda", **access(state)).invoke(FunctionName="asking")
        yield state
    finally:
        lifecycle.stop(home)


def ports(state: State) -> dict[int, str]:
    """Every port on which a process of the cloud listens, and the address."""
    family = [member for process in state.processes for member in lifecycle.family_of(process.pid)]
    return {port: address for address, port in listening(family)}


def ask(port: int, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> urllib3.BaseHTTPResponse:
    """One request with these headers, in which {port} stands for the port."""
    told = {name: value.replace("{port}", str(port)) for name, value in headers.items()}
    return HTTP.request(method, f"http://127.0.0.1:{port}{path}", headers=told, body=body, redirect=False)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_no_port_answers_a_page_of_another_origin(started: State, headers: dict[str, str]) -> None:
    addresses = ports(started)
    assert set(addresses.values()) == {"127.0.0.1"}
    assert len(addresses) >= 3, "the local AWS, the engine and the function's Runtime API"
    for port in addresses:
        for method, path in (
            ("GET", "/"),
            ("POST", "/"),
            ("OPTIONS", "/"),
            ("GET", "/vault/shown/to%20all"),
            ("GET", "/_ministack/health"),
            ("POST", "/_local/faults"),
            ("POST", "/faults"),
            ("GET", "/2018-06-01/runtime/invocation/next"),
        ):
            told = ask(port, method, path, headers)
            assert told.status == 403, (port, method, path)
            assert not [name for name in told.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("headers", OWN_HEADERS, ids=str)
def test_programs_of_this_machine_and_own_pages_are_answered(started: State, headers: dict[str, str]) -> None:
    for address, path in ((started.endpoint, "/_ministack/health"), (started.engine, "/")):
        assert ask(int(address.rpartition(":")[2]), "GET", path, headers).status == 200


def test_the_local_aws_goes_by_the_names_of_its_buckets(started: State) -> None:
    reach = access(started)
    reach["endpoint_url"] = started.endpoint.replace("127.0.0.1", "localhost")
    reach["config"] = reach["config"].merge(Config(s3={"addressing_style": "virtual"}))
    address = urlsplit(boto3.client("s3", **reach).generate_presigned_url("get_object", SECRET))
    assert str(address.hostname) == "vault.localhost"
    port = int(started.endpoint.rpartition(":")[2])
    told = ask(port, "GET", f"{address.path}?{address.query}", {"Host": address.netloc})
    assert (told.status, told.data) == (200, b"told")


def test_the_routes_of_an_api_are_left_to_its_template(started: State) -> None:
    port = int(started.endpoint.rpartition(":")[2])
    page = {"Origin": "http://localhost:5173", "Sec-Fetch-Site": "cross-site"}
    assert ask(port, "GET", "/_aws/execute-api/0123abcd/v1/health", page).status == 404
    assert ask(port, "GET", "/_aws/execute-api/0123abcd/v1/health", {"Host": "evil.example"}).status == 403


@pytest.mark.parametrize("key", KEYLESS)
@pytest.mark.parametrize("service", ["s3", "lambda", "apigateway", "dynamodb", "stepfunctions", "sqs", "personalize"])
def test_a_key_that_this_cloud_did_not_make_opens_nothing(started: State, service: str, key: str) -> None:
    reach = access(started)
    reach["aws_access_key_id"], reach["aws_secret_access_key"] = key, "test"
    operations = {
        "s3": "list_buckets",
        "lambda": "list_functions",
        "apigateway": "get_api_keys",
        "dynamodb": "list_tables",
        "stepfunctions": "list_state_machines",
        "sqs": "list_queues",
        "personalize": "list_dataset_groups",
    }
    with pytest.raises(ClientError) as refused:
        getattr(boto3.client(service, **reach), operations[service])()  # type: ignore[call-overload]
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in {400, 403}
    assert 'eval "$(.venv/bin/python -m local env)"' in str(refused.value)


def test_the_engine_of_a_cloud_takes_no_key_that_the_cloud_did_not_make(started: State) -> None:
    for key in KEYLESS:
        reach = access(started, engine=True)
        reach["aws_access_key_id"] = key
        with pytest.raises(ClientError, match="token included in the request is invalid"):
            boto3.client("personalize", **reach).list_dataset_groups()
    port = int(started.engine.rpartition(":")[2])
    target = {"X-Amz-Target": "AmazonPersonalize.ListDatasetGroups", "Authorization": "anything"}
    assert ask(port, "POST", "/", target, b"{}").status == 400


def test_the_id_of_the_key_without_its_secret_opens_nothing(started: State) -> None:
    reach = access(started)
    reach["aws_secret_access_key"] = "test"  # noqa: S105 - what everybody knows
    for service, operation in (("s3", "list_buckets"), ("lambda", "list_functions"), ("dynamodb", "list_tables")):
        with pytest.raises(ClientError, match="signature"):
            getattr(boto3.client(service, **reach), operation)()  # type: ignore[call-overload]
    forged = boto3.client("s3", **reach).generate_presigned_url("get_object", SECRET)
    true = boto3.client("s3", **access(started)).generate_presigned_url("get_object", SECRET)
    assert (HTTP.request("GET", forged).status, HTTP.request("GET", true).data) == (403, b"told")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_ministack/reset"),
        ("POST", "/_ministack/reset?init=1"),
        ("POST", "/_ministack/config"),
        ("POST", "/_ministack/rds/iam-auth"),
        ("POST", "/_ministack/eks-auth/anything"),
        ("GET", "/_ministack/lambda-code/asking"),
        ("POST", "/_ministack/health"),
        ("GET", "/_localstack/health"),
        ("GET", "/_localstack/init"),
        ("GET", "/_aws/sqs/messages"),
        ("GET", "/_aws/ses/messages"),
        ("GET", "/_alb/any"),
        ("GET", "/health"),
        ("POST", "/"),
        ("PUT", "/vault/drops/shop/users/b.csv"),
        ("POST", "/vault"),
        ("DELETE", "/vault/secret"),
        ("GET", "/vault/secret"),
        ("GET", "/vault"),
        ("GET", "/"),
        ("GET", "/?Action=ListQueues"),
        ("GET", "/2015-03-31/functions"),
        ("POST", "/2015-03-31/functions/asking/invocations"),
    ],
)
@pytest.mark.parametrize("authorization", [None, "", "anything", "AWS4-HMAC-SHA256 Credential=test/x, Signature=x"])
def test_doors_are_shut_and_nothing_goes_without_a_signature(
    started: State, method: str, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    told = ask(int(started.endpoint.rpartition(":")[2]), method, path, headers, b'{"a": 1}' if method != "GET" else b"")
    assert 400 <= told.status <= 403, told.data
    s3 = boto3.client("s3", **access(started))
    assert {content["Key"] for content in s3.list_objects_v2(Bucket="vault")["Contents"]} == {
        "secret", "shown/to all", "drops/shop/users/a.csv"
    }  # fmt: skip


def test_what_a_bucket_shows_to_everybody_everybody_may_read(started: State) -> None:
    port = int(started.endpoint.rpartition(":")[2])
    assert ask(port, "GET", "/vault/shown/to%20all", {}).data == b"told"


def test_a_function_signs_with_a_key_of_its_role_that_nobody_can_guess(started: State) -> None:
    functions = boto3.client("lambda", **access(started))
    told = json.loads(functions.invoke(FunctionName="asking")["Payload"].read())
    configuration = functions.get_function_configuration(FunctionName="asking")
    guessed = hashlib.sha256(f"{configuration['FunctionArn']}:{configuration['Role']}".encode()).hexdigest()
    assert told.startswith("ASIA")
    assert told != f"ASIA{guessed[:16].upper()}"


def test_the_key_outlives_its_processes_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "run")
    (home.data / "aws").mkdir(parents=True)
    (home.run / "credentials").write_text("[default]\naws_access_key_id = OLDER\naws_secret_access_key = older\n")
    for older in ("state.json.new", "credentials.new", "data/aws/apigateway.json"):
        (home.run / older).write_text("{}")
    for file in home.run.glob("**/*"):
        file.chmod(0o755 if file.is_dir() else 0o644)
    first = lifecycle.start(home)
    try:
        lifecycle.wait_ready(home, first)
        for process in first.processes:
            os.kill(process.pid, signal.SIGKILL)
        lifecycle.stop(home)
        second = lifecycle.start(home)
        lifecycle.wait_ready(home, second)
        boto3.client("apigateway", **access(second)).create_api_key(name="secret", enabled=True)
        files = [home.run / "state.json", home.run / "credentials"]
        assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
    finally:
        lifecycle.stop(home)
    assert (first.access_key, first.secret_key) == (second.access_key, second.secret_key) == ("OLDER", "older")
    saved = [file for file in home.saved.glob("**/*") if file.is_file()]
    assert {stat.S_IMODE(file.stat().st_mode) for file in saved} == {0o600}
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (home.run, home.data)] == [0o700, 0o700]


def test_each_cloud_has_a_key_of_its_own(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    made = [Home(tmp_path / name).access_key() for name in ("one", "other", "one")]
    assert made[0] == made[2]
    assert not set(made[0]) & set(made[1])
    assert len(made[0][1]) >= 40


def test_aws_tools_read_the_key_from_the_cloud_s_folder(
    home: Home, started: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    session = boto3.session.Session(
        botocore_session=botocore.session.Session(
            {"credentials_file": (None, None, str(home.run / "credentials"), None)}
        )
    )
    client = session.client(
        "s3", endpoint_url=started.endpoint, region_name="us-east-1", config=access(started)["config"]
    )
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["vault"]


@pytest.mark.parametrize(
    ("address", "more", "name", "is_own"),
    [
        ("127.0.0.1", (), "localhost", True),
        ("127.0.0.1", (), "LOCALHOST:8090", True),
        ("127.0.0.1", (), "10.0.0.1:8090", False),
        ("::1", (), "[::1]:8090", True),
        ("127.0.0.1", (), "[::1]:8090", False),
        (EVERYWHERE, (), "10.0.0.1:8090", True),
        (EVERYWHERE, (), "engine:8090", False),
        (EVERYWHERE, ("engine",), "engine:8090", True),
        ("127.0.0.1", (), "", False),
        ("127.0.0.1", (), "localhost, evil.example", False),
        ("127.0.0.1", (), "localhost@evil.example", False),
    ],
)
def test_a_server_goes_by_its_own_names_alone(address: str, more: tuple[str, ...], name: str, is_own: bool) -> None:
    assert (origins.foreign_name(name, origins.names_of(address, more)) == "") is is_own

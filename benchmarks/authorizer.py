# SPDX-License-Identifier: Apache-2.0
"""What the authorizer of the browsers' API costs, over the least that checking the same token can.

`cold` is a fresh process up to its first verdict, keys fetched over loopback; the floor beside it is a process that
imports joserfc and checks the same shopper's token with a key that it has already. `warm` is the median of many
verdicts in one process. API Gateway keeps each verdict for five minutes, so a browser pays for one in that time.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any, cast

REPOSITORY = Path(__file__).resolve().parent.parent
COLD_RUNS, WARM_RUNS = 11, 3_000
SECRET = "1" * 64

FLOOR = """
import json, sys, time
from joserfc import jwt
from joserfc.jwk import RSAKey
told = json.loads(sys.argv[1])
claims = jwt.decode(told["shopper"], RSAKey.import_key(told["key"]), ["RS256"]).claims
jwt.JWTClaimsRegistry(iss={"essential": True, "value": told["issuer"]}).validate(claims)
print("Allow")
"""
OURS = """
import json, sys
import functions.authorize_request.app as app
told = json.loads(sys.argv[1])
event = json.load(open("events/authorize_request.json"))
event["multiValueHeaders"] = {"Authorization": ["Bearer " + told[sys.argv[2]]]}
answer = app.handler(event, None)
print(answer["policyDocument"]["Statement"][0]["Effect"])
"""


class _Secrets(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        stage = request["VersionStage"]
        told = {"SecretString": SECRET, "VersionId": "v1", "Name": "keys", "ARN": "arn", "VersionStages": [stage]}
        missing = {"__type": "ResourceNotFoundException", "message": "no such stage"}
        status, document = (200, told) if stage == "AWSCURRENT" else (400, missing)
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Say nothing."""


def serve() -> None:
    """The issuer and the secret, in a process of their own; prints the tokens and where they are."""
    from personalization.auth.tokens import Session, signed  # noqa: PLC0415 - the other process needs none of it

    from tests.handlers.issuer import Issuer  # noqa: PLC0415

    issuer, secrets = Issuer(), ThreadingHTTPServer(("127.0.0.1", 0), _Secrets)
    threading.Thread(target=secrets.serve_forever, daemon=True).start()
    now = int(time.time())
    visitor = signed(
        Session(id="s-" + "A" * 22, shop="demo", user="", until=0, begun=now, expires=now + 3600),
        "v1",
        SECRET.encode(),
        now,
    )
    told: dict[str, object] = {"shopper": issuer.token("u1"), "visitor": visitor, "issuer": issuer.url}
    told |= {"secrets": f"http://127.0.0.1:{secrets.server_port}", "key": issuer.keys[-1].as_dict(private=False)}
    print(json.dumps(told), flush=True)
    sys.stdin.read()
    issuer.close()


def environment(told: dict[str, Any], cache: str) -> dict[str, str]:
    """The variables of the function."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environment | {
        "PYTHONPYCACHEPREFIX": cache,
        "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'layers' / 'core'}",
        "AWS_ENDPOINT_URL": told["secrets"], "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1", "SESSION_KEYS": "keys", "SHOPPER_KEY": "shopper",
        "VISITOR_KEY": "visitor", "TOKEN_ISSUER": told["issuer"], "TOKEN_AUDIENCE": "shop-front",
        "TOKEN_ALGORITHMS": "RS256", "TOKEN_USER_CLAIM": "sub",
    }  # fmt: skip


def cold(source: str, told: dict[str, Any], who: str, variables: dict[str, str]) -> float:
    """Milliseconds of a fresh process up to its verdict."""
    command = [sys.executable, "-c", source, json.dumps(told), who]
    started = time.perf_counter()
    done = subprocess.run(command, env=variables, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    elapsed = (time.perf_counter() - started) * 1000
    if not done.stdout.endswith("Allow\n"):
        sys.exit(done.stdout + done.stderr)
    return elapsed


def warm(who: str) -> None:
    """Median microseconds of a verdict, and the memory of the process."""
    from contextlib import redirect_stdout  # noqa: PLC0415
    from io import StringIO  # noqa: PLC0415

    from functions.authorize_request.app import handler  # noqa: PLC0415

    event = json.loads((REPOSITORY / "events/authorize_request.json").read_text())
    event["multiValueHeaders"] = {"Authorization": ["Bearer " + json.loads(os.environ["TOLD"])[who]]}
    times = []
    with redirect_stdout(StringIO()):
        for _ in range(WARM_RUNS):
            started = time.perf_counter()
            handler(event, None)
            times.append(time.perf_counter() - started)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cut = statistics.quantiles(times[100:], n=100)
    print(f"warm, a {who}'s token: {cut[49] * 1e6:.0f} us, p99 {cut[98] * 1e6:.0f} us; resident {megabytes:.0f} MB")


def main() -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.authorizer", "serve"], cwd=REPOSITORY, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as cache:
        try:
            told = json.loads(cast("IO[str]", server.stdout).readline())
            variables = environment(told, cache)
            kinds = {"floor": (FLOOR, "shopper"), "shopper": (OURS, "shopper"), "visitor": (OURS, "visitor")}
            for source, who in kinds.values():
                cold(source, told, who, variables)
            rounds = [
                {kind: cold(*pair[:1], told, pair[1], variables) for kind, pair in kinds.items()}
                for _ in range(COLD_RUNS)
            ]
            median = {kind: statistics.median(times[kind] for times in rounds) for kind in kinds}
            print("cold: " + ", ".join(f"{kind} {value:.0f} ms" for kind, value in median.items()), flush=True)
            for who in ("shopper", "visitor"):
                line = [sys.executable, "-m", "benchmarks.authorizer", "warm", who]
                subprocess.run(line, env=variables | {"TOLD": json.dumps(told)}, cwd=REPOSITORY, check=True)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
    elif sys.argv[1:2] == ["warm"]:
        warm(sys.argv[2])
    else:
        main()

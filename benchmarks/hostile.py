# SPDX-License-Identifier: Apache-2.0
"""Hostile requests in the hundred thousands: to the handlers, and with `--run-dir` to a local cloud over sockets.

With `--files` it takes hostile files in place of requests, all or those named. Texts say that they have as many bytes
as a drop may have, some as gzip: the check of drops must refuse them within seconds and within its function's memory.
Files of other formats are read in a child process as in a function: a fifth of its memory must stay free, whatever
becomes of them.

Prints how many were sent, what was answered, and what must not have come of it: 5xx, tracebacks, log lines with what a
shopper sent, another's data. The generator is seeded: the same seed sends the same requests.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from random import Random

import urllib3
from personalization.core.bounded.parent import MEMORY_SHARE, Child, Limits
from personalization.shop.settings.settings import ShopSettings
from table_intake import Expected, FileSettings, Refused, check_table, open_table, problems
from table_intake.read import archives
from table_intake.read.rows import Table

from benchmarks import files, validation
from benchmarks.bombs import FILES, ended, written
from local.cloud import environments, login
from local.cloud.environments import LOCAL, REPOSITORY
from local.cloud.home import Home, State, require
from tests.hostile.forgeries import Forge
from tests.hostile.wire import Wire
from tests.hostile.world import world

DESCRIPTION = REPOSITORY / "functions/get_recommendations/openapi.json"
_MEGABYTES = 1_769 * 1.048576
"""The memory of the functions that read files."""
TOKEN_EVERY = 4
"""One forged token after so many requests."""


def handlers(requests: int, seed: int) -> list[str]:
    """Send requests and forged tokens to the handlers; returns what is broken."""
    random, started = Random(seed), time.perf_counter()
    with world() as hostile:
        if not hostile.good_tokens_are_good():
            sys.exit("the tokens that forgeries are made of are not taken: nothing would be tried")
        for number in range(requests):
            hostile.request(random)
            if number % TOKEN_EVERY == 0:
                hostile.token(random)
        statuses: Counter[int] = Counter()
        for (_, status), count in hostile.statuses.items():
            statuses[status] += count
        tell("handlers", statuses, time.perf_counter() - started, hostile.broken)
        return hostile.broken


def over_http(requests: int, seed: int, home: Home, shop: str) -> list[str]:
    """Send them to the cloud in a folder, which has this shop; returns what is broken."""
    random, state, started = Random(seed), require(home), time.perf_counter()
    user = login.user_token(home, state, "u1", time.time())
    address = f"{state.browser_api}/shops/{shop}/sessions"
    visitor, joined = (urllib3.request("POST", address, json=body).json() for body in ({}, {"userToken": user}))
    tokens = {"u1": joined["token"], visitor["userId"]: visitor["token"]}
    wire = Wire((state.api, state.key), (state.browser_api, tokens), shop)
    claims = {"iss": login.issuer(state), "aud": login.AUDIENCE, "sub": "u1", "exp": int(time.time()) + 3600}
    forge = Forge.of_stranger(claims, visitor["token"])
    for number in range(requests):
        wire.request(random)
        if number % TOKEN_EVERY == 0:
            wire.token(random, forge)
    tell("over HTTP", wire.statuses, time.perf_counter() - started, wire.broken)
    return wire.broken


def described(state: State, shop: str, seconds: int) -> list[str]:
    """What schemathesis finds between the OpenAPI document and the API of servers, in so many seconds.

    Two of its rules are not ours: that a method which is nowhere described is answered 405 (API Gateway says 404), and
    that whatever a JSON schema admits is taken (a schema cannot say that a time is after 1970, or a filter the shop's).
    """
    environments.refresh("audit", environments.find_python())
    with tempfile.TemporaryDirectory() as made:
        settings = Path(made, "schemathesis.toml")
        settings.write_text(f'[parameters]\n"path.shop" = "{shop}"\n')
        command = [str(LOCAL / "audit/bin/schemathesis"), "--config-file", str(settings), "run", str(DESCRIPTION)]
        command += [
            "--url",
            state.api,
            "--header",
            f"x-api-key: {state.key}",
            "--exclude-path",
            "/shops/{shop}/sessions",
        ]
        command += ["--exclude-checks", "unsupported_method,positive_data_acceptance", "--max-time", str(seconds)]
        command += ["--generation-database", "none", "--no-color", "--continue-on-failure", "--max-examples", "100"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=made)
    summary = re.search(r"[\d,]+ generated.*", done.stdout)
    print(f"schemathesis: {summary[0] if summary else done.stdout[-2000:] + done.stderr[-2000:]}")
    return [] if done.returncode == 0 else [done.stdout]


def bombs(names: Iterable[str], most: float = 60, megabytes: float = 1_200) -> list[str]:
    """Have bombs checked, print what that took, and return what took too much.

    Args:
        names: of the bombs.
        most: seconds of processor time that a bomb may cost.
        megabytes: resident memory that all of them may take: 1,769 MB but for the runtime, an upload and a margin.
    """
    broken = []
    for name in names:
        for packed in (False, True) if name in files.PACKED else (False,):
            began, file = time.process_time(), files.bomb(name, archives.LARGEST)
            told, label = outcome(files.Packed(file) if packed else file), f"{name}{', gzip' * packed}"
            seconds, peak = time.process_time() - began, validation.peak()
            print(f"{label:36} {file.given / 1e6:6.0f} MB read, {seconds:5.1f} s, peak {peak:5.0f} MB: {told[:90]}")
            if not told or seconds > most or peak > megabytes:
                broken.append(f"{label}: {seconds:.1f} s, {peak:.0f} MB, {told or 'accepted'}")
    return broken


def bites(names: Iterable[str], seconds: float = 300) -> list[str]:
    """Have files checked in a child process with a function's limits, print and return what broke.

    Args:
        names: of the files.
        seconds: that a file may take.
    """
    broken, limits = [], Limits(MEMORY_SHARE * _MEGABYTES, seconds)
    with tempfile.TemporaryDirectory() as folder:
        for name, path in written(names, Path(folder)).items():
            child = Child("benchmarks.bombs")
            try:
                told, peak = ended(path, limits, child)
            finally:
                child.stop()
                path.unlink()
            print(f"{name:36} peak {peak:5.0f} MB: {told[:110] or 'accepted'}")
            if peak > limits.megabytes or "seconds" in told:
                broken.append(f"{name}: {peak:.0f} MB, {told or 'accepted'}")
    return broken


def outcome(bomb: files.Made | files.Packed) -> str:
    """Why the check refuses a file; empty where it doesn't."""
    expected = Expected("bomb.csv", "interactions", "FULL", ShopSettings(), now=validation.NOW)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        scratch = Path(folder)
        try:
            table = (
                stack.enter_context(open_table("bomb.csv", bomb, FileSettings(), scratch))
                if isinstance(bomb, files.Packed)
                else Table("bomb.csv", bomb)
            )
            return "; ".join(problems(expected, check_table(table, expected, len, scratch).findings))
        except Refused as refused:
            return refused.reason


def tell(where: str, statuses: Counter[int], seconds: float, broken: list[str]) -> None:
    """One paragraph of what was sent and what came of it."""
    answered = "  ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))
    print(f"{where}: {statuses.total():,} requests in {seconds:.0f} s\n  {answered}\n  broken: {len(broken)}")
    for problem in broken[:20]:
        print(f"  - {problem[:500]}")


def main() -> None:
    """Send them, and fail where anything came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000, help="to the handlers")
    parser.add_argument("--http", type=int, default=3_000, help="to the cloud of --run-dir")
    parser.add_argument("--run-dir", type=Path, help="folder of a running local cloud")
    parser.add_argument("--shop", default="demo", help="its shop")
    parser.add_argument("--seconds", type=int, default=120, help="for schemathesis")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--files", nargs="*", choices=[*files.BOMBS, *FILES], help="hostile files, all or these, and nothing else"
    )
    options = parser.parse_args()
    if options.files is not None:
        wanted = options.files or [*files.BOMBS, *FILES]
        broken = bombs(name for name in wanted if name in files.BOMBS)
        broken += bites(name for name in wanted if name in FILES)
        sys.exit("\n".join(broken) or 0)
    broken = handlers(options.requests, options.seed)
    if options.run_dir:
        home = Home(options.run_dir)
        broken += over_http(options.http, options.seed, home, options.shop)
        broken += described(require(home), options.shop, options.seconds)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()

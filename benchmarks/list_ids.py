# SPDX-License-Identifier: Apache-2.0
"""What a listId adds to an answer: `PYTHONPATH=layers/core python -m benchmarks.list_ids`.

The floor in the same run is the least that a signed token needs: one keyed hash and base64. Both are taken in turns.
The lists are those of a page with a user, whose placements have the longest names that there are.
"""

import base64
import statistics
import sys
import time
from hashlib import blake2b

from personalization.auth.list_ids import MOST_CHARACTERS, Shown, check, key_of, of

ROUNDS = 20_000
MOST_MICROSECONDS = 20.0
KEY = key_of("0f8a6c1e-0000-4000-8000-000000000001", b"1" * 64)
NAMES = ("recommend", "similar", "placement/home", f"placement/{'z' * 20}")


def floor(user: str) -> str:
    """A token that says nothing but its user."""
    content = user.encode()
    return base64.urlsafe_b64encode(content + blake2b(content, key=KEY.secret, digest_size=8).digest()).decode()


def main() -> None:
    made, least, checked = [], [], []
    longest = 0
    for number in range(ROUNDS):
        user, name, now = f"user-{number}", NAMES[number % len(NAMES)], 1_790_000_000.0 + number
        began = time.perf_counter()
        token = of(KEY, "demo", user, Shown(name=name, at=now, release=1_789_000_000))
        made.append(time.perf_counter() - began)
        began = time.perf_counter()
        floor(user)
        least.append(time.perf_counter() - began)
        began = time.perf_counter()
        refused = check([KEY], "demo", token, (user, "s1"), now)
        checked.append(time.perf_counter() - began)
        if refused:
            sys.exit(f"{token} is refused: {refused}")
        longest = max(longest, len(token))
    for what, seconds in (("a listId", made), ("the floor", least), ("a check", checked)):
        half, most = statistics.median(seconds) * 1e6, statistics.quantiles(seconds, n=100)[-1] * 1e6
        print(f"{what}: {half:.1f} us at p50, {most:.1f} us at p99")
    added = statistics.median(made) * 1e6
    print(f"added to an answer: {added:.1f} us (at most {MOST_MICROSECONDS:.0f} us)")
    print(f"the longest listId: {longest} characters (at most {MOST_CHARACTERS})")
    if added > MOST_MICROSECONDS or longest > MOST_CHARACTERS:
        sys.exit("a listId costs more than it may")


if __name__ == "__main__":
    main()

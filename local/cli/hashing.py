# SPDX-License-Identifier: Apache-2.0
"""``python -m local hash``: the hashes that stand for ids, by which exports are matched with a shop's customers."""

import sys
from argparse import Namespace

from table_intake.write.dialect import standard

from local.cloud.client import Client
from local.cloud.environments import LocalError
from local.cloud.home import Home, require
from local.terminal.output import Terminal


def main(options: Namespace, terminal: Terminal) -> None:
    """Write a CSV of ids and their hashes.

    Raises:
        LocalError: the shop hashes no ids.
    """
    shop = options.shop
    hashed = Client(require(Home(options.run_dir))).hashes(shop)
    if hashed is None:
        raise LocalError(f"{shop} hashes no ids: its settings have no `hash`, or no run has promoted a release yet")
    if not options.ids and sys.stdin.isatty():
        terminal.note("one id a line, then Ctrl-D")
    ids = options.ids or (line.rstrip("\r\n") for line in sys.stdin)
    rows = ((text, hashed(text)) for text in ids if text.strip())
    if terminal.as_json:
        terminal.json({"shop": shop, "hashes": [{"id": text, "hash": hash_of_id} for text, hash_of_id in rows]})
        return
    sys.stdout.write(standard(("ID", "USER_ID")))
    for row in rows:
        sys.stdout.write(standard(row))

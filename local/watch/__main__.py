# SPDX-License-Identifier: Apache-2.0
"""Serve the watch page of one cloud until SIGTERM; `up` starts it, and `down` ends it."""

import argparse
import threading
from pathlib import Path

from local.cloud.home import Home
from local.watch.cloud import Cloud
from local.watch.server import WatchHandler
from local.web.server import serving

parser = argparse.ArgumentParser(prog="local.watch", description=__doc__)
parser.add_argument("--port", type=int, required=True, help="port of 127.0.0.1")
parser.add_argument("--run-dir", type=Path, required=True, help="folder of the cloud")

if __name__ == "__main__":
    options = parser.parse_args()
    with serving(WatchHandler, options.port, cloud=Cloud(Home(options.run_dir))):
        threading.Event().wait()

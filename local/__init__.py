# SPDX-License-Identifier: Apache-2.0
"""The laptop: a local AWS, the embedded engine and the operator's command line. Nothing that is deployed imports it."""

import sys
from pathlib import Path

# The functions find the domain package in their layer; the laptop uses its pure modules too.
sys.path.append(str(Path(__file__).resolve().parents[1] / "layers" / "core"))

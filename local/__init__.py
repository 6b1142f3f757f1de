# SPDX-License-Identifier: Apache-2.0
"""The laptop: a local AWS, the embedded engine and the operator's command line. Nothing that is deployed imports it."""

import sys
from pathlib import Path

# The pure modules of the domain package are the laptop's as well; the functions find it in their layer.
sys.path.append(str(Path(__file__).resolve().parents[1] / "layers" / "core"))

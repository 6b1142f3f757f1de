# SPDX-License-Identifier: Apache-2.0
"""The Chromium of the browser tests: the machine's own, or one that ``python -m tests.storefront.chromium`` brings.

Best is one without windows, which takes a third of the processor time. As root that is Debian's package; for everybody
else it is what npm's ``@sparticuz/chromium`` ships for Linux on x64, with the libraries and fonts that it needs.
"""

import os
import shutil
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

from local.cloud.environments import LOCAL

LOCKED = Path(__file__).parent / "chromium_npm"
BROUGHT = LOCAL / "chromium"
PACKED = BROUGHT / "node_modules" / "@sparticuz" / "chromium" / "bin"
PACKAGES = ("chromium-headless-shell", "chromium")
"""Debian's, the best first."""
NAMES = (*PACKAGES, "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
MAC = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
)
FONTS = """<fontconfig>
  <dir>{0}/fonts</dir><dir>/usr/share/fonts</dir><cachedir>{0}/cache</cachedir>
</fontconfig>
"""
INFLATE = """const {brotliDecompressSync} = require("node:zlib"), {readFileSync, writeFileSync} = require("node:fs");
writeFileSync(process.argv[2], brotliDecompressSync(readFileSync(process.argv[1])))"""


def find() -> Path | None:
    """The browser to test with; None where there is none."""
    installed = [Path(path) for name in NAMES if (path := shutil.which(name))]
    return next((path for path in (*installed, *MAC, BROUGHT / "chromium") if path.exists()), None)


def environment() -> dict[str, str]:
    """The environment variables that the browser runs with."""
    brought = {"LD_LIBRARY_PATH": str(BROUGHT / "lib"), "FONTCONFIG_PATH": str(BROUGHT)}
    return os.environ | (brought if find() == BROUGHT / "chromium" else {})


def bring() -> None:
    """Install Debian's package, or unpack the browser that npm ships."""
    if os.geteuid() == 0 and (apt := shutil.which("apt-get")):
        installs = (["install", "-qq", "--no-install-recommends", package] for package in PACKAGES)
        for command in (["update", "-qq"], *installs):
            if find() is not None:
                break
            with (LOCAL / "chromium.log").open("ab") as log:
                noninteractive = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
                subprocess.run([apt, *command], check=False, stdout=log, stderr=log, env=noninteractive)
    if find() is None and sys.platform == "linux" and (npm := shutil.which("npm")):
        shutil.copytree(LOCKED, BROUGHT, dirs_exist_ok=True)
        command = [npm, "ci", "-s", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(BROUGHT)]
        subprocess.run(command, check=True)
        unpack()


def unpack() -> None:
    """Unpack npm's browser, itself last, so that an interrupted unpacking is done again."""
    node = shutil.which("node")
    assert node, "npm is there, node is not"
    for packed in sorted(PACKED.glob("*.br"), key=lambda path: path.stem == "chromium"):
        file = BROUGHT / f"unpacking.{packed.stem}"
        subprocess.run([node, "-e", INFLATE, str(packed), str(file)], check=True)
        if file.suffix == ".tar":
            with tarfile.open(file) as archive:
                # An early Python 3.11 does not know the filter as an argument.
                archive.extraction_filter = getattr(tarfile, "data_filter", None)
                archive.extractall(BROUGHT)  # noqa: S202 - the filter is set
            file.unlink()
        else:
            file.chmod(file.stat().st_mode | stat.S_IXUSR)
            (BROUGHT / "fonts.conf").write_text(FONTS.format(BROUGHT))
            file.rename(BROUGHT / packed.stem)


if __name__ == "__main__":
    if find() is None:
        bring()
    sys.exit(None if find() else "There is no Chromium, and none could be brought: the browser's tests are skipped.")

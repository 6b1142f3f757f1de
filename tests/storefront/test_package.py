# SPDX-License-Identifier: Apache-2.0
"""The clients as packages: what is in them, and that a project which installs them finds their names."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.storefront.test_client import CLIENT, CODE, ROOT, TYPES, node

BIN = Path(sys.prefix) / "bin"

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
NPM = shutil.which("npm")
NAMES = "ApiError Personalization"


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that `npm pack` makes, in a copy of the repository."""
    if released := os.environ.get("RELEASE"):
        return next((ROOT / released / "npm").glob("*.tgz"))
    if node() is None or NPM is None:
        pytest.skip("Node 20 or newer and npm are not on this machine")
    copy = tmp_path_factory.mktemp("npm")
    shutil.copytree(CLIENT, copy / "storefront" / "client", ignore=shutil.ignore_patterns("commonjs", "LICENSE"))
    shutil.copy(ROOT / "LICENSE", copy)
    before = sorted(copy.rglob("*"))
    subprocess.run([str(NPM), "pack", "--silent", "./storefront/client"], cwd=copy, check=True, capture_output=True)
    (made,) = {*copy.rglob("*")} - {*before}
    return made


def test_the_npm_package_has_the_client_twice_its_types_and_the_licence(packed: Path) -> None:
    assert packed.name == f"retail-personalization-client-{VERSION}.tgz"
    with tarfile.open(packed) as archive:
        names = {member.name.removeprefix("package/") for member in archive.getmembers()}
        read = {name: (archive.extractfile(f"package/{name}") or packed.open("rb")).read().decode() for name in names}
    assert names == {
        "LICENSE", "README.md", "package.json", "personalization.js", "personalization.d.ts",
        "commonjs/package.json", "commonjs/personalization.js", "commonjs/personalization.d.ts",
        "impressions.js", "impressions.d.ts", "commonjs/impressions.js", "commonjs/impressions.d.ts",
        "hash.js", "hash.d.ts", "commonjs/hash.js", "commonjs/hash.d.ts",
    }  # fmt: skip
    assert read["personalization.js"] == CODE
    assert read["personalization.d.ts"] == read["commonjs/personalization.d.ts"] == TYPES
    assert "Apache License" in read["LICENSE"]
    exports = json.loads(read["package.json"])["exports"]["."]
    assert read["hash.d.ts"] == read["commonjs/hash.d.ts"]
    assert {path.removeprefix("./") for way in exports.values() for path in way.values()} < names


def test_a_project_finds_the_names_by_import_and_by_require(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "fresh", "version": "1.0.0"}')
    install = [str(NPM), "install", "--offline", "--silent", "--no-audit", "--no-fund", str(packed)]
    subprocess.run(install, cwd=tmp_path, check=True, capture_output=True)
    show = "console.log(Object.keys(found).sort().join(' '), new found.Personalization({ shop: 's' }).pending.length)"
    hashed = "hashId('k', 's', 'u').then((made) => console.log(made.length))"
    (tmp_path / "a.mjs").write_text(
        "import * as found from 'retail-personalization-client';\n"
        f"import {{ hashId }} from 'retail-personalization-client/hash';\n{show}\n{hashed}\n"
    )
    (tmp_path / "b.cjs").write_text(
        "const found = require('retail-personalization-client');\n"
        f"const {{ hashId }} = require('retail-personalization-client/hash');\n{show}\n{hashed}\n"
    )
    for program in ("a.mjs", "b.cjs"):
        done = subprocess.run([str(node()), program], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [*NAMES.split(), "0", "42"]


def test_the_python_client_is_a_module_that_installs(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(CLIENT / "python", source, ignore=shutil.ignore_patterns("__pycache__"))
    build = [
        str(BIN / "uv"),
        "build",
        "--quiet",
        "--offline",
        "--wheel",
        "--out-dir",
        str(tmp_path / "dist"),
        str(source),
    ]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.name == f"retail_personalization_client-{VERSION}-py3-none-any.whl"
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == {"shop_client/", "shop_client/__init__.py", "shop_client/py.typed"}
    line = [str(BIN / "python"), "-I", "-S", "-c"]
    code = f"import sys; sys.path.append({str(wheel)!r}); from shop_client import ShopClient, event"
    subprocess.run([*line, code], check=True, capture_output=True)

# SPDX-License-Identifier: Apache-2.0
"""Build the documentation site: `python -m local.documents.build`, which is what `make docs` does.

The Markdown files of the repository become pages, with links between them; a link to any other file becomes its text.
The page of the API is Swagger UI on the API's own description. Both tools come from `locks/docs.txt`, into an
environment of their own, and the site loads nothing from elsewhere. A warning fails the build.
"""

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from local.cloud import environments, refusals
from local.cloud.environments import LOCAL, REPOSITORY

HERE = Path(__file__).parent
FOLDER = LOCAL / "docs"
PAGES, SITE = FOLDER / "pages", FOLDER / "site"
OPENAPI = REPOSITORY / "functions" / "get_recommendations" / "openapi.json"
NAMES = {
    "README.md": "index.md",
    "README.ko.md": "ko.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "docs/decisions/README.md": "decisions/index.md",
    "docs/operations/README.md": "operations/index.md",
    "docs/settings/README.md": "settings/index.md",
    "docs/experiments/README.md": "experiments/index.md",
    "storefront/README.md": "storefront-code.md",
    "storefront/client/README.md": "client.md",
    "table-intake/README.md": "table-intake.md",
    "table-intake/CHANGELOG.md": "table-intake-changelog.md",
    "engine/README.md": "engine/index.md",
    "engine/CHANGELOG.md": "engine/changelog.md",
    "engine/COVERAGE.md": "coverage.md",
}
"""Pages whose place on the site does not follow from their file's."""
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
DIAGRAM = re.compile(r"^```mermaid\n.*?^```$", re.MULTILINE | re.DOTALL)
TABLE = "<!-- the table of local/cloud/refusals.py -->\n"
LINK = re.compile(r"(!?)\[([^\[\]]*(?:\[[^\]]*\][^\[\]]*)?)\]\(([^)\s#]*)(#[^)\s]*)?\)")
API_PAGE = """# OpenAPI

The API's own description; [HTTP API](api.md) explains it. Requests are not sent from here.

<link rel="stylesheet" href="swagger/swagger-ui.css">
<div id="swagger-ui" style="background: #fff"></div>
<script src="swagger/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({
  url: "../swagger/openapi.json", dom_id: "#swagger-ui", supportedSubmitMethods: [], validatorUrl: null,
});
</script>
"""


def sources() -> dict[Path, str]:
    """Return the place on the site of every file of the documentation, pictures included."""
    places = {REPOSITORY / name: address for name, address in NAMES.items()}
    for folder, prefix in ((REPOSITORY / "docs", ""), (REPOSITORY / "engine" / "docs", "engine/")):
        for file in sorted(folder.rglob("*")):
            if file.suffix in {".md", ".svg", ".png"} and file not in places:
                places[file] = prefix + file.relative_to(folder).as_posix()
    return places


def page(file: Path, places: dict[Path, str]) -> str:
    """Return a page's text with links as they are on the site, and the drawn diagram in place of Mermaid's."""

    def moved(link: re.Match[str]) -> str:
        picture, text, target, anchor = link.groups()
        if re.match(r"[a-z]+:", target) or not target:
            return link[0]
        address = places.get((file.parent / target).resolve())
        if address is None:
            return text
        return f"{picture}[{text}]({os.path.relpath(address, Path(places[file]).parent)}{anchor or ''})"

    drawn = FENCE.search((REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8"))
    text = DIAGRAM.sub(lambda _: drawn[0] if drawn else "", file.read_text(encoding="utf-8"))
    text = text.replace(TABLE, f"{refusals.table()}\n")
    return "".join(part if part.startswith("```") else LINK.sub(moved, part) for part in FENCE.split(text))


def write(packages: Path) -> None:
    """Write the pages, and Swagger UI from the `packages` of the environment, anew."""
    shutil.rmtree(PAGES, ignore_errors=True)
    places = sources()
    for file, address in places.items():
        target = PAGES / address
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".md":
            target.write_text(page(file, places), encoding="utf-8")
        else:
            shutil.copy(file, target)
    (PAGES / "openapi.md").write_text(API_PAGE)
    shutil.copy(HERE / "site.css", PAGES)
    viewer = PAGES / "swagger"
    viewer.mkdir()
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "LICENSE"):
        shutil.copy(packages / "flask_swagger_ui" / "dist" / name, viewer)
    shutil.copy(OPENAPI, viewer)


def settings() -> str:
    """Return the site's settings with the project's version and, once it has one, the address of its repository."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [f'copyright = "{project["name"]} {project["version"]}, {project["license"]}"']
    if repository := project.get("urls", {}).get("Repository"):
        lines.append(f'repo_url = "{repository}"')
    text = (HERE / "zensical.toml").read_text(encoding="utf-8")
    return text.replace("[project]\n", "\n".join(["[project]", *lines, ""]), 1)


def main() -> None:
    """Build the site and say where it is."""
    started = time.monotonic()
    environments.refresh("docs", environments.find_python())
    (packages,) = (FOLDER / "lib").glob("python3*/site-packages")
    write(packages)
    (FOLDER / "zensical.toml").write_text(settings(), encoding="utf-8")
    done = subprocess.run(
        [FOLDER / "bin" / "zensical", "build", "--clean", "--strict"],
        cwd=FOLDER, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}")
    print(f"{SITE} ({time.monotonic() - started:.1f} s)")


if __name__ == "__main__":
    main()

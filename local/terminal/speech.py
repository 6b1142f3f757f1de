# SPDX-License-Identifier: Apache-2.0
"""How a command speaks: its sentences in the shop's language, and commands as they are typed here."""

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from shlex import quote

from table_intake.wording import Catalogue, Language, Text

from local.cloud.environments import LOCAL

SCRIPT = "retail"
"""The console script that `make setup` installs."""
DEFAULT = LOCAL / "run"
"""The folder of the cloud where no other is named."""
TEXTS = Path(__file__).parent / "texts"
"""The laptop's sentences, and the names of the state machines' steps, in other languages than English."""
_COMMAND = re.compile(r"(?:\.venv/bin/)?python -m local ([a-z][a-z-]*)")


@cache
def sentences(language: Language) -> Catalogue:
    """Return the templates of all sentences that code makes: the laptop's, the application's and the library's."""
    if language == "en":
        return {}
    import yaml  # noqa: PLC0415 - only other languages need them
    from personalization.reports import pages  # noqa: PLC0415

    text = (TEXTS / f"{language}.yaml").read_text(encoding="utf-8")
    return {**pages.sentences(language), **yaml.safe_load(text)}


@cache
def _steps(language: Language) -> Mapping[str, str]:
    names: Mapping[str, str] = json.loads((TEXTS / f"steps.{language}.json").read_text(encoding="utf-8"))
    return names


def happening(what: str, language: Language) -> str:
    """Return the name of a step of a run, or the kind and the name of a resource, in a language."""
    if language == "en":
        return what
    kind, _, name = what.rpartition(" ")
    return _steps(language).get(what) or f"{rendered(Text(f'resource.{kind}', kind), language)} {name}".strip()


def rendered(text: str, language: Language) -> str:
    """Return a text in a language; what was no `Text` stays as it is."""
    return text.rendered(sentences(language)) if isinstance(text, Text) and language != "en" else text


def typed(text: str, run_dir: Path = DEFAULT) -> str:
    """Return a text whose commands can be pasted: with this program's name, and with the folder of its cloud."""
    more = "" if run_dir == DEFAULT else f" --run-dir {quote(str(run_dir))}"
    return _COMMAND.sub(lambda match: f"{program()} {match[1]}{more}", text)


def program() -> str:
    """Return what starts this command line from the folder where it was started."""
    script = Path(sys.argv[0])
    if script.name == SCRIPT:
        return _short(script)
    return f"{_short(Path(sys.executable))} -m local"


def _short(program: Path) -> str:
    """Return how a program is called here: by its name where the shell finds it, else by its path."""
    on_path = shutil.which(program.name)
    # Its folder tells it from the program that it links to: a Python of another environment is another one.
    if on_path and Path(on_path).parent.resolve() == program.parent.resolve():
        return program.name
    path = Path(os.path.abspath(program))  # noqa: PTH100 - a link stays one
    return quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))

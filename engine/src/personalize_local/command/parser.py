# SPDX-License-Identifier: Apache-2.0
"""A parser of options that knows variables for them, guesses mistyped ones, and completes them in a shell."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NoReturn

WIDTH: Final = 80
_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"0", "false", "no", "off"})
Value = Any
"""What argparse hands on: its own types don't say."""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help of one width in every terminal, with room for the words."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=22, width=WIDTH)


class Parser(argparse.ArgumentParser):
    """Its long options are also variables: `--data-dir` is `<prefix>DATA_DIR`; the command line goes before them."""

    def __init__(self, program: str, description: str, epilog: str, prefix: str) -> None:
        super().__init__(
            prog=program,
            usage=f"{program} [options]",
            description=description,
            epilog=epilog,
            formatter_class=Formatter,
            allow_abbrev=False,
            add_help=False,
        )
        self._prefix = prefix

    def read(
        self, arguments: Sequence[str], environment: Mapping[str, str], namespace: argparse.Namespace
    ) -> argparse.Namespace:
        """Return the options; ends the program where they cannot be read."""
        parsed, rest = self.parse_known_args([*self._variables(environment), *arguments], namespace)
        if rest:
            self.error(self._unknown(rest[0]))
        return parsed

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\nTry {self.prog} --help\n")

    def complete_folders(self, complete: Value) -> None:
        """Have a shell complete what takes a path: `complete` says how."""
        for action in self._actions:
            if action.type is Path:
                action.complete = complete  # type: ignore[attr-defined]

    def _variables(self, environment: Mapping[str, str]) -> Iterator[str]:
        for action in self._actions:
            option = action.option_strings[-1]
            name = self._prefix + option.lstrip("-").replace("-", "_").upper()
            value = environment.get(name)
            if not value or action.default is argparse.SUPPRESS:
                continue  # an empty variable is as good as none
            if isinstance(action, argparse._AppendAction):  # noqa: SLF001 — argparse names it nowhere else
                yield from (f"{option}={part.strip()}" for part in value.split(","))
            elif action.nargs != 0:
                yield f"{option}={value}"
            elif value.lower() in _YES:
                yield option
            elif value.lower() not in _NO:
                self.error(f"{name} is 1 or 0, not {value!r}")

    def _unknown(self, argument: str) -> str:
        options = [option for action in self._actions for option in action.option_strings]
        typed = argument.partition("=")[0]
        near = get_close_matches(typed, options, 1) or get_close_matches(f"--{typed}", options, 1)
        what = "option" if typed.startswith("-") else "argument"
        return f"there is no {what} {typed}" + (f": did you mean {near[0]}?" if near else ".")


class Once(argparse.Action):
    """An option that prints a text instead of starting the engine; `text` makes it from the parser and the value."""

    def __init__(
        self, option_strings: Sequence[str], dest: str, text: Callable[[Parser, str], str], **more: Value
    ) -> None:
        del dest
        super().__init__(option_strings, argparse.SUPPRESS, default=argparse.SUPPRESS, **more)
        self._text = text

    def __call__(
        self, parser: argparse.ArgumentParser, _namespace: argparse.Namespace, values: Value, _option: str | None = None
    ) -> NoReturn:
        assert isinstance(parser, Parser)  # noqa: S101
        sys.stdout.write(f"{self._text(parser, values)}\n")
        parser.exit()

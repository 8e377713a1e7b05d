"""Each command that the documents show exists, with its options; those that need more than this machine say so."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from docs.command_help import subcommand
from ops.cli import COMMANDS

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCES = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_SHELL = ("bash", "console", "")
_SETTING = re.compile(r"^[A-Z_]+=\S*$")
_NEEDS = {"docker": "Needs Docker|Needs a cluster", "kubectl": "Needs a cluster"}


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each command that begins a line in a page's fences of shell."""
    for fence in _FENCES.finditer(page.read_text("utf-8")):
        if fence[2] not in _SHELL:
            continue
        for line in fence[3].replace("\\\n", " ").splitlines():
            try:
                words = shlex.split(line, comments=True)
            except ValueError:  # a part of something that spans lines
                continue
            while words and _SETTING.match(words[0]):
                words = words[1:]
            if words:
                yield words


def known_options(command: click.Command) -> set[str]:
    return {option for one in command.params for option in one.opts if option.startswith("--")} | {"--help"}


def check_crowdwatch(arguments: list[str]) -> None:
    assert arguments[0] in COMMANDS
    command, rest = subcommand(arguments[0]), arguments[1:]
    if isinstance(command, click.Group):
        assert rest[0] in command.commands
        command, rest = command.commands[rest[0]], rest[1:]
    named = {word.partition("=")[0] for word in rest if word.startswith("--")}
    assert named <= known_options(command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for words in commands(page):
        program, arguments = words[0].removeprefix(".venv/bin/"), words[1:]
        if program == "crowdwatch":
            check_crowdwatch(arguments)
        elif program == "make":
            assert {word for word in arguments if not _SETTING.match(word.partition(" ")[0])} <= targets, words
        elif program == "python" and arguments[0] == "-m":
            assert importlib.util.find_spec(arguments[1]), words
        elif program in _NEEDS:
            assert re.search(_NEEDS[program], page.read_text("utf-8")), f"{page} does not say what {program} needs"


def test_commands_are_found_in_pages():
    found = {tuple(words[:2]) for page in PAGES for words in commands(page)}
    assert {("make", "run"), ("crowdwatch", "doctor"), ("python", "-m"), ("docker", "compose")} <= found

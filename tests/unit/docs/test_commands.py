"""Each command that the documents show exists, with its options; those that need more than this machine say so."""

import importlib.util
import re

import click
import pytest

from docs.command_help import subcommand
from ops.cli import COMMANDS
from tests.documents import PAGES, ROOT, command_lines, is_setting

_NEEDS = {"docker": "Needs Docker|Needs a cluster", "kubectl": "Needs a cluster"}


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
    for _, words in command_lines(page):
        program, arguments = words[0].removeprefix(".venv/bin/"), words[1:]
        if program == "crowdwatch":
            check_crowdwatch(arguments)
        elif program == "make":
            assert {word for word in arguments if not is_setting(word.partition(" ")[0])} <= targets, words
        elif program == "python" and arguments[0] == "-m":
            assert importlib.util.find_spec(arguments[1]), words
        elif program in _NEEDS:
            assert re.search(_NEEDS[program], page.read_text("utf-8")), f"{page} does not say what {program} needs"


def test_commands_are_found_in_pages():
    found = {tuple(words[:2]) for page in PAGES for _, words in command_lines(page)}
    assert {("make", "run"), ("crowdwatch", "doctor"), ("python", "-m"), ("docker", "compose")} <= found

"""What MkDocs calls while it builds: where a page says `<!-- generated: NAME -->`, the code speaks for itself."""

import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parents[1]))  # MkDocs puts the folder of hooks there, not the house

from docs.adr_list import adr_list
from docs.command_help import command_help
from docs.http_reference import http_reference
from docs.settings_table import settings_table

_MARKER = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)
_PARTS = {"settings": settings_table, "commands": command_help, "http": http_reference, "decisions": adr_list}


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what a page leaves to the code.

    Raises:
        KeyError: there is no such part.
    """
    return _MARKER.sub(lambda found: _PARTS[found[1]](), markdown)

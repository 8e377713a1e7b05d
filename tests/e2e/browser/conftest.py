"""One running system with the sample, and a real headless Chromium that walks its pages.

Screenshots go to artifacts/browser, one a test, to be looked at.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

HERE = Path(__file__).parent
ARTIFACTS = Path(__file__).parents[3] / "artifacts" / "browser"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
START_WITHIN_S = 150
WAIT_MS = 60_000  # for whatever a page is to show: other tests may have the processors meanwhile
EXPECTED = re.compile(r"status of (40[34]|412)")  # what a page asks for to see whether it is there, or unchanged

expect.set_options(timeout=WAIT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)


@dataclass(frozen=True)
class Running:
    """The system under test."""

    url: str
    password: str
    data_dir: Path

    def link(self) -> str:
        """A link that signs in once."""
        found = re.search(r"http\S+token=\S+", crowdwatch("login", "--data-dir", str(self.data_dir)).stdout)
        assert found
        return found[0]


def crowdwatch(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as a user would who names no server, with sign-in as it is by default."""
    unwanted = {"KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL", "MONGODB_URI", "CROWDWATCH_AUTH", "COLUMNS"}
    environment = {name: value for name, value in os.environ.items() if name not in unwanted} | {"COLUMNS": "500"}
    command = [sys.executable, "-m", "ops", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=START_WITHIN_S)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A whole system that plays the sample, started once for all tests of the browser."""
    data_dir = tmp_path_factory.mktemp("system")
    try:
        started = crowdwatch("up", "--detach", "--port", "0", "--data-dir", str(data_dir))
        assert started.returncode == 0, started.stdout + started.stderr
        told = started.stdout + started.stderr
        url, password = re.search(r"http://127\.0\.0\.1:\d+", told), re.search(r"the password (\S+) \(shown", told)
        assert url and password, told
        yield Running(url[0], password[1], data_dir)
    finally:
        crowdwatch("down", "--data-dir", str(data_dir))


def chromium() -> str | None:
    """The browser's path: that on the PATH, None for the one that Playwright may have brought."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium. A machine without one fails: `make browser` brings it."""
    with sync_playwright() as playwright:
        path = chromium()
        if path is None and not Path(playwright.chromium.executable_path).exists():
            pytest.fail(f"no browser: none of {', '.join(NAMES)} is on the PATH; `make browser` brings one")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def session(browser: Browser, running: Running) -> Iterator[BrowserContext]:
    """Somebody who has signed in."""
    context = browser.new_context(base_url=running.url)
    page = context.new_page()
    page.goto(running.link(), wait_until="domcontentloaded")
    page.wait_for_selector("#cards .card", timeout=WAIT_MS)
    page.close()
    yield context
    context.close()


@pytest.fixture
def open_page(
    browser: Browser, running: Running, session: BrowserContext, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a path in a window of its own, signed in; no page may log an error."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []
    pages: list[Page] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and not EXPECTED.search(message.text):
            problems.append(message.text)

    def open_page(path: str, **options: object) -> Page:
        context = browser.new_context(base_url=running.url, storage_state=session.storage_state(), **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("console", note)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(path, wait_until="domcontentloaded")
        pages.append(page)
        return page

    yield open_page
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    for number, page in enumerate(pages):
        if not page.is_closed():
            page.screenshot(path=ARTIFACTS / f"{name}{f'-{number}' if number else ''}.png", full_page=True)
    for context in contexts:
        context.close()
    assert problems == []

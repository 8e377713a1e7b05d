"""What an operator watches: Flower shows the fleet at work behind its sign-in."""

import json
import re

from playwright.sync_api import Browser

from tests.e2e.browser.conftest import ARTIFACTS, Running, crowdwatch


def status(running: Running) -> dict[str, object]:
    shown: dict[str, object] = json.loads(crowdwatch("status", "--json", "--data-dir", str(running.data_dir)).stdout)
    return shown


def test_flower_shows_the_fleet_at_work_behind_its_sign_in(browser: Browser, running: Running) -> None:
    url = str(status(running)["flower_url"])
    told = crowdwatch("status", "--data-dir", str(running.data_dir)).stdout
    found = re.search(r"Flower asks for the name (\S+) and the password (\S+)", told)
    assert found, told
    stranger = browser.new_context()
    answer = stranger.request.get(url)
    assert answer.status == 401
    stranger.close()

    operator = browser.new_context(http_credentials={"username": found[1], "password": found[2]})
    page = operator.new_page()
    page.goto(f"{url}/workers", wait_until="domcontentloaded")
    page.get_by_text(re.compile(r"worker-\d+@")).first.wait_for()
    page.goto(f"{url}/tasks", wait_until="domcontentloaded")
    page.get_by_text("SUCCESS").first.wait_for()
    page.get_by_text(re.compile(r"frames/\d+ \[\d+, \d+\) attempt 1")).first.wait_for()
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(ARTIFACTS / "flower.png"))
    operator.close()

"""A camera's life on the pages: it is added by its address, dies, comes back, and never tells its password."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import cv2
import pytest
from playwright.sync_api import Locator, Page, expect

import samples
from tests.cameras import camera_server
from tests.e2e.browser.conftest import Running

CAMERA = "side-door"
PASSWORD = "horse-battery-staple"
RESULTS_WITHIN_S = 60
ALERT_WITHIN_MS = 120_000  # thirty seconds of silence, and what analytics take to tell
ENOUGH_TO_BE_MISSED = 10  # results, after which a camera's silence raises an alert
FRAMES = 60
TOLD_BY = (
    "/api/cameras",
    f"/api/cameras/{CAMERA}",
    "/api/camera-states",
    "/api/audit?limit=500",
    "/api/events?limit=500",
    "/api/alerts?limit=500",
    f"/api/frames?camera={CAMERA}&limit=5",
    "/overview.json",
)
PAGES = ("/", f"/cameras/{CAMERA}", "/settings", "/alerts", "/system", f"/analytics?camera={CAMERA}")


@pytest.fixture(scope="module")
def jpegs() -> list[bytes]:
    clip = cv2.VideoCapture(str(samples.CLIP))
    pictures = [clip.read()[1] for _ in range(FRAMES)]
    clip.release()
    return [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures]


@pytest.fixture
def settings_page(open_page: Callable[..., Page]) -> Iterator[Page]:
    """The page of settings; at the end the camera is removed there."""
    page = open_page("/settings")
    page.on("dialog", lambda dialog: dialog.accept())
    yield page
    page.goto("/settings", wait_until="domcontentloaded")
    page.get_by_role("button", name=f"Remove {CAMERA}").click()
    expect(page.get_by_role("rowheader", name=CAMERA)).to_have_count(0)


def add_camera(page: Page, url: str) -> None:
    page.get_by_text("Add a camera").click()
    form = page.locator("#camera-form")
    form.get_by_label("Id").fill(CAMERA)
    form.get_by_label("Address").fill(url)
    form.get_by_role("button", name="See a test picture").click()
    expect(form.locator("img.test-picture")).to_be_visible()
    form.get_by_role("button", name="Add the camera").click()
    expect(page.locator("#cameras").get_by_role("rowheader", name=CAMERA)).to_be_visible()


def expect_live(card: Locator, camera: Page, seen: str) -> None:
    """Both pages show boxes, of a picture later than that of the time `seen` on the card."""
    expect(card.locator("time")).not_to_have_attribute("datetime", seen)
    for place in (card, camera.locator(".live")):
        expect(place.locator(".state")).to_have_text("Live")
        expect(place.locator("rect.box").first).to_be_visible()


def expect_offline(card: Locator, camera: Page) -> None:
    """Both pages say that the camera is offline, and one why."""
    for place in (card, camera.locator(".live")):
        expect(place.locator(".state")).to_have_text("Offline")
    expect(camera.locator("#trouble")).to_contain_text("127.0.0.1")


def switch_off_and_on(settings_page: Page, card: Locator) -> str:
    """Switch the camera off until the overview calls it quiet, and on again; return the time of its last picture."""
    row = settings_page.locator("#cameras tr", has=settings_page.get_by_role("rowheader", name=CAMERA))
    row.get_by_role("button", name=f"Switch off {CAMERA}").click()
    expect(row.get_by_role("cell", name="off", exact=True)).to_be_visible()
    expect(card.locator(".state")).to_have_text("Quiet")
    seen = card.locator("time").get_attribute("datetime") or ""
    row.get_by_role("button", name=f"Switch on {CAMERA}").click()
    expect(row.get_by_role("cell", name="on", exact=True)).to_be_visible()
    return seen


def wait_for_results(page: Page, count: int) -> None:
    deadline = time.monotonic() + RESULTS_WITHIN_S
    while len(page.request.get(f"/api/frames?camera={CAMERA}&limit={count}").json()["items"]) < count:
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str], AbstractContextManager[None]]:
    """Return a context manager that notes how long its body took: shown, and never judged on a busy machine."""

    @contextmanager
    def measured(name: str) -> Iterator[None]:
        since_s = time.monotonic()
        yield
        taken_s = round(time.monotonic() - since_s, 2)
        record_property(name, taken_s)
        print(f"{name} {taken_s}")  # noqa: T201 - `pytest -rP` shows it

    return measured


@pytest.mark.timeout(600)
def test_a_camera_added_on_the_page_lives_dies_and_comes_back(
    open_page: Callable[..., Page],
    settings_page: Page,
    running: Running,
    jpegs: list[bytes],
    measured: Callable[[str], AbstractContextManager[None]],
) -> None:
    secret = f"ada:{PASSWORD}"
    overview, camera, alerts = open_page("/"), open_page(f"/cameras/{CAMERA}"), open_page("/alerts")
    card = overview.locator(".card", has=overview.get_by_role("link", name=CAMERA, exact=True))
    with camera_server(jpegs, interval_s=0.1, user_and_password=secret) as server:
        port = server.server_port
        add_camera(settings_page, f"http://{secret}@127.0.0.1:{port}/live")
        with measured("live_s"):
            expect_live(card, camera, "")
        wait_for_results(overview, ENOUGH_TO_BE_MISSED)
    with measured("offline_s"):
        expect_offline(card, camera)
    expect(alerts.locator(".alert", has_text=f"{CAMERA} sends nothing any more")).to_be_visible(timeout=ALERT_WITHIN_MS)
    seen = card.locator("time").get_attribute("datetime")  # no result is on its way any more
    with camera_server(jpegs, port, interval_s=0.1, user_and_password=secret):
        with measured("live_again_s"):
            expect_live(card, camera, seen or "")
        expect(camera.locator("#trouble")).to_be_empty()
        seen = switch_off_and_on(settings_page, card)
        expect_live(card, camera, seen)
        assert told_by_answers(overview) == []
        assert told_by_pages(open_page) == []
    assert told_by_logs(running.data_dir) == []


def told_by_answers(page: Page) -> list[str]:
    """Where answers name the password."""
    told = []
    for url in TOLD_BY:
        answer = page.request.get(url)
        assert answer.ok, url
        if PASSWORD in answer.text():
            told.append(url)
    return told


def told_by_pages(open_page: Callable[..., Page]) -> list[str]:
    """Which pages name it, as they are sent and as their scripts fill them, in what is typed too."""
    told = []
    for url in PAGES:
        page = open_page(url)
        page.wait_for_timeout(1000)  # until the scripts have filled it
        typed = page.evaluate("[...document.querySelectorAll('input, textarea')].map(({ value }) => value).join(' ')")
        if PASSWORD in page.content() + typed:
            told.append(url)
        page.close()
    return told


def told_by_logs(data_dir: Path) -> list[str]:
    """Which log files name it."""
    logs = [
        path for path in data_dir.rglob("*") if path.is_file() and re.search(r"\.(log|err|out)(\.\d+)?$", path.name)
    ]
    assert any("capture" in path.name for path in logs), logs
    return [str(path) for path in logs if PASSWORD.encode() in path.read_bytes()]

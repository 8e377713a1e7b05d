"""A camera's settings on its page: an id with a slash, the models and alerts, and two people at once."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

ADDRESS = "/api/cameras/Halle%201%2F2"
WRITE = "document => fetch('/api/cameras/Halle%201%2F2', { method: 'PUT', body: JSON.stringify(document) })"


def test_a_camera_is_configured_and_no_change_of_another_person_is_lost(open_page: Callable[..., Page]) -> None:
    page = open_page("/cameras/Halle%201%2F2")
    expect(page.locator("#title")).to_have_text("Halle 1/2")
    threshold = page.get_by_label("Confidence threshold")
    threshold.fill("0.7")
    threshold.press("Tab")
    page.get_by_label("Model").select_option("yolov3-face-lite")
    page.locator("summary", has_text="Gathering").click()
    page.get_by_label("Raise alerts of gathering").uncheck()
    people = page.get_by_label("Gathering: people")
    people.fill("8")
    people.press("Tab")
    page.click("#save")
    expect(page.locator("#saved")).to_have_text("Saved")
    stored = page.request.get(ADDRESS).json()
    assert (stored["model"], stored["confidence_threshold"]) == ("yolov3-face-lite", 0.7)
    assert stored["rules"]["gathering"] == {"enabled": False, "people": 8}

    page.evaluate(WRITE, {"name": "Great hall"})
    threshold.fill("0.8")
    threshold.press("Tab")
    page.click("#save")
    expect(page.locator("#notices")).to_contain_text("Somebody else has changed this camera")
    assert page.request.get(ADDRESS).json()["name"] == "Great hall", "nothing was written over it"
    page.get_by_role("button", name="Reload the camera").click()
    expect(page.locator("#title")).to_have_text("Great hall")
    expect(page.get_by_label("Confidence threshold")).to_have_value("")
    page.get_by_label("Confidence threshold").fill("0.8")
    page.get_by_label("Confidence threshold").press("Tab")
    page.click("#save")
    expect(page.locator("#saved")).to_have_text("Saved")
    assert page.request.get(ADDRESS).json()["confidence_threshold"] == 0.8

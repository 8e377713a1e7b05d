"""Dead letters on the page System, with keys and by name, as a screen reader finds them."""

import re

from playwright.sync_api import expect

import samples

SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


def test_a_dead_letter_is_shown_and_retried(open_page):
    page = open_page("/system")
    picture = samples.CLIP.read_bytes()[:2000]
    for value in (b"\xff\xd8\xff\xe0" + picture, b'{"is": "no picture"}'):
        sent = page.request.post("/api/frames?camera_id=broken&wait=30", data=value, headers=SAME_SITE)
        assert sent.status == 200 and sent.json()["status"] == "failed", sent.text()
    section = page.get_by_role("region", name="Dead letters").first
    expect(section.locator('[data-dead="count"]')).to_have_text(re.compile(r"^\d+ in all$"))
    page.get_by_label("Camera", exact=True).fill("broken")
    page.get_by_role("button", name="Filter").press("Enter")
    rows = section.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("broken")

    show = page.get_by_role("button", name=re.compile("^Show .*, broken$")).first
    show.press("Enter")
    dialog = page.get_by_role("dialog", name=re.compile("^Dead letter"))
    expect(dialog).to_contain_text('{"is": "no picture"}')
    expect(dialog.locator("dt", has_text="captured_at")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(show).to_be_focused()
    page.get_by_role("button", name=re.compile("^Show .*, broken$")).nth(1).press("Enter")
    expect(dialog).to_contain_text("The picture cannot be shown")
    dialog.get_by_role("button", name="Close").press("Enter")

    page.get_by_role("button", name=re.compile("^Retry .*, broken$")).first.press("Enter")
    expect(section.get_by_role("status")).to_have_text(re.compile(r"^broken was retried, as uploads/\d+/\d+\.$"))
    expect(rows).to_have_count(3)  # it failed again: that is a letter of its own
    expect(section.get_by_role("link", name=re.compile("^uploads"))).to_have_count(1)

    page.on("dialog", lambda asked: asked.accept())
    page.get_by_role("button", name="Retry all that match").press("Enter")
    expect(section.get_by_role("status")).to_have_text("2 retried.")
    page.get_by_label("Camera", exact=True).fill("of no camera")
    page.get_by_role("button", name="Filter").press("Enter")
    expect(section).to_contain_text("No dead letter matches.")
    page.get_by_label("Camera", exact=True).fill("broken")
    page.get_by_role("button", name="Filter").press("Enter")
    expect(section.locator("tbody tr").first).to_be_visible()

"""A walk through the pages, as somebody who works with them would go."""

import csv
import io
import json
import re
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import cv2
import pytest
from playwright.sync_api import Browser, Download, Page, expect

import samples

CROSSED_WITHIN_S = 120


def rows_of(download: Download) -> list[dict[str, str]]:
    """The rows of a CSV file that the browser saved."""
    return list(csv.DictReader(io.StringIO(Path(download.path()).read_text())))


def sign_in(page: Page, name: str, password: str) -> None:
    """Fill the sign-in page, and send it."""
    page.fill("#name", name)
    page.fill("#password", password)
    page.click("main button")


def test_without_signing_in_there_is_only_the_way_in(browser: Browser, running):
    with browser.new_context(base_url=running.url) as context:
        page = context.new_page()
        page.goto("/alerts", wait_until="domcontentloaded")
        expect(page).to_have_url(re.compile("/sign-in"))
        sign_in(page, "admin", "not the password")
        expect(page.get_by_role("alert")).to_be_visible()
        sign_in(page, "admin", running.password)
        expect(page).to_have_url(re.compile("/alerts$"))
        expect(page.locator(".who")).to_contain_text("admin")
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(re.compile("/sign-in"))
        page.goto("/", wait_until="domcontentloaded")
        expect(page).to_have_url(re.compile("/sign-in"))


def test_counts_change_live(open_page):
    page = open_page("/")
    expect(page.locator("#link")).to_have_text("Live")
    card = page.locator(".card", has_text="sample")
    expect(card.locator(".state")).to_have_text("Live")
    expect(card.locator("rect.box").first).to_be_visible()
    when = card.locator("time").get_attribute("datetime")
    expect(card.locator("time")).not_to_have_attribute("datetime", when or "")
    count = card.locator(".count b").inner_text()
    expect(card.locator(".count b")).not_to_have_text(count)


def test_a_zone_is_drawn_with_the_pointer_and_its_occupancy_seen(open_page):
    page = open_page("/cameras/sample")
    expect(page.locator("#count")).to_have_text(re.compile(r"\d"))
    page.click("#draw-zone")
    box = page.locator("svg.editor").bounding_box()
    assert box
    for x, y in ((0.02, 0.1), (0.98, 0.1), (0.98, 0.95), (0.02, 0.95)):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.keyboard.press("Enter")
    page.get_by_label("Name", exact=True).first.fill("hall")
    page.get_by_label("Limit of people").fill("0")
    page.get_by_label("Restricted: nobody may be here").check()
    expect(page.locator('output[data-zone="hall"]')).to_have_text(re.compile(r"^\d+$"))
    page.click("#save")
    expect(page.locator("#saved")).to_have_text("Saved")
    page.reload(wait_until="domcontentloaded")
    expect(page.locator(".shape-row", has_text="hall")).to_contain_text("limit 0")
    expect(page.locator('output[data-zone="hall"]')).to_have_text(re.compile(r"^\d+$"))


def test_a_line_is_drawn_moved_and_deleted_with_keys_alone(open_page):
    page = open_page("/cameras/sample")
    expect(page.locator("#count")).to_have_text(re.compile(r"\d"))
    page.locator("#draw-line").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    handle = page.locator("svg.editor [data-handle]").first
    expect(handle).to_be_focused()
    expect(handle).to_have_attribute("aria-label", re.compile("50 % across, 20 % down"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    expect(handle).to_be_focused()
    expect(handle).to_have_attribute("aria-label", re.compile("51 % across, 25 % down"))
    page.get_by_role("button", name="Delete line").press("Enter")
    expect(page.locator(".shape-row", has_text="line 1")).to_have_count(0)
    page.evaluate("document.getElementById('save').disabled = true")  # leave without being asked


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    clip = cv2.VideoCapture(str(samples.CLIP))
    _, frame = clip.read()
    clip.release()
    file = tmp_path / "crowd.jpg"
    cv2.imwrite(str(file), frame)
    return file


def test_a_picture_is_uploaded_and_its_results_are_seen(open_page, picture):
    page = open_page("/uploads")
    page.set_input_files("#files", picture)
    result = page.locator(".result", has_text="crowd.jpg")
    expect(result.locator("rect.box").first).to_be_visible()
    count = int(result.locator(".count b").inner_text())
    with page.expect_download() as download:
        page.click("#download-csv")
    rows = rows_of(download.value)
    assert len(rows) == count > 0
    assert {row["file"] for row in rows} == {"crowd.jpg"}
    with page.expect_download() as download:
        page.click("#download-json")
    (found,) = json.loads(Path(download.value.path()).read_text())
    assert found["total_faces"] == count


def test_a_video_is_uploaded_and_becomes_a_job_with_results(open_page, tmp_path):
    film = tmp_path / "crowd.mp4"
    clip = cv2.VideoCapture(str(samples.CLIP))
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"mp4v"), 5, (640, 360))
    for _ in range(10):
        writer.write(cv2.resize(clip.read()[1], (640, 360)))
    writer.release()
    clip.release()
    page = open_page("/uploads")
    page.fill("#captured-at", "2026-01-02T03:04:05")
    page.set_input_files("#files", film)
    job = page.locator(".job", has_text="crowd.mp4")
    expect(job.locator(".dot-state")).to_have_attribute("data-state", "done")
    expect(job).to_contain_text("10 of 10 frames")
    expect(job).to_contain_text("recorded")
    with page.expect_download() as download:
        job.get_by_role("link", name="CSV").click()
    rows = rows_of(download.value)
    assert len({row["frame_id"] for row in rows}) == 10
    assert {row["file"] for row in rows} == {"crowd.mp4"}


def test_an_alert_comes_and_is_acknowledged(open_page):
    page = open_page("/alerts")
    alert = page.locator(".alert").first
    expect(alert).to_be_visible(timeout=60_000)
    alert.get_by_role("button", name=re.compile("Acknowledge")).click()
    expect(page.get_by_text("Acknowledged by").first).to_be_visible()


def test_a_message_is_sent_and_received_by_another(open_page):
    mine, others = open_page("/messages"), open_page("/messages")
    expect(others.locator("#link")).to_have_text("Following")
    mine.fill("input[name=sender]", "Ada")
    mine.fill("input[name=content]", "the north gate is full")
    mine.click("#send button")
    for page in (mine, others):
        expect(page.locator("#messages li")).to_contain_text("the north gate is full")
    expect(mine.locator("#messages li[data-mine]")).to_contain_text("Ada")


def test_analytics_are_exported_as_csv_and_png(open_page):
    page = open_page("/analytics?camera=sample")
    use = page.locator('[data-use="occupancy"]')
    expect(use.locator("dd").first).to_be_visible()
    with page.expect_download() as download:
        use.locator('[data-export="csv"]').click()
    rows = rows_of(download.value)
    assert rows and set(rows[0]) == {"at", "max", "mean"}
    with page.expect_download() as download:
        use.locator('[data-export="png"]').click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


def test_a_heatmap_fades_when_asked(open_page):
    page = open_page("/analytics?camera=sample")
    use = page.locator('[data-use="heatmap"]')
    use.scroll_into_view_if_needed()
    canvas = use.locator("canvas")
    expect(canvas).to_have_attribute("aria-label", re.compile("the fullest has"))
    fades = use.get_by_label("how what was earlier counts")
    expect(fades).to_have_value("")
    with page.expect_response(re.compile("/api/analytics/heatmap.*half_life=600")) as answer:
        fades.select_option("600")
    faded = answer.value.json()
    asked = parse_qs(urlsplit(answer.value.url).query)
    same = {name: asked[name][0] for name in ("camera", "from", "to")}
    alike = page.request.get("/api/analytics/heatmap", params=same)
    assert 0 < faded["total"]["person_s"] <= alike.json()["total"]["person_s"]
    expect(canvas).to_be_visible()


def test_somebody_says_that_nobody_is_inside(open_page):
    page = open_page("/cameras/sample")
    expect(page.locator("#count")).to_have_text(re.compile(r"\d"))
    page.locator("#draw-line").press("Enter")
    page.keyboard.press("Enter")
    page.get_by_label("Venue").first.fill("museum")
    page.get_by_label("Venue").first.press("Tab")
    page.click("#save")
    expect(page.locator("#saved")).to_have_text("Saved")
    page.goto("/analytics?camera=sample", wait_until="domcontentloaded")
    page.on("dialog", lambda dialog: dialog.accept())
    button = page.get_by_role("button", name="Nobody inside")
    deadline = time.monotonic() + CROSSED_WITHIN_S
    while True:  # it is unknown until somebody has crossed the line
        with page.expect_response("**/api/venues/museum/reset") as answer:
            button.click()
        if answer.value.ok:
            break
        assert time.monotonic() < deadline, answer.value.text()
        page.wait_for_timeout(1000)
    assert answer.value.json()["venue"] == "museum"
    expect(page.locator('[data-use="capacity"] dt', has_text="Inside")).to_be_visible()


def test_the_system_page_tells_of_every_role(open_page):
    page = open_page("/system")
    for role in ("bridge", "worker", "sink", "analytics"):
        row = page.locator("#roles tr", has=page.get_by_role("rowheader", name=role))
        expect(row.locator(".dot-state")).to_have_attribute("data-state", "ready")
    expect(page.locator("#throughput")).to_have_text(re.compile("[1-9]"))
    expect(page.get_by_role("link", name="Flower")).to_be_visible()


def test_a_user_and_a_key_are_made_and_taken_back(open_page):
    page: Page = open_page("/settings")
    page.on("dialog", lambda dialog: dialog.accept())
    for section, name, button in (("#users", "grace", "Remove grace"), ("#keys", "a program", "Revoke a program")):
        place = page.locator(section)
        place.locator("summary").click()
        place.get_by_label("Name").fill(name)
        if section == "#users":
            place.get_by_label("Password").fill("a long password")
        place.get_by_role("button", name="Add").click()
        expect(place.get_by_role("rowheader", name=name)).to_be_visible()
        if section == "#users":
            role = place.get_by_label("Role of grace")
            expect(role).to_have_value("viewer")
            with page.expect_response("**/api/users/grace") as changed:
                role.select_option("operator")
            assert changed.value.json()["role"] == "operator"
            expect(role).to_have_value("operator")
        place.get_by_role("button", name=button).click()
        expect(place.get_by_role("rowheader", name=name)).to_have_count(0)
    expect(page.locator("#keys code")).to_contain_text("cw_")


def test_somebody_changes_the_own_password(browser: Browser, running, open_page):
    admins = open_page("/settings").locator("#users")
    admins.locator("summary").click()
    admins.get_by_label("Name").fill("ada")
    admins.get_by_label("Password").fill("the first password")
    admins.get_by_role("button", name="Add").click()
    expect(admins.get_by_role("rowheader", name="ada")).to_be_visible()
    with browser.new_context(base_url=running.url) as context:
        page = context.new_page()
        page.goto("/settings", wait_until="domcontentloaded")
        sign_in(page, "ada", "the first password")
        form = page.locator("#own-password")
        for old, told in (
            ("not the password", page.get_by_role("alert").get_by_text("the old password is another")),
            ("the first password", page.locator("#name")),
        ):
            form.get_by_label("Old password").fill(old)
            form.get_by_label("New password").fill("the second password")
            form.get_by_role("button", name="Change the password").click()
            expect(told).to_be_visible()
        page.goto("/messages", wait_until="domcontentloaded")
        sign_in(page, "ada", "the second password")
        expect(page).to_have_url(re.compile("/messages$"))


def test_a_channel_and_a_rule_for_notifications_are_made(open_page):
    place = open_page("/settings").locator("#notifications")
    place.get_by_text("Add a channel").click()
    place.get_by_label("Name").first.fill("control room")
    place.get_by_label("Address").fill("https://hooks.example.org/secret-part")
    place.get_by_role("button", name="Add the channel").click()
    expect(place.get_by_role("rowheader", name="control room")).to_be_visible()
    expect(place).not_to_contain_text("secret-part")
    place.get_by_text("Add a rule").click()
    rule = place.locator("details", has_text="Add a rule")
    rule.get_by_label("Name").fill("the worst")
    rule.get_by_label("control room").check()
    rule.get_by_role("button", name="Add the rule").click()
    expect(place.get_by_role("rowheader", name="the worst")).to_be_visible()
    for name in ("the worst", "control room"):
        place.get_by_role("button", name=f"Remove {name}").click()
        expect(place.get_by_role("rowheader", name=name)).to_have_count(0)

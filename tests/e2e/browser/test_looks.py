"""Every page in light, in dark and on a phone: nothing sticks out, axe finds no serious fault, the first is light."""

import pytest
from axe_playwright_python.sync_playwright import Axe

PAGES = {
    "overview": "/",
    "camera": "/cameras/sample",
    "analytics": "/analytics?camera=sample",
    "alerts": "/alerts",
    "uploads": "/uploads",
    "messages": "/messages",
    "system": "/system",
    "settings": "/settings",
}
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1360, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1360, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}
SETTLE_MS = 1200
FIRST_PAGE_BYTES = 300_000


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_and_accessible(open_page, name, look):
    page = open_page(PAGES[name], **LOOKS[look])
    page.wait_for_timeout(SETTLE_MS)
    if name == "settings":
        for summary in page.locator("summary:visible").all():
            summary.click()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    serious = [
        (violation["id"], [node["target"] for node in violation["nodes"]])
        for violation in found
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_the_first_page_is_light(open_page, record_property):
    page = open_page("/")
    page.wait_for_selector(".card img:not([hidden])")
    sizes = page.evaluate(
        """() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
            .filter(({ name }) => !/picture|snapshot|\\/api\\/live/.test(name))
            .map(({ name, transferSize }) => [name, transferSize])"""
    )
    total = sum(size for _, size in sizes)
    record_property("bytes", total)
    record_property("load_ms", page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
    assert 0 < total < FIRST_PAGE_BYTES, sizes

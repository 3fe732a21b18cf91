"""A page in headless Chromium."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def chromium(width: int) -> Iterator[Any]:
    """Open a window; below 500 pixels it is a phone's."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    flags = """--headless --no-sandbox --disable-gpu --no-first-run --disable-sync
        --disable-background-networking --disable-component-update"""
    for argument in flags.split():
        options.add_argument(argument)
    options.binary_location = "/usr/bin/chromium"
    service = webdriver.ChromeService(executable_path="/usr/bin/chromedriver")
    browser = webdriver.Chrome(options=options, service=service)
    try:
        browser.execute_cdp_cmd(  # a window is at least 500 pixels wide, a phone is not
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        yield browser
    finally:
        browser.quit()


def check_page(page: Path, width: int, n_pictures: int) -> str:
    """Open a page in headless Chromium, check pictures, links and width; returns its tables."""
    with chromium(width) as browser:
        browser.get(page.as_uri())
        assert browser.execute_script("return window.innerWidth") == width
        pictures = browser.execute_script(
            "return [...document.images].map(i => [i.src, i.complete, i.naturalWidth, i.alt])"
        )
        assert len(pictures) == n_pictures
        for source, complete, natural_width, alt in pictures:
            assert complete, source
            assert natural_width > 100, source
            assert alt
        for link in browser.execute_script("return [...document.links].map(a => a.href)"):
            assert Path(link.removeprefix("file://")).exists(), link
        # nothing but the tables may be wider than the window
        assert browser.execute_script(f"return document.documentElement.scrollWidth <= {width}")
        assert not [each for each in browser.get_log("browser") if each["level"] == "SEVERE"]
        return " ".join(each.text for each in browser.find_elements("tag name", "table"))

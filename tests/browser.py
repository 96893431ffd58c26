"""A headless Chromium for tests, driven by Selenium.

`tests/conftest.py` registers this file as the module `robometer_test_browser`.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
INSTALL = "install it with: .ci/setup-browser  (on Debian: apt-get install -y chromium chromium-driver)"


class Browser(webdriver.Chrome):
    """One window."""

    def open(self, page: Path) -> None:
        """Opens a file and waits until it is loaded."""
        self.get(page.resolve().as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        """Runs JavaScript that returns something, or a promise of it."""
        return self.execute_script(script, *arguments)

    def resize(self, width: int, height: int = 900) -> None:
        """Makes the page as wide as a screen, in CSS pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def picture(self, path: Path, whole: bool = False) -> None:
        """Writes what is seen, or the whole page, as PNG."""
        wanted = {"format": "png", "captureBeyondViewport": whole}
        path.write_bytes(base64.b64decode(self.execute_cdp_cmd("Page.captureScreenshot", wanted)["data"]))


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Starts a browser with an empty profile.

    Raises:
        RuntimeError: Chromium or its driver is not installed; the message says how to.
    """
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        raise RuntimeError(f"chromium={binary}, chromedriver={driver}: {INSTALL}")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # With the driver named, Selenium looks for none and downloads none. A proxy of the machine must not stand
    # between Selenium and the driver, and the browser must not write into the user's own folders.
    service = Service(driver, env={**os.environ, "HOME": str(profile)})
    with patch.dict(os.environ, {"no_proxy": "localhost", "NO_PROXY": "localhost"}):
        browser = Browser(options, service)
    try:
        yield browser
    finally:
        browser.quit()

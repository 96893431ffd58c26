"""A headless Chromium for tests, driven over chromedriver's HTTP interface with the standard library alone.

`tests/conftest.py` registers this file as the module `robometer_test_browser`.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
INSTALL = "install it with: .ci/setup-browser  (on Debian: apt-get install -y chromium chromium-driver)"
SECONDS = 60


class Browser:
    """One window. Every method is one request to chromedriver."""

    def __init__(self, address: str, session: str) -> None:
        self.address, self.session = address, session
        # The machine's proxy must not stand between us and our own driver.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method: str, path: str, values: dict[str, Any] | None = None) -> Any:
        """Sends a command of the WebDriver protocol and returns its value."""
        data = None if method != "POST" else json.dumps(values or {}).encode()
        url = f"{self.address}/session{self.session and '/'}{self.session}{path}"
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
        with self.opener.open(request, timeout=SECONDS) as answer:
            return json.load(answer)["value"]

    def open(self, page: Path) -> None:
        """Opens a file and waits until it is loaded."""
        self.call("POST", "/url", {"url": page.resolve().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        """Runs JavaScript that returns something, or a promise of it."""
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def log(self, kind: str) -> list[dict[str, Any]]:
        """Takes what was logged since the last call: `browser` (console) or `performance` (network)."""
        return self.call("POST", "/se/log", {"type": kind})

    def devtools(self, command: str, **values: Any) -> Any:
        """Sends a command of the DevTools protocol."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": values})

    def resize(self, width: int, height: int = 900) -> None:
        """Makes the page as wide as a screen, in CSS pixels."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """Writes what is seen, or the whole page, as PNG."""
        shot = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Starts a browser with an empty profile.

    Raises:
        RuntimeError: Chromium or its driver is not installed; the message says how to.
    """
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        raise RuntimeError(f"chromium={binary}, chromedriver={driver}: {INSTALL}")
    environment = {**os.environ, "HOME": str(profile)}
    process = subprocess.Popen(
        [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        told = (re.search(r"successfully on port (\d+)", line) for line in process.stdout)
        port = next((found[1] for found in told if found), None)
        if port is None:
            raise RuntimeError(f"{driver} ended with status {process.wait(SECONDS)} before it was ready")
        options = {"binary": binary, "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        browser = Browser(f"http://127.0.0.1:{port}", "")
        made = browser.call("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        browser.session = made["sessionId"]
        try:
            yield browser
        finally:
            browser.call("DELETE", "")
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)

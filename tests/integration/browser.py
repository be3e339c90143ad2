# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Chromium without a window, driven by the WebDriver protocol; Debian's chromium-driver speaks it, over HTTP on this machine."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

#: It is root in most containers, has no display, and must not call anybody.
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)
#: Under this name the protocol hands out an element.
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_PORT = re.compile(r"started successfully on port (\d+)")
TAB, ENTER, SPACE = "\ue004", "\ue007", " "
PHONE = (360, 740)


class Browser:
    """A browser; use it in a ``with`` statement, at whose end it and its files are gone."""

    def __init__(self) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="stability-browser-", ignore_cleanup_errors=True)
        # It leaves folders of its own where temporary files are.
        variables = {**os.environ, "TMPDIR": self._profile.name}
        self._driver = subprocess.Popen(
            ["chromedriver", "--port=0"], env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._driver.stdout is not None
        started = next((found for line in self._driver.stdout if (found := _PORT.search(line))), None)
        assert started, "chromedriver did not start"
        self._port = int(started[1])
        options = {"args": [*ARGUMENTS, f"--user-data-dir={self._profile.name}"]}
        logs = {"browser": "ALL", "performance": "ALL"}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": logs}
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{answer['sessionId']}"

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._call("DELETE", self._session)
        self._driver.terminate()
        self._driver.communicate(timeout=30)
        self._profile.cleanup()

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=120)
        try:
            connection.request(method, path, json.dumps(body) if method == "POST" else None)
            answer = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        assert not (isinstance(answer, dict) and "error" in answer), answer["message"]
        return answer

    def _ask(self, path: str, **body: Any) -> Any:
        return self._call("POST", f"{self._session}{path}", body)

    def devtools(self, command: str, **parameters: Any) -> Any:
        """Return what a command of the DevTools protocol answers."""
        return self._ask("/goog/cdp/execute", cmd=command, params=parameters)

    def screen(self, width: int, height: int = 800, scheme: str = "light", media: str = "screen") -> None:
        """Be a screen, or paper, of that many CSS pixels in the light or dark scheme."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.devtools("Emulation.setEmulatedMedia", media=media, features=features)

    def scripts(self, run: bool) -> None:
        """Let the scripts of pages run, or not."""
        self.devtools("Emulation.setScriptExecutionDisabled", value=not run)

    def open(self, address: str) -> None:
        """Open a page and wait until it is there."""
        self._ask("/url", url=address)

    def run(self, script: str, *arguments: Any) -> Any:
        """Return what the body of a function returns in the page."""
        return self._ask("/execute/sync", script=script, args=arguments)

    def wait(self, script: str, *arguments: Any) -> None:
        """Wait until the body of a function returns something true in the page, which it has to within five seconds."""
        body = "const [body, given, done] = arguments, end = performance.now() + 5000, test = new Function(body);"
        body += "(function look() { const good = test(...given);"
        body += " if (good || performance.now() > end) done(Boolean(good)); else setTimeout(look, 20); })();"
        assert self._ask("/execute/async", script=body, args=[script, list(arguments)]), f"not within 5 s: {script}"

    def click(self, selector: str) -> None:
        """Click the element as a person would: it has to be in sight, and nothing may lie over it."""
        element = self._ask("/element", using="css selector", value=selector)[_ELEMENT]
        self._ask(f"/element/{element}/click")

    def press(self, keys: str) -> None:
        """Press keys one after the other; what has the focus gets them."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("/actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def log(self, kind: str) -> list[dict[str, Any]]:
        """Return what is in a log (``browser``: its console; ``performance``: events of DevTools) and was not asked for before."""
        answer = self._ask("/se/log", type=kind)
        return list(answer)

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the last time."""
        events = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        return [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]

    def picture(self, path: Path, whole: bool = False) -> None:
        """Write what is in sight, or the whole page, as PNG."""
        taken = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(taken["data"]))

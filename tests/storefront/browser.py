# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, driven over a pipe by its DevTools protocol: no driver, no port, no package."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECONDS = 30.0
KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), "Escape": (27, "")}
"""Codes of keys, and the text that they write."""
MOST_TABS = 60
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)  # fmt: skip
RULES = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


def chromium() -> str | None:
    """The browser of this machine; None where there is none."""
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


class Page:
    """One page. What it logged as wrong is in `complaints`."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command and return its result."""
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": self._number, "method": method, "params": parameters} | session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            more = os.read(self._receive, 1 << 16)
            assert more, "the browser is gone"
            self._buffer += more
        raw, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        parameters = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"].get("exception", {}).get("description")))
        if message.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
        return message

    def run(self, script: str) -> Any:  # noqa: ANN401 - whatever the page's expression is
        """The value of a JavaScript expression, awaited."""
        done = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, script: str) -> None:
        """Return once a JavaScript expression is true."""
        deadline = time.monotonic() + SECONDS
        look = f"const look = () => ({script}) ? end(true) : setTimeout(look, 20); look();"
        waiting = f"new Promise(end => {{ {look} setTimeout(() => end(false), 5000); }})"
        while not self.run(waiting):
            assert time.monotonic() < deadline, f"never true: {script}; {self.complaints}"

    def open(self, address: str) -> None:
        """Go to an address and wait until its shelves are filled."""
        self.ask("Page.navigate", url="about:blank")
        self.ask("Page.navigate", url=address)
        self.until("document.querySelector('h1')")
        self.settled()

    def settled(self) -> None:
        """Wait until no shelf is being filled."""
        self.until("document.querySelector('main h1') && !document.querySelector('[aria-busy=true]')")

    def size(self, width: int, height: int, *, is_dark: bool = False) -> None:
        """The window, and whether the system is dark."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.ask("Emulation.setEmulatedMedia", features=features)

    def press(self, key: str) -> None:
        """Press a key, such as Tab or Enter, and let it go."""
        number, text = KEYS[key]
        told = {"key": key, "code": key, "windowsVirtualKeyCode": number}
        self.ask("Input.dispatchKeyEvent", type="keyDown", **told, **({"text": text} if text else {}))
        self.ask("Input.dispatchKeyEvent", type="keyUp", **told)

    def tab_to(self, selector: str) -> None:
        """Press Tab until what has the focus matches, and can be seen to have it."""
        for _ in range(MOST_TABS):
            self.press("Tab")
            if self.run(f"document.activeElement.matches({json.dumps(selector)})"):
                assert self.run("document.activeElement.matches(':focus-visible')"), selector
                return
        raise AssertionError(f"Tab never comes to {selector}")

    def picture(self, file: Path) -> None:
        """A PNG of what is seen."""
        file.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def browsing(profile: Path, *aliases: str) -> Iterator[Page]:
    """A browser with a fresh profile in the folder `profile`, gone afterwards.

    It reaches 127.0.0.1 and no other machine; `aliases` are further names that lead there.
    """
    binary = chromium()
    assert binary
    to_browser, send = os.pipe()
    receive, from_browser = os.pipe()
    # The protocol speaks on the descriptors 3 and 4 of the browser.
    shell = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
    rules = ", ".join([*(f"MAP {alias} 127.0.0.1" for alias in aliases), RULES])
    options = [f"--host-resolver-rules={rules}", f"--user-data-dir={profile}"]
    command = ["bash", "-c", shell, binary, *FLAGS, *options, "about:blank"]
    log = subprocess.DEVNULL
    process = subprocess.Popen(command, pass_fds=(to_browser, from_browser), stdout=log, stderr=log, stdin=log)
    os.close(to_browser)
    os.close(from_browser)
    try:
        page = Page(send, receive)
        yield page
        page.ask("Browser.close")
    finally:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(send)
        os.close(receive)

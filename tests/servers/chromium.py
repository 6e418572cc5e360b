"""A real Chromium, driven through its pipe: DevTools messages as JSON with a zero byte behind each.

Protocol: https://chromedevtools.github.io/devtools-protocol/. Input goes the way of a person's: keys and
composed text are events that the browser itself makes.
"""

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-extensions",
    "--disable-component-update",
    "--no-first-run",
    "--mute-audio",
    "--remote-debugging-pipe",
]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
WAIT_S = 60.0
_NAMES = {"Enter": 13, "Escape": 27, "Tab": 9, " ": 32}
_CTRL = 2


def program() -> str:
    """Return Chromium's path; the test is skipped where there is none."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(PROGRAMS)} on this machine")
    return found


@contextmanager
def browser(folder: Path) -> Iterator["Browser"]:
    """Start Chromium with a profile and downloads of its own in a folder."""
    told, heard = os.pipe(), os.pipe()
    # a plain sh may know file descriptors of one digit only
    line = f'exec "$0" "$@" 3<&{told[0]} 4>&{heard[1]}'
    profile = f"--user-data-dir={folder / 'profile'}"
    process = subprocess.Popen(
        ["bash", "-c", line, program(), *FLAGS, profile, "about:blank"],
        pass_fds=(told[0], heard[1]),
        # it makes a socket there, whose path may have 107 bytes: a test's folder is too deep
        env={**os.environ, "TMPDIR": "/tmp"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(told[0])
    os.close(heard[1])
    with process, os.fdopen(told[1], "wb", 0) as out, os.fdopen(heard[0], "rb", 0) as back:
        try:
            made = Browser(out, back, folder / "downloads")
            yield made
            made.ask("Browser.close")
        finally:
            process.terminate()


class Browser:
    """One page of a browser, loaded anew by each `open`."""

    def __init__(self, out: BinaryIO, back: BinaryIO, downloads: Path) -> None:
        self._write, self._back, self._rest = out.write, back, b""
        self._session: str | None = None
        self._asked = 0
        self.events: list[dict[str, Any]] = []
        """Events of the page since it was opened."""
        self.downloads = downloads
        page = next(
            each for each in self.ask("Target.getTargets")["targetInfos"] if each["type"] == "page"
        )
        taken = self.ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = taken["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        where = {"downloadPath": str(downloads), "eventsEnabled": True}
        self.ask("Browser.setDownloadBehavior", behavior="allow", **where)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._write(json.dumps(message).encode() + b"\0")
        found = self._until(lambda each: each.get("id") == message["id"])
        assert "error" not in found, found["error"]
        return found["result"]

    def wait(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the parameters of the next event of a kind, or of one that has come already."""

        def fits(event: Mapping[str, Any]) -> bool:
            return event.get("method") == method and params.items() <= event["params"].items()

        found = next((each for each in self.events if fits(each)), None) or self._until(fits)
        self.events.remove(found)
        return found["params"]

    def _until(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        end = time.monotonic() + WAIT_S
        while True:
            line, zero, rest = self._rest.partition(b"\0")
            if not zero:
                left = max(0, end - time.monotonic())
                if not select.select([self._back], [], [], left)[0]:
                    raise TimeoutError("Chromium does not answer")
                more = self._back.read(1 << 20)
                assert more, "Chromium ended"
                self._rest += more
                continue
            self._rest = rest
            message = json.loads(line)
            if "id" not in message:
                self.events.append(message)
            if fits(message):
                return message

    def open(self, page: Path, *, before: str = "", leaves: bool = True) -> bool:
        """Load a page, and return whether the browser asked if unsaved work is to be left.

        Args:
            page: The file.
            before: JavaScript that runs ahead of the page's own.
            leaves: Answer to that question.
        """
        self.events.clear()
        script = None
        if before:
            script = self.ask("Page.addScriptToEvaluateOnNewDocument", source=before)["identifier"]
        self._asked += 1
        going = {"id": self._asked, "method": "Page.navigate", "params": {"url": page.as_uri()}}
        self._write(json.dumps(going | {"sessionId": self._session}).encode() + b"\0")
        ended = ("Page.loadEventFired", "Page.javascriptDialogOpening")
        found = self._until(lambda each: each.get("method") in ended)
        asks = found["method"] == ended[1]
        if asks:
            self.ask("Page.handleJavaScriptDialog", accept=leaves)
            if leaves:
                self._until(lambda each: each.get("method") == ended[0])
        if script:
            self.ask("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
        return asks

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page, as JSON."""
        made = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in made, made["exceptionDetails"]
        return made["result"].get("value")

    def text(self, query: str) -> str:
        """Return the text of the first element of a query."""
        return self.run(f"document.querySelector({json.dumps(query)}).textContent")

    def press(
        self,
        key: str,
        *,
        code: str = "",
        ctrl: bool = False,
        number: int = 0,
        held: bool = False,
    ) -> None:
        """Press and release a key.

        Args:
            key: What the layout makes of it: `j`, `ㅓ`, `Process`, `Enter`.
            code: The key itself, as `KeyJ`; by default that of a Latin letter or digit.
            ctrl: Whether Ctrl is held.
            number: Its `keyCode`, 229 for one that the input method took; by default that of the key.
            held: Whether it repeats since it is held down.
        """
        kind = "Digit" if key.isdecimal() else "Key"
        plain = len(key) == 1 and key.isascii()
        is_taken = number == 229
        number = number or _NAMES.get(key) or (ord(key.upper()) if plain else 229)
        event = {
            "key": key,
            "code": code or (f"{kind}{key.upper()}" if key.isalnum() and plain else key),
            "windowsVirtualKeyCode": number,
            "modifiers": _CTRL if ctrl else 0,
        }
        writes = (plain or key == "Enter") and not (ctrl or is_taken)
        written = {"text": "\r" if key == "Enter" else key} if writes else {}
        kind = "keyDown" if writes else "rawKeyDown"
        self.ask("Input.dispatchKeyEvent", type=kind, autoRepeat=held, **event, **written)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **event)

    def write(self, text: str) -> None:
        """Put text where the cursor stands, as an input method does."""
        self.ask("Input.insertText", text=text)

    def click(self, query: str) -> None:
        """Click the middle of an element."""
        box = f"document.querySelector({json.dumps(query)}).getBoundingClientRect()"
        x, y = self.run(f"(b => [b.x + b.width / 2, b.y + b.height / 2])({box})")
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def look(self, width: int, *, height: int = 800, dark: bool = False) -> None:
        """Take a width and a colour scheme; nothing moves, so that what is seen is what stands."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1}
        self.ask("Emulation.setDeviceMetricsOverride", **size, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme, still])

    def downloaded(self) -> Path:
        """Return the next file that the page gave."""
        begun = self.wait("Browser.downloadWillBegin")
        self.wait("Browser.downloadProgress", guid=begun["guid"], state="completed")
        return self.downloads / begun["suggestedFilename"]

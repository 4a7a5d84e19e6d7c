"""Chromium without a screen, told what to do through a pipe (the DevTools protocol)."""

import base64
import json
import os
import select
import shutil
import subprocess
import time

from harness.process import die_with_parent

PROGRAM = shutil.which("chromium") or shutil.which("chromium-headless-shell")


class Chromium:
    """One browser with one page; everything of it lives in `folder`."""

    def __init__(self, folder):
        theirs_in, self.out = os.pipe()
        self.into, theirs_out = os.pipe()
        self.bytes, self.number, self.said = b"", 0, []
        parent = os.getpid()
        die_with_us = die_with_parent(parent, 9)

        def prepare():
            die_with_us()
            # They may stand at 3 and 4 already, in either order.
            high_in, high_out = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(high_in, 3)
            os.dup2(high_out, 4)

        with open(folder / "chromium.log", "wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                 "--disable-dev-shm-usage", "--disable-background-networking", "--hide-scrollbars",
                 "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}", "about:blank"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(3, 4),
                env={**os.environ, "HOME": str(folder)}, preexec_fn=prepare)
        os.close(theirs_in)
        os.close(theirs_out)
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def _read(self, deadline):
        while b"\0" not in self.bytes:
            ready, _, _ = select.select([self.into], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError("chromium does not answer")
            data = os.read(self.into, 1 << 20)
            if not data:
                raise RuntimeError("chromium has ended")
            self.bytes += data
        line, self.bytes = self.bytes.split(b"\0", 1)
        return json.loads(line)

    def call(self, method, timeout=180, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + timeout
        while True:
            found = self._read(deadline)
            if found.get("id") != self.number:
                self.said.append(found)
                continue
            if "error" in found:
                raise RuntimeError(f"{method}: {found['error']}")
            return found["result"]

    def look(self, url, width=1280, height=900, dark=False, phone=False):
        """Opens a page, as wide as that and in that colour."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=2 if phone else 1, mobile=phone)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")
        return self

    def value(self, script):
        """What a JavaScript expression gives in the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True,
                          awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"])
        return found["result"].get("value")

    def wait(self, script, timeout=180):
        deadline = time.monotonic() + timeout
        while not self.value(script):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout} s in the page: {script}")
            time.sleep(0.05)

    def complaints(self):
        """Errors of scripts and of the security policy that the page has caused so far."""
        self.value("1")
        return [event["params"] for event in self.said
                if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")]

    def requested(self):
        """The addresses that the page has asked for."""
        return [event["params"]["request"]["url"] for event in self.said
                if event.get("method") == "Network.requestWillBeSent"]

    def shoot(self, path):
        """A picture of the whole page."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                          clip={"x": 0, "y": 0, "width": size["width"], "height": size["height"],
                                "scale": 1})
        path.write_bytes(base64.b64decode(found["data"]))

    def stop(self):
        self.process.kill()
        self.process.wait(30)
        os.close(self.out)
        os.close(self.into)

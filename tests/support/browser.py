"""A real browser: the machine's own chromium, driven through its own driver, with nothing of it fetched."""

from __future__ import annotations

import importlib.util
import io
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

WIDTHS = {1366: 768, 820: 1180, 390: 844}  # a teacher's laptop, a tablet, a phone; CSS pixels


def explain_absence() -> str | None:
    """Why there is no browser here; None where there is one."""
    missing = [name for name, found in (("chromium", _chromium()), ("chromedriver", _driver())) if found is None]
    return f"{' and '.join(missing)} not installed (Debian: chromium chromium-driver)" if missing else None


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("google-chrome")


def _driver() -> str | None:
    return shutil.which("chromedriver")


class Browser:
    """One window with its own cookies. Waits are long, for a loaded machine, and end as soon as can be."""

    def __init__(self, chrome: Chrome, downloads: Path) -> None:
        self.chrome = chrome
        self.downloads = downloads

    def open(self, address: str) -> None:
        self.chrome.get(address)

    def run(self, script: str, *values: Any) -> Any:
        """The script's value; its own world, so that the page's security policy is untouched."""
        return self.chrome.execute_script(script, *values)

    def show_as(
        self, width: int, *, dark: bool = False, reduced_motion: bool = False, height: int | None = None
    ) -> None:
        """A window of this width, light or dark."""
        size = {"width": width, "height": height or WIDTHS.get(width, 800), "deviceScaleFactor": 1, "mobile": False}
        self.cdp("Emulation.setDeviceMetricsOverride", size)
        wishes = [("prefers-color-scheme", "dark" if dark else "light"),
                  ("prefers-reduced-motion", "reduce" if reduced_motion else "no-preference")]  # fmt: skip
        self.cdp("Emulation.setEmulatedMedia", {"features": [{"name": n, "value": v} for n, v in wishes]})

    def cdp(self, command: str, values: dict[str, Any]) -> Any:
        return self.chrome.execute_cdp_cmd(command, values)

    def text(self, selector: str = "main") -> str:
        """What a person reads there, with plain spaces."""
        return str(self.run("const e = document.querySelector(arguments[0]); return e ? e.innerText : ''", selector)
                   ).replace("\u00a0", " ")  # fmt: skip

    def wait(self, condition: Callable[[], Any], what: str, timeout_s: float = 60) -> Any:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                if found := condition():
                    return found
            except StaleElementReferenceException:
                pass
            assert time.monotonic() < deadline, f"{what}: not within {timeout_s:.0f} s; the page says:\n{self.text()}"
            time.sleep(0.02)

    def wait_for_text(self, words: str, selector: str = "main") -> None:
        self.wait(lambda: words in self.text(selector), words)

    def click(self, selector: str) -> None:
        self.chrome.find_element(By.CSS_SELECTOR, selector).click()

    def press(self, *keys: str) -> None:
        """Keys go to whatever has the focus, as a person's do."""
        for key in keys:
            ActionChains(self.chrome).send_keys(key).perform()

    def drop(self, path: Path, selector: str) -> None:
        """Drag a file of the machine over the page and let it fall there."""
        place = self.run(
            "const r = document.querySelector(arguments[0]).getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]", selector,
        )  # fmt: skip
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.cdp("Input.dispatchDragEvent", {"type": kind, "x": place[0], "y": place[1], "data": data})

    def download(self, click: Callable[[], None]) -> Path:
        """The file that comes of a click, once it is there whole."""
        before = set(self.downloads.iterdir())
        click()

        def arrived() -> Path | None:
            new = set(self.downloads.iterdir()) - before
            return next((p for p in new if p.suffix != ".crdownload" and not p.name.startswith(".")), None)

        found: Path = self.wait(arrived, "a download")
        return found

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        wide: int = self.run("const d = document.documentElement; return Math.max(0, d.scrollWidth - innerWidth)")
        return wide

    def picture(self, path: Path) -> None:
        """What the window shows now, in 256 colours: such a file is half as large."""
        from PIL import Image

        path.parent.mkdir(parents=True, exist_ok=True)
        shown = Image.open(io.BytesIO(self.chrome.get_screenshot_as_png())).convert("RGB")
        shown.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)

    def complaints(self) -> list[str]:
        """What axe-core finds wrong with this page for people who see, hear or move less: rule and place."""
        if not self.run("return typeof axe === 'object'"):
            self.run(axe_core())
        found = self.chrome.execute_async_script(
            "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']})"
            ".then((r) => done(r.violations), (e) => done([{id: String(e), nodes: []}]))"
        )
        return [f"{fault['id']}: {node['html'][:120]}" for fault in found for node in fault["nodes"] or [{"html": ""}]]

    def errors(self) -> list[str]:
        """What the browser's console complains of: scripts that fail, and whatever the security policy stopped."""
        return [
            line["message"]
            for line in self.chrome.get_log("browser")  # type: ignore[no-untyped-call]
            if line["level"] == "SEVERE"
        ]


def axe_core() -> str:
    """Its script, as the package carries it."""
    spec = importlib.util.find_spec("axe_playwright_python")
    assert spec is not None
    assert spec.submodule_search_locations
    return (Path(spec.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """A browser that nobody has used before; its files and downloads are under `folder`."""
    downloads = folder / "downloads"
    downloads.mkdir(parents=True)
    options = ChromeOptions()
    options.binary_location = _chromium() or ""
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
        "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--lang=fr", "--force-color-profile=srgb", "--font-render-hinting=none",
        f"--user-data-dir={folder / 'profile'}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = Chrome(options, Service(_driver()))
    try:
        browser = Browser(chrome, downloads)
        browser.show_as(1366)
        yield browser
    finally:
        chrome.quit()

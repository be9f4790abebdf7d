"""Take the pictures of the viewer in docs/images, of pydicom-data's films alone, in Debian's chromium.

Run it when the viewer looks different: `.venv/bin/python tools/viewer_pictures.py`. Look at every picture before you
commit it.
"""

from __future__ import annotations

import importlib.util
import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

OUT = Path(__file__).resolve().parent.parent / "docs" / "images"
LAPTOP, TABLET = (1366, 768), (820, 1180)


def films() -> list[str]:
    """Return pydicom-data's chest film in three encodings, an ankle, and something that is no radiograph."""
    spec = importlib.util.find_spec("data_store")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("pydicom-data is not installed: pip install -e '.[dev]'")
    folder = Path(next(iter(spec.submodule_search_locations))) / "data"
    return [str(folder / f"{name}.dcm") for name in ("RG1_UNCR", "RG1_J2KR", "RG1_J2KI", "RG3_UNCR", "JPEG-LL")]


def coarse(picture: Image.Image) -> Image.Image:
    """Return the picture in 26 greys and a few colours: a film's grain would make the file three times as large."""
    values = np.asarray(picture).astype(int)
    coloured = values.max(axis=2) - values.min(axis=2) >= 14
    grey = (values.mean(axis=2, keepdims=True) / 10).round() * 10
    rounded = np.where(coloured[..., None], (values / 17).round() * 17, grey.repeat(3, axis=2))
    return Image.fromarray(rounded.clip(0, 255).astype(np.uint8))


def take(page: Page, name: str, *keys: str, part: str = "body") -> None:
    """Press keys, wait until the page is quiet, and write one picture of a part of it."""
    for key in keys:
        page.keyboard.press(key)
        page.wait_for_timeout(150)
    page.wait_for_timeout(800)
    picture = coarse(Image.open(io.BytesIO(page.locator(part).screenshot())).convert("RGB"))
    picture.save(OUT / f"viewer-{name}.png", optimize=True)
    print(f"docs/images/viewer-{name}.png: {(OUT / f'viewer-{name}.png').stat().st_size // 1000} kB")


def main() -> None:
    """Start a server with an empty folder, read the films in the page, and take the pictures."""
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        command = [sys.executable, "-m", "lungspot", "serve", "--port", "0", "--data", data, "--keep-identifiers"]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert server.stderr is not None  # noqa: S101 - a pipe was asked for
            address = next(found[0] for line in server.stderr if (found := re.search(r"http://[\w.:]+/", line)))
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("chromium-headless-shell"),
                args=["--no-sandbox", "--disable-gpu"],
            )
            page = browser.new_page(viewport={"width": LAPTOP[0], "height": LAPTOP[1]})
            page.set_default_timeout(300_000)  # of a machine that has much else to do
            page.goto(address)
            page.set_input_files("#picker", films())
            page.locator("#rows .row.not_assessed").nth(1).wait_for()
            page.locator("#rows .row.assessed").first.click()
            page.locator("#found li").first.wait_for()
            take(page, "dark")
            page.keyboard.press("j")
            page.keyboard.press("h")
            page.locator("#film[data-heat]:not([data-heat=''])").wait_for()
            take(page, "heat")
            keys = ("h", "2", "a", "j", "x", "j", "e", "ArrowRight", "Enter", "n", "Enter")
            take(page, "review", *keys, *"nodule", "Enter")  # a drawn box is asked for its label
            take(page, "light", "d")
            page.keyboard.press("d")
            page.fill("#reader", "R1")
            page.locator("#save").click()
            page.locator("#rows .row.done").wait_for()
            take(page, "worklist", part="#list")
            page.locator("#rows .row.not_assessed", has_text="RG3").click()
            page.locator("#refusal", has_text="chest").wait_for()
            take(page, "refusal")
            page.locator("#rows .row.assessed").first.click()
            page.locator("#found li").first.wait_for()
            page.set_viewport_size({"width": TABLET[0], "height": TABLET[1]})
            take(page, "tablet", "2", "q")  # the worklist lies over the film there
            browser.close()
        finally:
            server.terminate()
            server.wait(30)


if __name__ == "__main__":
    main()

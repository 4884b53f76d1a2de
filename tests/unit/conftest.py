"""What unit tests share: a browser that looks at pages of scored nights."""

import shutil

import pytest

from hypnolens.scoring.night_page import write_page


@pytest.fixture(scope="module")
def tab():
    """A tab of a browser; a new one for each test would take longer than the tests.

    It is closed with the module: playwright runs an event loop meanwhile, beside which Snakemake plans nothing.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if found is None:
        pytest.skip("no Chromium on the path")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser.new_context().new_page()
        browser.close()


@pytest.fixture
def look(tab, tmp_path):
    """Write a page and open it; whatever it complains of or asks for fails the test."""
    complaints = []

    def dismiss(dialog):
        complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    listeners = {
        "console": lambda message: complaints.append(f"{message.type}: {message.text}"),
        "pageerror": lambda error: complaints.append(str(error)),
        "request": lambda request: request.url.startswith(tmp_path.as_uri()) or complaints.append(request.url),
        "dialog": dismiss,
    }
    for event, listener in listeners.items():
        tab.on(event, listener)

    def look(scored, detail, *, fragment="", width=1200, height=900):
        path = tmp_path / f"page{len(list(tmp_path.iterdir()))}.html"
        write_page(scored, detail, path)
        tab.mouse.move(0, 0)
        tab.set_viewport_size({"width": width, "height": height})
        tab.goto(path.as_uri() + fragment)
        tab.wait_for_selector("html[data-ready=true]", state="attached")
        return tab

    yield look
    for event, listener in listeners.items():
        tab.remove_listener(event, listener)
    assert complaints == []

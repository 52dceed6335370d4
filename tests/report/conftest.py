"""A real Chromium without a window, and models for reports."""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from selenium import webdriver

from nce_train.embeddings import Embeddings

sys.path.insert(0, str(Path(__file__).parent))  # the models are made by a module of its own
from report_model import make_model

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",  # WebGL without a graphics card
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


@pytest.fixture(scope="session")
def start_browser():
    """A function that starts Chromium with further flags; every browser is closed at the end of the session."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs the system package chromium" + ("" if chromium is None else "-driver"))
    started = []

    def start(*flags):
        profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, *flags, f"--user-data-dir={profile.name}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        started.append((browser, profile))
        return browser

    yield start
    for browser, profile in started:
        browser.quit()
        profile.cleanup()


@pytest.fixture(scope="session")
def browser(start_browser):
    return start_browser()


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A model directory of 300 words, two of them hostile, with readings of every kind."""
    return make_model(tmp_path_factory.mktemp("models") / "run.nce", seed=1)


@pytest.fixture(scope="session")
def other_model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("models") / f"<i>{chr(0x1F600)} & $other$.nce", seed=2, lr=0.1)


@pytest.fixture
def vectors_file(tmp_path):
    path = tmp_path / "vectors.txt"
    rng = np.random.default_rng(0)
    Embeddings([f"w{row}" for row in range(40)], rng.normal(size=(40, 5))).save(path)
    return path

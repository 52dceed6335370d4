"""The page in a real Chromium: what it shows, what a user can do there, and that it loads and runs nothing else."""

import json
import re
from html.parser import HTMLParser

import pytest
from report_model import HOSTILE, make_model
from selenium.webdriver import ActionChains
from selenium.webdriver.support.ui import WebDriverWait

import nce_train
from nce_train.api import report
from nce_train.report.write import write_report

WAIT = 60


@pytest.fixture(scope="module")
def page(model, tmp_path_factory):
    (page,) = report(model, tmp_path_factory.mktemp("pages") / "page.html", words=200)
    return page


@pytest.fixture
def opened(browser, page):
    """The opened page; it is loaded again only after another one was open."""
    return browser if browser.current_url == page.as_uri() else open_page(browser, page)


def open_page(browser, page):
    clear_logs(browser)
    browser.get(page.as_uri())
    WebDriverWait(browser, WAIT).until(
        lambda browser: browser.execute_script("return document.documentElement.dataset.drawn")
    )
    return browser


def clear_logs(browser):
    for kind in ("browser", "performance"):
        browser.get_log(kind)


def find(browser, css):
    return browser.find_element("css selector", css)


def texts(browser, css):
    return [element.text for element in browser.find_elements("css selector", css)]


def search(browser, word):
    field = find(browser, "#search")
    field.clear()
    field.send_keys(word)
    return field


def neighbours(browser):
    pairs = [text.split("\n") for text in texts(browser, "#word li")]
    return [(word, float(similarity)) for word, similarity in pairs]


def console_messages(browser):
    """Console messages, except Chromium's own about drawing without a graphics card."""
    return [entry for entry in browser.get_log("browser") if entry["source"] != "rendering"]


def test_nothing_is_loaded_and_no_error_reported(browser, page):
    open_page(browser, page)
    search(browser, "w1\n")
    find(browser, "#over-seconds").click()
    assert console_messages(browser) == []
    assert browser.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent" and event["params"]["documentURL"].startswith("file:")
    ]
    assert urls.count(page.as_uri()) == 1
    assert {url.split(":")[0] for url in urls if url != page.as_uri()} <= {"data", "blob"}


def test_network_and_foreign_scripts_are_blocked(browser, page):
    open_page(browser, page)
    attempt = """
        const done = arguments[0];
        const script = document.createElement("script");
        script.textContent = "window.foreign = true";
        document.body.append(script);
        const image = document.createElement("div");
        image.innerHTML = "<img src='x' onerror='window.foreign = true'>";
        document.body.append(image);
        fetch("https://example.invalid/").then(() => done("fetched"), () => done(String(window.foreign)));
    """
    assert browser.execute_async_script(attempt) == "undefined"
    assert any("Content Security Policy" in entry["message"] for entry in console_messages(browser))


class Links(HTMLParser):
    """Collects the URLs in a page's elements."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href", "action", "data", "srcset", "poster")]


def test_the_html_has_no_links(page):
    links = Links()
    text = page.read_text(encoding="utf-8")
    links.feed(text)
    assert links.found == ["data:,"]
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style and "@import" not in style
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "http" not in policy
    assert "unsafe-inline" not in policy.split(";")[1]


def test_curves_tiles_settings_and_provenance_are_shown(opened):
    assert opened.title == "run.nce: nce-train report"
    assert texts(opened, ".chart h3") == [
        "NCE loss",
        "Learning rate",
        "Tokens per second",
        "Held-out loss",
        "questions: accuracy",
    ]
    loss = opened.execute_script("return charts[0].element.data[0].y")
    assert len(loss) == 30 and loss[0] == 3 and loss[3] is None and loss[-1] == pytest.approx(2 + 1 / 30)
    accuracy = opened.execute_script("return charts[4].element.data[0]")
    assert accuracy["y"] == [0.1, 0.2, 0.3] and accuracy["x"] == [1000, 2000, 3000]
    assert accuracy["error_y"]["array"] == pytest.approx([0.03] * 3)
    tiles = dict(text.split("\n") for text in texts(opened, ".tile"))
    assert tiles["words"] == "300" and tiles["training"] == "12.5 s" and tiles["loss at the end"] == "2.0333"
    settings = dict(text.split("\n") for text in texts(opened, "#settings .pairs > div"))
    assert settings == {
        "dim": "4",
        "lr": "0.05",
        "unknown": HOSTILE,
        "heldout": "–",
        "unique": "false",
        "eval_set": "a, b",
    }
    find(opened, "#provenance summary").click()
    assert "ab" * 32 in find(opened, "#provenance").text
    assert "secret" not in opened.page_source


def test_curves_over_time(opened):
    find(opened, "#over-seconds").click()
    assert opened.execute_script("return charts[0].element.data[0].x.at(-1)") == pytest.approx(12)
    assert opened.execute_script("return charts[3].element.data[0].x") == pytest.approx([4, 8, 12])
    find(opened, "#over-tokens").click()
    assert opened.execute_script("return charts[0].element.data[0].x.at(-1)") == 3000


def test_search_finds_a_word_and_shows_its_neighbours(opened, model):
    search(opened, "W10")
    assert [text.split("\n")[0] for text in texts(opened, "#matches li")][:3] == ["w10", "w100", "w101"]
    search(opened, "w100\n")
    assert find(opened, "#word h3").text == "w100"
    expected = nce_train.Embeddings.load(model).most_similar("w100")
    found = neighbours(opened)
    assert [word for word, _ in found] == [word for word, _ in expected]
    assert [similarity for _, similarity in found] == pytest.approx([value for _, value in expected], abs=6e-4)
    search(opened, "nowhere")
    assert find(opened, "#not-found").text == "Not among the 200 words of the map."


def test_a_click_on_the_map_shows_neighbours(opened, model):
    chart = find(opened, "#map-chart")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", chart)
    # a word is moved to the middle of the map
    opened.execute_script("return setView(around(x[40], y[40], 0.02, 0.02))")
    ActionChains(opened).move_to_element(chart).pause(0.3).click().perform()
    assert find(opened, "#word h3").text == "w40"
    expected = nce_train.Embeddings.load(model).most_similar("w40")
    assert [word for word, _ in neighbours(opened)] == [word for word, _ in expected]
    find(opened, "#word li button").click()
    assert find(opened, "#word h3").text == expected[0][0]


def test_neighbours_that_are_not_on_the_map(opened):
    search(opened, "w199\n")
    beyond = texts(opened, "#word .beyond b")
    assert beyond and all(int(word[1:]) >= 200 for word in beyond)


def test_labels_follow_zoom_and_drag(opened):
    chart = find(opened, "#map-chart")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", chart)
    find(opened, "#zoom-reset").click()
    few = set(texts(opened, "#labels span"))
    span = "return view.x[1] - view.x[0]"
    before = opened.execute_script(span)
    find(opened, "#zoom-in").click()
    assert opened.execute_script(span) == pytest.approx(0.6 * before)
    assert set(texts(opened, "#labels span")) - few
    left = opened.execute_script("return view.x[0]")
    ActionChains(opened).move_to_element(chart).click_and_hold().move_by_offset(60, 0).release().perform()
    assert opened.execute_script("return view.x[0]") < left
    find(opened, "#zoom-reset").click()


def test_hostile_words_are_found_and_do_nothing(opened):
    clear_logs(opened)
    search(opened, f"{HOSTILE}\n")
    assert find(opened, "#word h3").text == HOSTILE
    search(opened, "javascript")
    find(opened, "#matches button").click()
    assert find(opened, "#word h3").text.startswith("%{x}<a href='javascript:alert(1)'>$x^$</a>")
    assert opened.execute_script("return document.querySelectorAll('main img, main a').length") == 0
    assert console_messages(opened) == []


def test_hovering_over_a_hostile_word_shows_it_as_text(opened):
    chart = find(opened, "#map-chart")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", chart)
    for place in (3, 5):
        opened.execute_script("return setView(around(x[arguments[0]], y[arguments[0]], 0.001, 0.001))", place)
        ActionChains(opened).move_to_element_with_offset(chart, 40, 40).move_to_element(chart).pause(0.5).perform()
        hover = opened.execute_script("return document.querySelector('#map-chart .hoverlayer').textContent")
        assert ("<img" if place == 3 else "<a href=") in hover
        assert opened.execute_script("return document.querySelectorAll('.hoverlayer :is(a, img)').length") == 0
    assert console_messages(opened) == []


@pytest.mark.slow
def test_models_are_compared(browser, model, other_model, vectors_file, tmp_path):
    (page,) = report(model, tmp_path / "compared.html", compare=[other_model, vectors_file], words=50)
    open_page(browser, page)
    assert console_messages(browser) == []
    assert texts(browser, "#legend .model") == ["run.nce", other_model.name, "vectors.txt"]
    assert browser.execute_script("return charts[0].element.data.filter((trace) => trace.y.length).length") == 2
    rows = texts(browser, "#settings > .card tbody tr")
    assert rows == ["lr 0.05 0.1"]
    assert texts(browser, "#evaluation tbody .model") == ["run.nce", other_model.name, "vectors.txt"]
    assert browser.execute_script("return document.querySelectorAll('main i:not(.model i, .length i)').length") == 0


@pytest.mark.slow
def test_a_vectors_file_has_a_map_and_an_evaluation(browser, vectors_file, tmp_path):
    (page,) = report(vectors_file, tmp_path / "plain.html")
    open_page(browser, page)
    assert console_messages(browser) == []
    assert texts(browser, "main section:not([hidden]) h2") == ["Map of words", "Evaluation"]
    assert texts(browser, "#evaluation h3 small")[0] == "analogies among 40 words"
    search(browser, "w7\n")
    assert len(neighbours(browser)) == 10


def test_dark_scheme_and_narrow_screens(opened):
    for width, scheme, background in ((1280, "light", 250), (1280, "dark", 20), (390, "light", 250)):
        emulate(opened, width, scheme)
        colour = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert abs(int(re.findall(r"\d+", colour)[0]) - background) < 5
        for chart in ("charts[0].element", "chart"):
            is_drawn = f"return {chart}.layout.hoverlabel.bgcolor === colour('card')"
            WebDriverWait(opened, WAIT).until(lambda browser, is_drawn=is_drawn: browser.execute_script(is_drawn))
        assert opened.execute_script("return document.documentElement.scrollWidth") == width
        # wide tables scroll inside the page
        too_wide = """return [...document.querySelectorAll("main *")].filter((element) =>
            element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(arguments[0])).length"""
        assert opened.execute_script(too_wide, ".scroll, svg, .labels") == 0
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert console_messages(opened) == []


def emulate(browser, width, scheme):
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )


@pytest.mark.slow
def test_intervals_are_shown(browser, vectors_file, tmp_path):
    counts = {
        "words": 9,
        "correct": 6,
        "asked": 10,
        "questions": 20,
        "coverage": 0.5,
        "accuracy": 0.6,
        "interval": [0.3, 0.9],
    }
    scores = {"spearman": -0.25, "pairs": 10, "of": 10, "coverage": 1.0, "interval": [-0.5, 0.125]}
    results = {"analogies": {"a": {**counts, "sections": {}}}, "similarity": {"s": scores}}
    (page,) = write_report([vectors_file], tmp_path / "intervals.html", lambda embeddings: results)
    open_page(browser, page)
    assert [text.split() for text in texts(browser, "#evaluation tbody tr")] == [
        ["vectors.txt", "60.0%", "30.0%", "–", "90.0%", "6", "10", "20", "50.0%"],
        ["s", "-0.250", "-0.500", "–", "0.125", "10", "10", "100.0%"],
    ]
    assert texts(browser, "#evaluation th.number").count("95 % interval") == 2


@pytest.mark.slow
def test_the_map_is_drawn_without_webgl(start_browser, page):
    browser = open_page(start_browser("--disable-3d-apis"), page)
    assert console_messages(browser) == []
    assert browser.execute_script("return traceType") == "scatter"
    assert browser.execute_script("return document.querySelectorAll('#map-chart .point').length") >= 200


@pytest.mark.slow
def test_many_readings_are_thinned(browser, tmp_path):
    model = make_model(tmp_path / "long.nce", seed=3, readings=9000)
    (page,) = report(model, tmp_path / "long.html", words=20)
    open_page(browser, page)
    assert find(browser, "#thinned").text == "long.nce: one reading in 3 is drawn"
    tokens = browser.execute_script("return charts[0].element.data[0].x")
    assert len(tokens) < 4002 and tokens[-1] == 900_000

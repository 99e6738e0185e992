"""The page, in a real browser, with a recording of the loudspeaker."""

import asyncio
import base64
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from audio.kokoro.voice import KokoroVoice
from audio.output.wavfile import WavSpeaker
from audio.types import SAMPLE_RATE_HZ, Chunk, Devices, OutputDevice, Sound, Word
from bot.chat.sandbox import Sandbox
from bot.paths import CHECKOUT
from bot.settings import Settings
from tests.conftest import ALICE
from tests.support.fake_voice import ToneVoice, find_tones
from tests.support.http_face import Face, ServeBot, serve
from tests.support.loudspeaker import RATE_HZ, Ear, Loudspeakers

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="needs Debian's chromium and chromium-driver: make browser",
    ),
    pytest.mark.timeout(120),
]

SWITCHES = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --disable-dev-shm-usage"
)
LIT_WITHIN_S = 0.15

# Records when each word is highlighted, in the browser's milliseconds since 1970.
WATCH = """
window.lit = [];
new MutationObserver((changes) => {
  const at = performance.timeOrigin + performance.now();
  for (const { target } of changes) {
    if (target.classList?.contains("lit")) window.lit.push([target.textContent, at]);
  }
}).observe(document.getElementById("now"), { subtree: true, attributes: true });
"""

# The queue is never answered.
NO_QUEUE = """
const real = window.fetch;
window.fetch = (path, options) =>
  path === "/v1/queue" ? new Promise(() => {}) : real(path, options);
"""

# The accessible name of each control, by the rules that the page relies on.
NAMES = """
return [...document.querySelectorAll("button, input, select, textarea, [tabindex]")]
  .filter((control) => control.checkVisibility())
  .map((control) => [
    control.outerHTML.slice(0, 80),
    control.getAttribute("aria-label")
      ?? ([...(control.labels ?? [])].map((label) => label.textContent).join(" ").trim()
      || control.textContent.trim()),
  ]);
"""

# The contrast of each visible text with its background: WCAG 2, 1.4.3.
CONTRASTS = """
const channels = (css) => css.match(/[\\d.]+/g).map(Number);
function behind(element) {
  for (let at = element; at; at = at.parentElement) {
    const color = channels(getComputedStyle(at).backgroundColor);
    if (color.length === 3 || color[3] === 1) return color;
  }
  return [255, 255, 255];
}
function luminance(color) {
  const [r, g, b] = color.slice(0, 3).map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
return [...document.querySelectorAll("body *")]
  .filter((element) => element.checkVisibility() && !element.disabled)
  .filter((element) => [...element.childNodes].some(
    (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim()))
  .map((element) => {
    const style = getComputedStyle(element);
    const color = element.namespaceURI.endsWith("svg") ? style.fill : style.color;
    const both = [luminance(channels(color)), luminance(behind(element))];
    const [dark, light] = both.sort((a, b) => a - b);
    return [element.outerHTML.slice(0, 80), (light + 0.05) / (dark + 0.05)];
  });
"""


class Page:
    """The page in a browser. Every method blocks."""

    def __init__(self, browser: Chrome, face: Face) -> None:
        """Open the page as `crier page` does."""
        self.browser = browser
        self.url = face.url
        browser.get("about:blank")
        browser.get(face.page_url())
        self.until(lambda: "Connecting" not in self["state"].text and self["state"].text != "")

    def __getitem__(self, id_: str) -> WebElement:
        return self.browser.find_element(By.ID, id_)

    def until(self, condition: Callable[[], Any], timeout_s: float = 60) -> Any:
        """Wait until *condition* returns a true value; return it."""
        return WebDriverWait(self.browser, timeout_s, poll_frequency=0.05).until(
            lambda _: condition()
        )

    def queue(self) -> list[str]:
        """Return the waiting texts, as they are shown."""
        texts: list[str] = self.browser.execute_script(
            'return [...document.querySelectorAll("#queue .text")].map((e) => e.textContent)'
        )
        return texts

    def lit(self) -> list[tuple[str, float]]:
        """Return each highlighted word and when it was, by `time.monotonic`."""
        offset_s = time.monotonic() - time.time()
        records: list[tuple[str, float]] = self.browser.execute_script("return window.lit")
        return [(word, at_ms / 1000 + offset_s) for word, at_ms in records]

    def focused(self) -> str:
        """Return the accessible name of the element in focus."""
        return str(self.browser.switch_to.active_element.accessible_name)

    def console_messages(self) -> list[str]:
        """Return the messages in the browser's console."""
        return [entry["message"] for entry in self.browser.get_log("browser")]  # type: ignore[no-untyped-call]

    def requested(self) -> set[str]:
        """Return the origins that the page sent requests to."""
        urls = set()
        for entry in self.browser.get_log("performance"):  # type: ignore[no-untyped-call]
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                urls.add("/".join(event["params"]["request"]["url"].split("/")[:3]))
        return {url for url in urls if url.startswith("http")}  # others are internal to the browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Start a browser with a profile of its own."""
    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for switch in [*SWITCHES.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = Chrome(options, ChromeService(str(DRIVER)))
    browser.set_page_load_timeout(60)
    browser.set_window_size(1100, 900)
    yield browser
    browser.quit()


@pytest.fixture
def serve_toned(settings: Settings, loudspeakers: Loudspeakers) -> ServeBot:
    """Return a function that runs a bot with the tone voice and the HTTP API."""
    assert loudspeakers.alsa_config.exists()

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[Face]:
        async with serve(settings.replaced(api_port=0, **changes), ToneVoice()) as face:
            yield face

    return start


def numbers(first: int, last: int) -> str:
    """Return a text of one sentence for each number."""
    return " ".join(f"Number {number}." for number in range(first, last))


@pytest.mark.realtime
async def test_page_highlights_words_as_they_are_heard(
    serve_toned: ServeBot, browser: Chrome, ear_a: Ear
) -> None:
    """Every spoken word is highlighted within 150 ms of its sound at the loudspeaker."""
    codes = list(range(3, 243, 20))
    async with serve_toned() as face:
        page = await asyncio.to_thread(Page, browser, face)
        browser.execute_script(WATCH)
        await face.speak(" ".join(f"Number {code}." for code in codes), wait=True)
        lit = await asyncio.to_thread(page.lit)
        underruns = (await face.get("/v1/status"))["underruns"]
        console_messages, requested = page.console_messages(), page.requested()
    await asyncio.to_thread(ear_a.wait_for_silence)
    samples, heard_s = ear_a.recording()
    heard = {tone.code: tone.start_s for tone in find_tones(samples, RATE_HZ, heard_s)}
    seen = {int(word.strip(".")): at_s for word, at_s in lit if word != "Number"}

    assert list(seen) == codes
    error_s = {code: seen[code] - heard[code] for code in codes}
    # A word just after an underrun can't be predicted.
    assert sorted(map(abs, error_s.values()))[-1 - underruns] < LIT_WITHIN_S, error_s
    assert console_messages == []
    assert requested == {face.url}


@pytest.mark.realtime
async def test_page_highlights_words_of_the_real_voice(
    settings: Settings, voice: KokoroVoice, browser: Chrome, ear_a: Ear
) -> None:
    """After each audible pause, a word is highlighted within 150 ms."""
    text = "Ready? Good! Open the door. Mind the gap. Enjoy the day."
    async with serve(settings.replaced(api_port=0), voice) as face:
        page = await asyncio.to_thread(Page, browser, face)
        browser.execute_script(WATCH)
        await face.speak(text, wait=True)
        lit = await asyncio.to_thread(page.lit)
    await asyncio.to_thread(ear_a.wait_for_silence)
    onsets = [first_s for first_s, _ in ear_a.spans(gap_s=0.2)]

    assert len(onsets) >= 3
    assert lit[-1][0] == "day."
    for onset_s in onsets:
        assert min(abs(at_s - onset_s) for _, at_s in lit) < LIT_WITHIN_S


async def test_page_shows_a_whole_text_before_it_has_the_queue(
    settings: Settings, tmp_path: Path, browser: Chrome
) -> None:
    """A message that starts before the queue has been fetched is shown to its end."""
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    async with serve(quiet, ToneVoice()) as face:
        page = await asyncio.to_thread(Page, browser, face)
        browser.execute_script(NO_QUEUE)
        await face.speak(numbers(1, 60))
        shown = await asyncio.to_thread(
            page.until, lambda: "Number" in page["now"].text and page["now"].text
        )

    assert " ".join(shown.split()) == numbers(1, 60)


async def test_page_stop_button_stops_everything(
    serve_toned: ServeBot, browser: Chrome, ear_a: Ear
) -> None:
    """After one click nothing is heard, nothing waits, and the history says that it was cut."""
    async with serve_toned() as face:
        page = await asyncio.to_thread(Page, browser, face)
        began_s = time.monotonic()
        await face.speak(numbers(1, 60))
        await asyncio.to_thread(ear_a.wait_for_sound, began_s)
        await asyncio.to_thread(page.until, page["stop"].is_enabled)
        await asyncio.to_thread(page["stop"].click)
        await asyncio.to_thread(ear_a.wait_for_silence)
        shown = await asyncio.to_thread(
            page.until, lambda: "Cut" in page["history"].text and page["history"].text
        )

    assert "tests" in shown


async def test_page_pauses_and_resumes(serve_toned: ServeBot, browser: Chrome, ear_a: Ear) -> None:
    """The button pauses and resumes playback; the state says which."""
    async with serve_toned() as face:
        page = await asyncio.to_thread(Page, browser, face)
        began_s = time.monotonic()
        await face.speak(numbers(1, 9))
        await asyncio.to_thread(ear_a.wait_for_sound, began_s)
        await asyncio.to_thread(page["pause"].click)
        await asyncio.to_thread(ear_a.wait_for_silence)
        await asyncio.to_thread(page.until, lambda: page["state"].text == "Paused")
        again_s = time.monotonic()
        await asyncio.to_thread(page["pause"].click)
        await asyncio.to_thread(ear_a.wait_for_sound, again_s)
        await asyncio.to_thread(page.until, lambda: "Heard" in page["history"].text)


async def test_page_moves_and_removes_messages_by_keyboard(
    serve_toned: ServeBot, browser: Chrome
) -> None:
    """Alt and an arrow move a message, Delete removes it, and the focus stays in the list."""
    async with serve_toned() as face:
        page = await asyncio.to_thread(Page, browser, face)
        await face.client.post("/v1/audio/pause")
        for number in range(1, 5):
            await face.speak(numbers(number, number + 1))

        def use_keyboard() -> tuple[list[list[str]], list[str]]:
            seen, focus = [], []
            page.until(lambda: len(page.queue()) == 4)
            seen.append(page.queue())
            last = browser.find_elements(By.CSS_SELECTOR, "#queue li")[-1]
            last.find_element(By.TAG_NAME, "button").send_keys(Keys.ALT, Keys.ARROW_UP)
            page.until(lambda: page.queue() != seen[-1])
            seen.append(page.queue())
            focus.append(page.focused())
            browser.switch_to.active_element.send_keys(Keys.DELETE)
            page.until(lambda: len(page.queue()) == 3)
            seen.append(page.queue())
            focus.append(page.focused())
            browser.switch_to.active_element.send_keys(Keys.ENTER)
            page.until(lambda: len(page.queue()) == 2)
            seen.append(page.queue())
            return seen, focus

        seen, focus = await asyncio.to_thread(use_keyboard)
        items = (await face.get("/v1/queue"))["items"]

    one, two, three, four = (f"Number {number}." for number in range(1, 5))
    assert seen == [[one, two, three, four], [one, two, four, three], [one, two, three], [one, two]]
    assert focus == [f"Earlier: {four}", f"Remove: {three}"]
    assert [item["text"] for item in items] == [one, two]


async def test_page_speaks_a_text(settings: Settings, tmp_path: Path, browser: Chrome) -> None:
    """A text written on the page is spoken as it is: markup stays text."""
    text = "<img src=x onerror=alert(1)> Number 7."
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    async with serve(quiet, ToneVoice()) as face:
        page = await asyncio.to_thread(Page, browser, face)

        def submit() -> tuple[str, str]:
            page.until(lambda: page["voice"].find_elements(By.TAG_NAME, "option"))
            first = page["voice"].find_element(By.TAG_NAME, "option").text
            page["text"].send_keys(text, Keys.CONTROL, Keys.ENTER)
            page.until(lambda: "Heard" in page["history"].text)
            return first, page["history"].text

        usual, history = await asyncio.to_thread(submit)
        images = browser.find_elements(By.TAG_NAME, "img")

    assert "af_heart" in usual
    assert "page" in history
    assert images == []


async def test_page_asks_again_after_a_wrong_token(
    settings: Settings, tmp_path: Path, browser: Chrome
) -> None:
    """Without the right token there is only a form; the address never keeps a token."""
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    async with serve(quiet, ToneVoice()) as face:

        def enter() -> tuple[str, bool, str]:
            browser.get("about:blank")
            browser.get(f"{face.url}/#token=wrong")
            wait = WebDriverWait(browser, 60)
            wait.until(lambda b: b.find_element(By.ID, "token-wrong").text)
            message = browser.find_element(By.ID, "token-form").text
            closed = not browser.find_element(By.ID, "content").is_displayed()
            browser.find_element(By.ID, "token").send_keys(face.token, Keys.ENTER)
            wait.until(lambda b: b.find_element(By.ID, "content").is_displayed())
            return message, closed, browser.current_url

        message, closed, url = await asyncio.to_thread(enter)

    assert "crier page" in message
    assert closed
    assert url == f"{face.url}/"


async def test_page_refuses_a_used_code(
    settings: Settings, tmp_path: Path, browser: Chrome
) -> None:
    """The address of `crier page` opens the page once, and says so the second time."""
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    async with serve(quiet, ToneVoice()) as face:

        def enter() -> tuple[str, str, str]:
            wait = WebDriverWait(browser, 60)
            address = face.page_url()
            browser.get("about:blank")
            browser.get(address)
            wait.until(lambda b: b.find_element(By.ID, "content").is_displayed())
            opened = browser.current_url
            browser.execute_script("sessionStorage.clear(); localStorage.clear()")
            browser.get("about:blank")
            browser.get(address)
            message = wait.until(lambda b: b.find_element(By.ID, "token-wrong").text)
            return opened, str(message), browser.current_url

        opened, message, url = await asyncio.to_thread(enter)

    assert (opened, url) == (f"{face.url}/", f"{face.url}/")
    assert "has been used" in message


async def test_page_reconnects(settings: Settings, tmp_path: Path, browser: Chrome) -> None:
    """When Crier stops, the page says that it retries; when Crier is back, it continues."""
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    async with serve(quiet, ToneVoice()) as face:
        page = await asyncio.to_thread(Page, browser, face)
        port = face.api_json["port"]
    await asyncio.to_thread(page.until, lambda: "trying again" in page["state"].text)
    async with serve(quiet.replaced(api_port=port), ToneVoice()):
        await asyncio.to_thread(page.until, lambda: page["state"].text == "Silent")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_page_is_accessible(
    settings: Settings, tmp_path: Path, browser: Chrome, scheme: str
) -> None:
    """Each control has a name, each text a contrast of 4.5, and 360 pixels are wide enough."""
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    async with serve(quiet, ToneVoice()) as face:
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        page = await asyncio.to_thread(Page, browser, face)
        await face.speak(numbers(1, 2), wait=True)
        await face.speak("Nothing " * 40 + "1. " + numbers(1, 30))
        await face.speak("This one waits for its turn. " * 9)

        def inspect() -> tuple[list[Any], list[Any], int]:
            page.until(lambda: browser.find_elements(By.CSS_SELECTOR, "#now .lit"))
            page.until(lambda: browser.find_elements(By.CSS_SELECTOR, "#queue li"))
            names, contrasts = browser.execute_script(NAMES), browser.execute_script(CONTRASTS)
            device = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
            width = browser.execute_script("return document.documentElement.scrollWidth")
            browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
            return names, contrasts, width

        names, contrasts, width = await asyncio.to_thread(inspect)
        await face.client.post("/v1/audio/stop")

    assert len(names) > 10
    assert [html for html, name in names if not name] == []
    assert [contrast for contrast in contrasts if contrast[1] < 4.5] == []
    assert width == 360


# ---- the picture in the README ----

PICTURE = CHECKOUT / "docs" / "page.png"
MAX_PICTURE_BYTES = 150_000
PICTURE_PX = {"x": 0, "y": 0, "width": 1100, "height": 730, "scale": 1}
STORY = (
    "Once upon a time there was a lighthouse keeper who read every letter aloud before he answered "
    "it, so that the sea would know what was in it. In winter, when no boat came for weeks, he "
    "read the old ones again, and the gulls sat on the railing and listened."
)


class EvenVoice(ToneVoice):
    """Speaks each word for 0.35 s, after 0.2 s for a chunk."""

    def synthesize(self, chunk: Chunk, *_: Any) -> Sound:
        """Return a soft tone that lasts as long as the words of a chunk."""
        time.sleep(0.2)
        words = [
            Word(text, 0.35 * index, 0.35 * (index + 1))
            for index, text in enumerate(chunk.text.split())
        ]
        times_s = np.arange(int(0.35 * len(words) * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        samples = (0.1 * np.sin(2 * np.pi * 220 * times_s)).astype(np.float32)
        return Sound(samples, 0.2, tuple(words))


async def test_page_picture_shows_a_busy_page(
    *,
    settings: Settings,
    sandbox: Sandbox,
    browser: Chrome,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A message is playing with a word highlighted, others wait; `make picture` stores it."""
    kitchen = OutputDevice("Kitchen", is_default=True, in_use=True)
    desk = OutputDevice("Desk", is_default=False, in_use=False)
    monkeypatch.setattr(WavSpeaker, "devices", lambda _: Devices((kitchen, desk), wanted="Kitchen"))
    monkeypatch.setattr(WavSpeaker, "device", "Kitchen")
    light = {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", light)
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")

    async with (
        serve(quiet, EvenVoice()) as face,
        face.named("command line") as terminal,
        face.named("thermostat") as thermostat,
    ):
        page = await asyncio.to_thread(Page, browser, face)
        for client, text in (
            (thermostat, "Good morning. It is four degrees outside."),
            (terminal, "The washing is done."),
        ):
            await client.post("/v1/audio/speak", json={"input": text, "wait": True})
        await face.client.post("/v1/audio/pause")
        await terminal.post("/v1/audio/speak", json={"input": STORY})
        sandbox.send(ALICE, "Dinner is at seven. Bring the good cheese, if there is any left.")
        await thermostat.post("/v1/audio/speak", json={"input": "The bathroom window is open."})
        sandbox.send(ALICE, "And call your mother!")

        def take_picture() -> bytes:
            page.until(lambda: len(page.queue()) == 4)
            page.until(lambda: page["pause"].text == "Resume")
            page["pause"].click()
            page.until(lambda: len(page.queue()) == 3)
            page.until(lambda: len(browser.find_elements(By.CSS_SELECTOR, "#now .heard")) > 12)
            page.until(lambda: browser.find_elements(By.CSS_SELECTOR, "#now .lit"))
            browser.execute_script("document.activeElement.blur()")
            shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": PICTURE_PX})
            return base64.b64decode(shot["data"])

        picture = await asyncio.to_thread(take_picture)
        await face.client.post("/v1/audio/stop")

    path = PICTURE if "CRIER_PICTURE" in os.environ else tmp_path / "page.png"
    path.write_bytes(picture)
    assert len(picture) < MAX_PICTURE_BYTES

"""`robometer-rl label-demos`: the command, and its page in a headless browser."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from robometer_test_browser import Browser, chromium
from robometer_test_demos import SENTENCE, write_episodes, write_videos
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from robometer_rl.cli import main
from robometer_rl.datasets.episodes import list_episodes, read_episode
from robometer_rl.datasets.label_file import VideoLabel, read_labels, write_labels
from robometer_rl.datasets.label_server import LabelServer
from robometer_rl.datasets.label_store import open_labels


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as window:
        window.resize(1200, 800)
        yield window


@contextmanager
def serving(folder: Path) -> Iterator[LabelServer]:
    with LabelServer(open_labels(folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def wait(browser: Browser, script: str, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not browser.run(f"return Boolean({script})"):
        assert time.monotonic() < end, f"never: {script}; {texts(browser)}"
        time.sleep(0.02)


def texts(browser: Browser) -> dict[str, str]:
    """What the page says in its places."""
    names = ("count", "task", "notice", "time", "said")
    return {name: browser.run(f"return document.getElementById('{name}').textContent") for name in names}


def show(browser: Browser, server: LabelServer) -> None:
    browser.get(server.url)
    ready(browser)


def ready(browser: Browser) -> None:
    """Waits until a recording can be answered."""
    wait(browser, "document.getElementById('time').textContent")


def idle(browser: Browser) -> None:
    """Waits until everything that was pressed is done."""
    browser.run("return queue.then(() => true)")


def press(browser: Browser, *keys: str, shift: bool = False) -> None:
    chain = ActionChains(browser)
    if shift:
        chain.key_down(Keys.SHIFT)
    chain.send_keys(*keys)
    if shift:
        chain.key_up(Keys.SHIFT)
    chain.perform()
    idle(browser)


def states(browser: Browser) -> list[str]:
    return browser.run("return [...document.querySelectorAll('.state')].map((state) => state.textContent)")


def level(browser: Browser) -> int:
    """The number of the picture that the player shows, see `pictures`."""
    wait(browser, "!video.seeking")
    script = """
        const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
        canvas.width = video.videoWidth; canvas.height = video.videoHeight;
        pen.drawImage(video, 0, 0);
        return pen.getImageData(4, 4, 1, 1).data[0];
    """
    return round(int(browser.run(script)) / 10)


def messages(browser: Browser) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser")]


def test_a_person_steps_to_the_moment_and_presses_keys(browser: Browser, tmp_path: Path) -> None:
    write_videos(tmp_path, {"a.mp4": 20, "b.mp4": 20, "success/c.mp4": 20})
    with serving(tmp_path) as server:
        show(browser, server)
        assert states(browser) == ["no answer", "no answer", "done at its end"]
        assert texts(browser)["count"] == "1 of 3 answered"
        assert level(browser) == 0
        press(browser, *[Keys.ARROW_RIGHT] * 5)
        assert texts(browser)["time"] == "frame 6 of 20, 0.50 s"
        assert level(browser) == 5, "the player shows the frame that is counted"
        press(browser, "h")
        press(browser, Keys.ARROW_RIGHT, shift=True)
        press(browser, Keys.ARROW_LEFT)
        assert level(browser) == 14
        press(browser, "d")
        assert read_labels(tmp_path) == {"a.mp4": VideoLabel("success", 1.4, 0.5)}
        assert texts(browser)["said"] == "saved: done 1.40 s"
        press(browser, "n")
        ready(browser)
        press(browser, "f")
        assert states(browser) == ["done 1.40 s", "failed", "done at its end"]
        assert texts(browser)["count"] == "3 of 3 answered: all answered, Ctrl-C in the terminal ends"
        assert read_labels(tmp_path)["b.mp4"] == VideoLabel("failure")
    assert messages(browser) == []


def test_a_reload_keeps_everything_and_an_answer_can_be_taken_back(browser: Browser, tmp_path: Path) -> None:
    write_videos(tmp_path, {"a.mp4": 20})
    with serving(tmp_path) as server:
        show(browser, server)
        press(browser, Keys.ARROW_RIGHT, "h", Keys.END, "d")
        show(browser, server)
        assert states(browser) == ["done 1.90 s"]
        assert texts(browser)["time"] == "frame 20 of 20, 1.90 s"
        assert level(browser) == 19
        press(browser, "u")
        assert states(browser) == ["half 0.10 s"]
        press(browser, "u")
        assert states(browser) == ["no answer"]
        press(browser, "u")
        assert texts(browser)["said"] == "there is no answer to take back"
        assert read_labels(tmp_path) == {"a.mp4": VideoLabel()}


def test_the_buttons_do_what_the_keys_do_and_the_bar_scrubs(browser: Browser, tmp_path: Path) -> None:
    write_videos(tmp_path, {"a.mp4": 20, "b.mp4": 20})
    with serving(tmp_path) as server:
        show(browser, server)
        browser.run("scrub.value = 7; scrub.dispatchEvent(new Event('input'))")
        assert level(browser) == 7
        for button in ("half", "ahead", "ahead", "back", "done"):
            browser.find_element("id", button).click()
            idle(browser)
        assert read_labels(tmp_path)["a.mp4"] == VideoLabel("success", 0.8, 0.7)
        marks = browser.run("return [...document.querySelectorAll('.mark')].map((mark) => mark.textContent)")
        assert marks == ["half way", "done"]
        browser.find_element("id", "undo").click()
        wait(browser, "items[0].outcome === ''")
        browser.find_element("css selector", "#list li:nth-child(2) button").click()
        wait(browser, "current === 1")
        ready(browser)
        browser.find_element("id", "failed").click()
        wait(browser, "items[1].outcome === 'failure'")
        browser.find_element("id", "next").click()
        wait(browser, "current === 0")


def test_it_plays_to_the_end(browser: Browser, tmp_path: Path) -> None:
    write_videos(tmp_path, {"a.mp4": 8})
    with serving(tmp_path) as server:
        show(browser, server)
        press(browser, " ")
        wait(browser, "video.ended")
        wait(browser, "frame === clip.frames - 1")
        assert browser.run("return document.getElementById('play').textContent") == "PlaySpace"


def test_a_refused_answer_is_said_aloud_and_not_shown_as_given(browser: Browser, tmp_path: Path) -> None:
    write_videos(tmp_path, {"a.mp4": 20})
    write_labels(tmp_path, {"a.mp4": VideoLabel(half_way_at=1.0)})
    with serving(tmp_path) as server:
        show(browser, server)
        press(browser, Keys.HOME, "d")
        assert texts(browser)["said"] == "not saved: half_way_at=1 should come before done_at=0"
        assert states(browser) == ["half 1.00 s"]
    assert read_labels(tmp_path) == {"a.mp4": VideoLabel(half_way_at=1.0)}


def test_what_cannot_be_played_is_not_answered(browser: Browser, tmp_path: Path) -> None:
    write_videos(tmp_path, {"b.mp4": 5})
    (tmp_path / "a.mp4").write_bytes(b"nothing")
    with serving(tmp_path) as server:
        browser.get(server.url)
        wait(browser, "document.getElementById('notice').textContent.includes('damaged')")
        press(browser, "d", "f", "h")
        assert read_labels(tmp_path) == {}
        press(browser, "n")
        ready(browser)
        assert texts(browser)["notice"] == ""


def test_a_server_that_has_gone_loses_no_answer_silently(browser: Browser, tmp_path: Path) -> None:
    write_videos(tmp_path, {"a.mp4": 5})
    with serving(tmp_path) as server:
        show(browser, server)
        browser.run("window.fetch = () => Promise.reject(new TypeError('the server is gone'))")
        press(browser, "d")
        assert texts(browser)["said"] == "not saved: the server is gone"
        assert states(browser) == ["no answer"]


def test_names_are_text_and_never_markup(browser: Browser, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>.mp4"
    write_videos(tmp_path, {name: 3})
    write_labels(tmp_path, {name: VideoLabel(task="<b>open</b>")})
    with serving(tmp_path) as server:
        show(browser, server)
        assert browser.run("return document.querySelectorAll('nav img, main b').length") == 0
        assert texts(browser)["task"] == "<b>open</b>"
        press(browser, "d")
        assert read_labels(tmp_path)[name].outcome == "success"


def test_unlabelled_episodes_are_labelled(browser: Browser, tmp_path: Path) -> None:
    write_episodes(tmp_path, ("unlabelled", "unlabelled", "success"))
    with serving(tmp_path) as server:
        show(browser, server)
        assert texts(browser)["task"] == SENTENCE
        press(browser, *[Keys.ARROW_RIGHT] * 4)
        assert level(browser) == 4
        press(browser, "d", "n")
        ready(browser)
        press(browser, "f")
        assert states(browser) == ["done 0.40 s", "failed"]
    kinds = {path.name for path in list_episodes(tmp_path)}
    assert kinds == {"success-00000.h5", "failure-00001.h5", "success-00002.h5"}
    success = read_episode(tmp_path / "own/lift/success-00000.h5").success
    np.testing.assert_array_equal(success, np.arange(9) >= 4)


def test_the_command_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    write_videos(tmp_path, {"success/a.mp4": 3, "b.mp4": 3})
    # Where the tests run in the background of a shell, Ctrl+C is ignored, and a child would inherit that.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from robometer_rl.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-u", "-c", code, "label-demos", str(tmp_path), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "at http://127.0.0.1:" in line
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 0
    assert rest.strip() == "1 success, 1 unlabelled"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "missing", "is not a folder"),
        (lambda folder: folder, "holds neither videos nor episodes"),
    ],
)
def test_wrong_input_ends_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], Path], message: str
) -> None:
    assert main(["label-demos", str(make(tmp_path)), "--no-browser"]) == 2
    assert message in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_videos(tmp_path, {"a.mp4": 3})
    with serving(tmp_path) as server:
        taken = str(server.server_port)
        assert main(["label-demos", str(tmp_path), "--no-browser", "--port", taken]) == 2
    assert f"port {taken} cannot be used" in capsys.readouterr().err

"""Who may talk to the server of label-demos, and what it answers."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from robometer_test_demos import write_videos

from robometer_rl.datasets.label_file import VideoLabel, read_labels
from robometer_rl.datasets.label_server import LabelServer
from robometer_rl.datasets.label_store import open_labels


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LabelServer]:
    write_videos(tmp_path / "v", {"a b.mp4": 5, "success/c.mp4": 5})
    (tmp_path / "secret.mp4").write_bytes((tmp_path / "v" / "a b.mp4").read_bytes())
    with LabelServer(open_labels(tmp_path / "v")) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def ask(
    server: LabelServer,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    token: str | None = None,
) -> tuple[int, bytes, dict[str, str]]:
    """Sends one request; a body that is not bytes is sent as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    try:
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        address = f"/{server.token if token is None else token}/{path}"
        connection.request("GET" if body is None else "POST", address, content, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


ANSWER = {"name": "a b.mp4", "outcome": "success", "done_at": 0.3, "half_way_at": 0.1}


def test_the_page_asks_no_other_host_and_nothing_may_frame_it(server: LabelServer) -> None:
    status, page, headers = ask(server, "")
    assert status == 200
    assert b"http://" not in page
    assert b"https://" not in page
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    nonce = headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
    assert f'<script nonce="{nonce}">'.encode() in page
    assert nonce.encode() not in ask(server, "")[1], "a nonce is used once"


def test_the_list_and_a_clip(server: LabelServer) -> None:
    status, body, _ = ask(server, "items")
    assert status == 200
    assert [item["name"] for item in json.loads(body)["items"]] == ["a b.mp4", "success/c.mp4"]
    status, body, headers = ask(server, "clip?name=a%20b.mp4")
    assert status == 200
    assert body[4:8] == b"ftyp"
    assert (float(headers["x-fps"]), headers["x-frames"]) == (10.0, "5")


def test_an_answer_is_on_the_disk_before_it_is_confirmed(server: LabelServer, tmp_path: Path) -> None:
    status, body, _ = ask(server, "label", ANSWER)
    assert status == 200
    assert json.loads(body)["item"] == {**ANSWER, "task": ""}
    assert read_labels(tmp_path / "v") == {"a b.mp4": VideoLabel("success", 0.3, 0.1)}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "0.0.0.0:{port}"])
def test_a_foreign_host_is_refused(server: LabelServer, host: str) -> None:
    status, body, _ = ask(server, "items", headers={"Host": host.format(port=server.server_port)})
    assert (status, json.loads(body)) == (403, {"error": "this page is for this machine alone"})


def test_localhost_is_this_machine(server: LabelServer) -> None:
    assert ask(server, "items", headers={"Host": f"localhost:{server.server_port}"})[0] == 200


def test_a_page_of_another_site_cannot_answer(server: LabelServer, tmp_path: Path) -> None:
    assert ask(server, "label", ANSWER, headers={"Origin": "http://evil.example"})[0] == 403
    assert ask(server, "label", ANSWER, headers={"Origin": "null"})[0] == 403
    assert read_labels(tmp_path / "v") == {}
    own = f"http://127.0.0.1:{server.server_port}"
    assert ask(server, "label", ANSWER, headers={"Origin": own})[0] == 200


@pytest.mark.parametrize("token", ["", "wrong", "%C3%A4"])
def test_without_the_token_there_is_nothing(server: LabelServer, token: str) -> None:
    status, body, _ = ask(server, "items", token=token)
    assert status == 403
    assert b"lacks the token" in body


@pytest.mark.parametrize(
    "name",
    ["../secret.mp4", "%2e%2e/secret.mp4", "/etc/passwd", "a%20b.mp4/../../secret.mp4", "labels.csv"],
)
def test_nothing_outside_the_list_is_read_or_written(server: LabelServer, name: str) -> None:
    assert ask(server, f"clip?name={name}")[0] == 404
    assert ask(server, "label", {**ANSWER, "name": name})[0] == 404


@pytest.mark.parametrize("path", ["nothing", "../secret.mp4", "label"])
def test_an_unknown_address_is_not_found(server: LabelServer, path: str) -> None:
    assert ask(server, path)[0] == 404


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"outcome": "won"}, 400, "outcome 'won' should be"),
        ({"half_way_at": 0.4}, 400, "half_way_at=0.4 should come before done_at=0.3"),
        ({"done_at": "soon"}, 400, "a moment should be seconds or null, got 'soon'"),
        ({"done_at": float("nan")}, 400, "seconds"),
        ({"name": ["a"]}, 400, ""),
        ({"name": None}, 404, "there is no"),
    ],
)
def test_a_wrong_answer_is_refused_with_its_reason(
    server: LabelServer, tmp_path: Path, change: dict[str, Any], status: int, error: str
) -> None:
    got, body, _ = ask(server, "label", {**ANSWER, **change})
    assert got == status
    assert error in json.loads(body)["error"]
    assert read_labels(tmp_path / "v") == {}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b"\xff"])
def test_what_is_no_answer_is_refused(server: LabelServer, body: bytes) -> None:
    assert ask(server, "label", body)[0] in (400, 404)


def test_a_long_body_is_not_read(server: LabelServer) -> None:
    assert ask(server, "label", b"x" * 70_000)[0] == 413


def test_a_damaged_video_is_told(server: LabelServer, tmp_path: Path) -> None:
    (tmp_path / "v" / "a b.mp4").write_bytes(b"nothing")
    status, body, _ = ask(server, "clip?name=a%20b.mp4")
    assert status == 422
    assert "damaged or of another kind" in json.loads(body)["error"]


def test_a_folder_that_has_become_unreadable_is_told(server: LabelServer, tmp_path: Path) -> None:
    (tmp_path / "v" / "labels.csv").write_text("video,outcome\na b.mp4,won\n")
    for path, body in (("items", None), ("clip?name=a%20b.mp4", None), ("label", ANSWER)):
        status, answer, _ = ask(server, path, body)
        assert status in (400, 422)
        assert "line 2: outcome 'won'" in json.loads(answer)["error"]


def test_it_listens_on_this_machine_alone(server: LabelServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_port}/{server.token}/"

"""The local page of `robometer-rl label-demos`: a server for one person on this machine, and nobody else.

It listens on 127.0.0.1 alone. A page of another site that is open in the same browser could still send
requests here, so each one must name this host (a foreign name that resolves to 127.0.0.1 does not) and carry
a token that only who started the command knows.
"""

from __future__ import annotations

import hmac
import json
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .label_file import VideoLabel
from .label_store import ClipCache, LabelItem, LabelStore

__all__ = ["LabelServer"]

_LARGEST_BODY = 64 * 1024
_PAGE = "label_page.html"


class LabelServer(ThreadingHTTPServer):
    """Serves the page and takes its answers; each is on the disk before the page hears of it."""

    daemon_threads = True

    def __init__(self, store: LabelStore, port: int = 0) -> None:
        """Binds the port; nothing is answered before `serve_forever`.

        Args:
            store: The recordings.
            port: On 127.0.0.1; 0 takes a free one.

        Raises:
            OSError: The port is taken.
        """
        self.store = store
        self.clips = ClipCache(store)
        self.token = secrets.token_urlsafe(16)
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        """Address of the page, with the token."""
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"


class _Handler(BaseHTTPRequestHandler):
    server: LabelServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answers the page, the list or a clip."""
        route = self._route()
        if route is None:
            return
        path, query = route
        if path == "":
            self._page()
        elif path == "items":
            self._items()
        elif path == "clip":
            self._clip(query.get("name", [""])[0])
        else:
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no {path!r} here")

    def do_POST(self) -> None:
        """Takes an answer."""
        route = self._route()
        if route is None:
            return
        length = self.headers.get("Content-Length", "")
        if route[0] != "label":
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no {route[0]!r} here")
        elif not length.isdecimal() or int(length) > _LARGEST_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "an answer is short")
        else:
            self._label(self.rfile.read(int(length)))

    def _route(self) -> tuple[str, dict[str, list[str]]] | None:
        """Path behind the token, and the query; None where the request was refused."""
        ours = {f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")}
        origin = self.headers.get("Origin")
        if self.headers.get("Host") not in ours or (
            origin is not None and origin not in {f"http://{host}" for host in ours}
        ):
            self._refuse(HTTPStatus.FORBIDDEN, "this page is for this machine alone")
            return None
        parts = urlsplit(self.path)
        token, slash, path = parts.path.removeprefix("/").partition("/")
        if not slash or not hmac.compare_digest(token.encode(), self.server.token.encode()):
            self._refuse(HTTPStatus.FORBIDDEN, "the address lacks the token that the command printed")
            return None
        return path, parse_qs(parts.query)

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        page = files(__package__).joinpath(_PAGE).read_text(encoding="utf-8").replace("NONCE", nonce)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "media-src blob:; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        self._send(page.encode(), "text/html; charset=utf-8", {"Content-Security-Policy": policy})

    def _items(self) -> None:
        try:
            self._json({"items": [_row(item) for item in self.server.store.items()]})
        except (OSError, ValueError) as error:  # somebody has changed the folder meanwhile
            self._refuse(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))

    def _clip(self, name: str) -> None:
        try:
            clip = self.server.clips.get(name)
        except KeyError:
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no recording {name!r}")
        except (OSError, ValueError) as error:
            self._refuse(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        else:
            self._send(clip.mp4, "video/mp4", {"X-Fps": f"{clip.fps:.6f}", "X-Frames": str(clip.frames)})

    def _label(self, body: bytes) -> None:
        try:
            answer = json.loads(body)
            done_at, half_way_at = _seconds(answer["done_at"]), _seconds(answer["half_way_at"])
            label = VideoLabel(answer["outcome"], done_at, half_way_at)
            item = self.server.store.save(answer["name"], label)
        except KeyError as error:
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no {error}")
        except (OSError, TypeError, ValueError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        else:
            self._json({"item": _row(item)})

    def _json(self, value: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(json.dumps(value).encode(), "application/json", {}, status)

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True  # what is left of the request is not read
        self._json({"error": why}, status)

    def _send(
        self, content: bytes, kind: str, headers: dict[str, str], status: HTTPStatus = HTTPStatus.OK
    ) -> None:
        self.send_response(status)
        always = {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        if self.close_connection:
            always["Connection"] = "close"
        for name, value in {**always, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing: the terminal shows the address, and the page what happens."""


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"a moment should be seconds or null, got {value!r}")
    return float(value)


def _row(item: LabelItem) -> dict[str, Any]:
    """A recording, as the page reads it."""
    label = item.label
    return {
        "name": item.name,
        "task": item.task,
        "outcome": label.outcome,
        "done_at": label.done_at,
        "half_way_at": label.half_way_at,
    }

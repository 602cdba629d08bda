"""URLs, bodies and origins: what leaves for where, and that nothing in a name leads elsewhere."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pure_calls import repeatable
from streamflow_client.wire.request import (
    PROTOCOLS,
    BaseUrl,
    cancel_request,
    flow_url,
    raw_events,
    same_origin,
)
from streamflow_client.wire.sse import Event

BASE = BaseUrl.parse("http://host:3400/api")


@pytest.mark.parametrize(
    ("url", "text", "origin"),
    [
        ("http://host", "http://host", "http://host:80"),
        ("http://host/", "http://host", "http://host:80"),
        ("http://host:80/", "http://host", "http://host:80"),
        ("https://host:443", "https://host", "https://host:443"),
        ("https://host:80", "https://host:80", "https://host:80"),
        ("http://host:443", "http://host:443", "http://host:443"),
        ("http://host:3400//", "http://host:3400", "http://host:3400"),
        ("http://host:/a", "http://host/a", "http://host:80"),
        ("HTTP://HOST:3400/A/b/", "http://host:3400/A/b", "http://host:3400"),
        ("http://127.0.0.1:1/x%20y", "http://127.0.0.1:1/x%20y", "http://127.0.0.1:1"),
        ("http://[::1]:3400/a", "http://[::1]:3400/a", "http://[::1]:3400"),
        ("http://[FE80::1]", "http://[fe80::1]", "http://[fe80::1]:80"),
        ("http://bücher.example/é", "http://bücher.example/é", "http://bücher.example:80"),
        ("http://user:pw@host/a", "http://host/a", "http://host:80"),
    ],
)
def test_base_urls(url: str, text: str, origin: str) -> None:
    base = BaseUrl.parse(url)
    assert (str(base), base.origin) == (text, origin)
    assert BaseUrl.parse(text) == BaseUrl(base.origin, base.root, base.path, None)
    assert same_origin(base, url)


@pytest.mark.parametrize(
    "url",
    [
        *("", "host", "host:3400", "localhost:3400/api", "/path", "//host/path", "http://", "http:///a"),
        *("ftp://host", "file:///etc/passwd", "ws://host", "http:host", "http//host", " http://host"),
        *("http://host:0", "http://host:x", "http://host:99999", "http://[::1", "http://:80/"),
        *("http://ho st", "http://host/a b", "http://host\n", "http://ho\tst/", "http://host/\x00"),
        *("http://host\\@evil", "http://host/\\..", "http://host\u2028", "http://host/\u3000"),
    ],
)
def test_what_is_no_base_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"^expected a URL such as 'http://localhost:3400', got") as caught:
        BaseUrl.parse(url)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("url", ["http://host/?a=b", "http://host?", "http://host/a#b", "http://host#"])
def test_a_base_url_ends_with_its_path(url: str) -> None:
    with pytest.raises(ValueError, match="has no query and no fragment"):
        BaseUrl.parse(url)


@pytest.mark.parametrize(
    ("userinfo", "expected"),
    [
        ("user:s3cret", ("user", "s3cret")),
        ("s3cret", ("s3cret", "")),
        (":s3cret", ("", "s3cret")),
        ("us%40er:s3%2Fcret", ("us@er", "s3/cret")),
        ("a@b:s3cret", ("a@b", "s3cret")),
        ("", None),
        (":", None),
    ],
)
def test_userinfo(userinfo: str, expected: tuple[str, str] | None) -> None:
    base = BaseUrl.parse(f"http://{userinfo}@host/a")
    assert base.userinfo == expected
    for shown in (str(base), repr(base), base.origin, base.root, flow_url(base, "f", None)):
        assert "s3" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "http://user:s3cret@host?q",
        "http://user:s3cret@host:port",
        "http://user:s3cret@",
        "http://user:s3cret@[::1",
        "http://user:s3/cret@host",
        "http://user:s3#cret@host",
        "http://user:s3?cret@host",
        "http://user:s3\ncret@host",
        "http://user:s3cret\n@ho\nst",
        "ftp://user:s3cret@host",
        "user:s3cret@host",
        "//user:s3cret@host",
        "http://us\u2100er:s3cret@host",
        "http://a@b:s3cret@ho st",
    ],
)
def test_no_message_holds_userinfo(url: str) -> None:
    for parse in (BaseUrl.parse, lambda url: flow_url(BASE, "f", url)):
        with pytest.raises(ValueError, match=r"got|auth") as caught:
            parse(url)
        assert "s3" not in str(caught.value)
        assert "cret" not in str(caught.value)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("menu", "/api/menu"),
        ("my-flow/v2", "/api/my-flow/v2"),
        ("my flow", "/api/my%20flow"),
        ("日本", "/api/%E6%97%A5%E6%9C%AC"),
        ("a?b#c", "/api/a%3Fb%23c"),
        ("a\\b", "/api/a%5Cb"),
        ("50%", "/api/50%25"),
        ("%2e%2e", "/api/%252e%252e"),
        ("..%2f", "/api/..%252f"),
        ("...", "/api/..."),
        (".well-known/x", "/api/.well-known/x"),
        ("a\r\nHost: evil", "/api/a%0D%0AHost:%20evil"),
        ("a\0b", "/api/a%00b"),
        ("user@evil", "/api/user@evil"),
        ("a:b,c;d=e+f&g!h*(i)'$~_", "/api/a:b,c;d=e+f&g!h*(i)'$~_"),
    ],
)
def test_flow_names(name: str, path: str) -> None:
    url = flow_url(BASE, name, None)
    assert url == f"http://host:3400{path}"
    assert httpx.URL(url).raw_path.decode() == path  # it travels as it was written
    assert flow_url(BASE, "other", "/api/" + name) == url


@pytest.mark.parametrize(
    "name",
    ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "../a", "a/.", "http://evil/", "//evil", "\ud800"],
)
def test_names_that_lead_elsewhere(name: str) -> None:
    for protocol in PROTOCOLS.values():
        with pytest.raises(ValueError, match="a flow's name") as caught:
            protocol.url(BASE, name, None, True)
        assert not isinstance(caught.value, UnicodeError)


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/menu", "http://host:3400/menu"),
        ("/menu/", "http://host:3400/menu/"),
        ("/", "http://host:3400/"),
        ("/a b", "http://host:3400/a%20b"),
        ("/a?b", "http://host:3400/a%3Fb"),
        ("/\\evil", "http://host:3400/%5Cevil"),
        ("https://Other.example/fn/", "https://other.example/fn/"),
        ("HTTPS://other.example:443", "https://other.example"),
        ("https://other.example/a%20b", "https://other.example/a%20b"),
    ],
)
def test_flow_paths(path: str, url: str) -> None:
    assert flow_url(BASE, "menu", path) == url


@pytest.mark.parametrize(
    "path",
    [
        *("", "menu", "//evil/menu", "///evil", "ftp://evil/", "javascript:x", "\\\\evil", "/../a", "/a/.."),
        *("/a//b", "/a//", "/./", "http://", "https://h/?code=1", "https://h/#x", "https://u:p@h/fn"),
    ],
)
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"a flow's|expected a URL|has no query"):
        flow_url(BASE, "menu", path)


def test_a_wide_default_port_is_not_written() -> None:
    for url in ("http://host/", "http://host:80"):
        request = httpx.Request("POST", flow_url(BaseUrl.parse(url), "f", None))
        assert (str(request.url), request.headers["host"]) == ("http://host/f", "host")


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("http://host:3400", True),
        ("HTTP://HOST:3400/x?stream=true#y", True),
        ("http://user:pw@host:3400/", True),
        ("http://host/", False),
        ("https://host:3400/", False),
        ("http://host:34000/", False),
        ("http://host.evil:3400/", False),
        ("http://host:3400@evil/", False),
        ("http://evil/http://host:3400", False),
    ],
)
def test_same_origin(url: str, same: bool) -> None:
    assert same_origin(BASE, url) is same


def test_a_default_port_makes_no_other_origin() -> None:
    assert same_origin(BaseUrl.parse("http://host"), "http://host:80/x")
    assert same_origin(BaseUrl.parse("https://host:443"), "https://host/x")


@pytest.mark.parametrize("streaming", [True, False])
def test_every_url_of_ours_is_of_the_same_origin(streaming: bool) -> None:
    for base in (BASE, BaseUrl.parse("http://host/"), BaseUrl.parse("https://[::1]:443/a/")):
        for protocol in PROTOCOLS.values():
            assert same_origin(base, protocol.url(base, "f", None, streaming))
        assert same_origin(base, cancel_request(base, "t")[0])


@repeatable
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
def test_no_name_leaves_its_place(name: str) -> None:
    try:
        url = flow_url(BASE, name, None)
    except ValueError:
        assert set(name.split("/")) & {"", ".", ".."}
        return
    parts = urlsplit(url)
    assert url.isascii()
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("http", "host:3400", "", "")
    assert unquote(parts.path) == f"/api/{name}"


@repeatable
@given(st.text(max_size=20) | st.text("htps:/@[].?#\\ 0a%", max_size=20).map("http://".__add__))
def test_no_text_raises_anything_but_value_error(text: str) -> None:
    for parse in (
        BaseUrl.parse,
        lambda text: flow_url(BASE, "f", text),
        lambda text: flow_url(BASE, text, None),
    ):
        try:
            found = str(parse(text))
        except ValueError as error:
            assert str(error).isprintable()  # noqa: PT017 - most texts are refused, some are not
        else:
            assert not any(character.isspace() for character in found)


# --- protocols ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "streaming", "data", "url", "body"),
    [
        ("callable", True, None, "http://host:3400/api/f/x", b"{}"),
        ("callable", False, b"null", "http://host:3400/api/f/x", b'{"data":null}'),
        ("callable", True, b'{"a":"%b"}', "http://host:3400/api/f/x", b'{"data":{"a":"%b"}}'),
        ("reflection", True, None, "http://host:3400/api/api/runAction?stream=true", b'{"key":"/flow/f/x"}'),
        (
            "reflection",
            False,
            b"null",
            "http://host:3400/api/api/runAction",
            b'{"key":"/flow/f/x","input":null}',
        ),
    ],
)
def test_requests(protocol: str, streaming: bool, data: bytes | None, url: str, body: bytes) -> None:
    wire = next(wire for wire in PROTOCOLS.values() if wire.name == protocol)
    assert wire.url(BASE, "f/x", None, streaming) == url
    assert wire.body("f/x", data) == body


def test_a_name_cannot_break_out_of_json() -> None:
    body = PROTOCOLS["reflection"].body('a","input":"b', None)
    assert body == rb'{"key":"/flow/a\",\"input\":\"b"}'


def test_raw_events_are_the_callable_protocol_without_resuming() -> None:
    wire = raw_events(lambda event: event.data)
    assert (wire.name, wire.resumable) == ("events", False)
    assert wire.url is PROTOCOLS["callable"].url
    frames = wire.frames(100).feed(b"data: x\n\n")
    assert [getattr(frame, "value", None) for frame in frames] == [Event(b"x").data]


def test_cancelling() -> None:
    assert cancel_request(BASE, 't"') == (
        "http://host:3400/api/api/cancelAction",
        rb'{"traceId":"t\""}',
    )

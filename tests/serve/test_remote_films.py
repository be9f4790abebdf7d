"""Only the named hosts are asked for films, however a task, or a redirect, writes an address."""

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import pytest

from lungspot.errors import FilmError, InputError
from lungspot.serve import film_host
from lungspot.serve import remote_films as module
from lungspot.serve.remote_films import RemoteFilms


class Host(BaseHTTPRequestHandler):
    """A host of films: what a path says is what it does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        path = self.path.partition("?")[0]
        if path in self.server.leads:
            time.sleep(0.3 if path == "/to/late" else 0)
            self.send_response(303)
            self.send_header("Location", self.server.leads[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = {"/gone": None, "/huge": b"x" * 5000}.get(path, b"a film")
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"") + (9 if path == "/short" else 0)))
        if path == "/packed":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if path == "/held":
            self.server.held.set()
            self.server.go.wait(60)
        self.wfile.write(body or b"")
        self.close_connection = True

    def do_POST(self):
        self.server.asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"])).decode()))
        known = b"a.b.c" in self.server.asked[-1][1].encode()
        body = b'{"access": "short-lived"}' if known else b"{}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def hosts(serving):
    """A Label Studio, a storage that is named, and a host that is not; each remembers what it was asked."""
    with (
        serving(Host, asked=[], leads={}) as studio,
        serving(Host, asked=[], leads={}) as storage,
        serving(Host, asked=[], leads={}) as foreign,
    ):
        yield studio, storage, foreign


def at(server, path=""):
    return f"http://127.0.0.1:{server.server_port}{path}"


def films(hosts, **changed):
    named = film_host(at(hosts[0]), "--label-studio"), [film_host(at(hosts[1]), "--label-studio-host")]
    return RemoteFilms(*named, **{"most": 4096, **changed})


@pytest.mark.parametrize(
    ("link", "asked"),
    [
        ("/data/upload/1/a film.png", "/data/upload/1/a%20film.png"),
        ("/data/local-files/?d=images/a b.dcm", "/data/local-files/?d=images/a%20b.dcm"),
        ("/data/upload/1/f%C3%A4.png", "/data/upload/1/f%C3%A4.png"),
        ("/data/upload/1/fä.png?x=ü", "/data/upload/1/f%C3%A4.png?x=%C3%BC"),
        ("s3://bucket/a b.dcm", "/tasks/7/resolve/?fileuri=czM6Ly9idWNrZXQvYSBiLmRjbQ%3D%3D"),
    ],
)
def test_links_of_a_task_are_asked_of_its_label_studio_with_the_token(hosts, link, asked):
    assert films(hosts, key="secret").fetch(link, 7) == b"a film"
    assert hosts[0].asked == [(asked, "Token secret")]


def test_a_named_host_is_asked_without_the_token_that_is_not_its_own(hosts):
    studio, storage, _ = hosts
    studio.leads["/to/storage"] = at(storage, "/b.dcm?sign=1")
    known = films(hosts, key="secret")
    assert known.fetch(at(storage, "/a.dcm")) == b"a film"
    assert known.fetch("/to/storage") == b"a film"
    assert storage.asked == [("/a.dcm", None), ("/b.dcm?sign=1", None)]


@pytest.mark.parametrize(
    "link",
    [
        "{foreign}/a.dcm",
        "{studio}@127.0.0.1:{foreign_port}/a.dcm",
        "http://127.0.0.1:{studio_port}@127.0.0.1:{foreign_port}/a.dcm",
        "http://user:pass@127.0.0.1:{studio_port}/a.dcm",
        "http://127.0.0.1/a.dcm",
        "http://localhost:{studio_port}/a.dcm",
        "http://2130706433:{studio_port}/a.dcm",
        "http://0x7f000001:{studio_port}/a.dcm",
        "http://127.1:{studio_port}/a.dcm",
        "http://127.0.0.1.:{studio_port}/a.dcm",
        "http://[::ffff:127.0.0.1]:{studio_port}/a.dcm",
        "http://[::1]:{studio_port}/a.dcm",
        "http://169.254.169.254/latest/meta-data/",
        "https://127.0.0.1:{studio_port}/a.dcm",
        "ftp://127.0.0.1:{studio_port}/a.dcm",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{studio_port}/",
        "s3://bucket/a.dcm",  # and no task to resolve it by
        "a.dcm",
        "/to/foreign",
        "/to/file",
        "/to/other-name",
    ],
)
def test_no_other_host_is_ever_asked(hosts, link):
    studio, _, foreign = hosts
    studio.leads |= {
        "/to/foreign": at(foreign, "/a.dcm"),
        "/to/file": "file:///etc/passwd",
        "/to/other-name": f"http://localhost:{studio.server_port}/a.dcm",
    }
    names = {"studio": at(studio), "studio_port": studio.server_port, "foreign": at(foreign)}
    with pytest.raises(FilmError) as refused:
        films(hosts, key="secret").fetch(link.format(**names, foreign_port=foreign.server_port))
    assert refused.value.code == "FOREIGN_HOST"
    assert foreign.asked == []
    assert all(path.startswith("/to/") for path, _ in studio.asked)


@pytest.mark.parametrize(
    ("link", "code", "reason"),
    [
        ("/gone", "NOT_FETCHED", "answers 404: it has no such film"),
        ("/huge", "TOO_LARGE", "more than 4096 bytes"),
        ("/packed", "NOT_FETCHED", "packs the film"),
        ("/short", "NOT_FETCHED", "ends early"),
        ("/to/itself", "NOT_FETCHED", "one redirect after the other"),
        ("//127.0.0.1/a.dcm", "NOT_READABLE", "no link"),
        ("/a\r\nHost: x", "NOT_READABLE", "no link"),
        ("/\\evil/a.dcm", "NOT_READABLE", "no link"),
        ("http://[::1/a.dcm", "NOT_READABLE", "no address"),
        ("http://h:99999999/a.dcm", "NOT_READABLE", "no address"),
        ("data:image/png;base64,???", "NOT_READABLE", "damaged"),
        ("data:image/png;base64," + "A" * 6000, "TOO_LARGE", "more than"),
    ],
)
def test_what_cannot_be_fetched_is_said(hosts, link, code, reason):
    hosts[0].leads["/to/itself"] = "/to/itself"
    with pytest.raises(FilmError, match=reason) as refused:
        films(hosts).fetch(link)
    assert refused.value.code == code


def test_who_sends_elsewhere_too_late_is_not_followed(hosts, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS", 0.2)
    hosts[0].leads["/to/late"] = "/a.dcm"
    with pytest.raises(FilmError, match="takes longer"):
        films(hosts).fetch("/to/late")
    assert [path for path, _ in hosts[0].asked] == ["/to/late"]


def test_a_film_that_is_on_its_way_ends_when_the_server_stops(hosts):
    studio = hosts[0]
    studio.held, studio.go = threading.Event(), threading.Event()
    known = films(hosts)
    with ThreadPoolExecutor(1) as pool:
        try:
            fetched = pool.submit(known.fetch, "/held")
            assert studio.held.wait(60)
            known.close()
            assert fetched.exception(5).code == "NOT_FETCHED"  # before the host's silence is too long
        finally:
            studio.go.set()
    with pytest.raises(FilmError, match="does not give the film"):
        known.fetch("/a.dcm")
    assert [path for path, _ in studio.asked] == ["/held"]


def test_a_host_that_does_not_answer_is_said():
    nobody = film_host("http://127.0.0.1:9", "--label-studio")
    with pytest.raises(FilmError, match="does not give the film") as refused:
        RemoteFilms(nobody).fetch("/a.dcm")
    assert refused.value.code == "NOT_FETCHED"


def test_a_picture_within_the_task_is_taken(hosts):
    assert films(hosts).fetch("data:image/png;base64," + base64.b64encode(b"a film").decode()) == b"a film"


def test_a_personal_token_is_changed_for_a_short_lived_one_once(hosts):
    known = films(hosts, key="a.b.c")
    assert [known.fetch("/x"), known.fetch("/y")] == [b"a film"] * 2
    assert [asked for _, asked in hosts[0].asked] == ['{"refresh": "a.b.c"}', *["Bearer short-lived"] * 2]
    with pytest.raises(FilmError, match="does not know the token"):
        films(hosts, key="x.y.z").fetch("/x")
    with pytest.raises(FilmError, match="does not know the token"):
        known.fetch("/x", key="x.y.z")  # another's is not used for it
    assert known.fetch("/z") == b"a film"
    assert [asked for path, asked in hosts[0].asked if path == "/z"] == ["Bearer short-lived"]


def test_each_project_has_its_own_token_unless_one_is_given_for_all(hosts, monkeypatch):
    known = films(hosts)
    known.connect("1", "one")
    known.connect("2", "two")
    known.connect("1", "new")
    assert [known.key_of(project) for project in ("1", "2", "3", None)] == ["new", "two", None, None]
    assert films(hosts, key="all").key_of("1") == "all"
    monkeypatch.setattr(module, "_PROJECTS", 2)
    known.connect("3", "three")
    assert [known.key_of(project) for project in ("1", "2", "3")] == ["new", None, "three"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://films.example.org", "https://films.example.org"),
        ("http://Studio:8081/label/", "http://studio:8081"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_hosts_are_named_by_address(text, shown):
    assert str(film_host(text, "--label-studio")) == shown


@pytest.mark.parametrize("text", ["films.example.org", "ftp://x", "http://", "http://u@x", "http://x/?q", "http://x:y"])
def test_what_names_no_host_is_refused(text):
    with pytest.raises(InputError, match="no address"):
        film_host(text, "--label-studio-host")


def test_a_label_studio_below_a_path_is_asked_there(hosts):
    known = RemoteFilms(film_host(at(hosts[0], "/label"), "--label-studio"), key="secret")
    known.fetch("/data/upload/a.png")
    known.fetch("/label/data/upload/a.png")
    assert [path for path, _ in hosts[0].asked] == ["/label/data/upload/a.png"] * 2


@pytest.mark.parametrize(
    "path",
    [
        "/other/app",
        "/label",
        "/labels/a.png",
        "/label/../other/app",
        "/label/%2e%2E/other/app",
        "/label/..%2fother/app",
        "/label/..%5cother/app",
        "/label/..;/other/app",
        "/label/to/other",
    ],
)
def test_nothing_beside_the_path_that_was_named_is_asked_for(hosts, path):
    studio, storage, _ = hosts
    studio.leads["/label/to/other"] = storage.leads["/label/to/other"] = "/other/app"
    named = (
        film_host(at(studio, "/label"), "--label-studio"),
        [film_host(at(storage, "/label/"), "--label-studio-host")],
    )
    for host in (studio, storage):
        with pytest.raises(FilmError, match="of this path of the host are not") as refused:
            RemoteFilms(*named, key="secret").fetch(at(host, path))
        assert refused.value.code == "FOREIGN_HOST"
        assert [asked for asked, _ in host.asked] == ["/label/to/other"] * path.endswith("to/other")
        assert RemoteFilms(*named).fetch(at(host, "/label/a..b.png")) == b"a film"
        host.asked.clear()


def test_a_storage_on_label_studios_own_host_gets_no_token(hosts):
    studio = hosts[0]
    named = film_host(at(studio, "/label"), "--label-studio"), [film_host(at(studio, "/store"), "--label-studio-host")]
    RemoteFilms(*named, key="secret").fetch(at(studio, "/store/a.png"))
    assert studio.asked == [("/store/a.png", None)]

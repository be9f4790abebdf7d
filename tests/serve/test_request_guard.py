import pytest

TOKEN = "a token of enough characters"  # noqa: S105 - of a server that lives for a minute


@pytest.fixture(scope="module")
def locked(start):
    return start("--max-upload", 1, "--allow-host", "films.example", environment={"LUNGSPOT_TOKEN": TOKEN})


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:1234", 200),
        ("127.0.0.1:80", 200),
        ("[::1]:8080", 200),
        ("192.168.1.7", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost:port", 421),
        ("user@localhost", 200),
        ("", 421),
        ("[", 421),
    ],
)
def test_only_names_of_the_server_are_answered(server, host, status):
    answer = server.get("/v1/readings", Host=host)
    assert answer.status == status
    if status != 200:
        assert answer.code == "WRONG_HOST"


def test_a_host_may_be_allowed(locked):
    assert locked.get("/healthz", Host="films.example:443").status == 200
    assert locked.get("/healthz", Host="other.example").status == 421


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://HOST"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
    ],
)
def test_pages_of_other_sites_are_not_answered(server, headers, status):
    headers = {name: value.replace("HOST", f"{server.host}:{server.port}") for name, value in headers.items()}
    answer = server.get("/v1/readings", **headers)
    assert answer.status == status
    assert "Access-Control-Allow-Origin" not in answer.headers
    if headers.get("Sec-Fetch-Mode") == "navigate":  # opening the page is one thing, posting a form to it another
        assert server.ask("POST", "/v1/readings", b"x", headers).code == "WRONG_ORIGIN"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"Authorization": f"bearer {TOKEN}"}, 200),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Cookie": f"lungspot={TOKEN}"}, 401),
        ({"Cookie": "lungspot=\x01;;;"}, 401),
    ],
)
@pytest.mark.parametrize("path", ["/v1/readings", "/v1/model", "/metrics"])
def test_a_token_gives_access(locked, path, headers, status):
    answer = locked.get(path, **headers)
    assert answer.status == status
    if status == 401:
        assert (answer.code, answer.headers["WWW-Authenticate"]) == ("NO_TOKEN", "Bearer")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    [
        *("/openapi.json", "/docs", "/redoc", "/v1", "/v1/", "/v1/session/", "/v1/sessions", "/metrics/", "/healthz/"),
        *("/viewer", "/viewerx/main.js", "/index.html", "//", "//v1/readings", "/./v1/readings", "/V1/readings"),
        *("/%76%31/readings", "/v1/readings%2f", "/v2/readings", "/anything", "/favicon.ico"),
    ],
)
def test_what_is_not_listed_as_public_wants_the_token(locked, method, path):
    assert locked.ask(method, path).code == "NO_TOKEN"


def test_only_these_routes_are_public(locked):
    described = locked.get("/openapi.json", Authorization=f"Bearer {TOKEN}").json["paths"]
    asked = {(path, method): locked.ask(method.upper(), path.replace("{", "").replace("}", ""))
             for path, methods in described.items() for method in methods}  # fmt: skip
    public = {each for each, answer in asked.items() if answer.status != 401 or answer.code != "NO_TOKEN"}
    signing = {("/v1/session", "post"), ("/v1/session", "delete")}
    assert public == {("/healthz", "get"), ("/readyz", "get"), *signing}
    assert len(asked) >= 20


@pytest.mark.parametrize("path", ["/", "/viewer/main.js", "/viewer/theme.css", "/healthz", "/readyz"])
def test_what_is_public_needs_no_token(locked, path):
    assert locked.get(path).status == 200


@pytest.mark.parametrize(
    "path",
    ["/viewer/../v1/readings", "/viewer/..%2fv1/readings", "/viewer/%2e%2e/%2e%2e/settings.py", "/viewer//v1/model"],
)
def test_the_public_folder_holds_the_viewer_alone(locked, path):
    assert locked.get(path).code == "NO_ROUTE"


@pytest.fixture(scope="module")
def beside_studio(start):
    return start("--label-studio", "http://studio.example", environment={"LUNGSPOT_TOKEN": TOKEN})


SIGNED = f"/label-studio/{32 * '0'}/{16 * '0'}"


@pytest.mark.parametrize("path", ["/label-studio/drawings/effusion.svg", f"{SIGNED}.png"])
def test_label_studios_page_needs_no_token_for_what_it_shows(beside_studio, locked, path):
    assert beside_studio.get(path, Origin="http://studio.example").code == "NO_PICTURE"
    assert beside_studio.ask("POST", path).code == beside_studio.ask("DELETE", path).code == "NO_TOKEN"
    assert locked.get(path).code == "NO_TOKEN"


@pytest.mark.parametrize(
    "path",
    [
        *("/label-studio", "/label-studio/", "/label-studio/films.json", "/label-studio/drawings", "/label-studioX/a"),
        *("/label-studio/drawings/", "/label-studio/drawings/effusion.png", "/label-studio/drawings/a/effusion.svg"),
        *(f"{SIGNED}.json", f"{SIGNED}.png/mask", f"{SIGNED}0.png", f"/label-studio{SIGNED}.png", f"{SIGNED}.png%0A"),
    ],
)
def test_all_else_below_that_folder_wants_the_token(beside_studio, path):
    assert beside_studio.get(path).code == "NO_TOKEN"
    assert beside_studio.get(path, Origin="http://studio.example").code == "WRONG_ORIGIN"


def test_a_browser_signs_in_for_a_cookie(locked):
    assert locked.ask("POST", "/v1/session", {"token": "guess"}).code == "NO_TOKEN"
    cookie = locked.ask("POST", "/v1/session", {"token": TOKEN}).headers["Set-Cookie"]
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert locked.get("/v1/readings", Cookie=cookie.partition(";")[0]).status == 200
    assert locked.get("/healthz").status == locked.get("/readyz").status == 200


def test_bodies_have_a_limit(locked):
    key = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/octet-stream"}
    assert locked.ask("POST", "/v1/readings", b"x" * (1 << 20), key).status == 202
    assert locked.ask("POST", "/v1/readings", b"x" * ((1 << 20) + 1), key).code == "TOO_LARGE"
    unsaid = (b"x" * 65536 for _ in range(20))  # chunked: no Content-Length says how much will come
    assert locked.ask("POST", "/v1/readings", unsaid, key).code == "TOO_LARGE"
    review = {"reader": "R1", "note": "x" * (1 << 20)}
    assert locked.ask("POST", "/v1/readings/x/review", review, {"Authorization": key["Authorization"]}).status == 413
    assert locked.ask("POST", "/v1/readings", b"x", {**key, "Content-Encoding": "gzip"}).status == 400
    assert not list((locked.data / "incoming").iterdir())


@pytest.mark.parametrize("path", ["/", "/v1/readings", "/v1/nothing", "/v1/readings/x", "/healthz"])
def test_every_answer_has_the_headers(server, path):
    headers = server.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == ("no-store" if path.startswith("/v1/") else "no-cache")
    assert "Server" not in headers


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/healthz", 200), ("/v1/readings", 200), ("/v1/readings/none", 404)]
)
def test_head_is_get_without_a_body(server, path, status):
    answer, whole = server.ask("HEAD", path), server.get(path)
    assert (answer.status, whole.status, answer.body) == (status, status, b"")
    assert answer.headers["Content-Type"] == whole.headers["Content-Type"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "NO_ROUTE"),
        ("GET", "/v1/readings/", 404, "NO_ROUTE"),
        ("POST", "/v1/readings/", 404, "NO_ROUTE"),
        ("GET", "/viewer/../store.py", 404, "NO_ROUTE"),
        ("GET", "/viewer/%2e%2e/store.py", 404, "NO_ROUTE"),
        ("GET", "/viewer/..%2fstore.py", 404, "NO_ROUTE"),
        ("GET", "/viewer/a/b/c.js", 404, "NO_ROUTE"),
        ("PUT", "/v1/readings", 405, "WRONG_METHOD"),
        ("GET", "/v1/readings/nothing", 404, "NO_READING"),
        ("GET", "/v1/readings?page=0", 422, "BAD_VALUE"),
        ("GET", "/v1/readings?sort=colour", 422, "BAD_VALUE"),
        ("GET", "/v1/readings?min_score=nan", 422, "BAD_VALUE"),
        ("POST", "/v1/session", 422, "BAD_VALUE"),
    ],
)
def test_every_refusal_has_one_shape(server, method, path, status, code):
    answer = server.ask(method, path)
    assert (answer.status, answer.code) == (status, code)
    assert set(answer.json) == {"error"}
    assert set(answer.json["error"]) == {"code", "where", "reason", "advice"}

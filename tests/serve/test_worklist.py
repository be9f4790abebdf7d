import pytest


@pytest.fixture(scope="module")
def server(start, picture):
    server = start()
    films = [("a.png", picture(number, peak=0.62 + number / 30)) for number in range(8)]
    server.rows = server.read(*films, ("notes.txt", b"Dear Sir"))
    server.ask("POST", f"/v1/readings/{server.rows[3]['id']}/review", {"reader": "R1"})
    return server


def listed(server, query):
    return server.get(f"/v1/readings?{query}").json["readings"]


def test_the_films_differ(server):
    assert len({row["top"]["score"] for row in server.rows if row["top"]}) > 3
    assert len({tuple(row["labels"]) for row in server.rows}) > 1


def test_the_percentage_of_a_row_is_the_surest_that_is_said_of_its_film(server):
    """No other number than the headline's, the table's and the report's: of a place its box's, else the film's."""
    told = 0
    for row in server.rows:
        said = server.get(f"/v1/readings/{row['id']}").json["result"]["statement"]["said"]
        pairs = {(name["label"], name["score"] or name["probability"]) for one in said for name in one["names"]}
        if said:
            assert (row["top"]["label"], row["top"]["score"]) in pairs
            assert row["top"]["score"] == max(score for _, score in pairs)
            told += 1
    assert told > 3


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("urgency", lambda row: (row["reviewed"], -row["urgency"], row["number"])),
        ("newest", lambda row: -row["number"]),
        ("oldest", lambda row: row["number"]),
        ("score", lambda row: (-row["top"]["score"] if row["top"] else 1, row["number"])),
        ("name", lambda row: row["name"]),
        ("date", lambda row: -row["number"]),
        ("status", lambda row: (row["reviewed"], row["status"] == "not_assessed", -row["urgency"], row["number"])),
    ],
)
def test_sorting(server, sort, key):
    rows = listed(server, f"sort={sort}")
    assert len(rows) == 9
    assert rows == sorted(rows, key=key)


def test_pages_are_parts_of_the_whole(server):
    whole = listed(server, "sort=oldest")
    pages = [server.get(f"/v1/readings?sort=oldest&per_page=4&page={page}").json for page in (1, 2, 3, 4)]
    assert [row for page in pages for row in page["readings"]] == whole
    assert [len(page["readings"]) for page in pages] == [4, 4, 1, 0]
    assert {page["total"] for page in pages} == {9}
    assert pages[0]["counts"] == {"queued": 0, "reading": 0, "done": 9, "reviewed": 1, "not_assessed": 1}


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("status=assessed", lambda row: row["status"] == "assessed"),
        ("status=not_assessed", lambda row: row["status"] == "not_assessed"),
        ("state=queued", lambda _: False),
        ("state=done", lambda _: True),
        ("reviewed=true", lambda row: row["reviewed"]),
        ("reviewed=false", lambda row: not row["reviewed"]),
        ("label=effusion", lambda row: "effusion" in row["labels"]),
        ("label=sadness", lambda _: False),
        ("min_score=0.8", lambda row: row["top"] is not None and row["top"]["score"] >= 0.8),
        ("patient=nobody", lambda _: False),
    ],
)
def test_filters(server, query, kept):
    rows = listed(server, "sort=oldest")
    assert listed(server, f"sort=oldest&{query}") == [row for row in rows if kept(row)]


def test_a_score_of_one_label(server):
    scores = {row["id"]: {s["label"]: s["probability"] for s in row["result"]["image_scores"]} for row in server.rows}
    least = sorted(each["nodule_mass"] for each in scores.values() if each)[3]
    found = {row["id"] for row in listed(server, f"label=nodule_mass&min_score={least}")}
    assert found >= {film for film, each in scores.items() if each and each["nodule_mass"] > least}
    assert 0 < len(found) < 8


def test_some_films_alone(server):
    ids = [server.rows[5]["id"], server.rows[1]["id"], "nobody"]
    assert {row["id"] for row in listed(server, f"ids={','.join(ids)}")} == set(ids[:2])
    assert listed(server, "ids=,") == []


def searched(server, **given):
    return server.ask("POST", "/v1/worklist", given).json


def test_words_are_found_in_names_that_only_the_page_knows(server):
    rows = listed(server, "sort=oldest")
    names = {row["id"]: f"day.zip/{9 - at}/Müller {at}.dcm" for at, row in enumerate(rows)}
    assert searched(server, search="müller")["total"] == 0
    assert searched(server, search="MÜLLER 3.dcm", names=names)["readings"] == [rows[3]]
    by_name = searched(server, names=names, sort="name")["readings"]
    assert [row["id"] for row in by_name] == list(names), "by the last part"
    effusion = searched(server, search="EFFUSION", per_page=200)["readings"]
    assert effusion
    assert {row["id"] for row in effusion} == {row["id"] for row in rows if "ffusion" in row["headline"]}
    assert rows[3] in searched(server, search="film 4")["readings"]


def test_what_stands_beside_a_film(server):
    rows = listed(server, "sort=urgency")
    ids = [row["id"] for row in rows]
    assert rows[-1]["reviewed"]
    told = [server.get(f"/v1/readings?beside={each}&per_page=1").json["beside"] for each in ids]
    assert [each["position"] for each in told] == list(range(9))
    assert [each["next"] for each in told] == [*ids[1:], None]
    assert [each["previous"] for each in told] == [None, *ids[:-1]]
    assert [each["next_unread"] for each in told] == [*ids[1:-1], ids[0], ids[0]]
    assert server.get("/v1/readings?beside=nobody").json["beside"]["position"] is None
    assert "beside" not in server.get("/v1/readings").json
    alone = searched(server, reviewed=True, beside=ids[0])
    assert (alone["beside"]["position"], alone["beside"]["next"], alone["beside"]["next_unread"]) == (
        None,
        ids[-1],
        None,
    )
    assert alone["counts"] == {"queued": 0, "reading": 0, "done": 9, "reviewed": 1, "not_assessed": 1}

"""Results as serve, node and detect leave them, read while their owners write, and after."""

import contextlib
import hashlib
import io
import json
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from lungspot import analyze
from lungspot.adapt import SourceDoubts, film_facts, film_history, result_files, result_rows
from lungspot.detect import load_detector
from lungspot.errors import DatasetError
from lungspot.node import Spool
from lungspot.report import document
from lungspot.serve.store import Arrived, Store
from lungspot.serve.workers import Workers


@pytest.fixture(scope="module")
def film():
    """Bright noise with a dark corner at the top left, which the generated network takes for an upright chest film."""
    pixels = np.random.default_rng(0).random((120, 100)) * 0.3 + 0.65
    pixels[:60, :50] -= 0.45
    buffer = io.BytesIO()
    Image.fromarray((pixels * 255).astype(np.uint8)).save(buffer, "png")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def result(film, model_file):
    """The document of the film."""
    return document(analyze(film, load_detector(model_file)))


def read(path, site=None):
    doubts = SourceDoubts()
    return list(result_rows(path, site, doubts)), doubts


@pytest.fixture
def store(tmp_path, film, model_file):
    """A server's store, open, with a film that was read, one that cannot be, and a review."""
    store = Store(tmp_path / "desk")
    for data in (film, b"GIF8"):
        path = store.folder / "incoming" / "a"
        path.write_bytes(data)
        store.accept([Arrived(path, "a", hashlib.sha256(data).hexdigest())])
    detector = load_detector(model_file)
    store.remember_model(detector.sha256, detector.card.to_json(), detector.runtime)
    workers = Workers(store, detector, 1)
    deadline = time.monotonic() + 60
    while store.waiting and time.monotonic() < deadline:
        time.sleep(0.05)
    workers.stop(60)
    body = json.dumps({"verdicts": [{"action": "reject"}, {"action": "add"}]})
    with store.writing() as db:
        for said, moment in ((json.dumps({"verdicts": []}), "08"), (body, "09")):
            db.execute(
                "INSERT INTO reviews (reading, created, reader, body) VALUES (1, ?, 'R1', ?)",
                (f"2026-03-02T{moment}:00:00Z", said),
            )
    yield store
    with contextlib.suppress(OSError):  # closed already
        store.close()


def test_a_servers_films_and_reviews_are_read_while_it_runs_and_after(store):
    folder = store.folder
    rows, doubts = read(folder)
    assert [(row.site, row.facts["status"]) for row in rows[:2]] == [("desk", "assessed"), ("desk", "not_assessed")]
    assert abs(rows[0].time - time.time()) < 600
    assert rows[0].facts["scores"]
    assert rows[0].facts["model"] == rows[2].facts["model"]
    assert (rows[2].review.rejected, rows[2].review.edited, rows[2].review.added) == (True, False, True)
    assert len(rows) == 3  # of a reader's reviews of a film the last counts
    assert (doubts.refused, doubts.notices) == ([], [])
    store.delete(store.one("SELECT id FROM readings ORDER BY number")["id"])  # it can still write
    assert len(read(folder, "A")[0]) == 1
    store.close()
    before = sorted(path.name for path in folder.iterdir())
    assert [row.site for row in read(folder / "lungspot.db", "A")[0]] == ["A"]
    assert sorted(path.name for path in folder.iterdir()) == before  # nothing of ours is left among its files
    Store(folder).close()


def test_films_that_an_earlier_server_read_count_too(store, tmp_path):
    old = tmp_path / "old"
    with store.writing() as db:
        db.execute("UPDATE readings SET facts = NULL")
    shutil.copytree(store.folder, old)
    rows, doubts = read(old)
    table = film_history(rows)
    films = ~table.review
    assert table.values["unreadable"][films].tolist() == [0, 1]
    assert table.values["abnormal"][films][0] == bool(rows[0].facts["positive"])
    assert rows[0].facts["model"].startswith("generated 0 (")
    assert "2 films were read by a lungspot that kept less" in doubts.notices[0]


def test_a_nodes_films_have_their_senders_for_sites(tmp_path, result):
    spool = Spool(tmp_path / "spool")
    facts = json.dumps(film_facts(result))
    for number in range(3):
        about = {"instance": f"1.2.{number}", "study": "1.2", "source": f"CR{number % 2}"}
        spool.accept([bytes([number])], **about)
        spool.keep_facts(spool.claim(), facts)
    assert [row.site for row in read(spool.folder)[0]] == ["CR0", "CR1", "CR0"]
    assert result_files(spool.folder) == [spool.folder / "journal.sqlite"]
    spool.close()
    assert [row.site for row in read(spool.folder, "A")[0]] == ["A"] * 3


def test_the_hidden_files_of_a_batch_s_folder_are_none_of_its_results(tmp_path):
    names = ("films/k.parquet", "findings/k.parquet", "films/._k.parquet", ".old/k.parquet", "page.html")
    for path in map(tmp_path.joinpath, names):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert result_files(tmp_path) == [tmp_path / name for name in names[:2]]


def test_a_clock_that_went_back_is_said(tmp_path, result):
    spool = Spool(tmp_path / "spool")
    facts = json.dumps(film_facts(result))
    with spool._journal.writing() as db:
        for number, day in enumerate((100, 101, 90, 102)):
            db.execute("INSERT INTO facts VALUES (?, ?, 'CR', ?)", (str(number), day * 86400.0, facts))
    spool.close()
    (notice,) = read(spool.folder)[1].notices
    assert "the clock went back, from 1970-04-12 to 1970-04-01" in notice


def dated(result, moment, number=0):
    return {**result, "made": moment, "image": {**result["image"], "sha256": f"{number:064x}"}}


def test_documents_of_a_file_and_a_folder(tmp_path, result):
    first, second = dated(result, "2026-01-05T08:00:00Z"), dated(result, "2026-01-05T08:00:00+02:00", 1)
    lines = [json.dumps(value) for value in (first, second, first)]  # a film that was read twice counts once
    (tmp_path / "all.jsonl").write_text("\n".join([*lines, "{broken", json.dumps({"schema": "other"})]) + "\n")
    rows, doubts = read(tmp_path / "all.jsonl")
    assert [row.time for row in rows] == [1767600000.0, 1767600000.0 - 7200]
    assert [row.site for row in rows] == ["all", "all"]
    assert [error.code for error in doubts.refused] == ["DATASET_ROW"] * 2
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(first, indent=1))
    (folder / "b.json").write_text(json.dumps(dated(result, None, 2)))
    (folder / "coco.json").write_text(json.dumps({"info": {}, "images": []}))
    (folder / "._a.json").write_text("what another system keeps beside a file")
    rows, doubts = read(folder, "A")
    assert [row.site for row in rows] == ["A"]
    assert doubts.refused == []
    assert "1 documents do not say when they were made" in doubts.notices[0]


def test_what_holds_no_result_is_refused(tmp_path):
    for text in ("", "{}", "words", '{"schema": "lungspot/1", "image": null}'):
        (tmp_path / "a.json").write_text(text)
        rows, doubts = read(tmp_path / "a.json")
        assert rows == []
        assert [error.code for error in doubts.refused] == ["DATASET_ROW"]
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(DatasetError, match="DATASET_INCOMPLETE"):
        read(tmp_path / "a.json")
    with pytest.raises(DatasetError, match="DATASET_NOT_FOUND"):
        read(tmp_path / "none.json")


def test_a_damaged_database_is_refused(tmp_path):
    (tmp_path / "lungspot.db").write_bytes(b"SQLite format 3\0" + bytes(200))
    with pytest.raises(DatasetError, match="no database that can be read"):
        read(tmp_path)


def test_documents_that_do_not_say_which_film_they_are_of_count_each(tmp_path, result):
    nameless = {**result, "made": "2026-01-05T08:00:00Z"}
    nameless["image"] = {key: value for key, value in result["image"].items() if key not in {"sha256", "path"}}
    (tmp_path / "all.jsonl").write_text(f"{json.dumps(nameless)}\n" * 3)
    assert len(read(tmp_path / "all.jsonl")[0]) == 3

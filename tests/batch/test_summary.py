"""What a folder's tables are summed up to, and how the page says it."""

import pytest

from lungspot.batch import batch_page, batch_summary
from lungspot.formats import films_parquet, findings_parquet
from lungspot.outputs import is_ours

RUN = {"on": "local", "workers": 1, "films": 3, "seconds": 1.5, "films_per_second": 2.0}
QUIET = {"timeout": 120.0, "timed_out": 0, "worker_deaths": 0}


@pytest.fixture
def folder(tmp_path):
    """Two shards: three films of one scanner, a duplicate, one that is no film."""
    film = {"manufacturer": "M", "device": "<X>", "station": "", "model": "m", "model_version": "1", "reasons": []}
    films = [
        [
            film | {"film": str(number), "status": "assessed", "detect_ms": 100.0 * number, "given_ward": "A"}
            for number in range(3)
        ],
        [
            {"film": "3", "status": "duplicate", "reasons": ["DUPLICATE"], "given_ward": "B"},
            {"film": "4", "status": "not_assessed", "reasons": ["NOT_AN_IMAGE"]},
        ],
    ]
    scored = {"level": "film", "threshold": 0.5}
    found = [
        scored | {"label": "effusion", "score": score, "positive": score > 0.5, "standing": "reported"}
        for score in (0.0, 0.96, 1.0)
    ]
    found.append(scored | {"label": "edema", "score": 0.3, "positive": False, "standing": "experimental"})
    found.append({"level": "box", "label": "effusion", "score": 0.9, "positive": True, "standing": "reported"})
    for number, (rows, said) in enumerate(zip(films, (found, []), strict=True)):
        for name, data in (("films", films_parquet(rows, ["ward", "id"])), ("findings", findings_parquet(said))):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{number}.parquet").write_bytes(data)
    return tmp_path


def test_what_is_counted(folder):
    value = batch_summary(folder, ("ward",)).to_json(RUN | QUIET)
    assert (value["films"], value["shards"]) == (5, 2)
    assert value["status"] == {"assessed": 3, "duplicate": 1, "not_assessed": 1}
    assert value["errors"] == {"DUPLICATE": 1, "NOT_AN_IMAGE": 1}
    assert value["scanners"] == {"M <X>": 3}
    assert value["models"] == {"m 1": 3}
    assert value["given"] == {"ward": {"A": 3, "B": 1, "": 1}}
    effusion = value["labels"]["effusion"]
    assert (effusion["films"], effusion["boxes"], effusion["standing"]) == (2, 1, "reported")
    assert [effusion["histogram"][0], effusion["histogram"][-1], sum(effusion["histogram"])] == [1, 2, 3]
    assert value["slowest"] == [{"seconds": 0.2, "film": "2"}, {"seconds": 0.1, "film": "1"}]


def test_the_page_escapes_what_films_say_and_marks_what_is_experimental(folder, tmp_path):
    page = batch_page(batch_summary(folder, ("ward",)).to_json(RUN | QUIET))
    assert "M &lt;X&gt;" in page
    assert "<X>" not in page
    assert page.count("<small>experimental</small>") == 1
    assert "with 1 worker (local)" in page
    assert "2 films, 1 box<" in page
    assert "workers died" not in page
    assert "2 workers died" in batch_page(batch_summary(folder).to_json(RUN | QUIET | {"worker_deaths": 2}))
    assert "1 worker died" in batch_page(batch_summary(folder).to_json(RUN | QUIET | {"worker_deaths": 1}))
    (tmp_path / "summary.html").write_text(page)
    assert is_ours(tmp_path / "summary.html")

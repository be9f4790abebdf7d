import itertools
from pathlib import Path

import pytest

from lungspot.errors import FilmError, OutputError, SetupError
from lungspot.pipeline import Film
from lungspot.report import Refusal
from lungspot.results import Results
from lungspot.sources import FilmSource


def sources(*places):
    return [FilmSource(Film(place, lambda: b""), place, None) for place in places]


def refusal(film):
    return Refusal(film.name, FilmError("NOT_FOUND", film.name, "not there"))


def written(out, kinds, *places, **options):
    """Write a refusal for each place and return the names, in order."""
    given = sources(*places)
    results = Results(out, kinds, given, **options)
    for number, source in enumerate(given):
        assert results.write(number, refusal(source.film), source.film) == []
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("kinds", "places", "names"),
    [
        (["json"], ["a", "a", "A", "a-2"], ["A-3.json", "a-2-2.json", "a-2.json", "a.json"]),
        (["json"], ["é", "e\u0301"], ["e\u0301-2.json", "é.json"]),
        (["json", "fhir"], ["a", "a.fhir"], ["a.fhir-2.fhir.json", "a.fhir-2.json", "a.fhir.json", "a.json"]),
        (["json"], ["x", "x.json/y"], ["x-2.json", "x.json/y.json"]),
        (["json"], ["X.JSON/y", "x"], ["X.JSON/y.json", "x-2.json"]),
        (["json", "png"], ["a"], ["a.json"]),
    ],
)
def test_no_two_films_share_a_name(tmp_path, kinds, places, names):
    assert written(tmp_path / "out", kinds, *places) == sorted(names)


def test_nothing_is_read_where_a_result_may_not_be_written(tmp_path):
    (tmp_path / "b.json").write_text("mine")
    with pytest.raises(OutputError, match=r"b\.json: EXISTS"):
        Results(tmp_path, ["json"], sources("a", "b"))
    assert written(tmp_path, ["json"], "a") == ["a.json", "b.json"]
    with pytest.raises(OutputError, match=r"a\.json: EXISTS: a result of an earlier run"):
        Results(tmp_path, ["json"], sources("a"))
    assert written(tmp_path, ["json"], "a", overwrite=True) == ["a.json", "b.json"]
    assert (tmp_path / "b.json").read_text() == "mine"


def test_one_film_in_one_form_may_have_a_file(tmp_path):
    given = sources("a")
    results = Results(tmp_path / "new" / "r.JSON", ["json"], given, one=True)
    assert results.write(0, refusal(given[0].film), given[0].film) == []
    assert (tmp_path / "new" / "r.JSON").is_file()
    assert written(tmp_path / "r.html", ["json"], "a", one=True) == ["a.json"]


def test_a_name_that_cannot_be_written_is_a_fault_of_one_film(tmp_path):
    given = sources("n" * 300, "b")
    results = Results(tmp_path, ["json"], given)
    (fault,) = results.write(0, refusal(given[0].film), given[0].film)
    assert (fault.code, fault.exit_code) == ("NOT_WRITABLE", 2)
    assert results.write(1, refusal(given[1].film), given[1].film) == []
    assert results.written == 1


@pytest.mark.parametrize("out", ["file/out", "/dev/full", "/proc/out", "/dev/null/x"])
def test_a_folder_that_cannot_be_made_is_said_before_anything_is_read(tmp_path, out):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SetupError, match="NOT_WRITABLE"):
        Results(tmp_path / out, ["json"], sources("a"))


def test_a_full_disk_ends_the_run(tmp_path, monkeypatch):
    given = sources("a")
    results = Results(tmp_path, ["json"], given)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lungspot.outputs.write_atomic", full)
    with pytest.raises(SetupError, match="NO_SPACE"):
        results.write(0, refusal(given[0].film), given[0].film)


def test_names_that_differ_by_what_a_system_may_not_see_stay_apart(tmp_path):
    """Every order of some names that meet: as many files as films."""
    for number, places in enumerate(itertools.permutations(["a", "A", "a-2", "a.fhir"])):
        out = tmp_path / str(number)
        names = written(out, ["json", "fhir"], *places)
        assert len({Path(name).name.casefold() for name in names}) == 8

"""What a dataset declares is all that the rest of the house needs to know of it."""

import ast
import inspect
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import lungspot
from lungspot.datasets import DATASETS, anatomy_masks, own_films, sizes, unsized, without_patient
from lungspot.datasets.box_sizes import Sizes
from lungspot.datasets.declaration import Dataset, TruthRank, TruthSource
from lungspot.evaluate.truths import truths
from lungspot.findings import Box, Frame, Reading
from lungspot.formats.case import Case, Split
from lungspot.train.data import FilmTruth

SOURCE = Path(lungspot.__file__).parent
FRAME = Frame(100, 100)
PLAIN = Dataset("clinic", "clinic", "a clinic's", "all", "a paper", "a link", "CC BY", iter, (TruthSource("somebody"),))


def test_every_set_says_who_reads_whose_films_what():
    assert {name for name, data in DATASETS.items() if data.several_readers} == {"vindr"}
    assert {name for name, data in DATASETS.items() if not data.patients_known} == {"csv", "vindr"}
    assert {name for name, data in DATASETS.items() if data.outlined} == {"jsrt", "wingspan"}
    assert {name for name, data in DATASETS.items() if data.mined} == {"nih"}


@pytest.mark.parametrize("name", DATASETS)
def test_terms_that_allow_research_alone_say_so_by_a_flag(name):
    words = re.search(r"research|academic|educat|stud|commercial|\bnc\b", DATASETS[name].terms.casefold())
    assert DATASETS[name].research_only is (words is not None)


@pytest.mark.parametrize("several", [True, False])
def test_a_set_with_several_readers_is_judged_by_their_majority(monkeypatch, several):
    monkeypatch.setitem(DATASETS, "clinic", replace(PLAIN, several_readers=several))
    boxed = [Reading.of_boxes(f"R{n}", FRAME, [("nodule", Box(1, 1, 9, 9))], ["nodule"]) for n in range(2)]
    case = Case("a", "clinic", "p", tuple(boxed if several else boxed[:1]), None, FRAME)
    ((_, reading),) = truths([case], "clinic")
    assert set(reading.states) == ({"nodule"} if several else {"nodule_mass"})  # else by the rule of the ten diseases


@pytest.mark.parametrize("known", [True, False])
def test_films_of_a_set_without_patients_are_each_of_someone_else(monkeypatch, known):
    monkeypatch.setitem(DATASETS, "clinic", replace(PLAIN, patients_known=known))
    cases = [Case("a", "clinic", "clinic_a", ()), Case("b", "clinic", "clinic_p1", ())]
    assert without_patient(cases) == ([] if known else cases[:1])


@pytest.mark.parametrize("known", [True, False])
def test_a_copy_without_sizes_shows_the_published_ones(monkeypatch, tmp_path, known):
    monkeypatch.setitem(DATASETS, "clinic", replace(PLAIN, sizes_known=lambda folder: known and folder == tmp_path))
    published = Sizes("nodule", "clinic", 9, 9, 0.5, 0.5, 0.25, 1.0, 0.5, published=True)
    monkeypatch.setattr("lungspot.datasets.stats.PUBLISHED", (published,))
    assert unsized("clinic", tmp_path) == (frozenset() if known else {"clinic"})
    reading = Reading.of_boxes("somebody", FRAME, [("nodule", Box(0, 0, 10, 10))], ["nodule"])
    (row,) = sizes([Case("a", "clinic", "p", (reading,), None, FRAME)], unsized=unsized("clinic", tmp_path))
    assert (row.width, row.published, row.boxes) == ((0.1, False, 1) if known else (0.5, True, 1))


def test_a_folder_in_a_tool_s_format_knows_its_sizes(tmp_path):
    assert unsized("coco", tmp_path) == frozenset()


@pytest.mark.parametrize("outlined", [True, False])
def test_masks_are_looked_for_beside_the_films_of_a_set_that_has_them(monkeypatch, tmp_path, outlined):
    monkeypatch.setitem(DATASETS, "clinic", replace(PLAIN, outlined=outlined))
    mask = tmp_path / "masks" / "heart" / "a.png"
    mask.parent.mkdir(parents=True)
    mask.write_bytes(b"")
    film = Case("a", "clinic", "p", (), tmp_path / "images" / "a.jpg", FRAME)
    assert anatomy_masks(film) == ({"heart": mask} if outlined else {})


@pytest.mark.parametrize("rank", TruthRank)
def test_a_film_whose_labels_were_mined_was_looked_at_by_nobody(monkeypatch, rank):
    monkeypatch.setitem(DATASETS, "clinic", replace(PLAIN, sources=(TruthSource("reports", rank),)))
    film = FilmTruth("a", "clinic", "p", Split.TRAIN, np.zeros((0, 4)), np.zeros(0), np.array([2]), np.array([False]))
    assert film.label_only is (rank is TruthRank.MINED)
    assert not replace(film, source="coco").label_only
    assert not replace(film, states=np.array([1])).label_only  # somebody calls it absent
    assert not replace(film, boxes=np.zeros((1, 4))).label_only


# Words that are a set's and something else: what else, and where.
ALSO = {
    ("evaluate/metrics.py", "rsna"): "the score of that challenge, on any films",
    ("evaluate/page.py", "rsna"): "the same score",
    ("datasets/rsna_normals.py", "rsna_"): "its films are of that challenge's patients",
}


def constants(path):
    """Yield the text constants of a module, without its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_no_set_is_named_in_another_module_than_its_own():
    # a set of one's own films is called after the format that it is in, which many modules write
    public = {name: data for name, data in DATASETS.items() if data is not own_films.DATASET}
    home = {name: Path(inspect.getfile(data.cases)) for name, data in public.items()}
    words = {}
    for name, data in public.items():
        own = {name, data.folder, *(source.reader for source in data.sources)}
        words |= dict.fromkeys({*own, *(f"{word}{mark}" for word in own for mark in "_-/")}, name)
    found = {
        (path.relative_to(SOURCE).as_posix(), text)
        for path in SOURCE.rglob("*.py")
        for text in constants(path)
        if text in words and path != home[words[text]]
    }
    assert found == set(ALSO)

"""One reader of a table: strict it raises the first fault, else it keeps every one and goes on."""

import pytest

from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame
from lungspot.formats.faults import STRICT, Faults, PublishedTable

ROW = {"name": " a ", "none": " ", "wide": "12.0", "high": "7", "flat": "0", "far": "1e999"}
FRAME = Frame(100, 80)
TABLE = PublishedTable(("a.csv",), ("film,label,x",), ("film", "x"), "film", once=("film",), agree="label")


def kept(call):
    """Return what a call gives where faults are kept, and the codes and texts of those."""
    problems = []
    value = call(Faults(problems))
    return value, [(problem.code, problem.text) for problem in problems]


def test_words_and_sizes_of_a_row():
    assert STRICT.word("a.csv:3", ROW, "name") == "a"
    assert STRICT.frame("a.csv:3", ROW, "wide", "high") == Frame(12, 7)
    for call in (
        lambda: STRICT.word("a.csv:3", ROW, "none"),
        lambda: STRICT.frame("a.csv:3", ROW, "wide", "flat"),
        lambda: STRICT.number("a.csv:3", ROW, "name"),
    ):
        with pytest.raises(DatasetError, match=r"a\.csv:3: DATASET_ROW"):
            call()
    with pytest.raises(DatasetError, match="far is '1e999', not a number"):
        STRICT.frame("a.csv:3", ROW, "far", "high")


@pytest.mark.parametrize(
    ("corners", "code", "text"),
    [
        ((1, 2, 3, 4), None, None),
        ((1, 2, 1, 4), "BOX_DEGENERATE", "a box from (1, 2) to (1, 4) (film: label)"),
        ((3, 2, 1, 4), "BOX_INVERTED", "a box from (3, 2) to (1, 4) (film: label)"),
        ((1, 2, 3, float("nan")), "BOX_NOT_A_NUMBER", "a box from (1, 2) to (3, nan) (film: label)"),
        ((1, 2, "x", 4), "BOX_NOT_A_NUMBER", "film: label: [1, 2, 'x', 4] are not four numbers"),
        ((1, 2, 3), "BOX_NOT_A_NUMBER", "film: label: [1, 2, 3] are not four numbers"),
        (("1", "2", [3], 4), "BOX_NOT_A_NUMBER", "film: label: ['1', '2', [3], 4] are not four numbers"),
    ],
)
def test_a_box_is_read_or_named_for_what_it_is(corners, code, text):
    box, problems = kept(lambda faults: faults.box("w", "film: label", corners, FRAME))
    if code is None:
        assert (box, problems) == (Box(1, 2, 3, 4), [])
        return
    assert (box, problems) == (None, [(code, text)])
    with pytest.raises(DatasetError, match="w: DATASET_ROW"):
        STRICT.box("w", "film: label", corners, FRAME)


@pytest.mark.parametrize(
    ("corners", "outside"),
    [((-0.5, 0, 100.5, 80), False), ((-0.6, 0, 9, 9), True), ((0, 0, 9, 81), True), ((0, -2, 9, 9), True)],
)
def test_a_box_that_leaves_its_film_is_kept_and_noted(corners, outside):
    box, problems = kept(lambda faults: faults.box("w", "film: label", corners, FRAME))
    assert box == Box(*corners)
    assert [code for code, _ in problems] == ["BOX_OUTSIDE"] * outside
    assert STRICT.box("w", "film: label", corners, FRAME) == box


def test_labels_are_looked_up():
    assert STRICT.label("w", "Mass", {"Mass": "mass"}) == "mass"
    assert kept(lambda faults: faults.label("w", "M", {}, "class")) == (None, [("LABEL_UNKNOWN", "unknown class 'M'")])


@pytest.mark.parametrize(
    ("text", "rows", "codes"),
    [
        ("film,label,x\na,1,2\n\nb,1,2\n", 2, []),
        ("film,label,x\na,1,2\na,1,2\n", 2, ["ROW_DUPLICATED"]),
        ("film,label,x\na,1,2\na,0,2\n", 2, ["ROW_DUPLICATED", "ROW_CONTRADICTS"]),
        ("film,label,x\na,1\nb,1,2\n", 1, ["ROW_SHORT"]),
        ("film,label,x\na,1,\0\nb,1,2\n", 1, ["ROW_VALUE"]),
        ("film,label,x,new\na,1,2,3\n", 1, ["HEADER_DRIFT"]),
        ("label,film,x\n1,a,2\n", 1, ["HEADER_DRIFT"]),
        ("film,label\na,1\n", 0, ["HEADER_DRIFT"]),
        ("", 0, ["HEADER_DRIFT"]),
    ],
)
def test_rows_are_read_on_and_their_faults_kept(tmp_path, text, rows, codes):
    (tmp_path / "a.csv").write_text(text)
    found, problems = kept(lambda faults: list(faults.rows(TABLE, tmp_path)))
    assert len(found) == rows
    assert [code for code, _ in problems] == codes


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("film,label\na,1\n", "DATASET_COLUMNS", "no column x (found: film, label)"),
        ("", "DATASET_COLUMNS", "found: nothing"),
        ("film,label,x\na,1\n", "DATASET_ROW", "2 values where 3 are needed"),
        ("film,label,x\na,1,\0\n", "DATASET_ROW", "NUL characters"),
        ('film,label,x\na,1,"2\n', "DATASET_INCOMPLETE", "not a whole CSV file"),
    ],
)
def test_strict_the_first_fault_is_raised(tmp_path, text, code, words):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DatasetError) as caught:
        list(STRICT.rows(TABLE, tmp_path))
    assert caught.value.code == code
    assert words in str(caught.value)


def test_what_a_strict_reader_can_live_with_passes(tmp_path):
    (tmp_path / "a.csv").write_text("new,film,x,label\n0,a,2,1\n0,a,2,0\n0,b,2\n")
    assert [where.rpartition(":")[2] for where, _ in STRICT.rows(TABLE, tmp_path)] == ["2", "3", "4"]

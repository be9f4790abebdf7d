"""An archive's tables counted by their columns: what its documents, one by one, are counted to; or not at all."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lungspot.datasets import count, result_stats, sizes
from lungspot.errors import DatasetError
from lungspot.formats import films_parquet, findings_parquet, predicted_case, read_predictions

BOX = {"level": "box", "x0": 10.0, "y0": 20.0, "x1": 110.0, "y1": 220.0, "place": 0, "judged": True}
FILM = {"level": "film"}
SAID = {"score": 0.5, "positive": True, "threshold": 0.4, "standing": "reported"}


def found(number, label, level, **more):
    return {"sha256": f"{number:064x}", "film": str(number), "label": label, **level, **SAID, **more}


def film(number, **more):
    row = {"film": f"{number}.dcm", "status": "assessed", "sha256": f"{number:064x}", "reasons": [], "warnings": []}
    return row | {"width": 1000, "height": 2000, "said": []} | more


FILMS = [
    *(film(number) for number in range(4)),
    film(4, status="not_assessed", width=None, height=None, sha256=None),
    film(5, status="duplicate", sha256=f"{1:064x}"),
    film(6, width=500, height=500),
    film(7, width=None, height=None),
]
FINDINGS = [
    *(found(number, "edema", FILM, positive=number == 2) for number in (0, 1, 2, 3, 6, 7)),
    *(found(number, "effusion", FILM, positive=False) for number in (0, 1, 2)),
    found(0, "effusion", BOX),
    found(0, "effusion", BOX, x1=510.0),
    found(1, "effusion", BOX, positive=False),  # below its threshold
    found(2, "edema", BOX),  # a box says more than the whole film
    found(3, "nodule_mass", BOX, positive=False),  # nobody asked the whole film
    found(6, "nodule_mass", BOX, x0=0.0, score=1.0),
    found(6, "effusion", FILM, positive=None, score=0.0, threshold=None, standing=None),
    found(9, "effusion", FILM),  # of no film here
]


@pytest.fixture
def write(tmp_path):
    def shard(films=FILMS, findings=FINDINGS, name="k"):
        for part, data in (("films", films_parquet(films)), ("findings", findings_parquet(findings))):
            (tmp_path / part).mkdir(exist_ok=True)
            (tmp_path / part / f"{name}.parquet").write_bytes(data)
        return tmp_path

    return shard


def one_by_one(folder):
    """What the documents are counted to, and how many of them are refused."""
    predictions, refused = read_predictions(folder)
    cases = [predicted_case(each) for each in predictions if each.assessed]
    return (len({case.id for case in cases}), count(cases), sizes(cases)), len(refused)


def test_the_same_as_of_documents(write):
    write()
    folder = write([film(20, film="0.dcm"), film(21)], [found(20, "effusion", BOX), found(21, "edema", FILM)], "second")
    got = result_stats(folder)
    assert ((got.films, got.counts, got.sizes), 0) == one_by_one(folder)
    assert got.films == 7
    assert {(row.label, str(row.state)): row.films for row in got.counts} == {
        ("edema", "boxed"): 1,
        ("edema", "present"): 1,
        ("edema", "absent"): 5,
        ("effusion", "boxed"): 2,
        ("effusion", "absent"): 3,
        ("nodule_mass", "boxed"): 1,
    }
    assert [(row.label, row.films, row.boxes) for row in got.sizes] == [
        ("edema", 1, 1),
        ("effusion", 2, 3),
        ("nodule_mass", 1, 1),
    ]


@pytest.mark.parametrize(
    ("which", "change"),
    [
        ("film", {"film": ""}),
        ("film", {"film": "a\0b"}),
        ("film", {"width": -1}),
        ("film", {"width": None}),
        ("film", {"sha256": f"{0:064x}"}),  # two of one digest: their findings are both's
        ("film", {"sha256": None}),
        ("finding", {"label": "No Label"}),
        ("finding", {"label": None}),
        ("finding", {"score": 1.5}),
        ("finding", {"score": float("nan")}),
        ("finding", {"score": None}),
        ("finding", {"threshold": -1.0}),
        ("finding", {"standing": "loud"}),
        ("finding", {"x1": 10.0}),
        ("finding", {"y0": float("inf")}),
        ("finding", {"x0": None}),
    ],
)
def test_what_has_to_be_looked_at_one_by_one(write, which, change):
    films, findings = [film(0), film(1)], [found(0, "edema", FILM), found(1, "effusion", BOX)]
    (films if which == "film" else findings)[1] |= change
    folder = write(films, findings)
    assert result_stats(folder) is None
    assert one_by_one(folder)[1] == ("sha256" not in change)


def test_boxes_on_a_film_without_a_size(write):
    folder = write([film(0, width=None, height=None)], [found(0, "effusion", BOX)])
    assert (result_stats(folder), one_by_one(folder)[1]) == (None, 1)


def test_columns_of_another_type_and_columns_that_are_not_there(write):
    folder = write()
    table = pq.read_table(folder / "findings" / "k.parquet")
    at = table.column_names.index("score")
    for other in (table.set_column(at, "score", pa.array(["much"] * len(FINDINGS))), table.drop_columns(["score"])):
        pq.write_table(other.replace_schema_metadata(table.schema.metadata), folder / "findings" / "k.parquet")
        assert result_stats(folder) is None


def test_nothing_to_count_and_a_damaged_table(write):
    folder = write([film(5, status="duplicate")], [])
    assert result_stats(folder) is None
    (folder / "findings" / "k.parquet").write_bytes(b"PAR1")
    with pytest.raises(DatasetError, match="DATASET_INCOMPLETE"):
        result_stats(folder)

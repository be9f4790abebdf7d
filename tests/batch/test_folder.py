"""The folder of a run: what was named for a shard that was never done goes, and columns of all runs stay."""

import json
import tarfile
from collections import Counter

import duckdb
import pytest

from lungspot.batch import BatchFolder, ShardResult
from lungspot.batch.read import PARTIAL
from lungspot.cli.console import Exit
from lungspot.errors import OutputError

ASKED = {"model": "m", "site": None, "operating_point": "balanced", "forms": ["parquet"], "screen": None, "given": []}
DONE, LEFT = "a" * 24, "b" * 24


def opened(folder, **asked):
    return BatchFolder(folder, ASKED | asked, inputs=(), resume=True)


def test_what_belongs_to_no_shard_that_is_done_goes_when_a_run_begins(tmp_path):
    opened(tmp_path, forms=["jsonl", "parquet"]).close()
    stay = [f"films/{DONE}.parquet", f"findings/{DONE}.parquet", f"jsonl/{DONE}.jsonl", f"files/{DONE}/a.json"]
    stay += ["findings/notes.txt", "files/mine/a.json"]
    go = [f"findings/{LEFT}.parquet", f"jsonl/{LEFT}.jsonl", f"files/{LEFT}/x/a.json"]
    go += [f"{PARTIAL}/c.parquet", f"{PARTIAL}/d/a.json"]
    for name in stay + go:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    opened(tmp_path, forms=["jsonl", "parquet"]).close()
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*stay, "batch.json", ".lock"}
    assert not list((tmp_path / PARTIAL).iterdir())


def test_what_lies_in_the_folder_before_the_first_run_stays(tmp_path):
    mine = [f"files/{LEFT}/a.dcm", "files/2023/a.dcm", f"findings/{LEFT}.parquet", f"{PARTIAL}/a.dcm"]
    for name in mine:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    BatchFolder(tmp_path, ASKED, inputs=(), resume=False).close()
    assert all((tmp_path / name).is_file() for name in mine)
    opened(tmp_path).close()
    assert (tmp_path / "files" / "2023" / "a.dcm").is_file()


def test_results_whose_rows_were_known_by_their_film_alone_are_not_gone_on_with(tmp_path):
    opened(tmp_path, given=["ward"]).close()
    opened(tmp_path, given=["ward"]).close()
    told = json.loads((tmp_path / "batch.json").read_text())
    del told["entries"]
    (tmp_path / "batch.json").write_text(json.dumps(told))
    with pytest.raises(OutputError, match="by their film alone"):
        opened(tmp_path, given=["ward"])


def test_a_shard_of_which_no_film_has_a_file_is_done_all_the_same(batch_of, tmp_path):
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.png").write_text("no film")
    words = (tmp_path / "out", tmp_path / "films", "--workers", 1, "--format", "parquet,png")
    assert batch_of(*words)[0] == Exit.NOTHING_DONE
    assert batch_of(*words, "--resume")[1]["films"] == 0
    assert not [path for path in (tmp_path / "out").rglob("*.png") if path.is_file()]


def test_a_shard_s_files_are_named_whole_and_what_was_there_of_an_earlier_try_goes(tmp_path):
    folder = opened(tmp_path)
    (tmp_path / "files" / DONE).mkdir(parents=True)
    (tmp_path / "files" / DONE / "old.json").write_text("{}")
    (tmp_path / PARTIAL / "p").mkdir()
    (tmp_path / PARTIAL / "p" / "new.json").write_text("{}")
    folder.commit(ShardResult(DONE, 1, (("p", f"files/{DONE}"),), Counter(), Counter()))
    folder.close()
    assert [path.name for path in (tmp_path / "files" / DONE).iterdir()] == ["new.json"]
    assert not list((tmp_path / PARTIAL).iterdir())


@pytest.fixture
def tables(tmp_path, small_archive):
    films = small_archive(tmp_path / "films", 2)
    for number, (name, word) in enumerate((("ward", "W"), ("hospital", "H"))):
        (films / f"{name}.csv").write_text(f"path,{name}\n{number:04d}.png,{word}\n")
    return [films / "ward.csv", films / "hospital.csv"]


def test_a_run_that_goes_on_with_other_columns_keeps_the_old(tables, batch_of, tmp_path):
    out = tmp_path / "out"
    for table in tables:
        assert batch_of(out, table, "--workers", 1, "--resume")[0] == 0
    assert json.loads((out / "batch.json").read_text())["given"] == ["hospital", "ward"]
    given = json.loads((out / "summary.json").read_text())["given"]
    assert given == {"hospital": {"H": 1, "": 1}, "ward": {"W": 1, "": 1}}
    films = f"read_parquet('{out}/films/*.parquet', union_by_name = true)"
    rows = duckdb.sql(f"SELECT given_ward, given_hospital FROM {films} ORDER BY film").fetchall()  # noqa: S608 - a test's folder
    assert rows == [("W", None), (None, "H")]


@pytest.mark.parametrize("ending", ["", ".tar"])
def test_a_name_that_is_no_unicode_is_a_row_as_any_other(ending, small_archive, batch_of, rows_in, tmp_path):
    films = small_archive(tmp_path / "films", 2)
    odd = films / "odd\udcff.png"
    odd.write_bytes((films / "0000.png").read_bytes())
    source = films
    if ending:
        source = tmp_path / "films.tar"
        with tarfile.open(source, "w") as archive:
            for path in (odd, films / "0000.png", films / "0001.png"):
                archive.add(path, path.name)
    out = tmp_path / "out"
    assert batch_of(out, source, "--workers", 1)[0] == 0
    assert batch_of(out, source, "--workers", 1, "--resume")[1]["films"] == 0
    rows = {row["film"].rpartition("/")[2]: row for row in rows_in(out, "error")}
    assert rows.keys() == {"0000.png", "0001.png", "odd\\udcff.png"}
    twins = {rows[name]["status"] for name in ("0000.png", "odd\\udcff.png")}
    assert twins == {"assessed", "duplicate"}

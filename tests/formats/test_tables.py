import gzip

import pytest

from lungspot.errors import DatasetError
from lungspot.formats.tables import (
    header_of,
    read_lines,
    read_list,
    read_object,
    read_rows,
    require_file,
)


def test_rows_know_their_line_and_lose_the_spaces_of_the_header(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\ufeffimage, label\na,1\n\nb,2\n", encoding="utf-8")
    assert header_of(path) == ("image", "label")
    rows = list(read_rows(path, ("image", "label")))
    assert rows == [(2, {"image": "a", "label": "1"}), (4, {"image": "b", "label": "2"})]


def test_rows_of_a_gzip_file(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"image\na\n"))
    assert list(read_rows(path, ("image",))) == [(2, {"image": "a"})]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("image;label\na,b;1\n", [{"image": "a,b", "label": "1"}]),  # a spreadsheet where the comma is decimal
        ("image\tlabel\na;b\t1\n", [{"image": "a;b", "label": "1"}]),
        ("image,label;x\na;b,1\n", [{"image": "a;b", "label;x": "1"}]),  # a comma in the header counts
        ('"image";"label"\n"a";"1"\n', [{"image": "a", "label": "1"}]),
    ],
)
def test_rows_are_parted_as_the_header_is(tmp_path, text, rows):
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    assert [row for _, row in read_rows(path, ("image",))] == rows
    assert list(header_of(path)) == list(rows[0])


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"image\na\n", "DATASET_COLUMNS", "no column label (found: image)"),
        (b"", "DATASET_COLUMNS", "found: nothing"),
        (b"image,label\na,1\nb\n", "DATASET_ROW", "1 values where 2 are needed"),
        (b'image,label\na,"1\n', "DATASET_INCOMPLETE", "not a whole CSV file"),
        (b"image,label\n\xff\xfe,1\n", "DATASET_INCOMPLETE", "not a whole CSV file"),
        (b"image,label\na\x00,1\n", "DATASET_ROW", "NUL characters"),
    ],
)
def test_a_bad_table_is_one_line(tmp_path, content, code, words):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        list(read_rows(path, ("image", "label")))
    assert caught.value.code == code
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_half_a_gzip_file_is_said_to_be_half(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"image\n" + b"\n".join(str(i).encode() for i in range(9999)))[:-500])
    with pytest.raises(DatasetError, match="DATASET_INCOMPLETE"):
        list(read_rows(path, ("image",)))


def test_lines_of_a_list(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeffa.png \n\nb c.png\r\n".encode())
    assert read_lines(path) == ["a.png", "b c.png"]
    path.write_bytes(b"a.png\n\xff\xfe")
    with pytest.raises(DatasetError, match="DATASET_INCOMPLETE: not a whole text file"):
        read_lines(path)


@pytest.mark.parametrize(
    ("read", "text", "code"),
    [
        (read_list, "[1", "DATASET_INCOMPLETE"),
        (read_list, "{}", "DATASET_COLUMNS"),
        (read_object, "[]", "DATASET_COLUMNS"),
        (read_object, "", "DATASET_INCOMPLETE"),
    ],
)
def test_bad_json_is_one_line(tmp_path, read, text, code):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=code) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named_with_all_its_names(tmp_path):
    with pytest.raises(DatasetError, match=r"DATASET_INCOMPLETE: no a\.csv or b\.csv here"):
        require_file(tmp_path, "a.csv", "b.csv")
    with pytest.raises(DatasetError, match="DATASET_NOT_FOUND"):
        require_file(tmp_path / "nowhere", "a.csv")

"""Files of lungspot/1 documents: one, a list, or a document a line; what is none is named by its place."""

import json

import pytest

from lungspot.errors import DatasetError
from lungspot.formats import documents
from lungspot.formats.documents import is_document, no_document, read_documents

ONE = {"schema": "lungspot/1", "image": {"path": "é.png"}}
OTHER = {"schema": "lungspot/1", "image": {"path": "b.png"}}
LINE, OTHER_LINE = (json.dumps(value, ensure_ascii=False).encode() for value in (ONE, OTHER))
INDENTED = json.dumps(ONE, indent=1).encode()
BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (LINE, [(ONE, "")]),
        (BOM + LINE + b"\r\n", [(ONE, "")]),
        (INDENTED, [(ONE, "")]),
        (b"\n" + INDENTED + b"\n\n", [(ONE, "")]),
        (b'{"a": {}\n}', [({"a": {}}, "")]),
        (b"[" + LINE + b",\n" + OTHER_LINE + b"]", [(ONE, ": [0]"), (OTHER, ": [1]")]),
        (b"[]", []),
        (LINE + b"\n" + OTHER_LINE, [(ONE, ":1"), (OTHER, ":2")]),
        (BOM + LINE + b"\n" + OTHER_LINE, [(ONE, ":1"), (OTHER, ":2")]),
        (b"\r\n" + LINE + b"\r\n\r\n" + OTHER_LINE + b"\r\n", [(ONE, ":2"), (OTHER, ":4")]),
        (b'{"cut \n' + LINE + b"\n" + OTHER_LINE, [(b'{"cut', ":1"), (ONE, ":2"), (OTHER, ":3")]),
        (LINE + b"\nwords\n" + OTHER_LINE, [(ONE, ":1"), (b"words", ":2"), (OTHER, ":3")]),
        (LINE + b'\n{"\xe9": 1}', [(ONE, ":1"), (b'{"\xe9": 1}', ":2")]),
        (LINE + b"\n" + b'{"a":' * 100_000, [(ONE, ":1"), (b'{"a":' * 100_000, ":2")]),
        (b"", [(b"", "")]),
        (BOM + b"\n \n", [(b"", "")]),
        (b"words\n" + LINE, [(b"words\n" + LINE, "")]),
        (b"null", [(None, "")]),
    ],
)
def test_values_and_what_is_none_by_their_place(tmp_path, text, found):
    path = tmp_path / "found.json"
    path.write_bytes(text)
    assert list(read_documents(path)) == [(value, f"{path}{place}") for value, place in found]


def test_lines_may_go_on_for_ever_but_one_value_may_not(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "_LARGEST", len(INDENTED))
    path = tmp_path / "found.json"
    path.write_bytes(INDENTED)
    assert list(read_documents(path)) == [(ONE, str(path))]
    path.write_bytes((LINE + b"\n") * 50)
    assert len(list(read_documents(path))) == 50
    path.write_bytes(INDENTED + b"\n")
    with pytest.raises(DatasetError, match="more than a gibibyte; write JSON Lines") as caught:
        list(read_documents(path))
    assert caught.value.code == "DATASET_FORMAT"


def test_what_is_a_document_says_so():
    assert is_document(ONE)
    assert not any(is_document(value) for value in (None, [], [ONE], b"{}", "lungspot/1", {}, {"schema": "lungspot/2"}))
    assert (no_document("a:1").code, no_document("a:1").reason) == ("DATASET_ROW", "not a document of lungspot/1")
    assert no_document("a:1", KeyError("image")).reason == "not a document of lungspot/1 (KeyError: 'image')"

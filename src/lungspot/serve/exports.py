"""What readers said, as training data: of each reader and film the last review, in forms that datasets/ reads back."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from lungspot.datasets import Case
from lungspot.findings import Frame, reading_from_json
from lungspot.formats.catalog import ANNOTATION_FORMATS
from lungspot.images import View
from lungspot.serve.pictures import film_png
from lungspot.serve.record import pixels_of
from lungspot.serve.store import Store

__all__ = ["bytes_of", "cases_of", "coco_json", "csv_text", "folder_zip"]

_DATASET: Final = "lungspot"
_LAST: Final = """SELECT v.number AS review, v.created AS said, v.reader, v.body, r.* FROM reviews v
    JOIN readings r ON r.number = v.reading
    WHERE v.number = (SELECT max(number) FROM reviews WHERE reading = v.reading AND reader = v.reader)
    ORDER BY r.number, v.number"""
_COLUMNS: Final = (
    *("reading_id", "film_sha256", "patient", "review_id", "reader", "created", "complete", "action", "label"),
    *("x0", "y0", "x1", "y1", "offered_label", "offered_score", "model", "model_version", "model_sha256", "note"),
)


def cases_of(store: Store, films: Path | None = None) -> list[Case]:
    """Return one case a film with each reader's last reading; with ``films``, its picture is written there too."""
    by_film: dict[str, list[sqlite3.Row]] = {}
    for row in store.all(_LAST):
        by_film.setdefault(row["id"], []).append(row)
    return [_case(store, rows, films) for rows in by_film.values()]


def bytes_of(store: Store) -> int:
    """Return what :func:`folder_zip` with films takes of the disk at most: each picture, its copy, and the zip."""
    query = "SELECT sum(2 * width * height) FROM readings WHERE number IN (SELECT reading FROM reviews)"
    return 3 * int(store.one(query)[0] or 0)


def coco_json(store: Store) -> Any:  # noqa: ANN401 - a JSON value
    """Return COCO's annotations.json."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "out"
        ANNOTATION_FORMATS["coco"].write(cases_of(store), out, films="none")
        return json.loads((out / "annotations.json").read_bytes())


def folder_zip(store: Store, kind: str, *, films: bool) -> BinaryIO:
    """Return an open zip of the folder that a format is, with the films' pictures where asked for."""
    here = store.folder / "incoming"  # whose disk is watched; /tmp may be small
    sink: BinaryIO = tempfile.TemporaryFile(dir=here)  # noqa: SIM115 - closed by the answer that reads it
    try:
        with tempfile.TemporaryDirectory(dir=here) as place:
            pictures = Path(place) / "films" if films else None
            if pictures is not None:
                pictures.mkdir()
            out = Path(place) / "out"
            ANNOTATION_FORMATS[kind].write(cases_of(store, pictures), out, films="copy" if films else "none")
            with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for path in sorted(out.rglob("*")):
                    if path.is_file():
                        archive.write(path, path.relative_to(out))
    except BaseException:
        sink.close()
        raise
    sink.seek(0)
    return sink


def csv_text(store: Store) -> str:
    """Return one row a verdict, and one a label said to be absent."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, _COLUMNS, lineterminator="\r\n")
    table.writeheader()
    for row in store.all(_LAST):
        body = json.loads(row["body"])
        model = body["model"] or {}
        about = {
            "reading_id": row["id"],
            "film_sha256": row["sha256"],
            "patient": row["patient"],
            "review_id": row["review"],
            "reader": escape_formula(row["reader"]),
            "created": row["said"],
            "complete": body["complete"],
            "model": model.get("name"),
            "model_version": model.get("version"),
            "model_sha256": model.get("sha256"),
            "note": escape_formula(body["note"]),
        }
        for verdict in [*body["verdicts"], *({"action": "absent", "label": label} for label in body["absent"])]:
            offered = verdict.get("offered") or {}
            corners = dict(zip(("x0", "y0", "x1", "y1"), verdict.get("box") or ("",) * 4, strict=True))
            said = {"action": verdict["action"], "label": verdict["label"]}
            table.writerow(
                about | said | corners | {"offered_label": offered.get("label"), "offered_score": offered.get("score")}
            )
        if not body["verdicts"] and not body["absent"]:
            table.writerow(about | {"action": "note"})
    return text.getvalue()


def _case(store: Store, rows: Sequence[sqlite3.Row], films: Path | None) -> Case:
    first = rows[0]
    frame = None if first["width"] is None else Frame(first["width"], first["height"])
    image = None
    if films is not None and frame is not None:
        with suppress(FileNotFoundError):  # deleted meanwhile
            pixels = pixels_of(store.pixels(first["id"]), frame.width, frame.height)
            image = films / f"{first['id']}.png"
            film_png(pixels, 16, None).save(image, compress_level=1)
    return Case(
        id=first["id"],
        dataset=_DATASET,
        patient=f"{_DATASET}_{first['patient'] or first['id']}",
        readings=tuple(reading_from_json(json.loads(row["body"])["reading"]) for row in rows),
        image=image,
        frame=frame,
        view=View(first["view"] or "UNKNOWN"),
    )


def escape_formula(text: str) -> str:
    """Return text with a quote before it where a spreadsheet would read it as a formula (CSV injection)."""
    return f"'{text}" if text[:1] in set("\t\r\n") or text.lstrip()[:1] in set("=+-@") else text

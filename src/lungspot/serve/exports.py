"""What readers said, as training data: of each reader and film the last review, in forms that datasets/ reads back."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from lungspot.datasets import Case
from lungspot.findings import Box, Finding, Frame, Reading, State, reading_from_json
from lungspot.formats import ANNOTATION_FORMATS, ANNOTATIONS_FILE
from lungspot.images import View, with_pixel_shape
from lungspot.outputs import WRITTEN, escape_formula
from lungspot.report import REVIEWS, pixels_of
from lungspot.serve.pictures import film_png
from lungspot.serve.reviews import basis_of
from lungspot.serve.store import Store

__all__ = ["bytes_of", "cases_of", "coco_json", "csv_text", "folder_zip", "patient_of", "reviews_json"]

_DATASET: Final = "lungspot"
_LAST: Final = """SELECT v.number AS review, v.created AS said, v.reader, v.body, r.* FROM reviews v
    JOIN readings r ON r.number = v.reading
    WHERE v.number = (SELECT max(number) FROM reviews WHERE reading = v.reading AND reader = v.reader)
    ORDER BY r.number, v.number"""
_COLUMNS: Final = (
    *("reading_id", "film_sha256", "patient", "review_id", "reader", "created", "complete", "action", "label"),
    *("x0", "y0", "x1", "y1", "offered_label", "offered_score", "model", "model_version", "model_sha256", "note"),
    *("film_name", "measured", "value", "unit", "points"),
)


def cases_of(store: Store, names: Mapping[str, str], films: Path | None = None) -> list[Case]:
    """Return one case a film with each reader's last reading; with ``films``, its picture is written there too.

    ``names``: by reading id, file names that the store does not keep and the caller knows.
    """
    by_film: dict[str, list[sqlite3.Row]] = {}
    for row in store.all(_LAST):
        by_film.setdefault(row["id"], []).append(row)
    return [_case(store, rows, names, films) for rows in by_film.values()]


def patient_of(row: sqlite3.Row) -> str:
    """Return whose a film is, in data that leave the server: a keyed pseudonym; the film's own id where nobody says."""
    return f"{_DATASET}_{row['patient'] or row['id']}"


def bytes_of(store: Store) -> int:
    """Return what :func:`folder_zip` with films takes of the disk at most: each picture, its copy, and the zip."""
    query = "SELECT sum(2 * width * height) FROM readings WHERE number IN (SELECT reading FROM reviews)"
    return 3 * int(store.one(query)[0] or 0)


def coco_json(store: Store, names: Mapping[str, str]) -> Any:  # noqa: ANN401 - a JSON value
    """Return COCO's annotations.json; ``names`` as in :func:`cases_of`."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "out"
        ANNOTATION_FORMATS["coco"].write(cases_of(store, names), out, films="none")
        return json.loads((out / ANNOTATIONS_FILE).read_bytes())


def folder_zip(store: Store, kind: str, names: Mapping[str, str], *, films: bool) -> BinaryIO:
    """Return an open zip of the folder that a format is, with the films' pictures where asked for."""
    here = store.folder / "incoming"  # whose disk is watched; /tmp may be small
    sink: BinaryIO = tempfile.TemporaryFile(dir=here)  # noqa: SIM115 - closed by the answer that reads it
    try:
        with tempfile.TemporaryDirectory(dir=here) as place:
            pictures = Path(place) / "films" if films else None
            if pictures is not None:
                pictures.mkdir()
            out = Path(place) / "out"
            ANNOTATION_FORMATS[kind].write(cases_of(store, names, pictures), out, films="copy" if films else "none")
            with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for path in sorted(out.rglob("*")):
                    if path.is_file() and path.name != WRITTEN:
                        archive.write(path, path.relative_to(out))
    except BaseException:
        sink.close()
        raise
    sink.seek(0)
    return sink


def reviews_json(store: Store, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the reviews as they were kept, each with the SHA-256 and, where known, the name of its film's file."""
    rows = [
        {
            "film_sha256": row["sha256"],
            "film_name": _name_of(row, names),
            "reading_id": row["id"],
            "id": row["review"],
            "created": row["said"],
            "reader": row["reader"],
        }
        | json.loads(row["body"])
        for row in store.all(_LAST)
    ]
    return {"schema": REVIEWS, "reviews": rows, "not_for_clinical_use": True}


def csv_text(store: Store, names: Mapping[str, str]) -> str:
    """Return one row a verdict, one a label said to be absent, and one a measurement."""
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
            "film_name": escape_formula(_name_of(row, names) or ""),
        }
        for verdict in [*body["verdicts"], *({"action": "absent", "label": label} for label in body["absent"])]:
            offered = verdict.get("offered") or {}
            corners = dict(zip(("x0", "y0", "x1", "y1"), verdict.get("box") or ("",) * 4, strict=True))
            said = {"action": verdict["action"], "label": verdict["label"]}
            table.writerow(
                about | said | corners | {"offered_label": offered.get("label"), "offered_score": offered.get("score")}
            )
        sizes = body.get("measurements", ())
        for each in sizes:
            points = " ".join(f"{x:g},{y:g}" for x, y in each["points"])
            numbers = {"value": each["value"], "unit": each["unit"], "points": points}
            table.writerow(about | {"action": "measure", "measured": each["kind"]} | numbers)
        if not body["verdicts"] and not body["absent"] and not sizes:
            table.writerow(about | {"action": "note"})
    return text.getvalue()


def _pixel_shape(row: sqlite3.Row) -> tuple[int, int]:
    high, wide = json.loads(row["record"])["film"].get("pixel_aspect", (1, 1))  # records of 0.1 have none
    return high, wide


def _case(store: Store, rows: Sequence[sqlite3.Row], names: Mapping[str, str], films: Path | None) -> Case:
    first = rows[0]
    frame = None if first["width"] is None else Frame(first["width"], first["height"])
    image = None
    if films is not None and frame is not None:
        with suppress(FileNotFoundError):  # deleted meanwhile
            pixels = pixels_of(store.pixels(first["id"]), frame.width, frame.height)
            image = films / f"{first['id']}.png"
            picture = io.BytesIO()
            film_png(pixels, 16, None).save(picture, "png", compress_level=1)
            image.write_bytes(with_pixel_shape(picture.getvalue(), _pixel_shape(first)))
    return Case(
        id=first["id"],
        dataset=_DATASET,
        patient=patient_of(first),
        readings=tuple(_reading_of(row) for row in rows),
        source_name=_name_of(first, names),
        source_sha256=first["sha256"],
        image=image,
        frame=frame,
        view=View(first["view"] or "UNKNOWN"),
    )


def _name_of(row: sqlite3.Row, names: Mapping[str, str]) -> str | None:
    name: str | None = row["name"] or names.get(row["id"])
    return name


def _reading_of(row: sqlite3.Row) -> Reading:
    """Return a review's reading, mended where an earlier version kept it.

    Of a film that was not assessed, only what was called absent by name is absent, and nothing where it could not even
    be read. Rejected boxes are those of the verdicts.
    """
    body = json.loads(row["body"])
    reading = reading_from_json(body["reading"])
    states = reading.states
    if row["status"] != "assessed":
        named = () if row["width"] is None else body["absent"]
        states = {label: s for label, s in states.items() if s is not State.ABSENT or label in named}
    wrong = [v["offered"] for v in body["verdicts"] if v["action"] == "reject" and v["offered"]["box"]]
    model = body["model"] or {}
    source = f"{model['name']} {model['version']}" if model else None
    rejected = tuple(Finding(each["label"], Box(*each["box"]), each["score"], source=source) for each in wrong)
    basis = basis_of(model) if "sha256" in model else source
    return replace(reading, states=states, rejected=rejected, created=row["said"], basis=basis)

"""Results of many films as Parquet: one row a film, one a finding; written shard by shard, read back as documents.

docs/reference/parquet.md says what each column holds. A folder of results has ``films/KEY.parquet`` and
``findings/KEY.parquet``; a shard counts where both are there. The two are joined by ``sha256``. Both say in their
metadata what they are (``lungspot.schema``) and what they are not for (``lungspot.banner``).
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lungspot import BANNER, __version__
from lungspot.errors import DatasetError
from lungspot.extras import extra

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "CORNERS",
    "FILMS_SCHEMA",
    "FINDINGS_SCHEMA",
    "GIVEN",
    "JUDGED",
    "film_columns",
    "film_row",
    "film_table",
    "films_parquet",
    "finding_columns",
    "finding_rows",
    "finding_table",
    "findings_parquet",
    "is_result_folder",
    "result_documents",
    "shard_files",
    "unicode_text",
]

FILMS_SCHEMA: Final = "lungspot-films/1"  # what a table of films, a row each, calls its form
FINDINGS_SCHEMA: Final = "lungspot-findings/1"  # what a table of findings, a row each, calls its form
DOCUMENT_SCHEMA: Final = "lungspot/1"  # of a film's result as JSON (docs/reference/json.md)
GIVEN: Final = "given_"  # before the name of a column that a table of films brought along

_SHARDS: Final = "[!.]*.parquet"  # tables of films; a hidden one is none
JUDGED: Final = ("assessed", "not_assessed")  # what becomes of a film that could be read
# column → its type, as pyarrow's functions are called; a list's stands after "list:"
_FILMS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("film", "status", "error", "sha256", "entry"), "string"),
    "reasons": "list:string",
    "width": "int32",
    "height": "int32",
    "bits": "int32",
    **dict.fromkeys(("kind", "format", "view", "sop_instance_uid", "manufacturer", "device", "station"), "string"),
    "pixel_spacing_mm": "list:float64",
    "warnings": "list:string",
    "made": "timestamp",
    **dict.fromkeys(("model", "model_version", "model_sha256", "card_sha256", "site", "site_json"), "string"),
    **dict.fromkeys(("operating_point", "lungspot", "onnxruntime", "headline"), "string"),
    "urgency": "float64",
    "said": "list:string",
    "features": "list:float32",
    **{f"{step}_ms": "float32" for step in ("read", "detect", "explain")},
    **{
        f"image_{name}": "float64"
        for name in ("p5", "p25", "p50", "p75", "p95", "entropy", "roughness", "levels", "clipped")
    },
    **{f"register_{name}": "string" for name in ("person", "date", "thresholds_of", "advice", "why", "label", "model")},
    "register_score": "float64",
    "register_threshold": "float64",
}
_FINDINGS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("sha256", "film", "level", "label"), "string"),
    "score": "float64",
    "threshold": "float64",
    "positive": "bool_",
    "standing": "string",
    "place": "int32",
    "judged": "bool_",
    **dict.fromkeys(("x0", "y0", "x1", "y1"), "float64"),
    "side": "string",
    "zone": "string",
    **dict.fromkeys(("energy_in_box", "peak_in_box", "iou", "area"), "float64"),
}
_SAME: Final = ("label", "threshold", "positive", "standing")
_BRIEF: Final = ("sha256", "label", "positive")
CORNERS: Final = ("x0", "y0", "x1", "y1")
_AGREEMENT: Final = ("energy_in_box", "peak_in_box", "iou", "area")
_STATISTICS: Final = tuple(name.removeprefix("image_") for name in _FILMS if name.startswith("image_"))


_ByFilm = dict[str | None, list[dict[str, Any]]]


def film_row(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a ``lungspot/1`` document as the row of its film; columns that it says nothing of are left out."""
    image, model, site = document["image"], document.get("model") or {}, document.get("site")
    device, told, software = image.get("device") or {}, document["statement"], document["software"]
    made = document.get("made")
    return {
        **{name: image.get(name) for name in ("sha256", "width", "height", "bits", "kind", "format", "view")},
        "sop_instance_uid": image.get("sop_instance_uid"),
        "film": image["path"],
        "status": str(document["status"]),
        "reasons": list(document["reasons"]),
        "pixel_spacing_mm": image.get("pixel_spacing_mm"),
        "manufacturer": device.get("manufacturer"),
        "device": device.get("model"),
        "station": device.get("station"),
        "warnings": [each["code"] for each in document["warnings"]],
        "made": None if made is None else datetime.fromisoformat(made),
        "model": model.get("name"),
        "model_version": model.get("version"),
        "model_sha256": model.get("sha256"),
        "card_sha256": model.get("card_sha256"),
        "site": None if site is None else site["name"],
        "site_json": None if site is None else json.dumps(site),
        "operating_point": document.get("operating_point"),
        "lungspot": software["lungspot"],
        "onnxruntime": software["onnxruntime"],
        "headline": told["headline"],
        "urgency": told["urgency"],
        "said": [each["label"] for each in told["said"]],
        "features": document.get("features"),
        **{f"{step}_ms": took for step, took in document["timing_ms"].items()},
        **{f"image_{name}": value for name, value in (image.get("statistics") or {}).items()},
    }


def finding_rows(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a document's findings: its boxes (``level`` box), then what it says of the film (``film``)."""
    whose = {"sha256": document["image"]["sha256"], "film": document["image"]["path"]}
    for found in document["findings"]:
        box, agreement = found["box"], found.get("agreement") or {}
        yield {
            **whose,
            "level": "box",
            **{name: found[name] for name in (*_SAME, "score", "place", "judged", "side", "zone")},
            **dict(zip(CORNERS, box, strict=True)),
            **{name: float(value) for name, value in agreement.items()},
        }
    for scored in document["image_scores"]:
        yield {**whose, "level": "film", "score": scored["probability"], **{name: scored[name] for name in _SAME}}


def films_parquet(rows: Sequence[Mapping[str, Any]], given: Sequence[str] = ()) -> bytes:
    """Return rows of films as a Parquet file. ``given``: columns of the caller's, each held as text.

    Raises ``MISSING_EXTRA`` without pyarrow (the ``[batch]`` extra).
    """
    return _parquet(rows, {**_FILMS, **{GIVEN + name: "string" for name in given}}, FILMS_SCHEMA)


def findings_parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return rows of findings as a Parquet file; raises as :func:`films_parquet` does."""
    return _parquet(rows, _FINDINGS, FINDINGS_SCHEMA)


def is_result_folder(path: Path) -> bool:
    """Say whether a folder holds results as ``lungspot batch`` writes them."""
    return any((path / "films").glob(_SHARDS)) and (path / "findings").is_dir()


def shard_files(folder: Path) -> list[Path]:
    """Return the tables of films in a folder of results, sorted: one a shard that is done."""
    return sorted((folder / "films").glob(_SHARDS))


def film_columns(file: Path, columns: Collection[str]) -> dict[str, list[Any]]:
    """Return columns of one table of films; a column that it does not have is all None.

    Raises :class:`DatasetError` where it is no such table.
    """
    return _columns(file, columns, FILMS_SCHEMA)


def finding_columns(file: Path, columns: Collection[str]) -> dict[str, list[Any]]:
    """Return columns of the findings that belong to a table of films; raises as :func:`film_columns` does."""
    return _columns(file.parent.parent / "findings" / file.name, columns, FINDINGS_SCHEMA)


def film_table(file: Path, columns: Collection[str]) -> pa.Table:
    """Return columns of one table of films as Arrow has them; raises as :func:`film_columns` does."""
    return _table(file, columns, FILMS_SCHEMA)


def finding_table(file: Path, columns: Collection[str]) -> pa.Table:
    """Return columns of the findings that belong to a table of films; raises as :func:`film_columns` does."""
    return _table(file.parent.parent / "findings" / file.name, columns, FINDINGS_SCHEMA)


def result_documents(folder: Path, *, places: bool = True) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield what a folder of results says of each film that was judged or refused, as documents, and where it stands.

    They hold what is said of a film and its findings, not the words of its statement and report. Without ``places`` a
    finding is its label and whether it is positive, and a film's score those and its probability: a third of the time.
    Films that were duplicates, and lungspot's own files, are none. Raises :class:`DatasetError`.
    """
    for file in shard_files(folder):
        boxes, scores = _said_in(folder / "findings" / file.name, places)
        columns = _columns(file, _FILMS, FILMS_SCHEMA)
        for number, row in enumerate(_rows(columns), 1):
            if row["status"] in JUDGED:
                mine = row["sha256"] if row["status"] == "assessed" else None
                yield _document(row, boxes.get(mine, []), scores.get(mine, [])), f"{file}:{number}"


def _said_in(file: Path, places: bool) -> tuple[_ByFilm, _ByFilm]:  # noqa: FBT001 - as its caller's
    """Return the boxes, and the scores of whole films, of a table of findings, as documents have them, by SHA-256."""
    table = _table(file, _FINDINGS if places else ("level", "score", *_BRIEF), FINDINGS_SCHEMA)
    whole = [level == "film" for level in table["level"].to_pylist()]
    boxes, scores = _ByFilm(), _ByFilm()
    boxed = table.filter([not each for each in whole])
    for row in _rows((boxed.drop_columns(["film", "level"]) if places else boxed.select(_BRIEF)).to_pydict()):
        if places:
            row["box"] = [row.pop(name) for name in CORNERS]
            agreement = {name: row.pop(name) for name in _AGREEMENT}
            if agreement["iou"] is not None:
                row["agreement"] = agreement
        boxes.setdefault(row.pop("sha256"), []).append(row)
    said = ("threshold", "standing") if places else ()
    for row in _rows(table.filter(whole).select(["score", *_BRIEF, *said]).to_pydict()):
        row["probability"] = row.pop("score")
        scores.setdefault(row.pop("sha256"), []).append(row)
    return boxes, scores


def _document(row: Mapping[str, Any], boxes: list[dict[str, Any]], scores: list[dict[str, Any]]) -> dict[str, Any]:
    names = ("sha256", "width", "height", "bits", "kind", "format", "view", "pixel_spacing_mm", "sop_instance_uid")
    device = {"manufacturer": row["manufacturer"], "model": row["device"], "station": row["station"]}
    statistics = {name: row[f"image_{name}"] for name in _STATISTICS}
    model = {"name": row["model"], "version": row["model_version"], "sha256": row["model_sha256"]}
    return {
        "schema": DOCUMENT_SCHEMA,
        "status": row["status"],
        "reasons": row["reasons"],
        "image": {
            "path": row["film"],
            **{name: row[name] for name in names},
            "device": device if any(device.values()) else None,
            "statistics": None if row["image_p50"] is None else statistics,
        },
        "findings": boxes,
        "image_scores": scores,
        "statement": {
            "headline": row["headline"],
            "urgency": row["urgency"],
            "said": [{"label": label} for label in row["said"]],
        },
        "operating_point": row["operating_point"],
        "features": row["features"],
        "made": None if row["made"] is None else row["made"].isoformat(),
        "model": None if row["model"] is None else {**model, "card_sha256": row["card_sha256"]},
        "site": None if row["site_json"] is None else json.loads(row["site_json"]),
        "software": {"lungspot": row["lungspot"], "onnxruntime": row["onnxruntime"]},
        "warnings": [{"code": code, "text": ""} for code in row["warnings"]],
        "not_for_clinical_use": True,
    }


def _parquet(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], schema: str) -> bytes:
    with extra("batch", "Parquet"):
        import pyarrow as pa  # noqa: PLC0415 - an optional package
        import pyarrow.parquet as pq  # noqa: PLC0415

    said = {"lungspot.schema": schema, "lungspot.version": __version__, "lungspot.banner": BANNER}
    typed = pa.schema([(name, _type(pa, kind)) for name, kind in columns.items()], metadata=said)
    held = {name: [row.get(name) for row in rows] for name in columns}
    for name in (name for name, kind in columns.items() if kind == "string"):
        held[name] = [None if value is None else unicode_text(value) for value in held[name]]
    table = pa.table(held, schema=typed)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _type(pa: Any, kind: str) -> pa.DataType:  # noqa: ANN401 - the module pyarrow, which is loaded late
    if kind == "timestamp":
        return pa.timestamp("s", tz="UTC")
    head, _, of = kind.partition(":")
    return pa.list_(getattr(pa, of)()) if head == "list" else getattr(pa, kind)()


def _columns(file: Path, columns: Collection[str], schema: str) -> dict[str, list[Any]]:
    table = _table(file, columns, schema)
    unknown = [None] * table.num_rows
    known = table.to_pydict()
    return {name: known.get(name, unknown) for name in columns}


def _table(file: Path, columns: Collection[str], schema: str) -> pa.Table:
    with extra("batch", "Parquet"):
        import pyarrow as pa  # noqa: PLC0415 - an optional package
        import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(file) as opened:
            said = (opened.schema_arrow.metadata or {}).get(b"lungspot.schema", b"").decode()
            if said != schema:
                reason = f"a table of {said or 'something else'}, not of {schema}"
                raise DatasetError("DATASET_FORMAT", file, reason, advice="give the folder of `lungspot batch`")
            there = [name for name in columns if name in opened.schema_arrow.names]
            return opened.read(columns=there)
    except (OSError, pa.ArrowException) as error:
        reason = f"not a whole Parquet file ({type(error).__name__})"
        raise DatasetError("DATASET_INCOMPLETE", file, reason, advice="run `lungspot batch` again, --resume") from error


def _rows(columns: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    names = tuple(columns)
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(names, values, strict=True))


def unicode_text(words: str) -> str:
    """Return text as Parquet and SQLite can hold it: what is no Unicode in it, as in a file's name, is escaped."""
    return words if words.isascii() else words.encode(errors="backslashreplace").decode()

"""A folder of films with a CSV of image labels: one's own, or any download in this form (CheXpert's among them).

Citation, link, terms: the publisher's.
Boxes: none.
Layout: films anywhere below the folder, and in it ``labels.csv``, or the only CSV file, or the one that is given. One
row a film:

``image``
    The film's path below the folder, or its name or stem where that is unique. Also called Path, Image Index, file,
    file_name, filename, image_id, dicom_id, PngPath.
a column a label
    Any name of a label: 1 is present, 0 absent (also true and false, yes and no); empty, -1 (uncertain) and nan say
    nothing.
``labels``
    Instead, or too: names joined by ``|`` or ``;``. They are present; others are not thereby absent, save by
    ``No Finding`` alone, which makes everything absent. Also called label, Finding Labels; finding, diagnosis or class
    where nothing else says a label.
``patient``, ``view``, ``age``, ``sex``, ``split``
    If known. Also called as DICOM and the public sets do: PatientID, subject_id, case; ViewPosition, AP/PA,
    Frontal/Lateral, Projection; PatientAge; PatientSex, Patient Gender; and in Spanish, Portuguese, French and German.
    A patient may also be a folder of the film's path (CheXpert's ``patient00001``, MIMIC-CXR's ``p10000032``).

Values are parted by commas, semicolons, tabs or bars, in UTF-8, UTF-16 or Windows' 1252. Other columns are ignored; the
class map is told of those that look like a label's. A table with columns of boxes is refused. Known faults: labels
without a place; without ``patient`` every film is someone else's.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from lungspot.errors import DatasetError
from lungspot.findings import Finding, Reading, State
from lungspot.formats.case import Case, Split, everything_absent
from lungspot.formats.classes import NO_FINDING, SKIP, ClassMap, ClassNames, suggestion
from lungspot.formats.films import dicom_facts, list_films, patient_named
from lungspot.formats.reconcile import patient_in
from lungspot.formats.tables import CSV_SUFFIXES, Row, header_of, read_rows, refuse_row, require_folder
from lungspot.images import Sex, View, age_in_years, list_files, parse_sex, parse_view

__all__ = ["READER", "cases"]

READER: Final = "labels"
# What columns are called by DICOM, by the public sets and by people, in lower case without signs; the first counts.
_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "image": (
        *(
            "image",
            "path",
            "imagepath",
            "pathtoimage",
            "filepath",
            "imageindex",
            "file",
            "filename",
            "imageid",
            "imagename",
        ),
        *("imagefile", "dicomid", "pngpath", "jpgpath", "dicompath", "imagen", "archivo", "bild", "datei", "fichier"),
        *("imagem", "arquivo"),
    ),
    "labels": ("labels", "label", "findinglabels"),
    "patient": (
        *("patient", "patientid", "subjectid", "subject", "patientkey", "patientnumber", "participantid", "pid"),
        *("patientidentifier", "patientno", "patientcode", "patienthash", "patientuid", "deidpatientid", "empianon"),
        *("anonpatientid", "anonymizedpatientid", "personid", "person", "participant", "subjectno", "subjectnumber"),
        *(
            "subjectcode",
            "mrn",
            "caseid",
            "case",
            "paciente",
            "idpaciente",
            "pacienteid",
            "patientenid",
            "patientennummer",
            "patientin",
        ),
    ),
    "view": (
        *("view", "viewposition", "appa", "projection", "frontallateral", "viewpositiondicom", "proyeccion", "vista"),
        *("incidence", "projektion", "projecao", "incidencia"),
    ),
    "age": ("age", "patientage", "ageyears", "ageinyears", "edad", "alter", "idade", "agedupatient"),
    "sex": (
        *("sex", "patientsex", "patientgender", "gender", "patientsexdicom", "sexo", "genero", "geschlecht", "sexe"),
        "sesso",
    ),
    "split": ("split",),
}
# Columns that list labels where no column is called like one, and none is called labels.
_LISTS: Final = (
    *("finding", "findings", "diagnosis", "class", "classname", "etiqueta", "etiquetas", "diagnostico", "diagnose"),
    *("diagnostic", "befund"),
)
# Columns of boxes, by the same form of their names: a table with one of these sets draws, and boxes are not read of it.
_BOXES: Final = (
    *(("xmin", "ymin", "xmax", "ymax"), ("x0", "y0", "x1", "y1"), ("x1", "y1", "x2", "y2"), ("bbox",)),
    *(("x", "y", "width", "height"), ("x", "y", "w", "h"), ("bboxx", "y", "w", "h"), ("boundingbox",)),
)
_VALUES: Final[dict[str, State | None]] = {
    "": None,
    "-1": None,
    "-1.0": None,
    "0": State.ABSENT,
    "0.0": State.ABSENT,
    "1": State.PRESENT,
    "1.0": State.PRESENT,
    **dict.fromkeys(("nan", "na", "n/a", "none", "null", "-1,0"), None),  # pandas, R, spreadsheets
    **dict.fromkeys(("false", "no", "n", "0,0", "absent", "negative"), State.ABSENT),
    **dict.fromkeys(("true", "yes", "y", "1,0", "present", "positive"), State.PRESENT),
}


def cases(root: Path, names: ClassNames = None) -> Iterator[Case]:
    """Yield a case for each row of the CSV file in ``root``, or of the file that it is, with its film if that is there.

    ``names``: what column names and words mean as labels, or a class map.
    """
    classes = ClassMap.of(names)
    path = root if root.is_file() else _table(require_folder(root))
    root = path.parent
    header = header_of(path, own=True)
    facts = {key: _called(header, names_of) for key, names_of in _COLUMNS.items()}
    of_facts = {name for names_of in facts.values() for name in names_of}
    labels = {name: meant for name in header if name not in of_facts and (meant := classes.look_up(name)) is not None}
    left_out = [name for name, label in labels.items() if label == SKIP]
    labels = {name: label for name, label in labels.items() if label != SKIP}
    if not labels and not facts["labels"]:
        facts["labels"] = _called(header, _LISTS)
    bare = {_bare(name) for name in header}
    boxes = next((names_of for names_of in _BOXES if bare.issuperset(names_of)), None)
    if boxes:
        reason = f"it has columns of boxes ({', '.join(boxes)}), which are not read of a table"
        raise DatasetError("DATASET_COLUMNS", path, reason, advice="convert it to COCO, or drop these columns")
    if not facts["image"]:
        raise DatasetError("DATASET_COLUMNS", path, f"no column image or path (found: {', '.join(header)})")
    if not labels and not facts["labels"]:
        raise DatasetError(
            "DATASET_COLUMNS", path, f"no column labels, or of a known label (found: {', '.join(header)})"
        )
    films = _Films(root, [_path(row, facts["image"]) for _, row in read_rows(path, facts["image"][:1], own=True)])
    owners: dict[Path, str] = {}
    seen = _SeenClasses(classes, (*labels, *left_out), [name for name in header if name not in of_facts])
    sexes = _sexes(path, facts["sex"])
    needed = (*labels, *(names_of[0] for names_of in facts.values() if names_of))
    for line, row in read_rows(path, needed, own=True):
        value = {key: _first(row, columns) for key, columns in facts.items()}
        image = _path(row, facts["image"])
        if not image.name:
            raise refuse_row(path, line, f"{facts['image'][0]} is empty, or no film's name")
        split = Split.named(value["split"])
        if value["split"] and split is None:
            raise refuse_row(path, line, f"split is {value['split']!r}, not train, val or test")
        name = image.with_suffix("").as_posix()
        film = films.find(image)
        if film is not None and (other := owners.setdefault(film, name)) != name:
            raise refuse_row(path, line, f"{film} would be the film of {other!r} and of {name!r}")
        known = dicom_facts(film)
        views = [parse_view(row.get(column, "")) for column in facts["view"]]
        named = (patient_named(row.get(column, "")) for column in facts["patient"])
        patient = next(filter(None, named), "") or patient_in(value["image"])
        said = {label: row[column] for column, label in labels.items()}
        seen.in_row(row, f"{path}:{line}")
        yield Case(
            id=name,
            dataset="csv",
            patient=f"csv_{root.resolve().name}_{patient or known.patient or name}",
            readings=(_reading(path, line, said, value["labels"], classes),),
            image=film,
            frame=known.frame,
            split=split,
            view=_view(views) if any(row.get(column, "").strip() for column in facts["view"]) else known.view,
            age_years=age_in_years(value["age"]) if value["age"] else known.age_years,
            sex=sexes.get(value["sex"].casefold(), Sex.UNKNOWN) if value["sex"] else known.sex,
        )
    seen.tell_others()


def _called(header: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the columns that are called by one of ``names``, in the order of those."""
    bare = {_bare(name): name for name in reversed(header)}
    return [bare[name] for name in names if name in bare]


def _bare(name: str) -> str:
    """Return a column's name in small letters without accents and signs."""
    return re.sub(r"[^a-z0-9]", "", unicodedata.normalize("NFKD", name).lower())


def _first(row: Row, columns: Sequence[str]) -> str:
    """Return the first text that one of several columns has."""
    return next((text for column in columns if (text := row.get(column, "").strip())), "")


def _path(row: Row, columns: Sequence[str]) -> PurePosixPath:
    return PurePosixPath(_first(row, columns).replace("\\", "/"))


def _sexes(path: Path, columns: Sequence[str]) -> dict[str, Sex]:
    """Return what each word of a table's column means: beside ``H`` or ``V`` (hombre, varón), ``M`` is no man."""
    if not columns:
        return {}
    words = {_first(row, columns).casefold() for _, row in read_rows(path, columns[:1], own=True)}
    return {word: Sex.UNKNOWN if word == "m" and words & {"h", "v"} else parse_sex(word) for word in words}


def _view(views: Sequence[View]) -> View:
    """Return what several columns say: a lateral, whatever another says, else the first that is understood."""
    if View.LATERAL in views:
        return View.LATERAL
    return next((one for one in views if one is not View.UNKNOWN), View.UNKNOWN)


def _table(root: Path) -> Path:
    if (root / "labels.csv").is_file():
        return root / "labels.csv"
    tables = [path for path in list_files(root) if path.name.lower().endswith(CSV_SUFFIXES)]
    if len(tables) != 1:
        reason = f"no labels.csv here, and {len(tables)} other CSV files, not one"
        advice = f"name the one that counts: {tables[0]}" if tables else None
        raise DatasetError("DATASET_INCOMPLETE", root, reason, advice=advice)
    return tables[0]


def _reading(path: Path, line: int, columns: Mapping[str, str], listed: str, classes: ClassMap) -> Reading:
    states: dict[str, State] = {}
    for label, value in columns.items():
        said = value.strip().lower()
        if said not in _VALUES:
            raise refuse_row(path, line, f"{label} is {value!r}, not 1, 0, -1 or empty")
        state = _VALUES[said]
        if state is not None and states.get(label) is not State.PRESENT:
            states[label] = state
    for word in _words(listed):
        if classes.look_up(word) is None and not classes.keeps_unknown:
            raise refuse_row(path, line, f"unknown label {word!r}: {suggestion(word)}")
        states[classes.meaning(word, f"{path}:{line}", ours=False)] = State.PRESENT
    states.pop(SKIP, None)
    nothing = states.pop(NO_FINDING, None) is State.PRESENT
    findings = tuple(Finding(label) for label, state in states.items() if state is State.PRESENT)
    return everything_absent(READER) if nothing and not findings else Reading(READER, findings, states)


def _words(listed: str) -> list[str]:
    """Return the names of a list: joined by ``|`` or ``;``, or as Python writes a list of texts (PadChest)."""
    if listed.startswith("[") and listed.endswith("]"):
        listed = "|".join(word.strip(" '\"") for word in listed[1:-1].split(","))
    return [word for word in (word.strip() for word in re.split(r"[|;]", listed)) if word]


class _SeenClasses:
    """What a class map is told of a table's columns: how often each says something of its label.

    A column of which nothing is known may be a label by another name where it says nothing but 1, 0, -1 and empty.
    """

    def __init__(self, classes: ClassMap, known: Sequence[str], header: Iterable[str]) -> None:
        self._classes, self._known = classes, known
        self._others = dict.fromkeys((name for name in header if name not in known and _bare(name) not in _LISTS), 0)

    def in_row(self, row: Row, where: str) -> None:
        """Take notice of a row's values."""
        for name in self._known:
            if _VALUES.get(row.get(name, "").strip().lower()) is not None:
                self._classes.meaning(name, where, ours=False)
        for name in list(self._others):
            value = row.get(name, "").strip().lower()
            if value not in _VALUES:
                del self._others[name]
            else:
                self._others[name] += _VALUES[value] is State.PRESENT

    def tell_others(self) -> None:
        """Tell the class map of the columns that may be labels, and how often each says 1."""
        for name, number in self._others.items():
            if number:
                self._classes.passed_over(name, number)


class _Films:
    """The films below a folder, found by as much of a path as is needed to tell them apart.

    A film whose whole path fits a row is that row's alone: where a download is in part here, no other patient's
    ``view1_frontal`` borrows it.
    """

    def __init__(self, root: Path, images: Iterable[PurePosixPath]) -> None:
        self._root = root
        self._by_end: defaultdict[tuple[str, ...], list[Path]] = defaultdict(list)
        for path in list_films(root):
            parts = path.relative_to(root).with_suffix("").parts
            for start in range(len(parts)):
                self._by_end[parts[start:]].append(path)
        fitting = [(found, image) for image in images if (found := self._nearest(image)) is not None]
        self._taken = {film: image.with_suffix("") for (film, whole), image in fitting if whole}

    def find(self, image: PurePosixPath) -> Path | None:
        """Return the one film whose path ends like ``image``, whatever its extension; None for none or several.

        None, too, where folders differ and the film is another row's, or of another patient by its path.
        """
        film, whole = self._nearest(image) or (None, False)
        if film is None or whole:
            return film
        patient = patient_in(str(film.relative_to(self._root)))
        strange = patient and patient != patient_in(str(image))
        return None if strange or self._taken.get(film, image.with_suffix("")) != image.with_suffix("") else film

    def _nearest(self, image: PurePosixPath) -> tuple[Path, bool] | None:
        """Return the one film whose path has the longest end in common with ``image``, and whether all of one fits."""
        parts = image.with_suffix("").parts if image.name else ()
        for start in range(len(parts)):
            found = self._by_end.get(parts[start:], ())
            if found:
                whole = start == 0 or len(parts) - start == len(found[0].relative_to(self._root).parts)
                return (found[0], whole) if len(found) == 1 else None
        return None

"""Whether every form of a result says the same: findings, sides and order, read back out of each form.

Films of `test` are read with their sides known, mirrored and unknown, at each operating point, with experimental labels
and without. What each form says is then read out of the form itself (words of the headline and the text, cells of the
table, JSON, the page's data, the words that are drawn on the picture, SR, presentation state, FHIR), and compared with
the film's statement. A film counts where all of them agree.

    .venv/bin/python benchmarks/forms.py ../shared/data [--films 500]
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from PIL import ImageDraw, ImageFont
from pydicom.dataset import Dataset
from rich.console import Console

from lungspot.detect import OPERATING_POINTS, load_detector
from lungspot.errors import LungspotError
from lungspot.findings import Side, State, taxonomy
from lungspot.images import Orientation, read, read_header
from lungspot.pipeline import assess
from lungspot.report import (
    Analysis,
    Said,
    Statement,
    dicom_bytes,
    dicom_results,
    document,
    fhir_bundle,
    overlay,
    page,
    read_sr,
    statement,
    table,
)
from lungspot.report.coded import TERMS, label_of
from lungspot.report.words import NOT_TOLD_APART

FACING = (Orientation("L", "F"), Orientation("R", "F"), Orientation())
NAMES = {label.name: label.id for label in taxonomy()}
NAME = "|".join(map(re.escape, sorted(NAMES, key=len, reverse=True)))
ZONE = "(?:upper|middle|lower) zone"
WHERE = rf"(?:left|right) {ZONE}|(?:both sides|(?:left|right) of the picture)(?:, {ZONE})?|(?:left|right)(?: lung)?"
CODES = {term[:2]: name for name, term in TERMS.items()}


class Line(NamedTuple):
    """One thing said: its labels in order, where it is (words, or coded side and zone), whether it has a frame."""

    labels: tuple[str, ...]
    where: Any
    boxed: bool


class Film(NamedTuple):
    """One film's result, a DICOM header for it, whether experimental labels are asked for, and its statement."""

    result: Analysis
    header: Dataset
    experimental: bool
    told: Statement


def main() -> None:
    """Read the films, compare, print a line a form and how many films agree in all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--films", type=int, default=500)
    asked = parser.parse_args()
    detector, header = load_detector(), real_header()
    tally: dict[str, int] = {}
    films = agreed = said = 0
    for path in test_films(asked.data):
        try:
            film = replace(read(path), orientation=FACING[films % 3])
        except LungspotError as error:
            print(f"{path.name}: {error.code}")
            continue
        result = assess(film, detector, point=OPERATING_POINTS[films // 3 % 3])
        if not result.assessed:
            continue
        films += 1
        wrong = differences(result, header, experimental=films % 2 == 0)
        said += len(statement(result, experimental=films % 2 == 0).said)
        agreed += not wrong
        for form, (told, expected) in wrong.items():
            tally[form] = tally.get(form, 0) + 1
            print(f"{path.name}: {form}: {told}, not {expected}")
        if films % 50 == 0:
            print(f"  {agreed} of {films}", flush=True)
        if films == asked.films:
            break
    for form in FORMS:
        print(f"{form}: {films - tally.get(form, 0)} of {films}")
    print(f"all forms: {agreed} of {films} films, {said} things said")


def differences(result: Analysis, header: Dataset, *, experimental: bool = False) -> dict[str, tuple[Any, Any]]:
    """Return by form what it says and what it should, for the forms that do not agree with the statement."""
    film = Film(result, header_for(header, result), experimental, statement(result, experimental=experimental))
    pairs = {form: (tell(film), expect(film)) for form, (tell, expect) in FORMS.items()}
    return {form: pair for form, pair in pairs.items() if pair[0] != pair[1]}


def test_films(data: Path) -> Iterator[Path]:
    """Yield the films of the test split, in one shuffled order."""
    with (data / "splits.csv").open(encoding="utf-8", newline="") as file:
        names = [row["image"] for row in csv.DictReader(file) if row["split"] == "test"]
    random.Random(7).shuffle(names)  # noqa: S311 - the same films each time
    yield from (data / name for name in names if (data / name).is_file())


def real_header() -> Dataset:
    """Return the header of pydicom-data's chest film, for films that have none."""
    spec = importlib.util.find_spec("data_store")
    folder = next(iter((spec and spec.submodule_search_locations) or ()))
    return read_header(Path(folder) / "data" / "RG1_UNCR.dcm")


def header_for(header: Dataset, result: Analysis) -> Dataset:
    """Return the header as if it were this film's."""
    frame, facing = result.radiograph.frame, result.radiograph.orientation
    header.Rows, header.Columns = frame.height, frame.width
    header.PatientOrientation = [facing.right, facing.bottom] if facing else None
    return header


def words_of(film: Film) -> list[Line]:
    """Return the statement in the words of text."""
    return [Line(labels_of(said), said.where, said.box is not None) for said in film.told.said]


def reported(film: Film) -> list[Line]:
    """Return what is said without experimental labels, as the JSON document has it."""
    return words_of(film._replace(told=statement(film.result)))


def headline_of(film: Film) -> list[Line]:
    """Return the statement as a headline has it: equal lines beside each other, in the order of their first."""
    lines = words_of(film)
    return [line for first in dict.fromkeys(lines) for line in lines if line == first]


def picture_of(film: Film) -> tuple[Any, ...]:
    """Return what should be written on the picture: sides at its edges, labels of frames, headline."""
    facing = film.result.radiograph.orientation
    edges = ("side unknown",) if film.result.left_side is None else (facing.left, facing.right)
    framed = tuple(label for said in film.told.said if said.box for label in labels_of(said))
    return edges, framed, headline_of(film)


def codes_of(film: Film) -> list[Line]:
    """Return the statement as codes have it: a label of the whole film is a line of its own."""
    found = []
    for said in film.told.said:
        side, zone = (None if each is None else str(each) for each in (said.side, said.zone))
        if said.box is None:
            found += [Line((name.label,), (None, None), boxed=False) for name in said.told]
        else:
            found.append(Line(tuple(name.label for name in said.told), (side, zone), boxed=True))
    return found


def concluded(film: Film) -> tuple[Any, ...]:
    """Return what a FHIR bundle should say: its observations, the codes of its conclusion, and the conclusion."""
    return codes_of(film), film.told.labels, headline_of(film)


def labels_of(said: Said) -> tuple[str, ...]:
    """Return the labels in the order of their groups."""
    return tuple(name.label for group in said.groups for name in group)


def names_in(words: str) -> tuple[str, ...]:
    """Return the labels that words name; a group's name before its members in parentheses is none."""
    found = re.finditer(rf"(?<![\w-])({NAME})(?![\w-])( \((?!experimental|no box|whole film|\d+ places))?", words)
    return tuple(NAMES[match[1]] for match in found if match[2] is None)


def headline_lines(words: str) -> list[Line]:
    """Return what a headline says; things said in the same words are one part with a count."""
    lines = []
    for part in words.split("; ") if not words.startswith("No finding") else ():
        count = re.search(r" \((\d+) places\)$", part)
        text = part[: count.start()] if count else part
        boxed = "no box)" not in text
        where = re.search(rf", ({WHERE})$", text)
        labels = names_in(text if where is None else text[: where.start()])
        lines += [Line(labels, where[1] if where else "", boxed)] * (int(count[1]) if count else 1)
    return lines


def text_lines(words: str) -> list[Line]:
    """Return what the text says, a line each."""
    lines = []
    for row in words.splitlines():
        if " %" not in row or row.startswith("Experimental:"):
            continue
        parts = re.split(rf"; (?=(?:{NAME})(?:, |: ))", row)
        where = re.match(rf"(?:{NAME})(?:, ({WHERE}))?: ", parts[0])
        labels = tuple(
            label
            for part in parts
            for label in names_in(part.split(f"{NOT_TOLD_APART}: ", 1)[-1] if NOT_TOLD_APART in part else part)
        )
        lines.append(Line(labels, (where and where[1]) or "", "whole film" not in row or bool(where and where[1])))
    return lines


def table_lines(film: Film) -> list[Line]:
    """Return the rows of the table as it is printed."""
    file = io.StringIO()
    Console(file=file, width=400).print(table(film.result, "film", experimental=film.experimental))
    lines: list[Line] = []
    for row in file.getvalue().splitlines():
        if "■" not in row:
            continue
        cells = re.split(r"\s{2,}", row.strip())
        if box := re.search(r"(no box|\d+ \d+ \d+ \d+)$", cells[-1]):
            where = cells[-2] if len(cells) > 2 and re.fullmatch(WHERE, cells[-2]) else ""
            lines.append(Line((), where, box[1] != "no box"))
        if NOT_TOLD_APART not in cells[0]:
            lines[-1] = lines[-1]._replace(labels=lines[-1].labels + names_in(cells[0].removeprefix("■").strip()))
    return lines


def json_lines(film: Film) -> list[Line]:
    """Return what the JSON document says, and hold its statement against its own findings and scores."""
    value = json.loads(json.dumps(document(film.result)))
    said = value["statement"]["said"]
    positive = {each["label"] for each in value["findings"] if each["positive"] and each["standing"] == "reported"}
    positive |= {e["label"] for e in value["image_scores"] if e["positive"] and e["standing"] == "reported"}
    if positive != {name["label"] for each in said for name in each["names"]}:
        return []
    lines = []
    for each in said:
        if each["place"] is not None:
            inside = {f["label"] for f in value["findings"] if f["place"] == each["place"]}
            if not {name["label"] for name in each["names"]} <= inside:
                return []
        labels = [name["label"] for name in each["names"]]
        order = list(dict.fromkeys(taxonomy()[label].group for label in labels))
        labels.sort(key=lambda label: order.index(taxonomy()[label].group))
        lines.append(Line(tuple(labels), each["where"], each["box"] is not None))
    return lines


def page_lines(film: Film) -> list[Line]:
    """Return what the page's script is given to draw."""
    text = page(film.result, experimental=film.experimental)
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    drawn = {mark["place"]: mark for mark in data["marks"]}
    lines = []
    for said in data["said"]:
        labels = tuple(name["label"] for name in said["names"])
        marked = drawn.get(said["place"])
        if marked is not None and sorted(drawn_names(marked["lines"])) != sorted(labels):
            return []
        where = "" if said["where"] == "no box" else said["where"]
        lines.append(Line(labels, where, marked is not None))
    return lines


def drawn_names(lines: list[str]) -> tuple[str, ...]:
    """Return the labels in the lines of a frame's label."""
    return names_in(" ".join(line for line in lines if NOT_TOLD_APART not in line))


def picture_lines(film: Film) -> tuple[Any, ...]:
    """Return what is written on the picture: the sides at its edges, the labels of frames, the headline below."""
    drawn: list[tuple[int, int, str]] = []
    write = ImageDraw.ImageDraw.text

    def note(self: ImageDraw.ImageDraw, at: Any, text: str, *args: Any, **how: Any) -> None:  # noqa: ANN401
        font = how.get("font")
        drawn.append((id(self.im), font.size if isinstance(font, ImageFont.FreeTypeFont) else 0, text))
        write(self, at, text, *args, **how)

    ImageDraw.ImageDraw.text = note  # type: ignore[method-assign]
    try:
        overlay(film.result, experimental=film.experimental)
    finally:
        ImageDraw.ImageDraw.text = write  # type: ignore[method-assign]
    strip = drawn[-1][0]
    below = [(size, text) for where, size, text in drawn if where == strip]
    largest = max(size for size, _ in below)
    headline = " ".join(text for size, text in below if size == largest)
    on_film = [(size, text) for where, size, text in drawn if where != strip]
    edge = max(size for size, _ in on_film)
    edges = tuple(text for size, text in on_film if size == edge)
    labels = drawn_names([text for size, text in on_film if size < edge])
    return edges, labels, headline_lines(headline)


def sr_lines(film: Film) -> list[Line]:
    """Return what the structured report says, read back from the bytes of its file: drawings, then whole films."""
    (made,) = dicom_results(film.header, film.result, experimental=film.experimental)
    reading = read_sr(dicom_bytes(made)).reading
    assert reading is not None  # noqa: S101 - the film was assessed
    lines: list[Line] = []
    boxes: list[Any] = []
    boxed = {finding.label for finding in reading.findings if finding.box}
    for finding in reading.findings:
        side, zone = (None if each is None else str(each) for each in (finding.side, finding.zone))
        if finding.box is not None:
            if finding.box in boxes:
                at = boxes.index(finding.box)
                lines[at] = lines[at]._replace(labels=(*lines[at].labels, finding.label))
                continue
            boxes.append(finding.box)
            lines.append(Line((finding.label,), (side, zone), boxed=True))
        elif reading.state(finding.label) is State.PRESENT and finding.label not in boxed:
            boxes.append(None)
            lines.append(Line((finding.label,), (None, None), boxed=False))
    return lines


def gsps_lines(film: Film) -> tuple[str, ...]:
    """Return the labels that the presentation state's texts name, those of the whole film apart."""
    made = dicom_results(film.header, film.result, kinds=("gsps",), experimental=film.experimental)[0]
    texts = [item.UnformattedTextValue for note in made.GraphicAnnotationSequence for item in note.TextObjectSequence]
    framed = [drawn_names(text.splitlines()) for text in texts[1:]]
    whole = [drawn_names([line]) for line in texts[0].splitlines() if "(whole film" in line and " %" in line]
    whole += [
        names_in(line.split(f"{NOT_TOLD_APART}: ")[-1]) for line in texts[0].splitlines() if NOT_TOLD_APART in line
    ]
    return tuple(label for labels in (*framed, *whole) for label in labels)


def gsps_of(film: Film) -> tuple[str, ...]:
    """Return what the presentation state should name: places in their order, then the whole film."""
    framed = [label for said in film.told.said if said.box for label in labels_of(said)]
    single = [said for said in film.told.whole_film if len(said.told) == 1]
    alike = [said for said in film.told.whole_film if len(said.told) > 1]
    return (*framed, *(label for said in (*single, *alike) for label in labels_of(said)))


def fhir_lines(film: Film) -> tuple[Any, ...]:
    """Return what a FHIR bundle says: its observations, the codes of its conclusion, and the conclusion."""
    bundle = json.loads(json.dumps(fhir_bundle(film.result, film.header, experimental=film.experimental)))
    resources = [entry["resource"] for entry in bundle["entry"]]
    report = next(each for each in resources if each["resourceType"] == "DiagnosticReport")
    lines: list[Line] = []
    for each in resources:
        if each["resourceType"] != "Observation" or each["valueCodeableConcept"]["coding"][0]["display"] != "Present":
            continue
        if "bodySite" in each:
            words = [CODES.get(key_of(coding)) for coding in each["bodySite"]["coding"]]
            side = next((word for word in words if word in {side.value for side in Side}), None)
            zone = re.search(r"(upper|middle|lower) zone", each["bodySite"].get("text", ""))
            codes = [part["code"] for part in each["component"] if "valueString" not in part]
            labels = tuple(filter(None, (label_of(*key_of(code["coding"][0])) for code in codes)))
            lines.append(Line(labels or (coded(each["code"]),), (side, zone and zone[1]), boxed=True))
        elif coded(each["code"]) not in {label for line in lines for label in line.labels}:
            lines.append(Line((coded(each["code"]),), (None, None), boxed=False))
    codes = tuple(dict.fromkeys(coded(concept) for concept in report.get("conclusionCode", ())))
    return lines, codes, headline_lines(report["conclusion"].split(". ")[0])


def key_of(coding: dict[str, str]) -> tuple[str, str]:
    """Return value and DICOM designator of a FHIR coding."""
    return coding["code"], {"sct": "SCT", "DCM": "DCM"}.get(coding["system"].rpartition("/")[2], "99LUNGSPOT")


def coded(concept: dict[str, Any]) -> str:
    """Return the label that a concept's code means."""
    return label_of(*key_of(concept["coding"][0])) or ""


# form → what it says, and what it should say
FORMS: dict[str, tuple[Callable[[Film], Any], Callable[[Film], Any]]] = {
    "headline": (lambda film: headline_lines(film.told.headline), headline_of),
    "text": (lambda film: text_lines(film.told.text), words_of),
    "table": (table_lines, words_of),
    "json": (json_lines, reported),
    "page": (page_lines, words_of),
    "picture": (picture_lines, picture_of),
    "sr": (sr_lines, lambda film: sorted(codes_of(film), key=lambda line: not line.boxed)),
    "gsps": (gsps_lines, gsps_of),
    "fhir": (fhir_lines, concluded),
    "urgency": (
        lambda film: document(film.result)["statement"]["urgency"],
        lambda film: round(statement(film.result, experimental=True).urgency, 4),
    ),
}

if __name__ == "__main__":
    main()

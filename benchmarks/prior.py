"""How well `--prior` says what has changed: pairs made of one film, and films of one patient after one another.

    python benchmarks/prior.py ../shared/data [--split test] [--pairs 200] [--real 120] [--seed 11]

A made pair: a real film of at least 256 pixels, an opacity pasted into a lung where nothing is marked (nine soft lumps,
10 to 20 % of the film wide), in one of five ways: on the later film only (new), on the earlier only (gone), 1.5 to 2
times as wide on the later or on the earlier (larger, smaller), or alike on both (same). Then each film is moved (the
later one up to 8 % of its size), scaled (to 14 %), turned (to 5 degrees) and exposed anew (gamma 0.7 to 1.4, window,
noise). Right is the word that the comparison has for the place that overlaps the pasted opacity best. Pairs where the
detector marks the opacity on neither film that has it (IoU 0.2), and those with a film that the gate refuses, have
nothing to compare, and are counted apart.

Real pairs: NIH films with follow-up numbers next to each other, of one age and view: nothing says that nothing changed,
but most of what differs is breath, posture and exposure. Same-day pairs: two films of one SIIM study, in their own
proportions; which was taken first is not known. Those of train are films that the detector has learnt, and are printed
apart. Mirrored pairs: one film of SIIM's as two DICOM files, the earlier stored left for right and saying so: a place
that is followed on the patient's other side is wrong. Thresholds were chosen on val (``report/changes.py``).
"""

from __future__ import annotations

import argparse
import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from lungspot.detect import Detector, load_detector
from lungspot.findings import Box, taxonomy
from lungspot.pipeline import analyze
from lungspot.report import Analysis, before_film, laid_on, observations, statement

WORDS = ("new", "gone", "larger", "smaller", "same")
LUNGS = 2
TRIES = 10  # places looked for on a film
OVERLAP = 0.2  # IoU from which on a place is the pasted opacity's, as boxes are one place (the card's rule)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--real", type=int, default=120)
    parser.add_argument("--mirrored", type=int, default=60)
    parser.add_argument("--seed", type=int, default=11, help="of the made pairs")
    asked = parser.parse_args()
    detector = load_detector()
    every = list(csv.DictReader((asked.data / "splits.csv").open()))
    rows = [row for row in every if row["split"] == asked.split]
    mirrored_pairs(asked.data, rows, detector, asked.mirrored)
    made_pairs(asked.data, rows, detector, asked.pairs, asked.seed)
    pairs = list(neighbours(asked.data, rows))
    np.random.default_rng(3).shuffle(pairs)
    films = [tuple(asked.data / "nih" / "images" / f"{stem}.jpg" for stem in pair) for pair in pairs[: asked.real]]
    real_pairs("real pairs", films, detector)
    for name, splits in (("val and test", {"val", "test"}), ("train", {"train"})):
        same = list(same_day(asked.data, [row for row in every if row["split"] in splits]))
        real_pairs(f"same-day pairs of {name}", same, detector)


def made_pairs(data: Path, rows: list[dict[str, str]], detector: Detector, wanted: int, seed: int) -> None:
    """Make pairs until so many have a place to compare; print the words by what was done."""
    rng = np.random.default_rng(seed)
    films = [row["image"] for row in rows if int(row["stored_px"]) >= 256]
    rng.shuffle(films)
    counts, apart, moved = Counter[tuple[str, str]](), Counter[str](), []
    for name in films:
        done = sum(counts.values())
        if done == wanted:
            break
        word = WORDS[done % len(WORDS)]
        found = one_pair(data / name, word, detector, rng)
        if found is None:
            continue
        said, error = found
        if said in {"unmarked", "not assessed"}:
            apart[said] += 1
            continue
        counts[word, said] += 1
        moved += [] if error is None else [error]
        if done % 25 == 0:
            print(done, flush=True)
    right = sum(count for (word, said), count in counts.items() if word == said)
    print(f"made pairs: {sum(counts.values())}, right {right}; apart: {dict(apart)}")
    for word in WORDS:
        row = ", ".join(f"{said} {count}" for (of, said), count in sorted(counts.items()) if of == word)
        print(f"  {word}: {row}")
    print(
        f"aligned {len(moved)}: error median {100 * np.median(moved):.2f} % of the width, 95th percentile "
        f"{100 * np.percentile(moved, 95):.2f} %"
    )


def one_pair(path: Path, word: str, detector: Detector, rng: np.random.Generator) -> tuple[str, float | None] | None:
    """Return what is said of a pair made of one film, and how far off it was laid; None where it cannot be made."""
    film = np.asarray(Image.open(path).convert("L"), np.float32) / 255
    width = film.shape[1]
    clean = analyze(png(film), detector)
    place = None if not clean.assessed else free_place(clean, width, rng)
    if place is None:
        return None
    centre, small = place
    large = small * rng.uniform(1.5, 2.0)
    sizes = {"new": (0.0, small), "gone": (small, 0.0), "larger": (small, large), "smaller": (large, small)}
    before, now = sizes.get(word, (small, small))
    seed, depth = int(rng.integers(1 << 30)), rng.uniform(0.45, 0.7)
    maps = (random_map(film.shape, rng, 0.03, 0.04, 2), random_map(film.shape, rng, 0.08, 0.13, 5))
    pictures = [
        exposed(moved(pasted(film, seed, centre, size, depth) if size else film, matrix), rng)
        for size, matrix in zip((before, now), maps, strict=True)
    ]
    earlier, later = (analyze(png(picture), detector) for picture in pictures)
    if not (earlier.assessed and later.assessed):
        return "not assessed", None
    where = [around(centre, size or max(before, now), matrix) for size, matrix in zip((before, now), maps, strict=True)]
    marked = (
        size and any(box.iou(at) >= OVERLAP for box in dense(result))
        for size, result, at in zip((before, now), (earlier, later), where, strict=True)
    )
    if not any(marked):
        return "unmarked", None
    aligned = laid_on(later, earlier)
    truth = maps[1] @ np.linalg.inv(np.vstack([maps[0], (0, 0, 1)]))
    corners = np.array([(x * film.shape[1], y * film.shape[0], 1) for x in (0.2, 0.8) for y in (0.2, 0.8)])
    error = None
    if aligned is not None:
        off = corners @ truth.T - corners @ np.array(aligned.alignment.matrix).T
        error = float(np.linalg.norm(off, axis=1).max() / width)
    changes = before_film(later, earlier, aligned=aligned).against(observations(later, statement(later)))
    best: tuple[float, str] = (0.0, "nothing")
    pasted_then = around((where[0].x0 / 2 + where[0].x1 / 2, where[0].y0 / 2 + where[0].y1 / 2), where[0].width, truth)
    for change in () if changes is None else changes.every:
        boxes = ((change.then, pasted_then), (None if change.now is None else change.now.box, where[1]))
        if not taxonomy()[change.line.labels[0]].dark:
            best = max([best, *((box.iou(at), str(change.word)) for box, at in boxes if box is not None)])
    return (best[1] if best[0] >= OVERLAP else "nothing"), error


def dense(result: Analysis) -> list[Box]:
    """Return the boxes that are said of a film, but for those of what makes it darker."""
    lines = observations(result, statement(result))
    return [line.box for line in lines if line.box is not None and not taxonomy()[line.labels[0]].dark]


def free_place(clean: Analysis, width: int, rng: np.random.Generator) -> tuple[tuple[float, float], float] | None:
    """Return a centre in a lung and a size that touch nothing that is marked, at twice the size either."""
    lungs = () if clean.anatomy is None else clean.anatomy.lungs
    said = [each.box for each in statement(clean).said if each.box is not None]
    for _ in range(TRIES if len(lungs) == LUNGS else 0):
        lung, size = lungs[rng.integers(2)], rng.uniform(0.10, 0.20) * width
        x, y = lung.x0 + lung.width * rng.uniform(0.3, 0.7), lung.y0 + lung.height * rng.uniform(0.2, 0.8)
        if not any(box.intersection(Box(x - size, y - size, x + size, y + size)) for box in said):
            return (x, y), size
    return None


def pasted(film: np.ndarray, seed: int, centre: tuple[float, float], size: float, depth: float) -> np.ndarray:
    """Return the film with an opacity: soft lumps that take away ``depth`` of what light is left at their middle."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[: film.shape[0], : film.shape[1]] + 0.5
    lumps = np.zeros(film.shape)
    for _ in range(9):
        angle, far, wide = rng.uniform(0, 2 * np.pi), 0.3 * np.sqrt(rng.uniform()), rng.uniform(0.14, 0.24)
        x, y = centre[0] + size * far * np.cos(angle), centre[1] + size * far * np.sin(angle)
        lumps += np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * (wide * size) ** 2))
    return (film + depth * (1 - np.exp(-0.9 * lumps)) * (1 - film)).astype(np.float32)


def random_map(shape: tuple[int, int], rng: np.random.Generator, shift: float, scale: float, turn: float) -> np.ndarray:
    """Return a matrix (2, 3) from the film's pixels to the moved one's."""
    factor, angle = np.exp(rng.uniform(-scale, scale)), np.deg2rad(rng.uniform(-turn, turn))
    turned = factor * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    size = np.array(shape[::-1], float)
    offset = size / 2 + rng.uniform(-shift, shift, 2) * size - turned @ (size / 2)
    return np.hstack([turned, offset[:, None]])


def moved(film: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return the film as the matrix moves it; what comes in from outside is black."""
    back = np.linalg.inv(np.vstack([matrix, (0, 0, 1)]))[:2].ravel()
    size = (film.shape[1], film.shape[0])
    made = Image.fromarray(film).transform(size, Image.Transform.AFFINE, tuple(back), Image.Resampling.BILINEAR)
    return np.asarray(made)


def exposed(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the film with another window, gamma and noise."""
    gamma, low, high = np.exp(rng.uniform(-0.35, 0.35)), rng.uniform(-0.05, 0.08), rng.uniform(0.88, 1.1)
    greys = np.clip((film - low) / (high - low), 0, 1) ** gamma
    return np.clip(greys + rng.normal(0, rng.uniform(0, 0.01), film.shape), 0, 1).astype(np.float32)


def around(centre: tuple[float, float], size: float, matrix: np.ndarray) -> Box:
    """Return the box of the pasted opacity on the moved film."""
    x, y = matrix @ (*centre, 1)
    half = size * np.sqrt(np.linalg.det(matrix[:, :2])) / 2
    return Box(float(x - half), float(y - half), float(x + half), float(y + half))


def png(film: np.ndarray) -> bytes:
    """Return the film as a file."""
    buffer = io.BytesIO()
    Image.fromarray((film * 255).round().astype(np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def real_pairs(what: str, pairs: Sequence[Sequence[Path | bytes]], detector: Detector) -> None:
    """Print the words for films of one patient shortly after one another, and how often their marks differ at all."""
    counts, marks, used, laid = Counter[tuple[str, str]](), Counter[str](), 0, 0
    with_new = 0
    for pair in pairs:
        earlier, later = (analyze(film, detector) for film in pair)
        if not (earlier.assessed and later.assessed):
            continue
        used += 1
        aligned = laid_on(later, earlier)
        laid += aligned is not None
        changes = before_film(later, earlier, aligned=aligned).against(observations(later, statement(later)))
        every = () if changes is None else changes.every
        for change in every:
            counts["places" if change.line.boxed else "whole films", str(change.word)] += 1
            marks[change.marked] += change.line.boxed
        with_new += any(str(change.word) == "new" and change.line.boxed for change in every)
    print(f"{what}: {used} of {len(pairs)} assessed, laid on each other {laid}; {with_new} with a place called new")
    print(
        f"  places marked on both {marks['both']}, on the later film only {marks['now']}, on the earlier only "
        f"{marks['before']}"
    )
    for kind in ("places", "whole films"):
        print(
            f"  {kind}: " + ", ".join(f"{word} {count}" for (of, word), count in sorted(counts.items()) if of == kind)
        )


def mirrored_pairs(data: Path, rows: list[dict[str, str]], detector: Detector, wanted: int) -> None:
    """Print how many places of films keep their side where the earlier film is the same one, stored in a mirror."""
    names = [row["image"] for row in rows if row["image"].startswith("siim-covid/")][:wanted]
    used, laid, kept, swapped = 0, 0, 0, 0
    for name in names:
        film = np.asarray(Image.open(data / name).convert("L"))
        later = analyze(dicom(film, "L", "2.25.8"), detector)
        earlier = analyze(dicom(film[:, ::-1], "R", "2.25.7"), detector)
        if not (later.assessed and earlier.assessed):
            continue
        used += 1
        aligned = laid_on(later, earlier)
        laid += aligned is not None and aligned.alignment.matrix[0][0] < 0
        changes = before_film(later, earlier, aligned=aligned).against(observations(later, statement(later)))
        for change in () if changes is None else changes.every:
            if change.now is not None and change.before is not None and change.now.boxed:
                kept += change.now.side == change.before.side
                swapped += change.now.side != change.before.side
    print(
        f"mirrored pairs: {used} of {len(names)} assessed, turned round {laid}; places that kept their side {kept}, "
        f"followed on another {swapped}"
    )


def dicom(film: np.ndarray, right: str, uid: str) -> bytes:
    """Return a film of 8 bits as a DICOM file that says which side of the patient lies at its right edge."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID, made.Modality = ComputedRadiographyImageStorage, uid, "CR"
    made.StudyInstanceUID, made.SeriesInstanceUID, made.PatientID = f"{uid}.1", f"{uid}.2", "P"
    made.BodyPartExamined, made.ViewPosition, made.PatientOrientation = "CHEST", "PA", [right, "F"]
    made.Rows, made.Columns = film.shape
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    made.PixelData = film.tobytes() + b"\0" * (film.size % 2)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = made.SOPClassUID, uid
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def neighbours(data: Path, rows: list[dict[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield the names of NIH films of one patient, age and view whose follow-up numbers are next to each other."""
    table = csv.DictReader((data / "nih" / "Data_Entry_2017_v2020.csv").open())
    known = {row["Image Index"][:-4]: (row["Patient Age"], row["View Position"]) for row in table}
    films = defaultdict[str, list[str]](list)
    for row in rows:
        if row["image"].startswith("nih/"):
            films[row["patient"]].append(Path(row["image"]).stem)
    for stems in films.values():
        stems.sort()
        for first, second in pairwise(stems):
            if known[first] == known[second] and int(second[-3:]) == int(first[-3:]) + 1:
                yield first, second


def same_day(data: Path, rows: list[dict[str, str]]) -> Iterator[list[bytes]]:
    """Yield two films of one study of SIIM's, as PNG in the proportions that they were taken in."""
    folder = data / "siim-covid"
    study = {row["imageid"]: row["studyid"] for row in csv.DictReader((folder / "train_meta.csv").open())}
    shape = {row["image_id"]: row for row in csv.DictReader((folder / "meta.csv").open())}
    films = defaultdict[str, list[Path]](list)
    for row in rows:
        if row["image"].startswith("siim-covid/"):
            films[study[Path(row["image"]).stem]].append(data / row["image"])
    for paths in films.values():
        for pair in pairwise(sorted(paths)):
            yield [in_proportion(path, shape[path.stem]) for path in pair]


def in_proportion(path: Path, shape: dict[str, str]) -> bytes:
    """Return a film that was squashed to a square as high as it is stored, and as wide as it should be."""
    film = Image.open(path).convert("L")
    wide = film.resize((round(film.height * int(shape["dim1"]) / int(shape["dim0"])), film.height))
    return png(np.asarray(wide, np.float32) / 255)


if __name__ == "__main__":
    main()

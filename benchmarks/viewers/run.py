"""What other people's software shows of our DICOM results: OHIF, Cornerstone's adapters and dwv, measured.

    make viewers            # or: .venv/bin/python benchmarks/viewers/run.py FOLDER [FILM …]

FOLDER is kept between runs: npm packages (pinned below, 350 MB), pictures of what was seen, and `viewers.json`. Six
real films are judged by the model that ships, written as SR (both classes; against an earlier film; with a reader's
measurements), GSPS, SC and SEG, stored in Debian's Orthanc, and opened in OHIF in Debian's Chromium. Corners are read
back from the viewer's own state, in film pixels. Ends with 1 where SR or SC is not shown as it should be (checks.py).

Needs npm, Orthanc with its DICOMweb plugin, and Chromium. Nothing of it is needed to use lungspot.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

from checks import Place, complaints, furthest, places_of
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright
from pydicom import dcmread
from servers import ohif, orthanc

from lungspot.detect import load_detector
from lungspot.images import read_header
from lungspot.pipeline import analyze
from lungspot.report import (
    DICOM_KINDS,
    Analysis,
    Review,
    Statement,
    before_film,
    dicom_bytes,
    dicom_results,
    laid_on,
    measure,
    statement,
    tracking_uids,
)

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGES = {
    "cornerstone": {
        "@cornerstonejs/adapters": "5.14.0",
        "@cornerstonejs/core": "5.14.0",
        "@cornerstonejs/tools": "5.14.0",
        "@cornerstonejs/metadata": "5.14.0",
        "@babel/runtime": "7.29.15",
        "dcmjs": "0.52.0",
    },
    "dwv": {"dwv": "0.36.4"},
    "ohif": {"@ohif/app": "3.12.10"},
}
PATIENCE = 120_000  # milliseconds; a bound, not a measure
FILMS = (
    "../shared/data/dicom/gdcm-CR-MONO1-10-chest.dcm",  # CR, MONOCHROME1
    "../shared/data/dicom/nih_dx_implicit_vr.dcm",  # DX
    "../shared/data/dicom/dx_pa_966_j2k_lossless.dcm",  # DX, JPEG 2000
    "RG1_J2KR.dcm",  # CR, JPEG 2000
    "RG1_UNCR.dcm with frame of reference and spacing",
    "RG1_J2KI.dcm without orientation, as DX",
)


def films(folder: Path) -> list[Path]:
    """Return six real films: CR and DX, with and without frame of reference, spacing, orientation."""
    made = folder / "films"
    public = Path(
        subprocess.run([sys.executable, "-c", _WHERE], capture_output=True, text=True, check=True).stdout.strip()
    )
    found = []
    for name in FILMS:
        file, _, change = name.partition(" ")
        data = dcmread(ROOT / file if "/" in file else public / file)
        if change.startswith("with"):
            data.ImagerPixelSpacing, data.FrameOfReferenceUID, data.PixelSpacing = [0.2, 0.2], "2.25.7", [0.2, 0.2]
            data.StudyInstanceUID, data.SeriesInstanceUID, data.SOPInstanceUID = "2.25.71", "2.25.72", "2.25.73"
        if "without orientation" in change:
            if "PatientOrientation" in data:
                del data.PatientOrientation
            data.SOPClassUID, data.Modality = "1.2.840.10008.5.1.4.1.1.1.1", "DX"
            data.StudyInstanceUID, data.SeriesInstanceUID, data.SOPInstanceUID = "2.25.81", "2.25.82", "2.25.83"
        data.PatientID = f"viewers {len(found)}"
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        path = made / f"{len(found)}-{Path(file).stem}.dcm"
        data.save_as(path)
        found.append(path)
    return found


_WHERE = "import data_store, pathlib; print(pathlib.Path(data_store.__path__[0]) / 'data')"


KINDS = {  # what is written, and the modality of its series
    "sr": "SR",
    "sr3d": "SR",
    "sr-prior": "SR",
    "sr-review": "SR",
    "sr-anatomy": "SR",
    "gsps": "PR",
    "sc": "OT",
    "seg": "SEG",
}
REPORTS = [kind for kind, modality in KINDS.items() if modality == "SR"]


def write_results(folder: Path, paths: list[Path]) -> dict[str, tuple[dict[str, Path], Statement]]:
    """Write every kind of result of each film, and return their files by film and kind, and what is said of it."""
    detector, made = load_detector(threads=1), {}
    then = analyze(paths[-1], detector, min_score=0.1)  # another's, so that something is new and something gone
    for path in paths:
        header = read_header(path)
        for least in (0.1, 0.03, 0.01):  # down to where there is something to draw
            result = analyze(path, detector, min_score=least)
            told = statement(result)
            if any(said.box for said in (*told.said, *told.below)):
                break
        written = {"film": path}
        own = tracking_uids(result, header)
        before = before_film(
            result, then, days=30, aligned=laid_on(result, then), tracking=tracking_uids(then), own=own
        )
        options = {"sr3d": {"sr_class": "comprehensive3d"}, "sr-prior": {"before": before}}
        options |= {"sr-review": {"review": review_of(result)}, "sr-anatomy": {"anatomy": True}}
        for kind in KINDS:
            for each in dicom_results(
                header, result, kinds=(kind if kind in DICOM_KINDS else "sr",), **options.get(kind, {})
            ):
                written[kind] = folder / "films" / f"{path.stem}.{kind}.dcm"
                written[kind].write_bytes(dicom_bytes(each))
        made[path.stem], then = (written, told), result
    return made


def review_of(result: Analysis) -> Review:
    """Return a reader's review with one measurement of each kind, by shares of the film's width and height."""
    height, width = result.radiograph.pixels.shape
    points = {
        "length": [(0.2, 0.2), (0.4, 0.25)],
        "angle": [(0.2, 0.4), (0.4, 0.4), (0.4, 0.6)],
        "region": [(0.6, 0.2), (0.7, 0.3)],
        "cardiothoracic_ratio": [(0.4, 0.7), (0.65, 0.7), (0.15, 0.75), (0.85, 0.75)],
    }
    sizes = (
        measure(kind, [(x * width, y * height) for x, y in each], result.radiograph) for kind, each in points.items()
    )
    return Review("A. Reader", created="2026-11-30T00:00:00Z", measurements=tuple(sizes))


def install(folder: Path) -> None:
    """Install the pinned packages below a folder, each set by itself; what is there already is left alone."""
    for name, packages in PACKAGES.items():
        room = folder / name
        room.mkdir(parents=True, exist_ok=True)
        wanted = [f"{package}@{version}" for package, version in packages.items()]
        mark = room / "installed.txt"
        if not mark.exists() or mark.read_text() != " ".join(wanted):
            if name == "ohif":
                unpack(room, *wanted)
            else:
                command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", room, *wanted]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            mark.write_text(" ".join(wanted))


def unpack(room: Path, package: str) -> None:
    """Unpack OHIF as npm has it: its page is built already, and what it was built from need not be had."""
    command = ["npm", "pack", "--silent", "--pack-destination", room, package]
    packed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=room).stdout.split()[-1]
    target = room / "node_modules" / "@ohif" / "app"
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(room / packed) as archive:
        archive.extractall(target.parent, filter="data")
    shutil.rmtree(target)
    (target.parent / "package").rename(target)


def in_node(folder: Path, script: str, reports: list[Path]) -> list[dict[str, object]]:
    """Return what a script beside this one says of reports."""
    target = folder / script.removesuffix(".mjs") / script
    target.write_text((HERE / script).read_text())
    done = subprocess.run(["node", target, *reports], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


# What OHIF holds, in pixels of the film: the preview of a report, and what became of it when it was loaded.
_DRAWN = """() => cornerstoneTools.annotation.state.getAllAnnotations().filter((a) => a.data.labels).map((each) => ({
    tool: each.metadata.toolName,
    label: each.data.label,
    lines: (each.data.labels || []).map((label) => `${label.label}: ${label.value}`),
    corners: each.data.handles.points.map(
        (point) => cornerstone.utilities.worldToImageCoords(each.metadata.referencedImageId, point)),
}))"""
_MEASURED = """() => services.measurementService.getMeasurements().map((each) => ({
    tool: each.toolName, label: each.label, finding: each.finding && each.finding.text,
    text: each.displayText && [].concat(each.displayText.primary, each.displayText.secondary),
    corners: each.points.map((point) => cornerstone.utilities.worldToImageCoords(each.referencedImageId, point)),
}))"""
_SHOWN = (
    "() => cornerstone.getRenderingEngines().some((each) => each.getViewports().some((view) => view.getImageData()))"
)
_SETS = """() => services.displaySetService.getActiveDisplaySets().map(
    (each) => [each.displaySetInstanceUID, each.Modality, each.unsupported || false])"""
_SHOW = """([uid]) => {
    const viewport = services.viewportGridService.getActiveViewportId();
    services.viewportGridService.setDisplaySetsForViewport({viewportId: viewport, displaySetInstanceUIDs: [uid]});
}"""


def look(browser, address: str, study: str, kind: str, picture: Path, *, boxes: bool) -> dict[str, object]:
    """Open one study in OHIF, show the series of one modality, and return what the viewer then holds."""
    page = browser.new_context(viewport={"width": 1500, "height": 950}).new_page()
    page.add_init_script("localStorage.setItem('shownTours', '[\"basicViewerTour\"]')")
    page.set_default_timeout(PATIENCE)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error.stack)[:300]))
    page.on("console", lambda said: faults.append(said.text[:300]) if said.type == "error" else None)
    seen: dict[str, object] = {}
    try:
        page.goto(f"{address}/viewer?StudyInstanceUIDs={study}")
        page.wait_for_function("() => window.services && services.displaySetService.getActiveDisplaySets().length")
        page.wait_for_function(_SHOWN)
        page.wait_for_timeout(3000)
        sets = page.evaluate(_SETS)
        wanted = [uid for uid, modality, _ in sets if modality == kind]
        seen["series"] = [[modality, unsupported] for _, modality, unsupported in sets]
        if wanted:
            page.evaluate(_SHOW, [wanted[0]])
            if kind == "SR" and boxes:
                page.wait_for_function(f"() => ({_DRAWN})().length")
            page.wait_for_timeout(15000)  # until a loaded machine has drawn what the state holds
            page.screenshot(path=picture)
            if kind == "SR" and boxes:
                seen["preview"] = page.evaluate(_DRAWN)
                page.evaluate(
                    "([uid]) => commandsManager.run('hydrateStructuredReport', {displaySetInstanceUID: uid})", wanted
                )
                page.wait_for_function(f"() => ({_MEASURED})().length")
                page.wait_for_timeout(3000)
                seen["loaded"] = page.evaluate(_MEASURED)
                page.screenshot(path=picture.with_suffix(".loaded.png"))
    except PlaywrightError as error:
        seen["stopped"] = str(error)[:300]
        page.screenshot(path=picture.with_suffix(".stopped.png"))
    finally:
        page.context.close()
    return {**seen, "errors": faults}


def main() -> int:
    folder = Path(sys.argv[1]).resolve()
    (folder / "films").mkdir(parents=True, exist_ok=True)
    install(folder)
    made = write_results(folder, [Path(each) for each in sys.argv[2:]] or films(folder))
    places = {files[kind]: places_of(files[kind], told) for files, told in made.values() for kind in REPORTS}
    seen: dict[str, object] = {}
    wrong: list[str] = []
    for script in ("cornerstone.mjs", "dwv.mjs"):
        seen[script] = answers = in_node(folder, script, list(places))
        wrong += [f"{script} {each}" for each in in_each(answers, places)]
    with orthanc(folder) as archive, ohif(folder, archive) as address, sync_playwright() as playwright:
        flags = [
            "--no-sandbox",
            "--use-angle=swiftshader",
            "--enable-unsafe-swiftshader",
            "--disable-background-networking",
        ]
        program = shutil.which("chromium") or shutil.which("chromium-headless-shell")
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        for name, (files, _) in made.items():
            for kind, modality in KINDS.items():
                if kind not in files:
                    continue
                post(archive, files["film"])
                post(archive, files[kind])
                study = str(dcmread(files["film"], stop_before_pixels=True).StudyInstanceUID)
                wanted = places.get(files[kind], [])
                seen[f"OHIF {name} {kind}"] = found = look(
                    browser, address, study, modality, folder / f"{name}.{kind}.png", boxes=bool(wanted)
                )
                states = ("preview", "loaded") if modality == "SR" and wanted else ()
                for state in states:
                    found[f"{state} px"] = furthest(wanted, found.get(state, []))
                if modality in {"SR", "OT"}:  # the others are known not to be shown
                    wrong += [f"OHIF {name} {kind}: {each}" for each in complaints(found, wanted, states)]
                (folder / "viewers.json").write_text(json.dumps(seen, indent=1))
                print(
                    name,
                    kind,
                    *(f"{each}: {found.get(each)}" for each in ("preview px", "loaded px", "stopped", "errors")),
                    flush=True,
                )
                urllib.request.urlopen(urllib.request.Request(f"{archive}/{_study(archive, study)}", method="DELETE"))
        browser.close()
    print("\n".join(wrong) or "SR and SC are shown as they should be")
    return int(bool(wrong))


def in_each(answers: list[dict], places: dict[Path, list[Place]]) -> list[str]:
    """Return what is wrong with what a script read of each report."""
    wrong = []
    for answer in answers:
        wanted = places[Path(answer["path"])]
        fault = [answer["error"]] if answer.get("error") else []
        drawn = [{**each, "corners": each.get("corners") or _ends(each)} for each in answer["drawings"]]
        found = {"read": drawn, "errors": fault}
        print(Path(answer["path"]).name, furthest(wanted, drawn), f"({len(drawn)} drawings)", flush=True)
        wrong += [f"{Path(answer['path']).name}: {each}" for each in complaints(found, wanted, ["read"])]
    return wrong


def _ends(drawing: dict) -> list | None:
    """Return two corners of a drawing of dwv's; None where it is no rectangle."""
    ends = [drawing.get("begin"), drawing.get("end")]
    return ends if all(ends) else None


def post(archive: str, path: Path) -> None:
    urllib.request.urlopen(urllib.request.Request(f"{archive}/instances", path.read_bytes(), method="POST")).read()


def _study(archive: str, study: str) -> str:
    query = json.dumps({"Level": "Study", "Query": {"StudyInstanceUID": study}}).encode()
    found = json.load(urllib.request.urlopen(urllib.request.Request(f"{archive}/tools/find", query)))
    return f"studies/{found[0]}"


if __name__ == "__main__":
    sys.exit(main())

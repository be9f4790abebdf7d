"""What other people's software shows of our DICOM results: OHIF, Cornerstone's adapters and dwv, measured.

    make viewers            # or: .venv/bin/python benchmarks/viewers/run.py FOLDER [FILM …]

FOLDER is kept between runs: npm packages (pinned below, 350 MB), pictures of what was seen, and `viewers.json`. Six
real films are judged by the model that ships, written as SR (both classes), GSPS, SC and SEG, stored in Debian's
Orthanc, and opened in OHIF in Debian's Chromium. Corners are read back from the viewer's own state, in film pixels.

Needs npm, Orthanc with its DICOMweb plugin, and Chromium. Nothing of it is needed to use lungspot.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright
from pydicom import dcmread

from lungspot.detect import load_detector
from lungspot.images import read_header
from lungspot.pipeline import analyze
from lungspot.report import dicom_bytes, dicom_results, statement

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


def write_results(folder: Path, paths: list[Path]) -> dict[str, dict[str, Path]]:
    """Write every kind of result of each film, and return their files by film and kind."""
    detector, made = load_detector(threads=1), {}
    for path in paths:
        header = read_header(path)
        for least in (0.1, 0.03, 0.01):  # down to where there is something to draw
            result = analyze(path, detector, min_score=least)
            told = statement(result)
            if any(said.box for said in (*told.said, *told.below)):
                break
        written = {"film": path}
        for kind, how in {"sr": {}, "sr3d": {"sr_class": "comprehensive3d"}, "gsps": {}, "sc": {}, "seg": {}}.items():
            for each in dicom_results(header, result, kinds=(kind[:2] if kind == "sr3d" else kind,), **how):
                written[kind] = folder / "films" / f"{path.stem}.{kind}.dcm"
                written[kind].write_bytes(dicom_bytes(each))
        made[path.stem] = written
    return made


def boxes_of(report: Path) -> list[list[float]]:
    """Return the corners x0, y0, x1, y1 of a report's places, in its order."""
    found = []
    for part in dcmread(report).ContentSequence:
        if part.ConceptNameCodeSequence[0].CodeValue == "126010":
            for group in part.ContentSequence:
                for item in group.get("ContentSequence", ()):
                    if item.ValueType == "SCOORD":
                        xs, ys = item.GraphicData[0::2], item.GraphicData[1::2]
                        found.append([min(xs), min(ys), max(xs), max(ys)])
    return found


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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def orthanc(folder: Path):
    """Run Debian's Orthanc with DICOMweb on an empty store; yields its address."""
    store, http, dicom = folder / "orthanc", free_port(), free_port()
    subprocess.run(["rm", "-rf", store], check=True)
    store.mkdir()
    settings = {
        "StorageDirectory": str(store),
        "IndexDirectory": str(store),
        "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
        "HttpPort": http,
        "DicomPort": dicom,
        "DicomAet": "ORTHANC",
        "RemoteAccessAllowed": False,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (store / "orthanc.json").write_text(json.dumps(settings))
    program = subprocess.Popen(
        ["/usr/sbin/Orthanc", store / "orthanc.json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        address = f"http://127.0.0.1:{http}"
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/system", timeout=5).read()
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        program.terminate()
        program.wait(60)


@contextmanager
def ohif(folder: Path, archive: str):
    """Serve OHIF's files, with the archive's DICOMweb below the same origin; yields the address."""
    dist = folder / "ohif" / "node_modules" / "@ohif" / "app" / "dist"
    root = {"wadoUriRoot": "/dicom-web", "qidoRoot": "/dicom-web", "wadoRoot": "/dicom-web"}
    source = {
        "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
        "sourceName": "dicomweb",
        "configuration": {
            **root,
            "friendlyName": "Orthanc",
            "name": "orthanc",
            "qidoSupportsIncludeField": True,
            "imageRendering": "wadors",
            "thumbnailRendering": "wadors",
            "enableStudyLazyLoad": True,
            "supportsFuzzyMatching": False,
            "supportsWildcard": True,
            "omitQuotationForMultipartRequest": True,
            "bulkDataURI": {"enabled": True},
        },
    }
    config = {
        "routerBasename": "/",
        "extensions": [],
        "modes": [],
        "showStudyList": True,
        "investigationalUseDialog": {"option": "never"},
        "showWarningMessageForCrossOrigin": False,
        "showCPUFallbackMessage": False,
        "defaultDataSourceName": "dicomweb",
        "dataSources": [source],
    }

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *given):
            super().__init__(*given, directory=str(dist))

        def do_GET(self):
            if self.path.startswith("/dicom-web"):
                return self.passed_on()
            if self.path.startswith("/app-config.js"):
                return self.answer(200, "text/javascript", f"window.config = {json.dumps(config)};".encode())
            if self.path.startswith("/viewer"):
                return self.answer(200, "text/html", (dist / "index.html").read_bytes())
            return super().do_GET()

        def passed_on(self):
            request = urllib.request.Request(archive + self.path, headers={"Accept": self.headers.get("Accept", "*/*")})
            request.add_header("Host", self.headers["Host"])  # so that the archive's links lead here
            try:
                with urllib.request.urlopen(request, timeout=120) as found:
                    self.answer(found.status, found.headers["Content-Type"], found.read())
            except urllib.error.HTTPError as error:
                self.answer(error.code, "text/plain", error.read())

        def answer(self, status, kind, body):
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


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


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    (folder / "films").mkdir(parents=True, exist_ok=True)
    install(folder)
    made = write_results(folder, [Path(each) for each in sys.argv[2:]] or films(folder))
    reports = [files[kind] for files in made.values() for kind in ("sr", "sr3d")]
    seen: dict[str, object] = {}
    for script in ("cornerstone.mjs", "dwv.mjs"):
        seen[script] = in_node(folder, script, reports)
    with orthanc(folder) as archive, ohif(folder, archive) as address, sync_playwright() as playwright:
        flags = [
            "--no-sandbox",
            "--use-angle=swiftshader",
            "--enable-unsafe-swiftshader",
            "--disable-background-networking",
        ]
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        for name, files in made.items():
            for kind, modality in {"sr": "SR", "sr3d": "SR", "gsps": "PR", "sc": "OT", "seg": "SEG"}.items():
                if kind not in files:
                    continue
                post(archive, files["film"])
                post(archive, files[kind])
                study = str(dcmread(files["film"], stop_before_pixels=True).StudyInstanceUID)
                seen[f"OHIF {name} {kind}"] = found = look(
                    browser, address, study, modality, folder / f"{name}.{kind}.png", boxes=bool(boxes_of(files["sr"]))
                )
                if modality == "SR":
                    wanted = boxes_of(files[kind])
                    for state in ("preview", "loaded"):
                        found[f"{state} px"] = furthest(wanted, found.get(state, []))
                (folder / "viewers.json").write_text(json.dumps(seen, indent=1))
                print(
                    name,
                    kind,
                    *(f"{each}: {found.get(each)}" for each in ("preview px", "loaded px", "stopped", "errors")),
                    flush=True,
                )
                urllib.request.urlopen(urllib.request.Request(f"{archive}/{_study(archive, study)}", method="DELETE"))
        browser.close()


def furthest(wanted: list[list[float]], drawn: list[dict]) -> str:
    """Return how many boxes were found, and how many pixels their corners lie away from those written, at most."""
    distances = []
    for each in drawn:
        xs, ys = zip(*each["corners"], strict=True)
        corners = [min(xs), min(ys), max(xs), max(ys)]
        distances.append(min(max(abs(a - b) for a, b in zip(corners, box, strict=True)) for box in wanted))
    return f"{len(drawn)} of {len(wanted)}, {max(distances, default=0):.3f} px"


def post(archive: str, path: Path) -> None:
    urllib.request.urlopen(urllib.request.Request(f"{archive}/instances", path.read_bytes(), method="POST")).read()


def _study(archive: str, study: str) -> str:
    query = json.dumps({"Level": "Study", "Query": {"StudyInstanceUID": study}}).encode()
    found = json.load(urllib.request.urlopen(urllib.request.Request(f"{archive}/tools/find", query)))
    return f"studies/{found[0]}"


if __name__ == "__main__":
    main()

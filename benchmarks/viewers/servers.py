"""What `run.py` opens our results in: Debian's Orthanc, and OHIF's files with the archive behind them."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["ohif", "orthanc"]


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

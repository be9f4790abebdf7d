"""A real Orthanc on a port of its own, and what tests of servers share: a free port, and to wait until one answers."""

import io
import json
import socket
import subprocess
import time
import urllib.request

from pydicom import dcmread

PATIENCE = 60  # seconds; a bound for a test that has gone wrong, not a measure


def until(true, what="what should happen"):
    """Wait until a function returns something true, and return it."""
    end = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.02)
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Orthanc:
    """A real Orthanc with its DICOMweb plugin."""

    def __init__(self, program, folder, more=None):
        self.dicom, self.http = free_port(), free_port()
        self.dicomweb = f"http://127.0.0.1:{self.http}/dicom-web"
        settings = {
            "StorageDirectory": str(folder / "db"),
            "IndexDirectory": str(folder / "db"),
            "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
            "HttpPort": self.http,
            "RemoteAccessAllowed": False,
            "DicomPort": self.dicom,
            "DicomAet": "ORTHANC",
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        (folder / "orthanc.json").write_text(json.dumps(settings | (more or {})))
        command = [program, str(folder / "orthanc.json")]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: answers(self.http) and answers(self.dicom), "Orthanc answering")

    def call(self, path, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}/{path}", data, method=method)
        request.add_header("Accept", "application/dicom+json, application/json")
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - loopback
            text = answer.read()
        return json.loads(text) if text else None

    def identify(self, instance):
        """Orthanc's own name of an instance."""
        (found,) = self.call("tools/find", {"Level": "Instance", "Query": {"SOPInstanceUID": instance}})
        return found

    def fetch(self, instance):
        """An instance as the data set that Orthanc keeps."""
        address = f"http://127.0.0.1:{self.http}/instances/{self.identify(instance)}/file"
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            return dcmread(io.BytesIO(answer.read()))

    def reports(self, study):
        """The SRs of a study, as QIDO-RS finds them."""
        return self.call(f"dicom-web/studies/{study}/instances?Modality=SR") or []

"""docs/how-to/orthanc.md carried out: its certificates, Lua, settings and command, from a film to its report."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "orthanc.md").read_text()


def block(language, holding):
    """The one block of the page in a language that holds some words."""
    (found,) = [body for body in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if holding in body]
    return found


@pytest.mark.drill
def test_from_its_first_line_to_a_result_in_the_archive_over_tls(
    launch, program, orthanc_of, write_film, model_file, wait_until, free, tmp_path
):
    folder, port = tmp_path / "etc", str(free)
    folder.mkdir()

    def here(text):
        return re.sub("/etc/(orthanc(/tls)?|lungspot)", str(folder), text).replace("11112", port)

    subprocess.run(["sh", "-e", "-c", block("sh", "openssl req")], cwd=folder, check=True, capture_output=True)
    (folder / "lungspot.lua").write_text(block("lua", "OnStoredInstance"))
    settings = json.loads("{" + here(block("json", "DicomTlsEnabled")) + "}")
    archive = orthanc_of(settings)
    words = here(block("sh", "--spool /var/lib/lungspot --tls-cert")).split()
    words = [word.replace(":4242", f":{archive.dicom}").replace("/var/lib", str(tmp_path)) for word in words]
    assert words[:2] == ["lungspot", "node"]
    launch(
        [sys.executable, "-m", *words, "--port", port, "--model", str(model_file)],
        int(port),
        cwd=folder,
    )
    film = write_film(1)
    tls = ["+tls", folder / "node.key", folder / "node.pem", "+cf", folder / "ca.pem"]
    command = [
        program("storescu", "dcmtk"),
        *tls,
        "-aet",
        "CR1",
        "-aec",
        "ORTHANC",
        "127.0.0.1",
        str(archive.dicom),
        film,
    ]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    (series,) = wait_until(lambda: archive.call("dicom-web/series?Modality=SR"), "the report in Orthanc")
    assert series["0020000D"]["Value"]
    plain = [program("echoscu", "dcmtk"), "-aec", "LUNGSPOT", "127.0.0.1", port]
    assert subprocess.run(plain, capture_output=True, check=False).returncode != 0  # nobody gets in without TLS


@pytest.mark.long
def test_all_of_it_on_a_bare_debian(program):
    for name, package in (("debootstrap", "debootstrap"), ("ip", "iproute2"), ("unshare", "util-linux")):
        program(name, package)
    if os.geteuid():
        pytest.skip("a Debian is made and entered by root")
    command = [sys.executable, ROOT / "benchmarks" / "bare_debian.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| TLS: a film sent, its report in Orthanc | 3 studies with a report" in done.stdout
    assert "| TLS: who has no certificate | is not let in |" in done.stdout

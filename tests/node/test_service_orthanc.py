"""A hospital in small: films from DCMTK or Orthanc to the node, results back into Orthanc, found by QIDO-RS."""

import subprocess

import pytest
from pydicom import dcmread
from pydicom.uid import CTImageStorage

from lungspot.node import QidoQuery, parse_peer

SYNTAXES = {  # what storescu proposes, and the DCMTK program that writes it
    "1.2.840.10008.1.2": ("-xi", ["dcmconv", "+ti"]),
    "1.2.840.10008.1.2.1": ("-xe", ["dcmconv", "+te"]),
    "1.2.840.10008.1.2.1.99": ("-xd", ["dcmconv", "+td"]),
    "1.2.840.10008.1.2.2": ("-xb", ["dcmconv", "+tb"]),
    "1.2.840.10008.1.2.4.70": ("-xs", ["dcmcjpeg", "+e1"]),
    "1.2.840.10008.1.2.4.80": ("-xt", ["dcmcjpls", "+el"]),
    "1.2.840.10008.1.2.5": ("-xr", ["dcmcrle"]),
}


@pytest.fixture
def run(program):
    """A function that runs one of DCMTK's programs, or fails."""

    def dcmtk(name, *words):
        command = [program(name, "dcmtk"), *(str(word) for word in words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return dcmtk


def evidence(report):
    """The instances that an SR speaks about."""
    study = report.CurrentRequestedProcedureEvidenceSequence[0]
    items = [item for series in study.ReferencedSeriesSequence for item in series.ReferencedSOPSequence]
    return study.StudyInstanceUID, [item.ReferencedSOPInstanceUID for item in items]


def test_seven_syntaxes_by_storescu_results_by_c_store(start_node, write_film, orthanc, run, wait_until, tmp_path):
    node = start_node(send_to=parse_peer(f"ORTHANC@127.0.0.1:{orthanc.dicom}"))
    studies = {}
    for number, (syntax, (propose, (writer, *options))) in enumerate(SYNTAXES.items(), 100):
        film = tmp_path / f"{number}.dcm"
        run(writer, *options, write_film(number), film)
        assert dcmread(film).file_meta.TransferSyntaxUID == syntax
        run("storescu", propose, "-aec", "LUNGSPOT", "127.0.0.1", node.port, film)
        studies[dcmread(film).StudyInstanceUID] = dcmread(film).SOPInstanceUID
    for study, instance in studies.items():
        (found,) = wait_until(lambda study=study: orthanc.reports(study), "a report in the study")
        assert found["00080016"]["Value"] == ["1.2.840.10008.5.1.4.1.1.88.33"]  # Comprehensive SR
        report = orthanc.fetch(found["00080018"]["Value"][0])
        assert evidence(report) == (study, [instance])
    assert node.stop()["sent"] == len(SYNTAXES)


def test_orthanc_sends_and_takes_results_by_stow(start_node, write_film, orthanc, run, wait_until):
    node = start_node(send_to=None, stow=orthanc.dicomweb)
    film = write_film(200, PatientName="Grün^Käthe", SpecificCharacterSet="ISO_IR 100")
    run("storescu", "-aec", "ORTHANC", "127.0.0.1", orthanc.dicom, film)
    orthanc.call("modalities/lungspot", ["LUNGSPOT", "127.0.0.1", node.port], "PUT")
    orthanc.call("modalities/lungspot/store", orthanc.identify(dcmread(film).SOPInstanceUID))
    study = dcmread(film).StudyInstanceUID
    (found,) = wait_until(lambda: orthanc.reports(study), "a report in the study")
    wait_until(lambda: node.says("results sent"))
    assert found["0020000D"]["Value"] == [study]
    names = orthanc.call(f"dicom-web/studies/{study}/instances?includefield=00100010")
    assert {item["00100010"]["Value"][0]["Alphabetic"] for item in names} == {"Grün^Käthe"}  # one patient still


def test_films_are_fetched_from_a_dicomweb_archive_once(start_node, write_film, orthanc, run):
    films = [write_film(number, StudyDate="20260501", PatientID="PULL") for number in (300, 301)]
    old = write_film(302, StudyDate="20200101", PatientID="PULL")
    scan = write_film(303, StudyDate="20260501", PatientID="PULL", Modality="CT", SOPClassUID=CTImageStorage)
    report = write_film(
        304, StudyDate="20260501", PatientID="PULL", SOPClassUID=CTImageStorage
    )  # a series that says CR
    for film in (*films, old, scan, report):
        run("storescu", "-aec", "ORTHANC", "127.0.0.1", orthanc.dicom, film)
    settings = {
        "rules": (),
        "send_to": None,
        "source": orthanc.dicomweb,
        "query": QidoQuery.parse(["PatientID=PULL"], "2026-05-01"),
        "once": True,
    }
    for again in (False, True):
        node = start_node(**settings)
        counts = node.wait()
        assert (counts["sent"], counts["received"], counts["analysed"], counts["failed"]) == (2, 0, 0, 0)
        assert len(node.says("results sent")) == (0 if again else 2)
    for film, results in ((films[0], 1), (films[1], 1), (old, 0), (scan, 0), (report, 0)):
        assert len(orthanc.reports(dcmread(film).StudyInstanceUID)) == results
    events = [line["event"]["name"] for line in node.audit()]
    assert {"Query", "DICOM Instances Accessed", "DICOM Instances Transferred"} <= set(events)

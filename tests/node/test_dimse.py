"""Archives that refuse, are full, are down or know nobody; and DCMTK's, which takes what it is given."""

import re
import subprocess

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, SecondaryCaptureImageStorage
from pynetdicom import AE, evt
from pynetdicom.sop_class import Comprehensive3DSRStorage, ComprehensiveSRStorage
from pynetdicom.transport import AssociationSocket

from lungspot.node import Certificates, ResultOptions, parse_peer
from lungspot.node.dimse import store_to
from lungspot.node.sender import Unreachable


@pytest.fixture
def strict_archive():
    """A function that starts an archive which answers with the statuses given, the last one for ever; its port."""
    servers = []

    def start(*statuses, classes=(ComprehensiveSRStorage,), asked=(), syntaxes=None):
        waiting = list(statuses)
        entity = AE("ARCHIVE")
        entity.require_calling_aet = list(asked)
        for sop_class in classes:
            entity.add_supported_context(sop_class, syntaxes)

        def store(event):
            status = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            return status(event) if callable(status) else status

        servers.append(entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)]))
        return servers[-1].server_address[1]

    yield start
    for server in servers:
        server.shutdown()


def send(node, program, *films):
    command = [program("dcmsend", "dcmtk"), "-aec", "LUNGSPOT", "127.0.0.1", str(node.port), *films]
    subprocess.run(command, check=True, capture_output=True)


def raise_(error):
    raise error


def target(port):
    return parse_peer(f"ARCHIVE@127.0.0.1:{port}")


def test_many_films_by_one_association_each_has_its_report(start_node, archive, program, write_film, wait_until):
    port, folder = archive
    node = start_node(send_to=target(port))
    films = [write_film(number) for number in range(3)]
    send(node, program, *films)
    wait_until(lambda: len(node.says("results sent")) == 3)
    reports = {dcmread(path).StudyInstanceUID: dcmread(path) for path in folder.iterdir()}
    for film in map(dcmread, films):
        report = reports.pop(film.StudyInstanceUID)
        assert (report.PatientID, report.Modality) == (film.PatientID, "SR")
        assert report.SeriesInstanceUID != film.SeriesInstanceUID
    assert not reports


def test_all_kinds_of_result_go_to_the_archive(start_node, archive, program, write_film, wait_until, make_settings):
    port, folder = archive
    detector = make_settings().results.detector
    node = start_node(
        send_to=target(port), results=ResultOptions(("sr", "gsps", "sc", "seg"), detector=detector, min_score=0.01)
    )
    send(node, program, write_film(5))
    wait_until(lambda: node.says("results sent"))
    assert {dcmread(path).Modality for path in folder.iterdir()} >= {"SR", "PR", "SEG"}
    assert len(list(folder.iterdir())) == 4


def test_results_go_over_tls_to_an_archive_whose_certificate_is_known(
    start_node, launch, program, write_film, wait_until, free, certificates, tmp_path
):
    at = certificates.joinpath
    (tmp_path / "in").mkdir()
    tls = ["+tls", at("sender.key"), at("sender.pem"), "+cf", at("ca.pem")]
    launch([program("storescp", "dcmtk"), *tls, "-od", tmp_path / "in", "-aet", "ARCHIVE", str(free)], free)
    ours = Certificates(at("node.pem"), at("node.key"), at("ca.pem"))
    node = start_node(send_to=target(free), certificates=ours, tls_out=True)
    storescu = [program("storescu", "dcmtk"), *tls, "-aec", "LUNGSPOT", "127.0.0.1", str(node.port), write_film(1)]
    subprocess.run(storescu, check=True)
    wait_until(lambda: node.says("results sent"))
    assert len(list((tmp_path / "in").iterdir())) == 1


def test_results_wait_for_an_archive_that_is_down(start_node, launch, program, write_film, wait_until, free, tmp_path):
    node = start_node(send_to=target(free))
    send(node, program, write_film(1), write_film(2))
    wait_until(lambda: len(node.says("cannot be reached")) >= 2)
    (tmp_path / "late").mkdir()
    launch([program("storescp", "dcmtk"), "-od", tmp_path / "late", "-aet", "ARCHIVE", str(free)], free)
    wait_until(lambda: len(node.says("results sent")) == 2)
    assert len(list((tmp_path / "late").iterdir())) == 2
    assert node.stop() == {"received": 0, "analysed": 0, "sent": 2, "failed": 0}


@pytest.mark.parametrize(
    ("statuses", "says"),
    [
        ((0xC000, 0x0000), "status C000H"),  # refused: offered again
        ((0xA700, 0x0000), "out of resources"),  # the archive's disk is full: it waits
        ((0xB006,), "results sent"),  # a warning: it is stored
        ((0x0111,), "results sent"),  # it has it already, from before a crash of ours
        ((0x0124, 0x0000), "status 0124H"),  # we are not authorized: no fault of the results
    ],
)
def test_what_an_archive_answers(start_node, strict_archive, program, write_film, wait_until, statuses, says):
    node = start_node(send_to=target(strict_archive(*statuses)))
    send(node, program, write_film(1))
    wait_until(lambda: node.says("results sent"))
    assert node.says(says)
    assert node.stop()["sent"] == 1


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, None) for status in (0x0000, 0xB000, 0xB006, 0xB007, 0x0111)),
        *((status, f"status {status:04X}H for ") for status in (0xC000, 0xC123, 0xA900, 0x0110, 0x0117, 0x0122)),
        *((status, "it is out of resources") for status in (0xA700, 0xA7FF)),
        (0x0124, "status 0124H"),
    ],
)
def test_what_counts_as_stored(strict_archive, make_film, status, outcome):
    result = make_film(1, SOPClassUID=ComprehensiveSRStorage)
    deliver = store_to(target(strict_archive(status)), "LUNGSPOT")
    if status in {0xA700, 0xA7FF, 0x0124}:  # the archive's state: everything is offered again
        with pytest.raises(Unreachable, match=outcome):
            list(deliver([("the film", [result])]))
    else:
        ((film, refused),) = deliver([("the film", [result])])
        assert film == "the film"
        assert refused == (outcome and outcome + result.SOPClassUID.name)


@pytest.mark.parametrize(("syntax", "takes"), [(JPEGBaseline8Bit, True), (ExplicitVRLittleEndian, False)])
def test_what_is_compressed_goes_as_it_is_where_the_archive_takes_that(strict_archive, compressed, syntax, takes):
    got = []

    def store(event):
        got.append((event.file_meta.TransferSyntaxUID, len(event.dataset.PixelData)))
        return 0x0000

    port = strict_archive(store, classes=(SecondaryCaptureImageStorage,), syntaxes=[syntax])
    ((_, refused),) = store_to(target(port), "LUNGSPOT")([("the film", [compressed])])
    assert refused is None
    assert [each[0] for each in got] == [syntax]
    assert got[0][1] == (len(compressed.PixelData) if takes else 40 * 60 * 3)
    assert compressed.file_meta.TransferSyntaxUID == JPEGBaseline8Bit


@pytest.mark.parametrize("error", [RuntimeError, ValueError])
def test_what_cannot_be_decompressed_is_that_results_fault_alone(
    strict_archive, compressed, damaged, make_film, monkeypatch, error
):
    """Not the archive's: it stays reachable, and takes the other results by the same association."""
    takes = (SecondaryCaptureImageStorage, ComprehensiveSRStorage)
    deliver = store_to(target(strict_archive(0x0000, classes=takes, syntaxes=[ExplicitVRLittleEndian])), "LUNGSPOT")
    report = make_film(1, SOPClassUID=ComprehensiveSRStorage)
    batch = [("damaged", [damaged, report]), ("whole", [compressed, report])]
    (_, refused), (_, taken) = deliver(batch)
    assert re.fullmatch(r"Secondary Capture Image Storage cannot be decompressed \(\w+\)", refused)
    assert taken is None
    monkeypatch.setattr("lungspot.node.dimse.plain", lambda _: raise_(error))  # what pynetdicom raises, too
    ((_, refused),) = deliver(batch[:1])
    assert refused == f"Secondary Capture Image Storage cannot be decompressed ({error.__name__})"


def test_a_class_that_is_not_accepted_is_not_decompressed(strict_archive, damaged, make_film):
    report = make_film(1, SOPClassUID=ComprehensiveSRStorage)
    ((_, refused),) = store_to(target(strict_archive(0x0000)), "LUNGSPOT")([("the film", [damaged, report])])
    assert refused == "Secondary Capture Image Storage is not accepted"


def test_what_is_not_stored_is_not_sent(start_node, strict_archive, program, write_film, wait_until):
    node = start_node(send_to=target(strict_archive(0xC000)))
    send(node, program, write_film(1))
    wait_until(lambda: node.says("refused its results"))
    assert node.stop()["sent"] == 0
    assert [line["outcome"] for line in node.audit() if line["event"]["code"] == "110104"][-1] == 8
    assert len(list((node.spool / "results").iterdir())) == 1


def test_an_association_that_is_aborted_midway_delivers_what_was_answered(
    start_node, program, write_film, wait_until, strict_archive
):
    """Three results at once; the archive answers the first, aborts at the second, and works from then on."""
    down = start_node()
    send(down, program, *(write_film(number) for number in range(3)))
    wait_until(lambda: len(down.says("read, 1 result")) == 3)
    assert down.stop()["analysed"] == 3
    stored, calls = [], []

    def store(event):
        calls.append(event.request.AffectedSOPInstanceUID)
        if len(calls) == 2:
            event.assoc.abort()
        else:
            stored.append(calls[-1])
        return 0x0000

    node = start_node(send_to=target(strict_archive(store)))
    wait_until(lambda: len(node.says("results sent")) == 3)
    assert node.says("cannot be reached")
    assert node.stop() == {"received": 0, "analysed": 0, "sent": 3, "failed": 0}
    assert len(stored) == len(set(stored)) == 3
    sent = [line for line in node.audit() if line["event"]["code"] == "110104" and "archive" in line.get("who", {})]
    assert [line["outcome"] for line in sent] == [0, 0, 0]


def test_a_connection_that_the_archive_resets_is_closed(strict_archive, make_film, monkeypatch, reset):
    begin, held = AssociationSocket.connect, []

    def connect(self, primitive):
        begin(self, primitive)
        held.append(self.socket)  # so that the garbage collector does not close it

    def store(event):
        reset(event.assoc.dul.socket.socket)
        return 0x0000

    deliver = store_to(target(strict_archive(store)), "LUNGSPOT")
    monkeypatch.setattr(AssociationSocket, "connect", connect)
    with pytest.raises(Unreachable):
        list(deliver([("the film", [make_film(1, SOPClassUID=ComprehensiveSRStorage)])]))
    assert held[0].fileno() == -1


def test_an_archive_that_takes_no_such_object_refuses_it(start_node, strict_archive, program, write_film, wait_until):
    node = start_node(send_to=target(strict_archive(0, classes=(Comprehensive3DSRStorage,))))
    send(node, program, write_film(1))
    wait_until(lambda: node.says("it accepts none of these objects"))
    assert node.stop()["analysed"] == 1
    assert node.audit()[-2]["outcome"] == 8


def test_an_archive_that_does_not_know_us_is_asked_again(start_node, strict_archive, program, write_film, wait_until):
    node = start_node(send_to=target(strict_archive(0, asked=("SOMEBODY",))))
    send(node, program, write_film(1))
    wait_until(lambda: node.says("rejects the association"))
    assert node.stop()["analysed"] == 1

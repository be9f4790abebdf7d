"""What senders hear: DCMTK's programs where they can say it, pynetdicom where they are too well-behaved."""

import subprocess
from io import BytesIO

import pytest
from pydicom import config, dcmread
from pydicom.uid import (
    JPEG2000,
    CTImageStorage,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
)
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import ComputedRadiographyImageStorage, Verification

from lungspot.images.dicom_header import SYNTAXES
from lungspot.node import AuditEvent, DimseStatus
from lungspot.node.listener import application_entity

CANARY = "ZZSECRET"


@pytest.fixture
def call():
    """A function that opens an association to a node; all are released at the end."""
    open_ones = []

    def associate(node, title="CR1", called="LUNGSPOT", classes=(Verification, ComputedRadiographyImageStorage)):
        entity = AE(title)
        for sop_class in classes:
            entity.add_requested_context(sop_class)
        open_ones.append(entity.associate("127.0.0.1", node.port, ae_title=called))
        return open_ones[-1]

    yield associate
    for association in open_ones:
        if association.is_established:
            association.release()


def store(association, data):
    with config.disable_value_validation():
        return association.send_c_store(data)


def test_echo(start_node, program):
    node = start_node()
    subprocess.run([program("echoscu", "dcmtk"), "-aec", "LUNGSPOT", "127.0.0.1", str(node.port)], check=True)


def test_success_is_said_when_the_film_is_in_the_spool_and_in_the_audit_log(start_node, call, make_film):
    node = start_node()
    sent = make_film(1)
    assert store(call(node), sent).Status == DimseStatus.SUCCESS
    kept = dcmread(next((node.spool / "films").iterdir()))
    assert kept.pixel_array.tobytes() == sent.PixelData
    assert kept.preamble == bytes(128)
    record = node.audit()[-1]
    assert record["event"]["name"] == AuditEvent.RECEIVED.value[1]
    assert record["who"] == {"ae": "CR1", "host": "127.0.0.1"}
    assert record["what"]["sop_instance"] == sent.SOPInstanceUID


OTHER_OBJECT = DimseStatus.DATA_SET_DOES_NOT_MATCH_SOP_CLASS
REFUSED = [
    ({"SOPInstanceUID": "../../etc/passwd"}, DimseStatus.INVALID_SOP_INSTANCE),
    ({"SOPInstanceUID": "/x"}, DimseStatus.INVALID_SOP_INSTANCE),
    ({"StudyInstanceUID": "../x"}, OTHER_OBJECT),
    ({"SeriesInstanceUID": ".."}, OTHER_OBJECT),
    ({"Modality": "CT"}, OTHER_OBJECT),
    ({"PatientSpeciesDescription": CANARY}, OTHER_OBJECT),
    ({"Rows": 0}, DimseStatus.CANNOT_UNDERSTAND),
    ({"Rows": 60000, "Columns": 60000}, DimseStatus.CANNOT_UNDERSTAND),
    ({"BitsAllocated": 9}, DimseStatus.CANNOT_UNDERSTAND),
]


def test_a_refused_film_has_its_status_and_leaves_nothing(start_node, call, make_film):
    node = start_node()
    association = call(node)
    for tags, status in REFUSED:
        with config.disable_value_validation():
            data = make_film(2, PatientName=f"{CANARY}^Jane", **tags)
        assert store(association, data).Status == status, tags
        assert node.says(status.name)
    assert list((node.spool / "films").iterdir()) == []
    assert [line["outcome"] for line in node.audit()[1:]] == [8] * len(REFUSED)
    assert CANARY not in repr(node.lines) + repr(node.audit())
    assert store(association, make_film(3)).Status == DimseStatus.SUCCESS  # the association goes on


def test_a_class_that_was_not_agreed_is_refused(start_node, call, make_film):
    """The presentation context is for CR; the request under it says CT."""
    association = call(start_node())
    data = make_film(4)
    request_class = CTImageStorage
    context = next(each for each in association.accepted_contexts if each.abstract_syntax != Verification)
    context.abstract_syntax = request_class  # only on our side
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = request_class
    assert store(association, data).Status == DimseStatus.SOP_CLASS_NOT_SUPPORTED


def test_a_data_set_that_is_not_what_was_announced_is_refused(start_node, call, make_film):
    association = call(start_node())
    context = next(each for each in association.accepted_contexts if each.abstract_syntax != Verification)
    answer = _announce(association, context, make_film(5), "1.2.3")
    assert answer == DimseStatus.DATA_SET_DOES_NOT_MATCH_SOP_CLASS


def _announce(association, context, data, instance):
    request = C_STORE()
    request.MessageID, request.Priority = 7, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = context.abstract_syntax, instance
    request.DataSet = BytesIO(encode(data, context.transfer_syntax[0].is_implicit_VR, True))  # noqa: FBT003
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(request, context.context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    return answer.Status


def test_of_several_syntaxes_one_is_agreed_that_loses_nothing():
    entity = application_entity("LUNGSPOT")
    (context,) = (each for each in entity.supported_contexts if each.abstract_syntax == ComputedRadiographyImageStorage)
    order = context.transfer_syntax
    assert order[0] == ExplicitVRLittleEndian
    assert set(order) == set(SYNTAXES)
    assert max(map(order.index, (JPEGLosslessSV1, HTJ2KLossless))) < min(map(order.index, (JPEG2000, JPEGBaseline8Bit)))


def test_other_classes_are_refused_when_the_association_is_made(start_node, call):
    association = call(start_node(), classes=(Verification, CTImageStorage))
    assert [each.abstract_syntax for each in association.rejected_contexts] == [CTImageStorage]
    assert association.rejected_contexts[0].result == 3  # abstract syntax not supported


def test_a_full_disk_is_said_before_the_film_is_taken(start_node, call, make_film):
    node = start_node(reserve=1 << 60)
    association = call(node)
    assert store(association, make_film(6)).Status == DimseStatus.OUT_OF_RESOURCES
    assert list((node.spool / "films").iterdir()) == []


def test_a_node_that_stops_finishes_what_stands_and_takes_nothing_new(start_node, call, make_film, wait_until):
    node = start_node()
    association = call(node)
    assert store(association, make_film(7)).Status == DimseStatus.SUCCESS
    node.stopping.set()
    wait_until(lambda: node.says("stopping"))
    assert store(association, make_film(8)).Status == DimseStatus.OUT_OF_RESOURCES
    association.release()
    assert node.stop()["received"] + node.stop()["analysed"] == 1
    assert node.audit()[-1]["type"]["name"] == "Application Stop"


def test_a_film_sent_twice_is_taken_once(start_node, call, make_film):
    node = start_node()
    association = call(node)
    for _ in range(2):
        assert store(association, make_film(9)).Status == DimseStatus.SUCCESS
    assert len(list((node.spool / "films").iterdir())) == 1
    assert [line["what"]["new"] for line in node.audit()[1:]] == [True, False]

"""What Prometheus and a load balancer hear from a real node."""

import dataclasses
import json
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydicom.uid import CTImageStorage, MRImageStorage, SecondaryCaptureImageStorage
from pynetdicom import AE
from pynetdicom.sop_class import ComputedRadiographyImageStorage

from lungspot.errors import SetupError
from lungspot.node import FilmFilter, parse_peer
from lungspot.node.metrics import MetricsServer, NodeCounts


def ask(address, path):
    try:
        with urllib.request.urlopen(f"{address}/{path}", timeout=30) as answer:  # noqa: S310 - loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def numbers(address):
    families = text_string_to_metric_families(ask(address, "metrics")[1])
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


@pytest.fixture
def send():
    """A function that offers films to a node in one association; the statuses, none where no class is taken."""

    def store(node, *films, classes=(ComputedRadiographyImageStorage,)):
        entity = AE("CR1")
        for sop_class in classes:
            entity.add_requested_context(sop_class)
        association = entity.associate("127.0.0.1", node.port, ae_title="LUNGSPOT")
        statuses = [association.send_c_store(film).Status for film in films]
        if association.is_established:
            association.release()
        return statuses

    return store


def test_what_a_node_counts_and_says_of_what_it_takes(start_node, make_settings, archive, make_film, send, wait_until):
    rules = FilmFilter.parse([], ["body=ANKLE"], chest_only=True)
    results = dataclasses.replace(make_settings().results, films=rules)
    node = start_node(metrics=("127.0.0.1", 0), results=results, send_to=parse_peer(f"ARCHIVE@127.0.0.1:{archive[0]}"))
    (line,) = node.says("numbers for Prometheus at")
    address = line.split()[-1].removesuffix("/metrics")
    chest, ankle = make_film(1), make_film(2, BodyPartExamined="ANKLE")
    dark = make_film(3)
    dark.PixelData = bytes(len(dark.PixelData))
    copy = make_film(4, SOPClassUID=SecondaryCaptureImageStorage, Modality="DX")
    drawing = make_film(5, SOPClassUID=SecondaryCaptureImageStorage, Modality="OT")
    assert send(node, chest, ankle, dark, chest) == [0, 0, 0, 0]
    assert send(node, copy, drawing, classes=(SecondaryCaptureImageStorage,)) == [0, 0xA900]
    assert send(node, classes=(CTImageStorage, MRImageStorage)) == []
    wait_until(lambda: numbers(address)["lungspot_node_read_total",] == 3)
    wait_until(lambda: numbers(address)["lungspot_node_sent_total",] == 2)
    found = numbers(address)
    expected = {"received": 4, "duplicate": 1, "refused": 1, "rejected": 1, "passed_over": 1, "read": 3, "sent": 2}
    assert {name: found[f"lungspot_node_{name}_total",] for name in expected} == expected
    assert found["lungspot_node_not_assessed_total",] == 1  # and of it nothing was sent
    assert node.says("CR1 sent a film that was here before")
    assert node.says("it offers only classes or syntaxes that are not taken: CT Image Storage, MR Image Storage")
    assert node.says("passed over (body ANKLE)")
    status, said = ask(address, "healthz")
    assert (status, json.loads(said)["status"], json.loads(said)["sent"]) == (200, "ok", 4)
    assert ask(address, "other")[0] == 404
    node.stopping.set()
    assert node.stop()["sent"] == 4
    with pytest.raises(urllib.error.URLError):
        ask(address, "healthz")


def test_what_is_wrong_is_said_with_another_status():
    class Disk:
        def counts(self):
            return {"received": 1, "analysed": 0, "sent": 0, "failed": 0}

        def free(self):
            return 0

    server = MetricsServer(("127.0.0.1", 0), NodeCounts(), Disk(), lambda: "the disk is full")
    try:
        assert ask("http://{}:{}".format(*server.address), "healthz")[0] == 503
        with pytest.raises(SetupError, match="PORT"):
            MetricsServer(server.address, NodeCounts(), Disk(), str)
    finally:
        server.close()

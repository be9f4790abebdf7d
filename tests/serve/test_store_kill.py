"""``kill -9`` at random moments under load: nothing accepted is lost, nothing is doubled, and every result is right."""

import hashlib
import http.client
import os
import signal
import threading
import time

import numpy as np
import pytest

from lungspot.detect import load_detector
from lungspot.pipeline import analyze
from lungspot.report import document

KILLS = int(os.environ.get("LUNGSPOT_KILLS", "2"))


class Sender(threading.Thread):
    """Sends films, each with bytes of its own, until the server is gone; remembers what was sent and accepted."""

    def __init__(self, server, films):
        super().__init__()
        self.server, self.films = server, films
        self.accepted = {}
        self.begun = threading.Event()

    def run(self):
        for data in self.films:
            try:
                answer = self.server.send(("film.png", data))
            except (OSError, http.client.HTTPException):  # the server is gone, and the answer with it
                return
            if answer.status == 202:
                self.accepted[hashlib.sha256(data).hexdigest()] = answer.json["readings"][0]["id"]
                self.begun.set()


@pytest.mark.drill
def test_a_killed_server_loses_and_doubles_nothing(start, picture, model_file, tmp_path):
    rng = np.random.default_rng(6)
    sent, accepted, number = {}, {}, 0
    for _ in range(KILLS):
        server = start("--queue", 10_000, data=tmp_path)
        senders = []
        for _ in range(2):
            films = [picture(number + each) for each in range(40)]
            number += len(films)
            sent |= {hashlib.sha256(data).hexdigest(): data for data in films}
            senders.append(Sender(server, films))
        for sender in senders:
            sender.start()
        assert senders[0].begun.wait(60)  # a machine that others use may take long to answer at all
        time.sleep(rng.uniform(0.0, 1.0))
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        for sender in senders:
            sender.join(30)
            accepted |= sender.accepted
    server = start("--queue", 10_000, data=tmp_path)
    detector = load_detector(model_file)
    for sha256, identifier in accepted.items():
        said = server.whole(identifier)["result"]
        plain = document(analyze(sent[sha256], detector))
        assert said["image"]["sha256"] == sha256
        assert (said["findings"], said["image_scores"]) == (plain["findings"], plain["image_scores"])
    rows, page = [], 1
    while len(rows) < (answer := server.get(f"/v1/readings?per_page=200&page={page}").json)["total"]:
        rows += answer["readings"]
        page += 1
    hashes = [server.whole(row["id"])["result"]["image"]["sha256"] for row in rows]
    assert len(set(hashes)) == len(hashes)
    assert set(accepted) <= set(hashes) <= set(sent)
    assert server.stop() == 0
    assert not [*(tmp_path / "spool").iterdir(), *(tmp_path / "incoming").iterdir()]
    assert {path.stem for path in (tmp_path / "films").iterdir()} == {row["id"] for row in rows}

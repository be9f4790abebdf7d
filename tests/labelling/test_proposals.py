"""A model's reading as the start of a task."""

from lungspot.detect import load_detector
from lungspot.formats import Case
from lungspot.labelling import proposer
from lungspot.pipeline import analyze


def test_a_film_that_can_be_judged_has_a_proposal_and_others_have_none(rg1, film, tmp_path):
    detector = load_detector()
    propose = proposer(detector)

    def proposed(image):
        return propose(Case("a", "set", "p", (), image))

    assert proposed(rg1["UNCR"]) == analyze(rg1["UNCR"], detector).reading
    (tmp_path / "broken.png").write_bytes(b"broken")
    for image in (None, film, tmp_path / "broken.png", tmp_path / "gone.png"):  # that one is no chest film
        assert proposed(image) is None

"""The whole study on some of the real films, with networks that have learnt nothing."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.croissant import croissant_rows

from lungspot.detect import load_detector
from lungspot.errors import InputError
from lungspot.study.run import run, write
from lungspot.train.loop import Checkpoint
from lungspot.train.model import Network


@pytest.fixture
def classifier(tiny):
    torch.manual_seed(0)
    config = replace(tiny, labels=("effusion", "edema", "nodule_mass"))
    return Checkpoint(config, Network(config).eval(), 1, 60.0, 1.0)


def test_the_study_runs_from_films_to_a_page(classifier, model_file, shared_data, tmp_path):
    detector = load_detector(model_file)
    said = []
    out = tmp_path / "study"
    results = run(detector, classifier, shared_data, resamples=20, films=30, gallery=out / "gallery", say=said.append)
    write(results, out)
    assert results == json.loads((out / "results.json").read_text())
    assert "effusion" in results["labels"]
    assert results["not_for_clinical_use"] is True
    assert set(results["ways"]) == {"boxes", "heat", "random", "difference"}
    assert results["ways"]["boxes"]["mean"].keys() == results["ways"]["heat"]["effusion"].keys()
    assert 0 < results["p"]["mean"] <= 1
    assert (
        f"On {results['films']} films of {results['patients']} patients" in (out / "boxes-vs-heatmaps.md").read_text()
    )
    assert (out / "boxes-vs-heatmaps.svg").read_bytes().startswith(b"<?xml")
    rows = {
        (row["way"], row["label"], row["metric"]): row for row in croissant_rows(out / "croissant.jsonld", "numbers")
    }
    for metric, number in results["ways"]["boxes"]["effusion"].items():
        row = rows["boxes", "effusion", metric]
        assert row["value"] == number["value"] or np.isnan(row["value"])
        assert number["interval"] in ([row["low"], row["high"]], None)
    assert list((out / "gallery").glob("effusion-best-*.png"))
    assert any("chosen on val" in line for line in said)


def test_two_networks_of_different_labels_are_refused(classifier, tiny, model_file, tmp_path):
    other = replace(classifier, config=tiny)
    with pytest.raises(InputError, match="the classifier's labels are"):
        run(load_detector(model_file), other, tmp_path)

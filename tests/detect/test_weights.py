"""The manifest beside a model file pins it to its hash."""

import json

from lungspot.detect import MANIFEST_FILE, default_weights, manifest_of


def test_the_shipped_model_is_pinned_by_a_manifest_as_export_writes_it():
    path, sha256 = default_weights()
    made = manifest_of(path.name, path.read_bytes())
    assert json.loads(made) == {"file": path.name, "sha256": sha256}
    assert json.loads((path.parent / MANIFEST_FILE).read_text()) == json.loads(made)
    assert made.endswith(b"}\n")

"""R4 as `fhir.resources` knows it: its last release with R4 wants a pydantic that our others cannot share."""

import json
import subprocess
import sys

import pytest

from lungspot.errors import FilmError
from lungspot.report import Refusal, Review, fhir_bundle

VALIDATE = """
import json, sys, fhir.resources
from fhir.resources.bundle import Bundle
assert fhir.resources.__fhir_version__ == "4.0.1"
for bundle in json.load(sys.stdin):
    try:
        Bundle.parse_obj(bundle)
        print("valid")
    except ValueError as fault:
        print("not valid:", str(fault).replace(chr(10), " "))
"""


@pytest.mark.long
def test_bundles_are_valid_r4(tmp_path, rg1_header, on):
    python = tmp_path / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path], check=True)
    wanted = ("fhir.resources==6.4.0", "pydantic<2")
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted], check=True)
    bundles = [
        fhir_bundle(on(rg1_header), rg1_header),
        fhir_bundle(on(rg1_header), rg1_header, language="de", review=Review("Dr. R", created="2026-01-02")),
        fhir_bundle(on(rg1_header, reasons=("LATERAL",)), rg1_header),
        fhir_bundle(Refusal("x", FilmError("TRUNCATED", "x", "ends early"))),
        fhir_bundle(on(rg1_header)),
    ]
    wrong = json.loads(json.dumps(bundles[0]))
    wrong["entry"][0]["resource"]["status"] = 7
    wrong["entry"][0]["resource"]["study"] = []  # R5's
    told = json.dumps([*bundles, wrong])
    env = {"PATH": "/usr/bin:/bin"}
    ran = subprocess.run([python, "-c", VALIDATE], input=told, capture_output=True, text=True, check=True, env=env)
    *good, bad = ran.stdout.splitlines()
    assert good == ["valid"] * len(bundles)
    assert "study" in bad

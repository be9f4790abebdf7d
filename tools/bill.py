"""Write the bill of materials of an environment: bill.py PYTHON FILE.

What pip installed there, and what the wheel itself carries of others: the browser page's runtime and the detector.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from lungspot.detect import load_detector
from lungspot.web import PACKAGES

ROOT = Path(__file__).resolve().parent.parent


def carried() -> list[dict[str, Any]]:
    """Return what lies in the wheel beside our own code, as components of CycloneDX."""
    components: list[dict[str, Any]] = []
    for package, licence in PACKAGES.items():
        name, _, version = package.rpartition("@")
        purl = f"pkg:npm/{name.replace('@', '%40')}@{version}"
        licences = [{"license": {"id": licence}}]
        part = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
        components.append(part | {"licenses": licences, "description": "in lungspot's wheel, for its browser page"})
    detector = load_detector()
    components.append(
        {
            "type": "machine-learning-model",
            "bom-ref": f"lungspot-detector-{detector.card.version}",
            "name": detector.card.name,
            "version": detector.card.version,
            "hashes": [{"alg": "SHA-256", "content": detector.sha256}],
            "licenses": [{"license": {"name": detector.card.licence}}],
        }
    )
    return components


def drop_tools(value: dict[str, Any]) -> None:
    """Take out what `python -m venv` lays into every environment, where nothing that was installed requires it."""
    required = {ref for each in value.get("dependencies", ()) for ref in each.get("dependsOn", ())}
    unasked = (each for each in value["components"] if each["bom-ref"] not in required)
    tools = {each["bom-ref"] for each in unasked if each["name"] in {"pip", "setuptools"}}
    value["components"] = [each for each in value["components"] if each["bom-ref"] not in tools]
    value["dependencies"] = [each for each in value.get("dependencies", ()) if each["ref"] not in tools]


def write(python: Path, target: Path) -> None:
    """Write the bill; the same environment gives the same bytes."""
    about = ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--output-format", "JSON"]
    command = [sys.executable, "-m", "cyclonedx_py", "environment", str(python), *about, "-o", str(target)]
    subprocess.run(command, check=True)
    value = json.loads(target.read_text("utf-8"))
    drop_tools(value)
    value["components"] = sorted([*value["components"], *carried()], key=lambda each: str(each["bom-ref"]))
    target.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))

"""What every test may ask for: the real films beside the checkout, and pydicom-data's real chest film."""

import importlib.util
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def skip_or_fail(reason):
    """Skip where a package of the system is missing; on CI that is a failure, for CI installs everything."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real films beside the checkout (never committed)."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real films of ../shared/data are not here")
    return folder


@pytest.fixture(scope="session")
def pydicom_data():
    """The folder of DICOM files in the package pydicom-data (MIT)."""
    spec = importlib.util.find_spec("data_store")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations))) / "data"


@pytest.fixture(scope="session")
def rg1(pydicom_data):
    """One real chest film (CR, PA, MONOCHROME1, 15 bit, 1955 x 1841) in four encodings, by the end of its name."""
    return {name: pydicom_data / f"RG1_{name}.dcm" for name in ("UNCR", "UNCI", "J2KR", "J2KI")}

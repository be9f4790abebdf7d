import os
import subprocess
import sys

import pytest

from lungspot.errors import SetupError
from lungspot.extras import extra


def test_a_missing_package_is_said_with_what_brings_it():
    with pytest.raises(SetupError) as caught, extra("train", "training"):
        raise ModuleNotFoundError("no", name="torch.nn")
    assert str(caught.value) == "MISSING_EXTRA: training needs torch.nn; pip install 'lungspot[train]'"
    with (
        pytest.raises(SetupError, match=r"pip install 'lungspot\[data\]', or leave it out"),
        extra("data", "comparing", otherwise="leave it out"),
    ):
        raise ModuleNotFoundError("no", name="imagehash")


@pytest.mark.parametrize("name", ["lungspot.detect.nothing", None])
def test_a_module_of_our_own_that_is_missing_is_a_bug(name):
    with pytest.raises(ModuleNotFoundError), extra("train", "training"):
        raise ModuleNotFoundError("no", name=name)


@pytest.mark.parametrize("named", [False, True])
def test_matplotlib_writes_nothing_into_the_home(tmp_path, named):
    for folder in ("home", "tmp", "named"):
        (tmp_path / folder).mkdir()
    environment = os.environ | {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"), "MPLCONFIGDIR": ""}
    if named:
        environment["MPLCONFIGDIR"] = str(tmp_path / "named")
    code = (
        "from lungspot.extras import import_matplotlib as f; f(); f(); import matplotlib as m; print(m.get_cachedir())"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith(str(tmp_path / ("named" if named else "tmp")))
    kept = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*/*")}
    assert kept == ({"named"} if named else set())

from pathlib import Path

import pytest

from lungspot.cli.app import run
from lungspot.errors import InputError
from lungspot.serve import Settings


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"host": "0.0.0.0"}, "reaches beyond"),  # noqa: S104 - refused
        ({"host": "::"}, "reaches beyond"),
        ({"host": "films.example"}, "reaches beyond"),
        ({"token": "short"}, "16 are the least"),
        ({"queue": 0}, "queue of 0"),
    ],
)
def test_unsafe_settings_are_refused(values, reason):
    with pytest.raises(InputError, match=reason):
        Settings(Path("data"), **values)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_needs_no_token(host):
    assert Settings(Path("data"), host=host).token is None


def test_the_command_line_refuses_to_listen_beyond_without_a_token(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("LUNGSPOT_TOKEN", raising=False)
    assert run(["serve", "--host", "0.0.0.0", "--data", str(tmp_path)]) == 3  # noqa: S104 - refused
    assert "reaches beyond this machine; give --token-file FILE" in capsys.readouterr().err

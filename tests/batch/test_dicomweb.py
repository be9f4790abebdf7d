"""Films of a DICOMweb archive, a real Orthanc: found, fetched as they are kept, each once, and a row for each."""

import csv
import hashlib
import io
import json
import pickle
import ssl
import sys
import urllib.request

import pytest
from pydicom.uid import CTImageStorage
from tests.generated import generated_film

from lungspot.batch import TlsFiles, count_films, entries_in
from lungspot.cli.console import Exit
from lungspot.errors import FilmError, InputError, SetupError
from lungspot.images import film_bytes

JSON = {"Content-Type": "application/dicom+json"}


def read(entry):
    return film_bytes(pickle.loads(pickle.dumps(entry)).source.film.open())


def all_of(*sources, **options):
    return list(entries_in(list(sources), **options))


def as_file(number, **tags):
    """A film's bytes."""
    data, buffer = generated_film(number, **tags), io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return data, buffer.getvalue()


@pytest.fixture(scope="module")
def kept(orthanc):
    """Four CR films of three days and a CT image of one patient, in an archive that has others; the films by UID."""
    films = {}
    for number, day in ((900, "20260501"), (901, "20260501"), (902, "20260502"), (903, "20260601")):
        data, made = as_file(number, StudyDate=day, PatientID="BATCH")
        films[str(data.SOPInstanceUID)] = (data, made)
    others = (as_file(904, PatientID="BATCH", Modality="CT", SOPClassUID=CTImageStorage), as_file(905, PatientID="X"))
    for _, made in (*films.values(), *others):
        request = urllib.request.Request(f"http://127.0.0.1:{orthanc.http}/instances", made, method="POST")
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310 - loopback
    return films


@pytest.fixture(scope="module")
def address(orthanc):
    return f"dicomweb+{orthanc.dicomweb}"


def uid_of(entry):
    return entry.name.rpartition("/")[2]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", 4),
        ("&Modality=CR,DX", 4),
        ("&Modality=DX", 0),
        ("&Modality=CT", None),
        ("&StudyDate=20260501", 2),
        ("&StudyDate=20260430-20260502", 3),
        ("&StudyDate=20260502-", 2),
        ("&StudyDate=20260502,20260430-20260501,20260601", 4),
    ],
)
def test_what_is_asked_for_is_found(kept, address, asked, found):
    entries = all_of(f"{address}?PatientID=BATCH{asked}")
    if found is None:
        assert [uid_of(entry) in kept for entry in entries] == [False]
        return
    assert len({entry.identity for entry in entries}) == len(entries) == found
    for entry in entries:
        assert read(entry) == kept[uid_of(entry)][1]
    assert all("BATCH" not in entry.name for entry in entries)


def test_an_archive_read_from_end_to_end(kept, address, batch_of, rows_in, tmp_path):
    url = f"{address}/?PatientID=BATCH"
    gone = next(iter(all_of(url))).name + ".9"
    with (tmp_path / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path",), (gone,), (f"{address}/studies/1.2",), (all_of(url)[0].name,)])
    words = (url, tmp_path / "list.csv", "--workers", 1, "--shard-films", 3)
    code, run = batch_of(tmp_path / "out", *words)
    assert (code, run["films"]) == (Exit.SOME_REFUSED, 6)
    rows = rows_in(tmp_path / "out", "error", "sop_instance_uid")
    good = {row["sop_instance_uid"]: row["sha256"] for row in rows if row["status"] == "assessed"}
    assert good == {uid: hashlib.sha256(made).hexdigest() for uid, (_, made) in kept.items()}
    refused = {row["film"]: (row["reasons"], row["error"]) for row in rows if row["status"] != "assessed"}
    assert refused[gone] == (["NOT_READABLE"], "cannot be fetched (HTTP 404)")
    assert len(rows) == 6
    assert batch_of(tmp_path / "out", *words, "--resume")[1]["films"] == 0
    assert count_films([url], lambda: False) is None  # it is not asked twice for all that it has


def series(number):
    uids = {"0020000D": f"1.2.{number}", "0020000E": f"1.3.{number}"}
    return {tag: {"vr": "UI", "Value": [uid]} for tag, uid in uids.items()}


def answering(path, _):
    """Three series; the second's instances cannot be listed, and one of the third has a UID that is none."""
    if "/instances?" not in path and not path.endswith("/instances"):
        return (200, JSON, json.dumps([] if "offset" in path else [series(n) for n in range(3)]).encode())
    if "1.3.1/" in path:
        return (500, {}, b"")
    uid = "1.4.0" if "1.3.0/" in path else "../../x"
    return (200, JSON, json.dumps([{"00080018": {"vr": "UI", "Value": [uid]}}]).encode())


def test_what_cannot_be_listed_is_a_film_that_is_refused(http_server, monkeypatch):
    http_server.answer = answering
    url = f"dicomweb+{http_server.url}"
    first, second, third = all_of(f"{url}?PatientID=SECRET&Modality=CR")
    assert first.name == f"{url}/studies/1.2.0/series/1.3.0/instances/1.4.0"
    for entry, said in ((second, "HTTP 500"), (third, "UID is none")):
        with pytest.raises(FilmError, match=said):
            read(entry)
    http_server.answer = lambda path, _: (500, {}, b"") if "offset" in path else answering(path, b"")
    *_, last = all_of(f"{url}?PatientID=SECRET&Modality=CR")
    with pytest.raises(FilmError, match=r"failed after 3 series \(HTTP 500\)") as caught:
        read(last)
    assert "SECRET" not in str(caught.value)
    monkeypatch.setattr("lungspot.dicomweb.MOST_FOUND", 3)
    http_server.answer = answering
    *_, last = all_of(f"{url}?Modality=CR")
    with pytest.raises(FilmError, match="not followed further"):
        read(last)


def test_what_could_not_be_listed_is_asked_for_again(http_server, batch_of, rows_in, tmp_path):
    """Each search that failed has a row that says its day; a later run finds what it could not."""
    http_server.answer = lambda *_: (500, {}, b"")
    words = (f"dicomweb+{http_server.url}?Modality=CR,DX&StudyDate=20260501-20260502", "--workers", 1)
    assert batch_of(tmp_path / "out", *words)[0] == Exit.NOTHING_DONE
    said = {row["error"] for row in rows_in(tmp_path / "out", "error")}
    searches = [f"{modality} of {day}" for modality in ("CR", "DX") for day in ("20260501", "20260502")]
    assert said == {f"a search for {search} failed after 0 series (HTTP 500)" for search in searches}
    http_server.answer = answering
    batch_of(tmp_path / "out", *words, "--resume")
    found = [row["film"] for row in rows_in(tmp_path / "out") if row["film"].endswith("/instances/1.4.0")]
    assert len(found) == 1


@pytest.mark.parametrize(
    "query",
    [
        *("Modality", "Modality=", "=CR", "a b=c", "&", "x=1&&y=2", "Modality=CR&Modality=DX"),
        *("StudyDate=20260502-20260501", "StudyDate=20260501,20260502-20260501"),
    ],
)
def test_a_question_that_is_none(query):
    with pytest.raises(InputError, match="BAD_VALUE"):
        all_of(f"dicomweb+http://127.0.0.1:1/x?{query}")


@pytest.mark.parametrize("login", ["user:secret", "secret", "user:se/cret@secret"])
def test_a_password_is_neither_kept_nor_printed(login, tmp_path):
    url = f"dicomweb+http://{login}@127.0.0.1:1/x"
    for asked in (url, f"{url}?Modality", f"{url}?StudyDate=2-1"):
        with pytest.raises(InputError, match="BAD_VALUE") as caught:
            all_of(asked)
        assert "cret" not in str(caught.value)
    (tmp_path / "list.csv").write_text(f"path\n{url}/studies/1.2/series/1.3/instances/1.4\n{url}/studies/1.2\n")
    for entry in all_of(str(tmp_path / "list.csv")):
        with pytest.raises(FilmError, match="an address with a password") as refused:
            read(entry)
        assert "cret" not in f"{entry.name} {refused.value}"


@pytest.mark.parametrize("url", ["dicomweb+http://user:secret@h/x", "dicomweb+http://", "dicomweb+http://h:0/x"])
def test_an_address_that_is_none(url):
    with pytest.raises(InputError, match="BAD_VALUE"):
        all_of(url)


def test_what_is_asked_wrongly_leaves_no_folder(address, batch_of, tmp_path):
    half = ("--tls-cert", tmp_path / "none.pem")
    for words in ((f"{address}?Modality",), (address, *half), ("dicomweb+http://h:0/x",)):
        assert batch_of(tmp_path / "out", *words) == (Exit.NOTHING_DONE, None)
        assert not (tmp_path / "out").exists()


def test_https_with_certificates(http_server, certificates, monkeypatch):
    at = certificates.joinpath
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(at("node.pem"), at("node.key"))
    context.load_verify_locations(at("ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    http_server.socket = context.wrap_socket(http_server.socket, server_side=True)
    http_server.answer = answering
    monkeypatch.setenv("LUNGSPOT_DICOMWEB_AUTHORIZATION", "Bearer abc")
    url = f"dicomweb+{http_server.url.replace('http:', 'https:')}?Modality=CR"
    ours = TlsFiles(at("sender.pem"), at("sender.key"), at("ca.pem"))
    assert len(all_of(url, tls=ours)) == 3
    assert {headers["Authorization"] for _, headers, _ in http_server.asked} == {"Bearer abc"}
    for half in (TlsFiles(at("sender.pem")), TlsFiles(at("sender.pem"), at("node.key"))):
        with pytest.raises(InputError, match="BAD_VALUE"):
            all_of(url, tls=half)


def test_without_the_package_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "lungspot.dicomweb", None)
    monkeypatch.setitem(sys.modules, "dicomweb_client", None)
    monkeypatch.delitem(sys.modules, "lungspot.dicomweb")
    monkeypatch.setitem(sys.modules, "dicomweb_client.api", None)
    with pytest.raises(SetupError, match="MISSING_EXTRA"):
        all_of("dicomweb+http://127.0.0.1:2/other")

from lungspot.cli.app import run


def test_the_demo_reads_the_real_film_and_says_where_its_files_lie(model_file, tmp_path, capsys):
    assert run(["demo", "-o", str(tmp_path / "demo"), "--model", str(model_file)]) == 0
    said = capsys.readouterr().out
    for name in ("film.png", "heatmap.png", "film.html", "film.json"):
        assert (tmp_path / "demo" / name).stat().st_size > 1000
        assert f"{tmp_path / 'demo' / name}" in said
    assert "1841 x 1955" in said
    assert "Research use only" in said


def test_without_the_film_the_demo_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert run(["demo", "-o", str(tmp_path)]) == 4
    assert "pip install pydicom-data" in capsys.readouterr().err

from lungspot.formats import Case, films_of, inputs_of


def test_what_a_folder_holds_is_read_but_for_earlier_reports_in_it(tmp_path):
    folder, film = tmp_path / "d", tmp_path / "film.png"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.json", "deep/b.json"):
        (folder / name).write_text('{"schema": "lungspot/1"}')
    site = folder / "site.json"
    site.write_text('{"schema": "lungspot-site/1"}')
    held = {folder, folder / "a.json", folder / "deep" / "b.json"}
    assert set(inputs_of([folder, None, film])) == {*held, site, film}
    assert set(inputs_of([folder], out=[site, folder / "new.json"])) == held
    assert set(inputs_of([folder, site], out=[site])) == {*held, site}  # given by its name
    assert set(inputs_of([folder], out=[folder / "a.json"])) == {*held, site}  # a prediction, not a report
    assert set(inputs_of([tmp_path / "none"])) == {tmp_path / "none"}
    assert list(films_of([Case("1", "site", "p", (), film), Case("2", "site", "p", (), None)])) == [film]

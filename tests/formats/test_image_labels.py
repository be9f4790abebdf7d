import pytest

from lungspot.errors import DatasetError
from lungspot.findings import Frame, State, taxonomy
from lungspot.formats import image_labels as adapter
from lungspot.formats.case import Split
from lungspot.formats.classes import ClassMap
from lungspot.images.radiograph import Sex, View


def test_a_column_a_label(download):
    root = download({
        "labels.csv": (
            "image,patient,age,sex,view,split,Pleural effusion,Edema,study\n"
            "a/1.png,p1,045Y,F,AP,valid,1,0,x\n"
            "a/2,p2,,,,,-1.0,,x\n"
        ),
        "a/1.dat": "",
        "a/1.jpg": "",
    })  # fmt: skip
    first, second = adapter.cases(root)
    assert (first.id, first.dataset, first.patient) == ("a/1", "csv", "csv_download_p1")
    assert first.image == root / "a" / "1.jpg"
    assert (first.age_years, first.sex, first.view, first.split) == (45.0, Sex.FEMALE, View.AP, Split.VAL)
    assert dict(first.readings[0].states) == {"effusion": State.PRESENT, "edema": State.ABSENT}
    assert dict(second.readings[0].states) == {}  # uncertain and empty say nothing
    assert second.image is None


def test_joined_names_say_what_is_there_and_nothing_else(download):
    root = download({"any.csv": "Image Index,Finding Labels\n1.png,Mass|TB\n2.png,No Finding\n3.png,\n"})
    first, second, third = adapter.cases(root)
    assert dict(first.readings[0].states) == {"mass": State.PRESENT, "tuberculosis": State.PRESENT}
    assert set(second.readings[0].states) == {label.id for label in taxonomy()}
    assert set(second.readings[0].states.values()) == {State.ABSENT}
    assert dict(third.readings[0].states) == {}
    assert first.patient == "csv_download_1"


def test_no_finding_beside_a_finding_makes_nothing_absent(download):
    (case,) = adapter.cases(download({"labels.csv": "image,No Finding,Fracture,Edema\n1.png,1,1,\n"}))
    assert dict(case.readings[0].states) == {"fracture": State.PRESENT}


def test_chexpert_paths_find_their_films_though_stems_repeat(download):
    header = "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Edema\n"
    rows = (
        "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,1.0,,,\n"
        "CheXpert-v1.0-small/train/patient00002/study1/view1_frontal.jpg,Male,87,Frontal,PA,,,-1.0,1.0\n"
        "CheXpert-v1.0-small/train/patient00003/study1/view1_frontal.jpg,Male,87,Frontal,PA,,,,1.0\n"
    )
    films = [f"train/patient0000{n}/study1/view1_frontal.jpg" for n in (1, 2)]
    root = download({"train.csv": header + rows, **dict.fromkeys(films, "")})
    first, second, third = adapter.cases(root)
    assert [first.image, second.image, third.image] == [root / films[0], root / films[1], None]
    assert first.readings[0].state("tuberculosis") is State.ABSENT
    assert dict(second.readings[0].states) == {"edema": State.PRESENT}
    assert (second.view, second.sex, second.age_years) == (View.PA, Sex.MALE, 87.0)


@pytest.mark.parametrize(
    ("rows", "films", "found"),
    [
        # part of a download: whose film is not here has none
        (["p1/view1.jpg", "p2/view1.jpg"], ["p1/view1.png"], [0, None]),
        (["p2/view1.jpg", "p1/view1.jpg"], ["p1/view1.png"], [None, 0]),
        (["set/train/p2/a.jpg", "set/train/p1/a.jpg"], ["train/p1/a.png"], [None, 0]),
        (["patient00002/study1/a.jpg"], ["train/patient00001/study1/a.jpg"], [None]),
        (["a/b/1.png", "a/c/1.png"], ["b/1.png", "c/1.png"], [0, 1]),
        (["1.png", "2.png"], ["images_01/images/1.png", "images_02/images/2.png"], [0, 1]),
        (["films/1.png", "films/2.png"], ["imgs/1.png", "imgs/2.png"], [0, 1]),  # another folder, one film each
        (["1.png", "1.jpg"], ["1.png"], [0, 0]),  # one row's film twice, which data check says
        (["1.png"], ["a/1.png", "b/1.png"], [None]),
        # one film under two names
        (["p1/view1.jpg", "p2/view1.jpg"], ["images/view1.png"], "p1/view1' and of 'p2/view1'"),
        (["view1.jpg", "p2/view1.jpg"], ["p2/view1.png"], "'view1' and of 'p2/view1'"),
        (["/", "1.png"], ["1.png"], "empty, or no film's name"),
        (["..", "1.png"], ["1.png"], [None, 0]),
    ],
)
def test_a_film_is_of_one_row_alone(download, rows, films, found):
    table = "Path,edema\n" + "".join(f"{row},1\n" for row in rows)
    root = download({"labels.csv": table, **dict.fromkeys(films, "")})
    if isinstance(found, str):
        with pytest.raises(DatasetError, match=found):
            list(adapter.cases(root))
    else:
        images = [case.image for case in adapter.cases(root)]
        assert images == [None if index is None else root / films[index] for index in found]


@pytest.mark.parametrize(
    ("words", "sexes"),
    [
        (("M", "F"), (Sex.MALE, Sex.FEMALE)),
        (("m", "w"), (Sex.MALE, Sex.UNKNOWN)),  # weiblich, or woman: no man either way
        (("M", "H"), (Sex.UNKNOWN, Sex.UNKNOWN)),  # mujer, hombre
        (("M", "V"), (Sex.UNKNOWN, Sex.UNKNOWN)),
        (("M", "Hombre"), (Sex.MALE, Sex.MALE)),
    ],
)
def test_of_two_letters_neither_is_guessed_at(download, words, sexes):
    table = "image,sexo,edema\n" + "".join(f"{number}.png,{word},1\n" for number, word in enumerate(words))
    assert tuple(case.sex for case in adapter.cases(download({"labels.csv": table}))) == sexes


CHEXPERT = "Path,Sex,Age,Frontal/Lateral,AP/PA,Cardiomegaly\n"


def test_chexpert_s_patients_are_in_its_paths_and_laterals_are_known(download):
    rows = "".join(
        f"CheXpert-v1.0/train/patient0000{n}/study{s}/view1_{side.lower()}.jpg,Male,31,{side},{'AP' * (s == 1)},1.0\n"
        for n in (1, 2)
        for s, side in ((1, "Frontal"), (2, "Lateral"))
    )
    found = list(adapter.cases(download({"train.csv": CHEXPERT + rows})))
    assert [case.patient for case in found] == ["csv_download_patient00001"] * 2 + ["csv_download_patient00002"] * 2
    assert [case.view for case in found] == [View.AP, View.LATERAL] * 2


@pytest.mark.parametrize(
    ("header", "row", "patient"),
    [
        ("PatientID,image", "7,a.png", "7"),
        ("image,patientid", "a.png,7", "7"),
        ("image,patient_id", "a.png,7", "7"),
        ("image,Patient ID", "a.png,7", "7"),
        ("subject_id,dicom_id", "7,a", "7"),
        ("case,image", "7,a.png", "7"),
        *(
            (f"image,{name}", "a.png,7", "7")
            for name in ("deid_patient_id", "empi_anon", "Person ID", "MRN", "SUBJECT_NO")
        ),
        ("case,PatientID,image", "9,7,a.png", "7"),
        ("case,PatientID,image", "9,,a.png", "9"),
        ("path", "files/p10/p10000032/s50414267/a.jpg", "p10000032"),
        ("path", "patient00027\\study1\\a.jpg", "patient00027"),
        ("path", "inpatients/patient-list/a.jpg", "inpatients/patient-list/a"),
        ("image,Inpatient", "a.png,7", "a"),
        ("image,patient_id", "a.png,10000032.0", "10000032"),
        *(("image,patient_id", f"a.png,{nobody}", "a") for nobody in ("nan", "N/A", "Unknown", "ANONYMOUS", "-")),
        ("case,PatientID,image", "9,nan,a.png", "9"),
        ("patient,path", "nan,p10/p10000032/a.jpg", "p10000032"),
    ],
)
def test_patients_by_the_names_that_people_give_them(download, header, row, patient):
    (case,) = adapter.cases(download({"labels.csv": f"{header},edema\n{row},1\n"}))
    assert case.patient == f"csv_download_{patient}"


@pytest.mark.parametrize(
    ("header", "row", "facts"),
    [
        ("ViewPosition,PatientSex,PatientAge", "AP,F,045Y", (View.AP, Sex.FEMALE, 45.0)),
        ("Projection,PatientSex_DICOM,Age", "L,M,45", (View.LATERAL, Sex.MALE, 45.0)),
        ("View Position,Patient Gender,Patient Age", "PA,M,45", (View.PA, Sex.MALE, 45.0)),
        ("AP/PA,gender,age (years)", "PA,Mujer,45", (View.PA, Sex.FEMALE, 45.0)),
        ("view,sex,age", "apical,Unknown,old", (View.UNKNOWN, Sex.UNKNOWN, None)),
        ("proyección,sexo,edad", "PA,Varón,45 años", (View.PA, Sex.MALE, 45.0)),
        ("Projektion,Geschlecht,Alter", "ap,weiblich,45", (View.AP, Sex.FEMALE, 45.0)),
        ("incidence,sexe,Âge", "PA,Féminin,45", (View.PA, Sex.FEMALE, 45.0)),
    ],
)
def test_facts_by_dicom_s_names_and_by_the_public_sets(download, header, row, facts):
    (case,) = adapter.cases(download({"labels.csv": f"image,{header},edema\na.png,{row},1\n"}))
    assert (case.view, case.sex, case.age_years) == facts


TABLE = "image,patient,Edad,sexo,edema\na.png,7,45,Féminin,1\n"


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode(),
        TABLE.encode("utf-8-sig"),
        TABLE.encode("utf-16"),
        b"\xfe\xff" + TABLE.replace(",", "\t").encode("utf-16-be"),
        TABLE.replace(",", ";").encode("cp1252"),  # a spreadsheet of Windows
        TABLE.replace(",", "|").encode(),
        ("sep=;\n" + TABLE.replace(",", ";")).encode(),
        TABLE.replace("45", '"45"').replace("\n", "\r\n").encode(),
        (TABLE + ",,,,\n\n").encode(),
        TABLE.replace("45", '"45,0"').encode(),
        TABLE.replace(",1\n", ",True\n").encode(),
    ],
)
def test_a_table_as_spreadsheets_write_it(download, content):
    folder = download({"a.csv": ""})
    (folder / "a.csv").write_bytes(content)
    (case,) = adapter.cases(folder)
    assert (case.patient, case.age_years, case.sex) == ("csv_download_7", 45.0, Sex.FEMALE)
    assert dict(case.readings[0].states) == {"edema": State.PRESENT}


@pytest.mark.parametrize(
    ("header", "row", "states"),
    [
        ("filename,finding", "a.png,Edema", {"edema": State.PRESENT}),
        ("file,class", "a.png,edema", {"edema": State.PRESENT}),
        ("image,edema,diagnosis", "a.png,0,edema?", {"edema": State.ABSENT}),  # a column of a label says it
        ("image,edema,nodule", "a.png,nan,no", {"nodule": State.ABSENT}),
        ("image,edema,nodule", "a.png,FALSE,-1.0", {"edema": State.ABSENT}),
    ],
)
def test_labels_by_other_names_and_words(download, header, row, states):
    (case,) = adapter.cases(download({"a.csv": f"{header}\n{row}\n"}))
    assert dict(case.readings[0].states) == states


def test_classes_are_mapped_in_columns_and_in_lists(download):
    text = "image,labels,Spot,Pneumonia Bacterial\na.png,Knob|Mass|normal,1,0\n"
    classes = ClassMap({"Knob": "-", "Spot": "nodule_mass"})
    (case,) = adapter.cases(download({"labels.csv": text}), classes)
    assert dict(case.readings[0].states) == {"nodule_mass": "present", "mass": "present", "pneumonia": "absent"}


def test_of_two_tables_one_is_named(download):
    """CheXpert's download has train.csv and valid.csv beside each other."""
    films = {f"{part}/patient00001/study1/view1_frontal.jpg": "" for part in ("train", "valid")}
    tables = {
        f"{part}.csv": f"Path,Edema\nCheXpert-v1.0/{part}/patient00001/study1/view1_frontal.jpg,1\n"
        for part in ("train", "valid")
    }
    root = download(films | tables)
    with pytest.raises(DatasetError, match=r"2 other CSV files, not one; name the one that counts: .*train\.csv"):
        list(adapter.cases(root))
    for part in ("train", "valid"):
        (case,) = adapter.cases(root / f"{part}.csv")
        assert (case.image, case.patient) == (
            root / part / "patient00001/study1/view1_frontal.jpg",
            "csv_download_patient00001",
        )


def test_what_became_of_each_column_is_told(download):
    """Mapped, guessed, left out when told, or left out because nothing is known of what looks like a label."""
    table = (
        "path_to_image,Fluid,Edema,knob,Pleural stuff,smoker,age,note\n"
        "1.png,1,0,1,1,0,40,ok\n2.png,0,,1.0,,0,41,1\n3.png,,1,,y,0,42,\n"
    )
    classes = ClassMap({"Fluid": "effusion", "knob": "-"})
    found = list(adapter.cases(download({"labels.csv": table}), classes))
    assert [case.readings[0].state("effusion") for case in found] == ["present", "absent", "not_looked_for"]
    said = "Fluid → effusion (2); Edema → edema (2); knob: left out (2); Pleural stuff: left out (2)"
    assert sorted(classes.summary().split("; ")) == sorted(said.split("; "))


def test_padchest_writes_a_list_of_texts(download):
    text = "ImageID,Labels\na.png,\"['pleural effusion', 'pneumonia']\"\nb.png,['normal']\n"
    first, second = adapter.cases(download({"labels.csv": text}))
    assert dict(first.readings[0].states) == {"effusion": "present", "pneumonia": "present"}
    assert set(second.readings[0].states.values()) == {"absent"}


def test_a_dicom_film_fills_what_the_table_leaves_out(download, rg1):
    root = download({"labels.csv": "image,labels\nx.dcm,edema\n"})
    (root / "x.dcm").write_bytes(rg1["J2KR"].read_bytes())
    (case,) = adapter.cases(root)
    assert (case.frame, case.view, case.sex, case.patient) == (
        Frame(1841, 1955),
        View.PA,
        Sex.FEMALE,
        "csv_download_9RG1",
    )


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "DATASET_INCOMPLETE: no labels.csv here, and 0 other CSV files, not one"),
        ({"a.csv": "", "b.csv": ""}, "and 2 other CSV files, not one"),
        ({"a.csv": "name,edema\nx,1\n"}, "DATASET_COLUMNS: no column image or path (found: name, edema)"),
        ({"a.csv": "image,eddema\nx,1\n"}, "DATASET_COLUMNS: no column labels, or of a known label"),
        ({"a.csv": "image,edema\nx,perhaps\n"}, "a.csv:2: DATASET_ROW: edema is 'perhaps'"),
        ({"a.csv": "image,label,x0,y0,x1,y1\nx,edema,1,2,3,4\n"}, "DATASET_COLUMNS: it has columns of boxes (x0, y0"),
        ({"a.csv": "image_id,class_name,x_min,y_min,x_max,y_max\nx,edema,1,2,3,4\n"}, "columns of boxes (xmin, ymin"),
        ({"a.csv": "image,edema\n,1\n"}, "a.csv:2: DATASET_ROW: image is empty"),
        ({"a.csv": "image,labels\nx,edema;spot\n"}, "a.csv:2: DATASET_ROW: unknown label 'spot'"),
        ({"a.csv": "image,edema,split\nx,1,fold3\n"}, "a.csv:2: DATASET_ROW: split is 'fold3'"),
    ],
)
def test_a_bad_table_is_one_line(download, files, words):
    with pytest.raises(DatasetError) as caught:
        list(adapter.cases(download(files)))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)

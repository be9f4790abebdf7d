"""Small downloads in the publishers' exact headers, so that adapters are tested where the real ones are absent."""

import functools

import pytest

from lungspot.datasets.catalog import DATASETS, load

NIH_2020 = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]\n"
    "00000001_000.png,Cardiomegaly|Effusion,0,1,57,M,PA,2682,2749,0.143,0.143\n"
    "00000001_001.png,No Finding,1,1,58,M,AP,2894,2729,0.143,0.143\n"
    "00000002_000.png,Mass,0,2,80,F,PA,2500,2048,0.171,0.171\n"
)
NIH_2017 = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
    "00000001_000.png,Cardiomegaly|Effusion,000,1,058Y,M,PA,2682,2749,0.143,0.143,\n"
    "00000001_001.png,No Finding,001,1,411Y,M,AP,2894,2729,0.143,0.143,\n"
    "00000002_000.png,Mass,000,2,013M,F,PA,2500,2048,0.171,0.171,\n"
)
NIH_BOXES = (
    "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
    "00000001_000.png,Cardiomegaly,100.5,200.5,300,250,,,\n"
    "00000003_000.png,Infiltrate,10,20,30,40,,,\n"
)


@pytest.fixture(scope="session")
def real(shared_data):
    """A function that gives the cases of a real dataset by name; each is read once."""
    return functools.cache(lambda name: tuple(load(name, shared_data / DATASETS[name].folder)))


@pytest.fixture
def nih(download):
    """Three NIH films (version 2020), a box on one of them and one on a film without an entry."""
    files = {
        "Data_Entry_2017_v2020.csv": NIH_2020,
        "BBox_List_2017.csv": NIH_BOXES,
        "images_001/images/00000001_000.png": "",
        "images_002/images/00000002_000.JPG": "",
        "test_list.txt": "00000001_000.png\n00000001_001.png\n",
        "train_val_list.txt": "00000002_000.png\n",
    }
    return download(files, "nih")


@pytest.fixture
def nih_2017(download):
    """The same films as Kaggle's copy of version 2017 has them."""
    return download({"Data_Entry_2017.csv": NIH_2017, "BBox_List_2017.csv": NIH_BOXES}, "nih-2017")


@pytest.fixture
def chestxdet(download, nih):
    """ChestX-Det beside NIH: one film of NIH's with two findings, one empty, one whose NIH name is not known."""
    train = [
        {"file_name": "36204.png", "syms": ["Effusion", "Nodule"], "boxes": [[10, 20, 110, 220], [5, 6, 7, 8]]},
        {"file_name": "36205.png", "syms": [], "boxes": []},
    ]
    test = [{"file_name": "40000.png", "syms": ["Diffuse Nodule"], "boxes": [[1, 2, 3, 4]]}]
    for entry in (*train, *test):
        entry["polygons"] = [[[x0, y0], [x1, y0], [x1, y1]] for x0, y0, x1, y1 in entry["boxes"]]
    names = "file_name,nih_image\n36204.png,00000001_000.png\n36205.png,00000002_000.png\n40000.png,\n"
    files = {"ChestX_Det_train.json": train, "ChestX_Det_test.json": test, "nih_names.csv": names}
    assert nih.parent == download(files, "chestx-det").parent
    return nih.parent / "chestx-det"


@pytest.fixture
def rsna(download, nih):
    """RSNA beside NIH: two boxes, a normal film, one that is not normal."""
    labels = (
        "patientId,x,y,width,height,Target\n"
        "aaaa-1,264.0,152.0,213.0,379.0,1\n"
        "aaaa-1,562.0,152.0,256.0,453.0,1\n"
        "bbbb-2,,,,,0\n"
        "cccc-3,,,,,0\n"
    )
    classes = (
        "patientId,class\naaaa-1,Lung Opacity\naaaa-1,Lung Opacity\nbbbb-2,Normal\n"
        "cccc-3,No Lung Opacity / Not Normal\n"
    )
    names = "patientId,nih_image\naaaa-1,00000001_000.png\nbbbb-2,00000001_001.png\ncccc-3,\n"
    files = {
        "stage_2_train_labels.csv": labels,
        "stage_2_detailed_class_info.csv": classes,
        "nih_names.csv": names,
        "stage_2_train_images/cccc-3.png": "",
    }
    assert nih.parent == download(files, "rsna").parent
    return nih.parent / "rsna"


@pytest.fixture
def siim_covid(download):
    """SIIM-COVID as copied: five studies of four classes, one positive film without a box."""
    header = "id,boxes,label,StudyInstanceUID\n"
    images = header + (
        "a1_image,\"[{'x': 10.5, 'y': 20, 'width': 30, 'height': 40}]\",opacity 1 10.5 20 40.5 60,s1\n"
        'b2_image,"[]",opacity 1 1 2 3 4 opacity 1 5 6 7 8,s2\n'
        "c3_image,,opacity 1 1 2 3 4,s3\n"
        "d4_image,,none 1 0 0 1 1,s4\n"
        "e5_image,,none 1 0 0 1 1,s5\n"
    )
    studies = (
        "id,Negative for Pneumonia,Typical Appearance,Indeterminate Appearance,Atypical Appearance\n"
        "s1_study,0,1,0,0\ns2_study,0,0,1,0\ns3_study,0,0,0,1\ns4_study,1,0,0,0\ns5_study,0,1,0,0\n"
    )
    meta = "image_id,dim0,dim1,split\na1,2336,2836,train\nb2,100,200,train\nc3,100,200,train\nd4,300,400,train\n"
    patients = (
        "patientid,studyid,series_id,imageid,SeriesNumber,InstanceNumber\n"
        "p1,s1,x,a1,1,1\np1,s2,x,b2,1,1\np3,s3,x,c3,1,1\n"
    )
    return download({
        "train_image_level.csv": images,
        "train_study_level.csv": studies,
        "meta.csv": meta,
        "train_meta.csv": patients,
        "train/a1.jpg": "",
    })  # fmt: skip


VOC = (
    "<annotation>\n\t<filename>{name}</filename>\n\t<segmented>0</segmented>\n"
    "\t<size>\n\t\t<width>2840</width>\n\t\t<height>2827</height>\n\t</size>\n{objects}</annotation>\n"
)
VOC_OBJECT = (
    "\t<object>\n\t\t<name>{label}</name>\n\t\t<pose>unspecified</pose>\n\t\t<truncated>0</truncated>\n"
    "\t\t<difficult>0</difficult>\n\t\t<bndbox>\n\t\t\t<xmin>{0}</xmin>\n\t\t\t<ymin>{1}</ymin>\n"
    "\t\t\t<xmax>{2}</xmax>\n\t\t\t<ymax>{3}</ymax>\n\t\t</bndbox>\n\t</object>\n"
)


@pytest.fixture
def tbx11k(download):
    """TBX11K with XML: an active and an obsolete box, a film without annotation, a healthy and a sick film."""
    active = VOC_OBJECT.format(1446, 250, 2007, 1017, label="ActiveTuberculosis")
    old = VOC_OBJECT.format(618, 391, 1177, 1013, label="ObsoletePulmonaryTuberculosis")
    return download({
        "annotations/xml/tb0003.xml": VOC.format(name="tb0003", objects=active + old),
        "annotations/xml/tb0004.xml": VOC.format(name="tb0004", objects=active),
        "annotations/xml/tb1199.xml": VOC.format(name="tb1199", objects=""),
        "imgs/tb/tb0003.png": "",
        "imgs/health/h0001.png": "",
        "imgs/sick/s0001.png": "",
        "imgs/extra/da+db/train/n1.jpg": "",
        "lists/TBX11K_train.txt": "tb/tb0003.png\nhealth/h0001.png\n",
        "lists/TBX11K_val.txt": "sick/s0001.png\n",
    })  # fmt: skip


@pytest.fixture
def vindr_kaggle(download):
    """VinBigData's header: one film with two readers who mark it and one who does not, one film without a finding."""
    return download({
        "train.csv": (
            "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\n"
            "f1,Pleural effusion,10,R8,10,20,110,120.5\n"
            "f1,Pleural effusion,10,R8,300,20,400,120\n"
            "f1,Nodule/Mass,8,R9,10,20,30,40\n"
            "f1,No finding,14,R10,,,,\n"
            "f2,No finding,14,R1,,,,\n"
            "f2,No finding,14,R2,,,,\n"
            "f2,No finding,14,R3,,,,\n"
        )
    })  # fmt: skip


VINDR_LABELS = (
    "Aortic enlargement,Atelectasis,Calcification,Cardiomegaly,Clavicle fracture,Consolidation,Edema,Emphysema,"
    "Enlarged PA,ILD,Infiltration,Lung Opacity,Lung cavity,Lung cyst,Mediastinal shift,Nodule/Mass,Pleural effusion,"
    "Pleural thickening,Pneumothorax,Pulmonary fibrosis,Rib fracture,Other lesion,COPD,Lung tumor,Pneumonia,"
    "Tuberculosis,{other},No finding"
)


@pytest.fixture
def vindr_physionet(download):
    """PhysioNet's headers, training (with rad_id, Other diseases) and test (without, Other disease)."""
    train, test = VINDR_LABELS.format(other="Other diseases"), VINDR_LABELS.format(other="Other disease")

    def row(header, *positive):
        return ",".join("1" if name in positive else "0" for name in header.split(","))

    return download({
        "annotations/annotations_train.csv": (
            "image_id,rad_id,class_name,x_min,y_min,x_max,y_max\n"
            "f1,R8,Rib fracture,10,20,110,120\n"
            "f1,R9,No finding,,,,\n"
        ),
        "annotations/image_labels_train.csv": (
            f"image_id,rad_id,{train}\nf1,R8,{row(train, 'Rib fracture', 'Tuberculosis')}\n"
            f"f1,R9,{row(train, 'No finding')}\n"
        ),
        "annotations/annotations_test.csv": (
            "image_id,class_name,x_min,y_min,x_max,y_max\nf9,Edema,1,2,3,4\n"
        ),
        "annotations/image_labels_test.csv": f"image_id,{test}\nf9,{row(test, 'Edema', 'Other disease')}\n",
        "train_meta.csv": "image_id,dim0,dim1\nf1,2336,2836\n",
    })  # fmt: skip

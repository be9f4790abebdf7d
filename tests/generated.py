"""A network that nobody trained: small, quick, and its answers follow from the picture; and films and results."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

CARD_LABELS = ("effusion", "edema", "nodule_mass")
GATE_CLASSES = (
    *("what:frontal", "what:lateral", "what:partial", "what:other_xray", "what:not_xray"),
    *("turn:0", "turn:90", "turn:180", "turn:270"),
    *("polarity:normal", "polarity:inverted"),
)


def generated_network(size=64):
    """A network without training, of standard operators, whose answers follow from the picture.

    Each of 8 x 8 cells offers a box of 40 pixels around it; a cell's score rises with its mean grey, differently for
    each label. The gate takes the corner with the least light for the top left: films in these tests are bright with
    one dark corner; a film that is dark over all is inverted.
    """
    cell = size // 8
    labels, classes = len(CARD_LABELS), len(GATE_CLASSES)
    centres = np.stack(np.meshgrid(np.arange(8) * cell + cell / 2, np.arange(8) * cell + cell / 2), -1).reshape(64, 2)
    gate = np.zeros((classes, 5), np.float32)  # columns: mean of four corners, clockwise from top left, and a one
    gate[0] = (0, 0, 0, 0, 4)
    gate[5:9, :4] = -20 * np.eye(4)
    gate[9] = (0, 0, 0, 0, 5)
    gate[10] = (-20, -20, -20, -20, 45)
    values = {
        "weight": np.array([8, 6, 10], np.float32).reshape(labels, 1, 1, 1),
        "bias": np.array([-6, -4, -9], np.float32),
        "grid": np.concatenate([centres - 20, centres + 20], 1).astype(np.float32)[None],
        "rows": np.array([1, labels, 64], np.int64),
        "flat": np.array([1, -1], np.int64),
        "order": np.array([0, 1, 3, 2], np.int64),  # corners row by row, made clockwise
        "one": np.ones((1, 1), np.float32),
        "gate_weight": gate.T.copy(),
        "parts": np.array([5, 4, 2], np.int64),
        "zero": np.zeros(1, np.float32),
    }
    node = helper.make_node
    nodes = [
        node("AveragePool", ["image"], ["grey"], kernel_shape=[cell, cell], strides=[cell, cell]),
        node("Conv", ["grey", "weight", "bias"], ["logits"]),
        node("Sigmoid", ["logits"], ["maps"]),
        node("Reshape", ["maps", "rows"], ["by_label"]),
        node("Transpose", ["by_label"], ["scores"], perm=[0, 2, 1]),
        node("ReduceMax", ["by_label"], ["image_scores"], axes=[2], keepdims=0),
        node("AveragePool", ["image"], ["quarter"], kernel_shape=[size // 2] * 2, strides=[size // 2] * 2),
        node("Reshape", ["quarter", "flat"], ["corners"]),
        node("Gather", ["corners", "order"], ["features"], axis=1),
        node("Concat", ["features", "one"], ["with_one"], axis=1),
        node("MatMul", ["with_one", "gate_weight"], ["gate_logits"]),
        node("Split", ["gate_logits", "parts"], ["what", "turn", "polarity"], axis=1),
        *(node("Softmax", [name], [f"p_{name}"], axis=1) for name in ("what", "turn", "polarity")),
        node("Concat", ["p_what", "p_turn", "p_polarity"], ["gate"], axis=1),
        node("Add", ["grid", "zero"], ["boxes"]),
    ]
    info = helper.make_tensor_value_info
    shapes = {
        "boxes": (1, 64, 4),
        "scores": (1, 64, labels),
        "image_scores": (1, labels),
        "maps": (1, labels, 8, 8),
        "features": (1, 4),
        "gate": (1, classes),
    }
    graph = helper.make_graph(
        nodes,
        "generated",
        [info("image", TensorProto.FLOAT, [1, 1, size, size])],
        [info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def generated_film(number=0, **tags):
    """A generated CR film that the generated gate takes for an upright chest film; films differ by their number."""
    pixels = np.random.default_rng(number).integers(2600, 3900, (96, 80), dtype=np.uint16)
    pixels[:48, :40] -= 1800
    data = Dataset()
    data.SOPClassUID = ComputedRadiographyImageStorage
    data.SOPInstanceUID = generate_uid(entropy_srcs=["film", str(number)])
    data.StudyInstanceUID = generate_uid(entropy_srcs=["study", str(number)])
    data.SeriesInstanceUID = generate_uid(entropy_srcs=["series", str(number)])
    data.PatientName, data.PatientID, data.PatientBirthDate, data.PatientSex = "Doe^Jane", f"P{number}", "19600101", "F"
    data.StudyDate, data.StudyTime, data.StudyID, data.AccessionNumber = "20260110", "120000", "1", ""
    data.ReferringPhysicianName, data.Modality, data.Manufacturer = "", "CR", "none"
    data.BodyPartExamined, data.ViewPosition, data.SeriesNumber, data.InstanceNumber = "CHEST", "PA", "1", "1"
    data.PatientOrientation = ["L", "F"]
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.PixelData = pixels.tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for name, value in tags.items():
        setattr(data, name, value)
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    return data


def watched_result(week, number, score, *, model="m"):
    """What a watch needs of a film's result; months of 28 days will do."""
    day = f"2026-{1 + (week * 7 + 4) // 28:02d}-{1 + (week * 7 + 4) % 28:02d}"
    film = {"path": "a.dcm", "sha256": f"{week:032x}{number:032x}", "width": 2000, "height": 2400, "view": "PA"}
    return {
        "schema": "lungspot/1",
        "status": "assessed",
        "reasons": [],
        "image": film,
        "findings": [],
        "image_scores": [{"label": "effusion", "probability": score, "threshold": 0.5, "positive": score > 0.5}],
        "statement": {"said": []},
        "model": {"name": model, "version": "1", "sha256": "b" * 64, "card_sha256": "c" * 64},
        "made": f"{day}T{number % 24:02d}:00:00Z",
    }


def write_normal_films(root, count=9):
    """Write a data folder of one public set, normal films of noise, a third in each split; return it."""
    (root / "rsna-normals").mkdir()
    rng = np.random.default_rng(0)
    rows = ["image,patient,split"]
    for i in range(count):
        name = f"rsna-normals/rsna_Normal-{i:08x}.png"
        Image.fromarray(rng.integers(0, 255, (80, 70), dtype=np.uint8)).save(root / name)
        rows.append(f"{name},p{i},{('train', 'val', 'test')[i % 3]}")
    (root / "splits.csv").write_text("\n".join(rows) + "\n")
    return root


def write_third(film, path):
    """Write every third pixel of every third row of a film that is not compressed, with the whole of its header."""
    dataset = dcmread(film)
    pixels = dataset.pixel_array[::3, ::3]
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path)
    return path

"""Names as East Asian devices write them: the examples of PS3.5 annexes H to K, and what devices make of them."""

from pathlib import Path

import pydicom
import pytest
from pydicom.datadict import tag_for_keyword

from lungspot.images import read_header, read_identity
from lungspot.images.dicom_charset import decode_text

YAMADA = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"
KANA = b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J"
HONG = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"
ZHANG = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="
WANG = b"Wang^XiaoDong=\x1b$)A\xcd\xf5^\x1b$)A\xd0\xa1\xb6\xab"


@pytest.mark.parametrize(
    ("sets", "value", "text"),
    [
        ("\\ISO 2022 IR 87", YAMADA, "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO 2022 IR 13\\ISO 2022 IR 87", KANA, "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        ("\\ISO 2022 IR 149", HONG, "Hong^Gildong=洪^吉洞=홍^길동"),
        ("\\ISO 2022 IR 58", ZHANG, "Zhang^XiaoDong=张^小东"),
        ("\\ISO 2022 IR 58", WANG, "Wang^XiaoDong=王^小东"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小東=".encode(), "Wang^XiaoDong=王^小東"),  # pydicom drops an empty last group
        ("GB18030", "Wang^XiaoDong=王^小东=".encode("gb18030"), "Wang^XiaoDong=王^小东"),
        ("GBK", "Wang^XiaoDong=王^小东=".encode("gbk"), "Wang^XiaoDong=王^小东"),
        # as devices write them
        ("", WANG, "Wang^XiaoDong=王^小东"),  # not declared
        ("ISO 2022 IR 58", WANG, "Wang^XiaoDong=王^小东"),  # as the first
        ("ISO 2022 IR 100\\ISO 2022 IR 58", WANG, "Wang^XiaoDong=王^小东"),
        ("ISO 2022 IR 58", b"Wang=\xcd\xf5^\x1b$)A\xd0\xa1", "Wang=王^小"),
        ("\\ISO 2022 IR 149", b"\x1b$)C\xb1\xe8\xc8\xf1\xc1\xdf abc", "김희중 abc"),
        ("\\ISO 2022 IR 159", b"\x1b$(D\x30\x21\x1b(B^x", "丂^x"),
        ("ISO 2022 IR 100\\ISO 2022 IR 144", b"J\xe9r\xf4me=\x1b-L\xbb\xee\xda=\xe9", "Jérôme=Люк=é"),
        ("ISO 2022 IR 6\\ISO 2022 IR 126", b"a=\x1b-F\xc4\xe9\xef", "a=Διο"),
        ("\\ISO 2022 IR 166", b"\x1b-T\xa1\xd2", "กา"),
        ("\\ISO 2022 IR 58", b"x\x1b$)A\xd5", "x\ufffd"),
        ("\\ISO 2022 IR 58", b"a\x1b%Zb^c\x1b", "ab^c"),
    ],
)
def test_a_name_is_read_as_it_was_written(sets, value, text, make_dicom, gradient):
    marks = {"SpecificCharacterSet": "S" * 60, "PatientName": "N" * 120}
    data = make_dicom(gradient, **marks)
    data = data.replace(b"S" * 60, sets.encode().ljust(60)).replace(b"N" * 120, value.ljust(120))
    assert str(read_header(data).PatientName) == text
    assert read_identity(data, "film").patient_name == text


@pytest.mark.parametrize("name", ["H31", "H32", "I2", "X1", "X2", "Germ", "Russ", "Greek", "Hbrw", "Arab", "Fren"])
def test_pydicom_s_examples_come_out_as_its_own(name):
    path = Path(pydicom.__file__).parent / "data" / "charset_files" / f"chr{name}.dcm"
    dataset = pydicom.dcmread(path)
    raw = pydicom.dcmread(path).get_item("PatientName").value
    sets = dataset.get("SpecificCharacterSet")
    first = sets if isinstance(sets, str) else sets[0]
    if b"\x1b" in raw:
        assert decode_text(raw, first, name=True) == str(dataset.PatientName)


def test_the_sets_hold_for_other_texts_and_start_anew_behind_a_backslash(make_dicom, gradient):
    value = b"\x1b$)A\xd0\xa1\\\xe9\\b  "
    data = make_dicom(gradient, SpecificCharacterSet="S" * 32, StudyID="T" * 16, ImageComments="U" * 16)
    data = data.replace(b"S" * 32, b"ISO 2022 IR 100\\ISO 2022 IR 58  ")
    header = read_header(
        data.replace(b"T" * 16, value.ljust(16)).replace(b"U" * 16, b"a\n\x1b$)A\xd0\xa1\n\xe9".ljust(16))
    )
    assert list(header.StudyID) == ["小", "é", "b"]
    assert header.ImageComments == "a\n小\né"


def test_a_private_or_binary_value_is_left_alone(make_dicom, gradient):
    plain = make_dicom(gradient, SpecificCharacterSet="\\ISO 2022 IR 58", LossyImageCompressionRatio="1")
    at = plain.index((0x0028).to_bytes(2, "little") + b"\x02\x00US")
    data = plain[:at] + b"\x09\x00\x01\x10UN\0\0\x04\0\0\0\x1b$)A" + plain[at:]
    assert read_header(data)[0x00091001].value == b"\x1b$)A"
    assert tag_for_keyword("PatientName") not in read_header(data)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"])
@pytest.mark.parametrize("length", ["defined", "undefined"])
@pytest.mark.parametrize(
    ("outer", "inner", "value", "text"),
    [
        ("\\ISO 2022 IR 58 ", None, WANG + b" ", "Wang^XiaoDong=王^小东"),  # the item has those of the film
        ("ISO_IR 192", "\\ISO 2022 IR 149", b"\x1b$)C\xb1\xe8\xc8\xf1", "김희"),  # the item has its own
        ("ISO 2022 IR 100", "ISO 2022 IR 13\\ISO 2022 IR 87", KANA + b" ", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        ("\\ISO 2022 IR 58 ", "GB18030 ", "王^小东".encode("gb18030"), "王^小东"),
    ],
)
def test_items_of_sequences_have_their_own_sets_or_the_films(
    make_dicom, gradient, syntax, length, outer, inner, value, text
):
    item, step = pydicom.Dataset(), pydicom.Dataset()
    if inner is not None:
        item.add(
            pydicom.DataElement("SpecificCharacterSet", "CS", "S" * (len(inner) + len(inner) % 2), validation_mode=0)
        )
    item.RequestedProcedureDescription = "D" * (len(value) + len(value) % 2)
    item.ScheduledProtocolCodeSequence = [step]
    step.CodeMeaning = "M" * (len(value) + len(value) % 2)
    item["ScheduledProtocolCodeSequence"].is_undefined_length = length == "undefined"
    data = make_dicom(
        gradient,
        syntax=syntax,
        SpecificCharacterSet="O" * (len(outer) + len(outer) % 2),
        RequestAttributesSequence=[item],
    )
    for mark, content in ((b"O", outer.encode()), (b"S", (inner or "").encode()), (b"D", value), (b"M", value)):
        if content:
            data = data.replace(mark * (len(content) + len(content) % 2), content + b" " * (len(content) % 2))
    (request,) = read_header(data).RequestAttributesSequence
    assert request.RequestedProcedureDescription == text
    (code,) = request.ScheduledProtocolCodeSequence
    assert code.CodeMeaning == text


def test_a_damaged_sequence_with_an_escape_in_it_is_passed_over(make_dicom, gradient):
    plain = make_dicom(gradient, SpecificCharacterSet="\\ISO 2022 IR 58 ")
    at = plain.index((0x0028).to_bytes(2, "little") + b"\x02\x00US")
    broken = b"\x10\x00\x02\x10SQ\0\0\x0c\0\0\0\xfe\xff\x00\xe0\xff\x00\0\0\x1b$)A"
    assert read_header(plain[:at] + broken + plain[at:]).Rows == 48

"""Damaged films: thousands of mutations of real ones, and every film cut at many places.

``LUNGSPOT_FUZZ`` says how many mutations (2,000 by default; ``make fuzz`` runs 20,000, and cuts each film at all of its
ends and at ten times as many other places). Each case has its own seed, so that a failure names what repeats it. Films
are read by children of the fork server, as services read, a fifth by children of this process, as programs do: both
under the same limits, but this process holds every test and its libraries, and a fork of it costs more than the film.
"""

import os
import random
import re
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pydicom import uid

from lungspot.errors import CODES, FilmError
from lungspot.images.fork_server import use_fork_server
from lungspot.images.radiograph import WARNINGS, Radiograph
from lungspot.images.read import read

CASES = int(os.environ.get("LUNGSPOT_FUZZ", "2000"))
ENDS = (1, 2, 3, 4, 8, 12, 20)  # bytes that are cut off; each film draws some of them, and all films together draw all
FEW, CUTS = min(CASES // 600, len(ENDS)), CASES // 1000  # ends of each film, and cuts anywhere in it
CHUNKS = 20

# What may refuse a damaged film. A time-out is not among them: no seed takes a hundredth of what a child may use.
REFUSALS = {
    *("NOT_AN_IMAGE", "NOT_A_RADIOGRAPH", "NO_PIXELS", "NOT_DECODABLE", "TRUNCATED", "TOO_LARGE", "DIMENSIONS"),
    *("UNSUPPORTED", "OUT_OF_MEMORY", "CRASHED", "BAD_HEADER"),
}


@pytest.fixture(scope="module")
def fork_server():
    with use_fork_server():
        yield


@pytest.mark.usefixtures("fork_server")
def test_the_seeds_cover_every_syntax_and_most_are_films(seeds):
    readable = {}
    for name, data in seeds:
        try:
            readable[name] = read(data)
        except FilmError as error:
            assert error.code in REFUSALS, f"{name}: {error}"  # noqa: PT017 - most are read
    syntaxes = {film.origin.transfer_syntax for film in readable.values()}
    assert {film.origin.kind for film in readable.values()} == {"dicom", "png", "jpeg", "tiff", "webp", "bmp"}
    assert len(syntaxes - {None, ""}) >= 14, sorted(map(str, syntaxes))
    assert len(readable) > 60


# --------------------------------------------------------------------------------------------------------- mutations

EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
SYNTAX_UIDS = [name.encode() for name in sorted(uid.UID_dictionary) if uid.UID_dictionary[name][1] == "Transfer Syntax"]
VRS = (
    *(b"AE", b"AS", b"AT", b"CS", b"DS", b"FD", b"IS", b"LO", b"OB", b"OW", b"PN", b"SQ", b"SS", b"UI"),
    b"UL",
    b"UN",
    b"US",
    b"UT",
    b"zz",
)
IMAGE_ELEMENT = re.compile(rb"\x28\x00[\x00-\x12]\x00|\x00\x28[\x00\x01][\x00-\x12]|\x28\x00[\x00-\x02]\x01")
MARKER = re.compile(rb"\xff[\x4f-\x64\x90-\x93\xc0-\xcf\xd8-\xda\xdb-\xfe]")
ITEM = re.compile(rb"\xfe\xff\x00\xe0")


def span(chance, data, longest=64):
    at = chance.randrange(len(data))
    return at, min(len(data), at + chance.randint(1, longest))


def place(chance, data, pattern):
    found = [match.start() for match in pattern.finditer(data[:20_000])]
    return chance.choice(found) if found else chance.randrange(len(data))


def put(data, at, value):
    return data[:at] + value + data[at + len(value) :]


def number(chance, size=None):
    size = size or chance.choice((1, 2, 4))
    value = chance.choice((*EXTREMES, chance.getrandbits(32))) & ((1 << 8 * size) - 1)
    return value.to_bytes(size, chance.choice(("little", "big")))


def cut(chance, data, _other):
    return data[: chance.randrange(len(data))]


def cut_a_little(chance, data, _other):
    return data[: -chance.randint(1, 64)]


def cut_the_beginning(chance, data, _other):
    return data[chance.randint(1, 400) :]


def flip_a_bit(chance, data, _other):
    at = chance.randrange(len(data))
    return put(data, at, bytes([data[at] ^ 1 << chance.randrange(8)]))


def flip_a_bit_of_the_header(chance, data, _other):
    at = chance.randrange(min(len(data), 1500))
    return put(data, at, bytes([data[at] ^ 1 << chance.randrange(8)]))


def flip_many_bits(chance, data, other):
    for _ in range(chance.randint(2, 40)):
        data = flip_a_bit(chance, data, other)
    return data


def overwrite_with_noise(chance, data, _other):
    begin, end = span(chance, data)
    return put(data, begin, chance.randbytes(end - begin))


def overwrite_with_zeros(chance, data, _other):
    begin, end = span(chance, data, 2000)
    return put(data, begin, bytes(end - begin))


def overwrite_with_ones(chance, data, _other):
    begin, end = span(chance, data)
    return put(data, begin, b"\xff" * (end - begin))


def zero_the_tail(chance, data, _other):
    at = chance.randrange(len(data))
    return data[:at] + bytes(len(data) - at)


def delete_a_run(chance, data, _other):
    begin, end = span(chance, data)
    return data[:begin] + data[end:]


def repeat_a_run(chance, data, _other):
    begin, end = span(chance, data, 400)
    return data[:end] + data[begin:end] * chance.randint(1, 50) + data[end:]


def insert_noise(chance, data, _other):
    at = chance.randrange(len(data))
    return data[:at] + chance.randbytes(chance.randint(1, 64)) + data[at:]


def swap_two_runs(chance, data, _other):
    a, b, c, d = sorted(chance.randrange(len(data)) for _ in range(4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def swap_bytes(chance, data, _other):
    begin, end = span(chance, data, 2000)
    end -= (end - begin) % 2
    return put(data, begin, np.frombuffer(data[begin:end], "<u2").byteswap().tobytes())


def splice_with_another(chance, data, other):
    return data[: chance.randrange(len(data))] + other[chance.randrange(len(other)) :]


def take_the_head_of_another(chance, data, other):
    size = chance.choice((2, 8, 26, 132, 340, 1000))
    return other[:size] + data[size:]


def put_an_extreme_number(chance, data, _other):
    return put(data, chance.randrange(len(data)), number(chance))


def put_an_extreme_number_into_the_header(chance, data, _other):
    return put(data, chance.randrange(min(1500, len(data))), number(chance))


def change_an_image_element(chance, data, _other):
    return put(data, place(chance, data, IMAGE_ELEMENT) + 8, number(chance, 2))


def change_a_length(chance, data, _other):
    return put(data, place(chance, data, IMAGE_ELEMENT) + chance.choice((4, 6)), number(chance, chance.choice((2, 4))))


def change_a_vr(chance, data, _other):
    return put(data, place(chance, data, IMAGE_ELEMENT) + 4, chance.choice(VRS))


def change_a_tag(chance, data, _other):
    return put(
        data, place(chance, data, IMAGE_ELEMENT), struct.pack("<HH", 0x28, chance.choice((2, 8, 0x10, 0x11, 0x100)))
    )


def drop_an_image_element(chance, data, _other):
    at = place(chance, data, IMAGE_ELEMENT)
    return data[:at] + data[at + 10 :]


def repeat_an_image_element(chance, data, _other):
    at = place(chance, data, IMAGE_ELEMENT)
    return data[: at + 10] + data[at : at + 8] + number(chance, 2) + data[at + 10 :]


def change_the_syntax(chance, data, other):
    found = re.search(rb"1\.2\.840\.10008\.1\.2[.\d]*\0?", data[:1000])
    if found is None:
        return put_an_extreme_number(chance, data, other)
    size = found.end() - found.start()
    return put(data, found.start(), chance.choice(SYNTAX_UIDS).ljust(size, b"\0")[:size])


def change_behind_a_marker(chance, data, _other):
    return put(data, place(chance, data, MARKER) + chance.randint(2, 12), number(chance))


def change_a_marker(chance, data, _other):
    return put(data, place(chance, data, MARKER) + 1, chance.randbytes(1))


def change_a_fragment(chance, data, _other):
    return put(data, place(chance, data, ITEM) + 4, number(chance, 4))


def open_a_sequence(chance, data, _other):
    at = place(chance, data, IMAGE_ELEMENT)
    opening = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return data[:at] + opening * chance.choice((1, 2, 50, 2000)) + data[at:]


def append_noise(chance, data, _other):
    return data + chance.randbytes(chance.randint(1, 500))


def append_itself(_chance, data, _other):
    return data + data


def drop_the_meta_group(chance, data, _other):
    if data[128:132] != b"DICM":
        return data[chance.randint(1, 12) :]
    return data[chance.choice((128, 132, 144, 144 + int.from_bytes(data[140:144], "little"))) :]


KINDS = [
    *(cut, cut_a_little, cut_the_beginning, flip_a_bit, flip_a_bit_of_the_header, flip_many_bits, overwrite_with_noise),
    *(
        overwrite_with_zeros,
        overwrite_with_ones,
        zero_the_tail,
        delete_a_run,
        repeat_a_run,
        insert_noise,
        swap_two_runs,
    ),
    *(swap_bytes, splice_with_another, take_the_head_of_another, put_an_extreme_number),
    *(put_an_extreme_number_into_the_header, change_an_image_element, change_a_length, change_a_vr, change_a_tag),
    *(drop_an_image_element, repeat_an_image_element, change_the_syntax, change_behind_a_marker, change_a_marker),
    *(change_a_fragment, open_a_sequence, append_noise, append_itself, drop_the_meta_group),
]


def test_there_are_twenty_kinds_and_more():
    assert len(set(KINDS)) == len(KINDS) >= 20


def resident():
    """Return the bytes of memory that this process holds, or 0 where the system does not say."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGESIZE") if statm.exists() else 0


def check(case, data):
    """Read a damaged film: a film or a refusal, nothing else; return the code of the refusal."""
    try:
        film = read(data)
    except FilmError as error:
        line = str(error)
        assert error.code in REFUSALS & set(CODES), f"{case}: {line}"  # noqa: PT017 - or it is a film
        assert line.startswith("<bytes>: "), f"{case}: {line}"
        assert "\n" not in line, case
        assert len(line) < 500, f"{case}: {line}"
        return error.code
    assert isinstance(film, Radiograph), case  # whose constructor has refused what is not a film
    assert {notice.code for notice in film.notices} <= set(WARNINGS), case
    return None


@pytest.mark.fuzz
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_damaged_film_is_a_film_or_one_refusal(seeds, chunk, request):
    request.getfixturevalue("forked_here" if chunk % 5 == 0 else "fork_server")
    check("warm up", seeds[0][1])
    before = resident()
    outcomes = Counter()
    for i in range(chunk, CASES, CHUNKS):
        chance = random.Random(i)  # noqa: S311 - repeatable, not secret
        kind = KINDS[i // CHUNKS % len(KINDS)]
        name, data = chance.choice(seeds)
        mutated = kind(chance, data, chance.choice(seeds)[1])
        outcomes[check(f"case {i}: {kind.__name__} of {name}", mutated) or "a film"] += 1
    request.getfixturevalue("record_property")("outcomes", dict(outcomes))
    assert outcomes.keys() >= {"a film", "NOT_DECODABLE"}  # some survive, some do not: the mutations reach the decoders
    assert resident() - before < 128 << 20


@pytest.mark.fuzz
@pytest.mark.usefixtures("fork_server")
@pytest.mark.parametrize("part", range(8))
def test_a_cut_film_is_never_a_picture_without_a_word(seeds, part, record_property):
    outcomes = Counter()
    for name, data in seeds[part::8]:
        try:
            whole = read(data)
        except FilmError:
            continue
        chance = random.Random(name)  # noqa: S311 - repeatable, not secret
        ends = {len(data) - n for n in chance.sample(ENDS, FEW)} | {chance.randrange(len(data)) for _ in range(CUTS)}
        for end in sorted(ends):
            try:
                found = read(data[:end])
            except FilmError as error:
                assert error.code in REFUSALS, f"{name} cut at {end}: {error}"  # noqa: PT017 - or it is a film
                outcomes[error.code] += 1
                continue
            spoken = {notice.code for notice in found.notices} - {notice.code for notice in whole.notices}
            same = np.array_equal(found.pixels, whole.pixels)
            assert same, f"{name} cut at {end} of {len(data)}: other pixels"
            lost = data[end:].strip(b"\0")
            assert spoken or not lost or at_an_element(data, end), f"{name} cut at {end} of {len(data)}: {lost[:20]}"
            outcomes["with a warning" if spoken else "whole"] += 1
    record_property("outcomes", dict(outcomes))


def at_an_element(data, end):
    """Tell whether whole elements behind the pixels were cut off: nothing in the file says that there were more."""
    return struct.unpack_from("<H", data, end)[0] > 0x7FE0 or struct.unpack_from(">H", data, end)[0] > 0x7FE0

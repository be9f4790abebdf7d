import pytest
from pydicom.sr._concepts_dict import concepts

from lungspot.detect import REASONS
from lungspot.errors import CODES
from lungspot.findings import Organ, Side, Zone, taxonomy
from lungspot.report.coded import (
    OWN_SCHEME,
    TERMS,
    label_of,
    quality_of,
    reason_term,
    side_term,
    site_term,
    term_of,
    zone_term,
)

ELSEWHERE = {"LN", "UMLS"}  # of which pydicom's tables hold a part


@pytest.mark.parametrize(("name", "term"), [each for each in TERMS.items() if each[1].scheme not in ELSEWHERE])
def test_every_term_stands_in_dicom_s_own_tables(name, term):
    meanings = {of[term.value][0] for of in concepts[term.scheme].values() if term.value in of}
    assert term.meaning in meanings, name


def test_the_codes_of_other_tables_are_those_that_the_standards_name():
    assert TERMS["chest_film"][:2] == ("36554-4", "LN")  # docs/adr/0019: IHE RAD AI Results
    assert TERMS["evaluations"] == ("C0034375", "UMLS", "Qualitative Evaluations")  # PS3.16 TID 1500
    assert {name for name, term in TERMS.items() if term.scheme in ELSEWHERE} == {"chest_film", "evaluations"}


def verhoeff(number):
    """Say whether the last digit of a SNOMED CT id is right (the Verhoeff algorithm)."""
    table = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]
    turn = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    for _ in range(7):
        table.append([table[-1][turn[digit]] for digit in range(10)])

    def multiply(a, b):
        if a < 5:
            return (a + b) % 5 if b < 5 else (a + b - 5) % 5 + 5
        return (a - b - 5) % 5 + 5 if b < 5 else (a - b) % 5

    check = 0
    for place, digit in enumerate(reversed(number)):
        check = multiply(check, table[place % 8][int(digit)])
    return check == 0


def test_snomed_numbers_are_well_formed():
    numbers = [term.value for term in (*TERMS.values(), *map(term_of, taxonomy()._labels)) if term.scheme == "SCT"]
    assert len(numbers) > 20
    assert [number for number in numbers if not verhoeff(number)] == []
    assert not verhoeff("8186002")


def test_a_label_has_one_code_that_leads_back_to_it():
    for label in taxonomy():
        term = term_of(label.id)
        assert label_of(term.value, term.scheme) == label.id
        assert len(term.meaning) <= 64
        own = {(code.value, code.scheme) for code in label.codes}
        assert (term.value, term.scheme) in own | {(label.id, OWN_SCHEME)}
    assert term_of("effusion")[:2] == ("60046008", "SCT")
    assert term_of("infiltration")[:2] == ("112121", "DCM")
    assert term_of("nodule_mass")[:2] == ("nodule_mass", OWN_SCHEME)  # a grouping: no scheme has a code for it
    assert label_of("287272002", "SCT") is None  # pydicom's keyword for cardiomegaly


def test_places_have_codes():
    assert {side_term(side).meaning for side in Side} == {"Left", "Right", "Bilateral"}
    assert {zone_term(zone).meaning.partition(" ")[0] for zone in Zone} == {"Upper", "Middle", "Lower"}
    assert site_term("cardiomegaly").meaning == "Heart"
    assert site_term("effusion").meaning == "Lung"


def test_every_organ_has_a_site_and_none_but_the_pleura_s_is_the_lung_s():
    sites = {organ: {site_term(label.id) for label in taxonomy() if label.organ is organ} for organ in Organ}
    assert {organ: [term.meaning for term in terms] for organ, terms in sites.items()} == {
        Organ.LUNG: ["Lung"],
        Organ.PLEURA: ["Lung"],  # DICOM has zones of lungs only
        Organ.HEART: ["Heart"],
        Organ.MEDIASTINUM: ["Mediastinum"],
        Organ.BONE: ["Bone of thorax"],
        Organ.CHEST: ["Thorax"],
    }


@pytest.mark.parametrize("reason", [*REASONS, *CODES])
def test_every_reason_has_a_code_and_a_quality_finding(reason):
    assert reason_term(reason)[:2] == (reason, OWN_SCHEME)
    assert 0 < len(reason_term(reason).meaning) <= 64
    assert quality_of(reason).scheme == "DCM"
    assert quality_of("LATERAL").meaning == "Positioning"

"""The codes that results are written with: diseases out of the taxonomy, everything else out of this reviewed list.

Each term below stands in a context group of DICOM PS3.16 (named beside it) or is LOINC's name of the procedure; a test
looks every one up in pydicom's generated tables. None is taken by keyword. What no public scheme can say is said in our
own, ``99LUNGSPOT``: label ids of the taxonomy without a code of their own, and why a film was not assessed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from lungspot.findings import Organ, Side, Zone, taxonomy
from lungspot.report.words import why

__all__ = [
    "OWN_SCHEME",
    "TERMS",
    "Term",
    "label_of",
    "quality_of",
    "reason_term",
    "side_term",
    "site_term",
    "term_of",
    "zone_term",
]

OWN_SCHEME: Final = "99LUNGSPOT"  # PS3.16 8.2: designators of private schemes begin with 99


class Term(NamedTuple):
    """One coded term, in the order of pydicom's ``Code``."""

    value: str
    scheme: str
    meaning: str


# name here → the term; the comment names the context group (CID) or template that holds it
TERMS: Final[dict[str, Term]] = {
    "summary": Term("111017", "DCM", "CAD Processing and Findings Summary"),  # TID 4100
    "with_findings": Term("111242", "DCM", "All algorithms succeeded; with findings"),  # CID 6047
    "without_findings": Term("111241", "DCM", "All algorithms succeeded; without findings"),  # CID 6047
    "none_succeeded": Term("111245", "DCM", "No algorithms succeeded; without findings"),  # CID 6047
    "quality": Term("111052", "DCM", "Quality Finding"),  # TID 4006
    "positioning": Term("111209", "DCM", "Positioning"),  # CID 6135
    "under_exposed": Term("111211", "DCM", "Under exposed"),  # CID 6135
    "over_exposed": Term("111212", "DCM", "Over exposed"),  # CID 6135
    "processing": Term("111219", "DCM", "Inappropriate image processing"),  # CID 6135
    "no_image": Term("111213", "DCM", "No image"),  # CID 6135
    "other_failure": Term("111220", "DCM", "Other failure"),  # CID 6135
    "software_failure": Term("111218", "DCM", "Software failure"),  # CID 6135
    "finding": Term("121071", "DCM", "Finding"),
    "comment": Term("121106", "DCM", "Comment"),
    "short_label": Term("125309", "DCM", "Short Label"),
    "parameters": Term("111002", "DCM", "Algorithm Parameters"),  # TID 4019
    "tracking": Term("112039", "DCM", "Tracking Identifier"),  # TID 4108
    "tracking_uid": Term("112040", "DCM", "Tracking Unique Identifier"),  # TID 4108
    "conclusion": Term("121111", "DCM", "Summary"),
    "evaluations": Term("C0034375", "UMLS", "Qualitative Evaluations"),  # TID 1500
    "probability": Term("122157", "DCM", "Probability"),
    "present": Term("52101004", "SCT", "Present"),  # CID 240
    "absent": Term("272519000", "SCT", "Absent"),  # CID 240
    "undetermined": Term("373068000", "SCT", "Undetermined"),  # CID 240
    "lung": Term("39607008", "SCT", "Lung"),  # CID 6129
    "heart": Term("80891009", "SCT", "Heart"),  # CID 6102
    "mediastinum": Term("72410000", "SCT", "Mediastinum"),  # CID 6129
    "bone": Term("272710004", "SCT", "Bone of thorax"),  # CID 7151
    "left": Term("7771000", "SCT", "Left"),  # CID 244
    "right": Term("24028007", "SCT", "Right"),  # CID 244
    "bilateral": Term("51440002", "SCT", "Bilateral"),  # CID 244
    "upper": Term("281392002", "SCT", "Upper zone of lung"),  # CID 6124
    "middle": Term("281393007", "SCT", "Middle zone of lung"),  # CID 6124
    "lower": Term("281394001", "SCT", "Lower zone of lung"),  # CID 6124
    "bounding_box": Term("75958009", "SCT", "Bounded by"),  # CID 219
    "anatomical_structure": Term("91723000", "SCT", "Anatomical Structure"),  # CID 7150
    "abnormal_structure": Term("49755003", "SCT", "Morphologically Abnormal Structure"),  # CID 7150
    "class_activation": Term("130402", "DCM", "Class activation"),  # CID 217
    "artificial_intelligence": Term("123110", "DCM", "Artificial Intelligence"),  # CID 7162
    "length": Term("410668003", "SCT", "Length"),  # CID 7470
    "width": Term("103355008", "SCT", "Width"),  # CID 7470
    "area": Term("42798000", "SCT", "Area"),  # CID 7471
    "angle": Term("1483009", "SCT", "Angle"),  # CID 12304
    "mean": Term("373098007", "SCT", "Mean"),  # CID 7464
    "deviation": Term("386136009", "SCT", "Standard Deviation"),  # CID 7464
    "minimum": Term("255605001", "SCT", "Minimum"),  # CID 7464
    "maximum": Term("56851009", "SCT", "Maximum"),  # CID 7464
    "thorax": Term("816094009", "SCT", "Thorax"),  # CID 4
    "new": Term("129721008", "SCT", "New finding"),  # CID 6002
    "same": Term("129723006", "SCT", "No significant changes in the finding"),  # CID 6002
    "larger": Term("15454001", "SCT", "Increased size (finding)"),
    "smaller": Term("19776001", "SCT", "Decreased size (finding)"),
    "chest_film": Term("36554-4", "LN", "XR Chest Single view"),
}

_LONGEST: Final = 64  # characters of a code meaning (VR LO)
_QUALITIES: Final = {
    "LATERAL": "positioning",
    "CROPPED": "positioning",
    "ROTATED": "positioning",
    "BLANK": "under_exposed",
    "SATURATED": "over_exposed",
    "INVERTED": "processing",
    "NO_PIXELS": "no_image",
    "MODEL_NUMERIC": "software_failure",
}

# Of what has a side and a zone DICOM has the zones of the lung alone (CID 6124), so an effusion or a pneumothorax is
# said by the lung that it lies beside, which readers and viewers then follow; its own code says that it is pleural.
_SITES: Final = {
    Organ.LUNG: "lung",
    Organ.PLEURA: "lung",
    Organ.HEART: "heart",
    Organ.MEDIASTINUM: "mediastinum",
    Organ.BONE: "bone",
    Organ.CHEST: "thorax",
}


def term_of(label: str) -> Term:
    """Return a label's code: SNOMED CT's, else DICOM's, else the label id in our own scheme."""
    known = taxonomy()[label]
    code = known.code("SCT") or known.code("DCM")
    if code is None:
        return Term(label, OWN_SCHEME, known.name)
    return Term(code.value, code.scheme, code.meaning if len(code.meaning) <= _LONGEST else known.name)


def label_of(value: str, scheme: str) -> str | None:
    """Return the label that a code means, or None where it is none of ours."""
    return next((label.id for label in taxonomy() if term_of(label.id)[:2] == (value, scheme)), None)


def site_term(label: str) -> Term:
    """Return the organ that a finding is in."""
    return TERMS[_SITES[taxonomy()[label].organ]]


def side_term(side: Side) -> Term:
    """Return the laterality of a finding."""
    return TERMS[str(side)]


def zone_term(zone: Zone) -> Term:
    """Return the zone of the lung."""
    return TERMS[str(zone)]


def quality_of(reason: str) -> Term:
    """Return the DICOM quality finding (CID 6135) that comes nearest to a reason code of ours."""
    return TERMS[_QUALITIES.get(reason, "other_failure")]


def reason_term(reason: str) -> Term:
    """Return a reason not to assess a film, or an error code, as a term of our own scheme."""
    return Term(reason, OWN_SCHEME, why(reason)[:_LONGEST])

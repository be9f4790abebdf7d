"""How a result is said: JSON, pictures, a page, a table; each a view of one Analysis."""

from lungspot.images import dicom_bytes
from lungspot.report.analysis import Analysis, Model, Refusal, Status
from lungspot.report.changes import Aligned, Before, Change, Changes, ChangeWord
from lungspot.report.coded import OWN_SCHEME
from lungspot.report.dicom import DICOM_KINDS, SR_CLASSES, dicom_results, require_dicom, require_study
from lungspot.report.document import SCHEMA, document, findings_to_json, report_to_json, schema, statement_to_json
from lungspot.report.earlier import Whose, days_between, newest_earlier, whose, why_not
from lungspot.report.fhir import fhir_bundle
from lungspot.report.marks import edge_letters
from lungspot.report.measurements import (
    Greys,
    Kind,
    Measurement,
    Widths,
    measure,
    measurement_from_json,
    measurement_to_json,
)
from lungspot.report.observations import (
    REVIEWS,
    Observation,
    Review,
    Verdict,
    observations,
    read_reviews,
    review_from_json,
    reviews_by_film,
)
from lungspot.report.overlay import overlay
from lungspot.report.page import page
from lungspot.report.prior import (
    EarlierFilm,
    before_film,
    laid_on,
    newest_before,
    thumbnail_of,
    tracked_by,
    tracking_after,
    tracking_uids,
)
from lungspot.report.ratio import RATIO_LABEL, RATIO_LIMITS
from lungspot.report.record import from_record, pixels_of, refusal_of, save_arrays, to_record
from lungspot.report.register import (
    DECISIONS,
    REGISTER_COLUMNS,
    RegisterRow,
    advised,
    one_row_a_person,
    register_row,
    register_text,
    require_screened,
    screening_order,
    thresholds_name,
    why_repeat,
)
from lungspot.report.site_words import thresholds_of
from lungspot.report.sr_read import StructuredReport, read_sr
from lungspot.report.statement import PERCENTAGES, Said, Statement, statement
from lungspot.report.style import color_of, glow
from lungspot.report.table import table
from lungspot.report.text import LANGUAGES, ReportText, language_name, report_text, templates
from lungspot.report.words import NOT_ASSESSED, NOT_COMPARED_WITH, refused_because
from lungspot.report.write import (
    FORMATS,
    FORMATS_OF_READ_FILMS,
    FORMATS_WITH_HEADER,
    data_of,
    ending_of,
    formats_in_words,
    write,
)

__all__ = [
    "DECISIONS",
    "DICOM_KINDS",
    "FORMATS",
    "FORMATS_OF_READ_FILMS",
    "FORMATS_WITH_HEADER",
    "LANGUAGES",
    "NOT_ASSESSED",
    "NOT_COMPARED_WITH",
    "OWN_SCHEME",
    "PERCENTAGES",
    "RATIO_LABEL",
    "RATIO_LIMITS",
    "REGISTER_COLUMNS",
    "REVIEWS",
    "SCHEMA",
    "SR_CLASSES",
    "Aligned",
    "Analysis",
    "Before",
    "Change",
    "ChangeWord",
    "Changes",
    "EarlierFilm",
    "Greys",
    "Kind",
    "Measurement",
    "Model",
    "Observation",
    "Refusal",
    "RegisterRow",
    "ReportText",
    "Review",
    "Said",
    "Statement",
    "Status",
    "StructuredReport",
    "Verdict",
    "Whose",
    "Widths",
    "advised",
    "before_film",
    "color_of",
    "data_of",
    "days_between",
    "dicom_bytes",
    "dicom_results",
    "document",
    "edge_letters",
    "ending_of",
    "fhir_bundle",
    "findings_to_json",
    "formats_in_words",
    "from_record",
    "glow",
    "laid_on",
    "language_name",
    "measure",
    "measurement_from_json",
    "measurement_to_json",
    "newest_before",
    "newest_earlier",
    "observations",
    "one_row_a_person",
    "overlay",
    "page",
    "pixels_of",
    "read_reviews",
    "read_sr",
    "refusal_of",
    "refused_because",
    "register_row",
    "register_text",
    "report_text",
    "report_to_json",
    "require_dicom",
    "require_screened",
    "require_study",
    "review_from_json",
    "reviews_by_film",
    "save_arrays",
    "schema",
    "screening_order",
    "statement",
    "statement_to_json",
    "table",
    "templates",
    "thresholds_name",
    "thresholds_of",
    "thumbnail_of",
    "to_record",
    "tracked_by",
    "tracking_after",
    "tracking_uids",
    "whose",
    "why_not",
    "why_repeat",
    "write",
]

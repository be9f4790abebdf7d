"""How a result is said: JSON, pictures, a page, a table; each a view of one Analysis."""

from lungspot.report.analysis import Analysis, Model, Refusal
from lungspot.report.dicom import DICOM_KINDS, SR_CLASSES, dicom_bytes, dicom_results
from lungspot.report.document import SCHEMA, document, schema
from lungspot.report.fhir import fhir_bundle
from lungspot.report.look import BANNER, headline
from lungspot.report.overlay import overlay
from lungspot.report.page import page
from lungspot.report.sr_read import StructuredReport, read_sr
from lungspot.report.table import table
from lungspot.report.write import FORMATS, write

__all__ = [
    "BANNER",
    "DICOM_KINDS",
    "FORMATS",
    "SCHEMA",
    "SR_CLASSES",
    "Analysis",
    "Model",
    "Refusal",
    "StructuredReport",
    "dicom_bytes",
    "dicom_results",
    "document",
    "fhir_bundle",
    "headline",
    "overlay",
    "page",
    "read_sr",
    "schema",
    "table",
    "write",
]

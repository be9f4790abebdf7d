"""Annotation files of the labelling tools, CSV tables and our own JSON: read into cases, written from cases."""

from lungspot.formats.annotated_image import READER, AnnotatedImage, Mark, marks_of, stated_size
from lungspot.formats.case import Case, Split, everything_absent, without_crowds
from lungspot.formats.case_json import case_from_json, case_to_json, load_json, write_json
from lungspot.formats.catalog import ANNOTATION_FORMATS, Format
from lungspot.formats.classes import ClassMap, ClassNames, read_class_map, suggestion
from lungspot.formats.coco import annotated_images_in as coco_annotated_images
from lungspot.formats.coco import labels_of as coco_labels
from lungspot.formats.coco import read as read_coco
from lungspot.formats.coco_files import ANNOTATIONS_FILE
from lungspot.formats.coco_ids import CocoIds, in_the_file, read_coco_ids
from lungspot.formats.croissant import CROISSANT_FILE, Column, CroissantTable, write_croissant
from lungspot.formats.documents import DOCUMENT_SUFFIXES, is_document, no_document, read_documents
from lungspot.formats.faults import STRICT, Faults, PublishedTable
from lungspot.formats.films import dicom_facts, find_films, list_films
from lungspot.formats.image_files import FilmTransfer, Progress, annotated_images_of, film_size
from lungspot.formats.image_labels import READER as IMAGE_LABELS_READER
from lungspot.formats.image_labels import cases as image_label_cases
from lungspot.formats.labelstudio import PATIENT as LABELSTUDIO_PATIENT
from lungspot.formats.labelstudio import config as labelstudio_config
from lungspot.formats.labelstudio import region as labelstudio_region
from lungspot.formats.labelstudio_files import STUDIO_TASKS
from lungspot.formats.predictions import (
    PredictedFinding,
    Prediction,
    predicted_case,
    predicted_cases,
    prediction_of,
    read_predictions,
)
from lungspot.formats.predictions_files import (
    PREDICTION_FILES,
    PREDICTION_FORMATS,
    coco_text,
    csv_text,
    to_coco,
    write_predictions,
)
from lungspot.formats.problems import PROBLEMS, Problem
from lungspot.formats.read_files import films_of, inputs_of
from lungspot.formats.reconcile import nearest, patient_in
from lungspot.formats.result_arrays import ShardArrays, shard_arrays
from lungspot.formats.result_tables import (
    FILMS_SCHEMA,
    FINDINGS_SCHEMA,
    GIVEN,
    JUDGED,
    film_columns,
    film_row,
    films_parquet,
    finding_columns,
    finding_rows,
    findings_parquet,
    is_result_folder,
    result_documents,
    shard_files,
    unicode_text,
)
from lungspot.formats.sidecar import file_key
from lungspot.formats.tables import (
    CSV_SUFFIXES,
    Row,
    header_of,
    read_lines,
    read_list,
    read_object,
    read_rows,
    refuse_row,
    require_file,
    require_folder,
)
from lungspot.formats.written import boxes_unsaid, sayable_cases, whole_films, write_cases
from lungspot.formats.xml_tree import parse_xml

__all__ = [
    "ANNOTATIONS_FILE",
    "ANNOTATION_FORMATS",
    "CROISSANT_FILE",
    "CSV_SUFFIXES",
    "DOCUMENT_SUFFIXES",
    "FILMS_SCHEMA",
    "FINDINGS_SCHEMA",
    "GIVEN",
    "IMAGE_LABELS_READER",  # who labelled a film, where a table of image labels does not say
    "JUDGED",
    "LABELSTUDIO_PATIENT",  # where a Label Studio task says whose film it is
    "PREDICTION_FILES",
    "PREDICTION_FORMATS",
    "PROBLEMS",
    "READER",
    "STRICT",
    "STUDIO_TASKS",
    "AnnotatedImage",
    "Case",
    "ClassMap",
    "ClassNames",
    "CocoIds",
    "Column",
    "CroissantTable",
    "Faults",
    "FilmTransfer",
    "Format",
    "Mark",
    "PredictedFinding",
    "Prediction",
    "Problem",
    "Progress",
    "PublishedTable",
    "Row",
    "ShardArrays",
    "Split",
    "annotated_images_of",
    "boxes_unsaid",
    "case_from_json",
    "case_to_json",
    "coco_annotated_images",
    "coco_labels",
    "coco_text",
    "csv_text",
    "dicom_facts",
    "everything_absent",
    "file_key",
    "film_columns",
    "film_row",
    "film_size",
    "films_of",
    "films_parquet",
    "find_films",
    "finding_columns",
    "finding_rows",
    "findings_parquet",
    "header_of",
    "image_label_cases",
    "in_the_file",
    "inputs_of",
    "is_document",
    "is_result_folder",
    "labelstudio_config",
    "labelstudio_region",
    "list_films",
    "load_json",
    "marks_of",
    "nearest",
    "no_document",
    "parse_xml",
    "patient_in",
    "predicted_case",
    "predicted_cases",
    "prediction_of",
    "read_class_map",
    "read_coco",
    "read_coco_ids",
    "read_documents",
    "read_lines",
    "read_list",
    "read_object",
    "read_predictions",
    "read_rows",
    "refuse_row",
    "require_file",
    "require_folder",
    "result_documents",
    "sayable_cases",
    "shard_arrays",
    "shard_files",
    "stated_size",
    "suggestion",
    "to_coco",
    "unicode_text",
    "whole_films",
    "without_crowds",
    "write_cases",
    "write_croissant",
    "write_json",
    "write_predictions",
]

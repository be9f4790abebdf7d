"""People's readings: every public chest X-ray dataset behind one type, with its holes stated."""

from lungspot.datasets.agreement import ReaderAgreement, reader_agreement
from lungspot.datasets.anatomy import anatomy_masks
from lungspot.datasets.box_sizes import Sizes
from lungspot.datasets.catalog import DATASETS, SOURCES, load, load_all, load_with_splits, terms_of
from lungspot.datasets.check import check
from lungspot.datasets.contact import contact_sheet, films_to_draw
from lungspot.datasets.fusing import FUSIONS, fuse_readers
from lungspot.datasets.merge import merge, repeated_boxes
from lungspot.datasets.readers import (
    PERIODS,
    Dispute,
    LabelAgreement,
    PeriodAgreement,
    disputes,
    disputes_csv,
    label_agreement,
    label_kappa,
    over_time,
)
from lungspot.datasets.result_stats import ResultStats, result_stats
from lungspot.datasets.sources import NAMES as SOURCE_NAMES
from lungspot.datasets.sources import cases_of as cases_of_source
from lungspot.datasets.sources import sources_of, unsized
from lungspot.datasets.split import split, split_base, splits_csv, without_patient
from lungspot.datasets.splits import SPLITS_FILE, apply_splits, read_splits
from lungspot.datasets.stats import Conflict, Count, conflicts, count, diseases, number_of_films, sizes
from lungspot.datasets.truth import noisy, of_people, people_first, truth
from lungspot.formats import Case, Split

__all__ = [
    "DATASETS",
    "FUSIONS",
    "PERIODS",
    "SOURCES",
    "SOURCE_NAMES",  # what a command takes as NAME of films: a dataset, all of them, or a form of annotations
    "SPLITS_FILE",
    "Case",
    "Conflict",
    "Count",
    "Dispute",
    "LabelAgreement",
    "PeriodAgreement",
    "ReaderAgreement",
    "ResultStats",
    "Sizes",
    "Split",
    "anatomy_masks",
    "apply_splits",
    "cases_of_source",
    "check",
    "conflicts",
    "contact_sheet",
    "count",
    "diseases",
    "disputes",
    "disputes_csv",
    "films_to_draw",
    "fuse_readers",
    "label_agreement",
    "label_kappa",
    "load",
    "load_all",
    "load_with_splits",
    "merge",
    "noisy",
    "number_of_films",
    "of_people",
    "over_time",
    "people_first",
    "read_splits",
    "reader_agreement",
    "repeated_boxes",
    "result_stats",
    "sizes",
    "sources_of",
    "split",
    "split_base",
    "splits_csv",
    "terms_of",
    "truth",
    "unsized",
    "without_patient",
]

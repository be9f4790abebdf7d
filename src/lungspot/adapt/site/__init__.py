"""A site's own thresholds and probabilities, with what they promise (`lungspot calibrate`, and `--site`)."""

from lungspot.adapt.site.calibrate import Calibrated, CalibrationSettings, calibrate_site
from lungspot.adapt.site.goals import DEFAULTS, Goal, GoalKind, parse_goal, parse_prevalence, threshold_for
from lungspot.adapt.site.local import (
    LocalFilms,
    LocalLabel,
    cases_of_table,
    local_films,
    model_of,
    of_pairs,
    of_tables,
    predictions_of_table,
)
from lungspot.adapt.site.performance import Performance, performance_at, performance_of_choice
from lungspot.adapt.site.sample import Level, Sample, of_boxes, of_films
from lungspot.adapt.site.score_table import FilmTable, is_table, read_scores, read_truth
from lungspot.adapt.site.site_file import (
    SITE_SCHEMA,
    LevelSettings,
    Site,
    load_for_site,
    read_site,
    schema_of_site,
    with_site,
)

__all__ = [
    "DEFAULTS",
    "SITE_SCHEMA",
    "Calibrated",
    "CalibrationSettings",
    "FilmTable",
    "Goal",
    "GoalKind",
    "Level",
    "LevelSettings",
    "LocalFilms",
    "LocalLabel",
    "Performance",
    "Sample",
    "Site",
    "calibrate_site",
    "cases_of_table",
    "is_table",
    "load_for_site",
    "local_films",
    "model_of",
    "of_boxes",
    "of_films",
    "of_pairs",
    "of_tables",
    "parse_goal",
    "parse_prevalence",
    "performance_at",
    "performance_of_choice",
    "predictions_of_table",
    "read_scores",
    "read_site",
    "read_truth",
    "schema_of_site",
    "threshold_for",
    "with_site",
]

"""A watch on drift: results over time, week by week, against a baseline, with a stated rate of false alarms."""

from lungspot.adapt.watch.charts import Alarm, Chart, Watch, watch_films
from lungspot.adapt.watch.facts import film_facts
from lungspot.adapt.watch.films import FilmHistory, FilmRow, Reviewed, film_history
from lungspot.adapt.watch.forms import WATCH_FORMS, watch_file, watch_text
from lungspot.adapt.watch.page import watch_page
from lungspot.adapt.watch.report import alarm_text, verdict, watch_metrics, watch_to_json
from lungspot.adapt.watch.sources import SourceDoubts, result_files, result_rows
from lungspot.adapt.watch.streams import AlarmRule

__all__ = [
    "WATCH_FORMS",
    "Alarm",
    "AlarmRule",
    "Chart",
    "FilmHistory",
    "FilmRow",
    "Reviewed",
    "SourceDoubts",
    "Watch",
    "alarm_text",
    "film_facts",
    "film_history",
    "result_files",
    "result_rows",
    "verdict",
    "watch_file",
    "watch_films",
    "watch_metrics",
    "watch_page",
    "watch_text",
    "watch_to_json",
]

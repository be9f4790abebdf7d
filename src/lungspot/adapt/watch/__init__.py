"""A watch on drift: results over time, week by week, against a baseline, with a stated rate of false alarms."""

from lungspot.adapt.watch.facts import film_facts

__all__ = ["film_facts"]

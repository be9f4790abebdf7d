"""Make it yours: a site's own thresholds and guarantees, a programme's table, a watch on drift."""

from lungspot.adapt.proportion import clopper_pearson, wilson
from lungspot.adapt.watch import film_facts

__all__ = [
    "clopper_pearson",
    "film_facts",
    "wilson",
]

"""Make it yours: a site's own thresholds and guarantees, a programme's table, a watch on drift."""

from lungspot.adapt.proportion import clopper_pearson, wilson

__all__ = [
    "clopper_pearson",
    "wilson",
]

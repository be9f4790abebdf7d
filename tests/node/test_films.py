import pytest

from lungspot.errors import InputError
from lungspot.node import FilmFilter


@pytest.mark.parametrize(
    ("only", "skip", "tags", "over"),
    [
        ([], [], {}, ""),
        (["body=CHEST"], [], {}, ""),
        (["body=thorax,Chest"], [], {}, ""),
        (["body=ANKLE"], [], {}, "body CHEST"),
        (["body=CHEST"], [], {"BodyPartExamined": ""}, "body not said"),
        (["body=CHEST,"], [], {"BodyPartExamined": ""}, ""),
        ([], ["body=ankle"], {"BodyPartExamined": "ANKLE"}, "body ANKLE"),
        ([], ["station=PORT*"], {"StationName": "PORTABLE 3"}, "station PORTABLE 3"),
        ([], ["station=PORT*"], {"StationName": "ROOM 1"}, ""),
        ([], ["station=PORT*"], {}, ""),
        (["description=*chest*"], [], {"StudyDescription": "XR Chest PA"}, ""),
        (["description=*chest*"], [], {"SeriesDescription": "Doe^Jane ankle"}, "description"),  # quoted in no log
        (["description=Thorax [AP]"], [], {"SeriesDescription": "Thorax [AP]"}, ""),  # a bracket is one
        (["description=Thorax [AP]"], [], {"SeriesDescription": "Thorax A"}, "description"),
        (["description=*[[]*"], [], {"SeriesDescription": "Thorax [[]1"}, ""),
        ([], ["station=ROOM[1]"], {"StationName": "ROOM[1]"}, "station ROOM[1]"),
        ([], ["station=ROOM[!1]"], {"StationName": "ROOM2"}, ""),
        (["body=CHEST", "station=ROOM?"], [], {"StationName": "ROOM1"}, ""),
        (["body=CHEST", "station=ROOM?"], [], {"StationName": "ROOM12"}, "station ROOM12"),
        (["body=CHEST"], ["station=ROOM1"], {"StationName": "ROOM1"}, "station ROOM1"),
        ([], ["station=room1"], {"StationName": "Room1"}, "station ROOM1"),
        ([], ["description="], {"StudyDescription": "Thorax"}, ""),  # says something: it was passed over
        ([], ["description="], {}, "description"),
        ([], ["description= "], {"StudyDescription": " ", "SeriesDescription": ""}, "description"),
        ([], ["body="], {"BodyPartExamined": ""}, "body not said"),
        ([], ["body="], {}, ""),
        (["description=*chest*,"], [], {"SeriesDescription": "ankle"}, "description"),  # it was read
        (["description=*chest*,"], [], {}, ""),
        (["description=*"], [], {}, ""),
        ([], ["description=*"], {}, "description"),
        (["body=CHEST"], [], {"BodyPartExamined": ["ABDOMEN", "CHEST"]}, ""),  # only the first counted
        (["body=CHEST"], [], {"BodyPartExamined": ["", "CHEST"]}, ""),
        (["body=ANKLE"], [], {"BodyPartExamined": ["ABDOMEN", "CHEST"]}, "body ABDOMEN, CHEST"),
        ([], ["body=CHEST"], {"BodyPartExamined": ["ABDOMEN", "CHEST"]}, "body CHEST"),
        ([], ["body="], {"BodyPartExamined": ["", "CHEST"]}, ""),
    ],
)
def test_which_films_are_passed_over_and_why(make_film, only, skip, tags, over):
    assert FilmFilter.parse(only, skip).passes_over(make_film(1, **tags)) == over


@pytest.mark.parametrize("rule", ["body=ANKLE,FOOT,", "description=LATERAL,", "station=,A", "body=A, ,B", "body=,"])
def test_a_comma_too_many_skips_no_film_that_says_nothing(rule):
    """Every film without a body part was passed over."""
    with pytest.raises(InputError, match="has an empty pattern") as refused:
        FilmFilter.parse([], [rule])
    assert refused.value.code == "BAD_VALUE"
    assert FilmFilter.parse([rule], [])  # --only body=CHEST, takes them, too


@pytest.mark.parametrize("rule", ["CHEST", "bodypart=CHEST", "=CHEST", "body"])
def test_a_rule_that_says_nothing_of_a_film_is_refused(rule):
    for given in ((["body=X", rule], []), ([], [rule])):
        with pytest.raises(InputError, match="body=VALUE"):
            FilmFilter.parse(*given)

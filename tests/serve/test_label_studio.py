import pytest

from lungspot.errors import InputError
from lungspot.serve.label_studio import link_of, rectangles_of

IMAGE = '<Image name="xray" value="$film"/>'


def interface(*labels, image=IMAGE, control='RectangleLabels name="boxes" toName="xray"'):
    shown = "".join(f"<Label {label}/>" for label in labels)
    return f"<View><Header value='x'/>{image}<{control}>{shown}</{control.partition(' ')[0]}></View>"


@pytest.mark.parametrize(
    ("labels", "known"),
    [
        (['value="effusion"'], {"effusion": "effusion"}),
        (['value="Pleural Effusion"', 'value="Tube"'], {"effusion": "Pleural Effusion"}),
        (['value="Pleural effusion" alias="PE"'], {"effusion": "PE"}),
        (['value="Oedema"', 'value="Effusion"'], {"edema": "Oedema", "effusion": "Effusion"}),
    ],
)
def test_labels_are_known_by_the_names_that_the_project_gives_them(generated_card, labels, known):
    found = rectangles_of(interface(*labels), generated_card)
    assert (found.name, found.picture, found.key) == ("boxes", "xray", "film")
    assert found.labels == {label: name for label, name in known.items() if label in generated_card.labels}


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("", "not XML"),
        ("<View>", "not XML"),
        ('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><View>&e;</View>', "not XML"),
        ("<View/>", "no rectangles"),
        (interface('value="effusion"', image=""), "no rectangles"),
        (interface('value="effusion"', image='<Image name="xray" value="a.png"/>'), "no rectangles"),
        (interface('value="Tube"'), "no rectangles"),
        (interface('value="effusion"', control='Choices name="c" toName="xray"'), "no rectangles"),
    ],
)
def test_an_interface_without_rectangles_for_the_model_is_refused(generated_card, config, reason):
    with pytest.raises(InputError, match=reason) as refused:
        rectangles_of(config, generated_card)
    assert "config.xml" in refused.value.advice


@pytest.mark.parametrize("task", [{}, {"data": []}, {"data": {"image": "/a"}}, {"data": {"film": 5}}])
def test_a_task_without_its_film_is_refused(generated_card, task):
    with pytest.raises(InputError, match="names no film"):
        link_of(task, rectangles_of(interface('value="effusion"'), generated_card))

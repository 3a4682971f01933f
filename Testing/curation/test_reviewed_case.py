import dataclasses

import numpy as np
import pytest
from reviewed_hip import Hip

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.volume import Volume


def with_head(case, array):
    return dataclasses.replace(case.masks.whole(), head=case.image.like(array))


def shifted(volume: Volume) -> Volume:
    matrix = volume.ijk_to_ras.copy()
    matrix[0, 3] += 0.5
    return Volume(volume.array, matrix)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda case: {"patient_code": " "}, "no patient code"),
        (lambda case: {"reviewer": "Jane Doe"}, "reviewer's code"),
        (lambda case: {"reviewer": ""}, "reviewer's code"),
        (lambda case: {"status": "done"}, "status 'done'"),
        (lambda case: {"result": grade(Hip("left").masks(case.image))}, "result is of the left hip"),
        (lambda case: {"automatic": Hip("left").masks(case.image)}, "automatic masks are of the left hip"),
        (lambda case: {"image": case.image.cropped((slice(0, 5), slice(0, 9), slice(0, 9)))}, "another geometry"),
        (lambda case: {"image": shifted(case.image)}, "another geometry"),
        (lambda case: {"masks": with_head(case, ~case.masks.whole().necrosis.array)}, "outside"),
        (lambda case: {"masks": Hip(lesion_mm=0).masks(case.image, 0) and empty(case)}, "empty"),
        (lambda case: {"masks": with_head(case, np.ones(case.image.array.shape, bool))}, "covers the whole image"),
        (lambda case: {"reviewed_slices": (0,)}, "No slice"),
        (lambda case: {"reviewed_slices": (5, 99)}, "slice 99 is not in the image"),
        (lambda case: {"provenance": {"head": "guessed"}}, "provenance"),
        (lambda case: {"provenance": {"neck": "manual"}}, "provenance"),
    ],
)
def test_a_case_that_does_not_fit_is_refused_in_one_sentence(hip, change, words):
    case = hip.case()
    with pytest.raises(InputError, match=words) as caught:
        dataclasses.replace(case, **change(case))
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def empty(case):
    none = np.zeros(case.image.array.shape, bool)
    return dataclasses.replace(with_head(case, none), necrosis=case.image.like(none))


def test_a_draft_may_be_empty(hip):
    case = hip.case(status="draft")
    assert not dataclasses.replace(case, masks=empty(case)).masks.head.array.any()


def test_provenance_follows_from_comparing_the_masks(hip):
    case = hip.case()
    assert case.provenance == {"head": "automatic", "necrosis": "corrected"}
    assert hip.case(automatic=None).provenance == {"head": "manual", "necrosis": "manual"}
    assert hip.case(provenance={"head": "manual"}).provenance == {"head": "manual", "necrosis": "corrected"}


def test_a_mask_that_was_edited_is_not_called_automatic(hip):
    case = hip.case(automatic=hip.masks(hip.image()))
    assert case.provenance["necrosis"] == "automatic"
    edited = dataclasses.replace(case, masks=hip.masks(case.image, 5.0))
    assert edited.provenance == {"head": "automatic", "necrosis": "corrected"}

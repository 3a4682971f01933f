"""The gradings of the extent of osteonecrosis: a file for each, with its thresholds, their source, and its function.

They grade the extent only, not the stage (collapse, joint space). The thresholds are those of docs/clinical.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ONFHAssistLib.core.gradings.cjfh import CJFH
from ONFHAssistLib.core.gradings.grading import Grading
from ONFHAssistLib.core.gradings.jic import JIC
from ONFHAssistLib.core.gradings.kerboul import KERBOUL
from ONFHAssistLib.core.gradings.necrotic_index import NECROTIC_INDEX
from ONFHAssistLib.core.gradings.steinberg import STEINBERG, STEINBERG_NONE_BELOW
from ONFHAssistLib.core.results import Grade
from ONFHAssistLib.core.sphere import WHOLE_HEAD_FROM

if TYPE_CHECKING:
    from ONFHAssistLib.core.measure import HipMeasurement

GRADINGS: dict[str, Grading] = {grading.name: grading for grading in (STEINBERG, JIC, KERBOUL, NECROTIC_INDEX, CJFH)}
"""Every grading, in the order in which it is shown."""

WITHOUT_LESION = "Without ONFH: there is no lesion to class."


def grade_hip(measurement: HipMeasurement) -> dict[str, Grade]:
    """Grade one hip by every grading, under its name.

    A grade that cannot be given is None, with the reason in its ``rule``. Where the hip is without ONFH (less than
    0.1 % of the head), there is no lesion that the gradings of lesions could class.
    """
    lesion = measurement.volume_ratio >= STEINBERG_NONE_BELOW
    grades = {
        name: grading.grade(measurement) if lesion or not grading.of_lesions else Grade(None, WITHOUT_LESION)
        for name, grading in GRADINGS.items()
    }
    if measurement.head_coverage >= WHOLE_HEAD_FROM:
        return grades
    note = f" (only {100 * measurement.head_coverage:.0f} % of the head lies inside the image)"
    return {
        name: grade if grade.value is None else replace(grade, rule=grade.rule + note) for name, grade in grades.items()
    }

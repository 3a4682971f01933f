import pytest
from made_up_study import make_study

from ONFHAssistLib.core.masks import Calibration
from ONFHAssistLib.core.study import StudyResult


@pytest.fixture(scope="session")
def study() -> StudyResult:
    """The made-up study on a straight coronal grid."""
    return make_study()


@pytest.fixture(scope="session")
def doubtful() -> StudyResult:
    """The same, and what may be necrotic begins 3 mm outside of the cap (log odds of -3), what certainly is 1 mm in."""
    return make_study(calibration=Calibration(0.73, 0.047, ("T1",)))

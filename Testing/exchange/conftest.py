import pytest
from made_up_study import make_study

from ONFHAssistLib.core.hip import StudyResult


@pytest.fixture(scope="session")
def study() -> StudyResult:
    """The made-up study on a straight coronal grid."""
    return make_study()

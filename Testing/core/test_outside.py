"""What comes from elsewhere is read with care."""

import pytest

from ONFHAssistLib.core.outside import DEEPEST, parse_json


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    "content", [nested(DEEPEST + 2), nested(600), nested(100_000), b'{"a":' * 600 + b"1" + b"}" * 600], ids=len
)
def test_json_that_is_nested_without_end_is_refused(content):
    with pytest.raises(ValueError, match="too deep"):
        parse_json(content)


def test_json_as_deep_as_any_of_ours_is_read():
    assert parse_json(b'{"a": [[{"b": 1}]]}') == {"a": [[{"b": 1}]]}
    parse_json(nested(DEEPEST))

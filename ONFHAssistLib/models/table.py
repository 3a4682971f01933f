"""A model that is a table of coefficients: a linear or logistic combination of named variables, as papers print it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ONFHAssistLib.core.errors import InputError

if TYPE_CHECKING:
    from ONFHAssistLib.models.bundle import Bundle

LINKS = ("identity", "logistic")
MOST_COEFFICIENTS = 10_000
"""Signatures of imaging features have some dozens."""
LARGEST = 1e9


@dataclass(frozen=True)
class Table:
    """Coefficients of a model.

    Attributes:
        bundle: where they come from.
        outcome: what the value says, in words.
        link: "identity": the sum itself; "logistic": its probability, 0 to 1.
        intercept: added to the sum.
        coefficients: by the name of each variable, for its value in its own unit.
    """

    bundle: "Bundle"
    outcome: str
    link: str
    intercept: float
    coefficients: Mapping[str, float]

    def __call__(self, values: Mapping[str, float]) -> float:
        """Return the model's value for these variables; raises KeyError where one is missing."""
        total = self.intercept + sum(factor * values[name] for name, factor in self.coefficients.items())
        if self.link == "identity":
            return total
        return 1 / (1 + math.exp(-total)) if total >= 0 else 1 - 1 / (1 + math.exp(total))


def open_table(bundle: "Bundle") -> Table:
    """Return the table of a bundle of the kind "table"; `bundle.load_bundle` has checked it."""
    content = bundle.network_def
    return Table(
        bundle,
        content["outcome"],
        content["link"],
        float(content["intercept"]),
        {name: float(factor) for name, factor in content["coefficients"].items()},
    )


def check_table(content: Any, name: str) -> None:
    """Refuse what is no table of coefficients; ``name`` is that of the model, for the sentence.

    Raises:
        InputError: a key is missing or not known, a number is none or beyond LARGEST, or there are too many.
    """
    fits = (
        isinstance(content, dict)
        and content.keys() == {"outcome", "link", "intercept", "coefficients"}
        and isinstance(content["outcome"], str)
        and 0 < len(content["outcome"]) <= 200
        and content["link"] in LINKS
        and isinstance(content["coefficients"], dict)
        and 1 <= len(content["coefficients"]) <= MOST_COEFFICIENTS
        and all(0 < len(key) <= 100 for key in content["coefficients"])
        and all(_is_number(value) for value in (content["intercept"], *content["coefficients"].values()))
    )
    if not fits:
        raise InputError(
            f"The table of the model {name} is none of coefficients (outcome, link {' or '.join(LINKS)}, intercept, "
            "and a number for each variable); install the model again."
        )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) <= LARGEST

"""The training configs (``training/configs/*.yaml``): which keys they have and what these may hold."""

from pathlib import Path
from typing import Any

import jsonschema

from ONFHAssistLib.core.errors import InputError

_COUNT = {"type": "integer", "minimum": 1}
_NUMBER_OF = {"type": "integer", "minimum": 0}
_MM = {"type": "number", "exclusiveMinimum": 0}
_TEXT = {"type": "string", "minLength": 1}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}


def _keys(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """Schema of a mapping: these keys and no others, so that a misspelt one is noticed."""
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }


SCHEMA = _keys(
    {
        # The run's folder and the bundle are named after it.
        "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
        "task": {"enum": ["finder", "head_check", "anatomy", "necrosis", "steinberg_t1"]},
        # The class and its arguments; models.networks.build_network looks at the rest.
        "network": {"type": "object", "required": ["_target_", "spatial_dims", "in_channels", "out_channels"]},
        # What the network sees: imaging.canonical's network_slices and sphere_slices; shift_px is of the augmentation.
        "patch": _keys(
            {"pixel_mm": _MM},
            {"size_px": _COUNT, "neighbour_mm": _MM, "sphere_mm": _MM, "shift_px": _NUMBER_OF},
        ),
        # How many hips or pelves are made, how many hips more on CT, and how many variants of each real head, or with
        # --data of each case of the data set; how many of each head marked by eye; which part of the real T1 heads gets
        # the contrast of T2 or fat suppression.
        "samples": _keys(
            {"procedural": _NUMBER_OF, "seed": _NUMBER_OF},
            {"real": _NUMBER_OF, "ct": _NUMBER_OF, "marked": _NUMBER_OF, "recast": _SHARE},
        ),
        "training": _keys(
            {
                "steps": _COUNT,
                "batch": _COUNT,  # of all processes together
                "learning_rate": {"type": "number", "exclusiveMinimum": 0},
                "seed": _NUMBER_OF,
                "real_share": _SHARE,
            },
            # An epoch (500 steps unless told) ends with a validation and a checkpoint; bf16 is on unless told.
            # keep_init: part of the bundle's weights in the result, where training began with one (curated.mixed).
            # grain: how strong that of the marrow is at most (augment.grain); none unless told.
            {
                "epoch_steps": _COUNT,
                "mixed_precision": {"type": "boolean"},
                "keep_init": _SHARE,
                "grain": _SHARE,
                "average": _SHARE,
            },
        ),
    },
    {
        # What training.train writes of --data and --init, and training.make_bundle into the bundle (curated.py).
        "data": _keys(
            {
                "name": _TEXT,
                "content": _TEXT,
                "cases": _COUNT,
                "fold": _NUMBER_OF,
                "keep_out": {"type": ["integer", "null"], "minimum": 0},
                "patients": {"type": "array", "items": _TEXT},
            },
            {"modalities": {"type": "array", "items": _TEXT}},  # runs of version 0.1.0 do not tell
        ),
        "init": _keys(
            {
                "name": _TEXT,
                "version": _TEXT,
                "sha256": _TEXT,
                "trained_on": _TEXT,
                "patients": {"type": "array", "items": _TEXT},
            }
        ),
    },
)


def read_config(path: Path) -> dict[str, Any]:
    """Read a training config; raises InputError where the file is missing, no YAML, or a key is not as in SCHEMA."""
    import yaml  # comes with the train extra

    if not path.is_file():
        raise InputError(f"There is no training config at {path}.")
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"The training config {path} is not readable YAML ({' '.join(str(error).split())}).") from None
    errors = sorted(jsonschema.Draft202012Validator(SCHEMA).iter_errors(config), key=lambda error: error.json_path)
    if errors:
        found = "; ".join(
            f"{error.json_path.removeprefix('$.').replace('$', 'top')}: {error.message}" for error in errors
        )
        raise InputError(f"The training config {path} is not valid: {found}.")
    return config

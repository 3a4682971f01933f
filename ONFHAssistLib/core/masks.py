"""The masks of a hip, and how far what a network says of them is to be trusted."""

from dataclasses import dataclass, field, replace

from ONFHAssistLib.core.geometry import HEAD_RADIUS_MM, Landmarks, Side, Sphere
from ONFHAssistLib.core.grid import Box
from ONFHAssistLib.core.volume import Volume


@dataclass(frozen=True)
class Calibration:
    """How far a network's probabilities are to be trusted, measured on hips of patients that it never saw.

    In a head whose outline is known, the true ratio of necrosis to head lies between the ratio of what is more probable
    than ``certain`` and that of what is more probable than ``possible`` in 90 % of hips (``training/calibrate.py``).

    Attributes:
        certain: probability, at least 0.5.
        possible: probability, at most 0.5.
        sequences: sequences that this was measured on, such as "T1"; for others nothing is known.
        head_mm: how far the whole outline of the head may lie too far out or in; less than any head's radius.

    Raises:
        ValueError: the numbers are not these.
    """

    certain: float
    possible: float
    sequences: tuple[str, ...]
    head_mm: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (0 <= self.possible <= 0.5 <= self.certain <= 1 and 0 <= self.head_mm < HEAD_RADIUS_MM[0]):
            raise ValueError("a calibration that is none")


@dataclass(frozen=True)
class HipMasks:
    """Masks of one hip on the grid of the input.

    Attributes:
        side: which hip.
        head: boolean Volume; head together with necrosis.
        necrosis: boolean Volume; inside ``head``.
        sphere: the sphere that the head was cut with.
        landmarks: points on the acetabulum, as far as found.
        probability: float32 Volume, 0 to 1: how sure the network is that a voxel is necrotic; 0 outside ``head``. None
            where no network has said so.
        calibration: what ``probability`` is worth; None where that is not known.
        not_sought: why nobody has looked for necrosis; None where somebody has. ``necrosis`` is empty then, which says
            nothing: no number comes from it until a reader has drawn one.
    """

    side: Side
    head: Volume
    necrosis: Volume
    sphere: Sphere
    landmarks: Landmarks = field(default_factory=Landmarks)
    probability: Volume | None = None
    calibration: Calibration | None = None
    not_sought: str | None = None

    def cropped(self, box: Box) -> "HipMasks":
        """Return the part in a box of array slices (k, j, i)."""
        volumes = {name: getattr(self, name) for name in ("head", "necrosis", "probability")}
        return replace(self, **{name: volume and volume.cropped(box) for name, volume in volumes.items()})

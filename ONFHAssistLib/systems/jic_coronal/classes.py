"""The classes of S-JIC, in the order of its network's outputs."""

NONE = "none"
CLASSES = (NONE, "A", "B", "C1", "C2")
"""No necrosis on the mid-coronal slice, and the JIC classes (`core.gradings.jic`)."""

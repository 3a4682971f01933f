"""What of a review was saved: each hip leaves a fingerprint of what its reader said of it, also in the scene."""

import zlib

from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.scene.hip_state import HipState, States
from ONFHAssistLib.scene.nodes import Node
from ONFHAssistLib.scene.state import SignOff, read_reviewed, read_saved, read_sign_off, take_left_open, write_saved


class Saved:
    """What was saved last of each hip, and what was handed over to be saved."""

    def __init__(self, volume_node: Node, states: States, is_case: bool) -> None:
        """Take the hips as they begin; ``is_case``: of a data set."""
        # A case and a review that was left open know what was saved of them; nothing else is changed at its beginning.
        knows = take_left_open(volume_node) or is_case
        self._volume_node = volume_node
        self._last = {
            side: (knows and read_saved(volume_node, side)) or self._fingerprint(side, state)
            for side, state in states.items()
        }
        self._handed_over: dict[Side, str] = {}

    def unsaved(self, states: States) -> tuple[Side, ...]:
        """Return the hips of which a reader has changed or said something that was not saved."""
        return tuple(side for side, state in states.items() if self._last.get(side) != self._fingerprint(side, state))

    def hand_over(self, side: Side, state: HipState) -> None:
        """Remember how a hip is now, as somebody begins to save it."""
        self._handed_over[side] = self._fingerprint(side, state)

    def keep_handed_over(self, side: Side, state: HipState) -> None:
        """Remember that a hip was saved as it was handed over; as it is now where it was not."""
        self._keep(side, self._handed_over.get(side) or self._fingerprint(side, state))

    def keep_present(self, side: Side, state: HipState) -> None:
        """Remember that a hip is saved as it is now."""
        self._keep(side, self._fingerprint(side, state))

    def keep_none(self, side: Side) -> None:
        """Remember that a hip was not saved, however it is."""
        self._keep(side, "none")

    def _keep(self, side: Side, fingerprint: str) -> None:
        self._last[side] = fingerprint
        write_saved(self._volume_node, side, fingerprint)

    def _fingerprint(self, side: Side, state: HipState) -> str:
        return fingerprint_of(state, read_reviewed(self._volume_node, side), read_sign_off(self._volume_node, side))


def fingerprint_of(state: HipState, reviewed: tuple[int, ...] | None, sign_off: SignOff) -> str:
    """Return what changes with anything that a reader says of a hip, their code left out."""
    parts = [state.box, state.sphere, state.landmarks, reviewed, sign_off.status, sign_off.comment]
    content = repr(parts).encode() + state.head_bits.tobytes() + state.necrosis_bits.tobytes()
    return f"{zlib.crc32(content):08x}"

"""Pseudonyms: one secret key for each data set, kept outside of it, makes the same patient's code the same pseudonym.

The key file is handed to each member of the data set; the data set itself holds the key's fingerprint only.
"""

import hashlib
import hmac
import os
import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.files import write_private
from ONFHAssistLib.core.outside import read_plain_file
from ONFHAssistLib.core.user_folders import user_folder
from ONFHAssistLib.exchange.publish import reason

_LONGEST_SHIFT_DAYS = 3650
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Key:
    """The secret of a data set (32 bytes)."""

    secret: bytes

    @property
    def fingerprint(self) -> str:
        """What the data set may know of it (16 hex digits)."""
        return hashlib.sha256(b"onfh-assist key " + self.secret).hexdigest()[:16]

    def pseudonym(self, patient_code: str) -> str:
        """Return the patient's name in the data set; case and blanks of the code do not matter."""
        return "p" + self._digest("patient", normal_code(patient_code))[:12]

    def shifted(self, day: date, pseudonym: str) -> date | None:
        """Return an earlier day: 1 to 3650 days, the same number for all of a patient's dates.

        None where there is none, as before the year 1, which some programs write in place of a date.
        """
        return _moved(day, -self._shift(pseudonym))

    def unshifted(self, day: date, pseudonym: str) -> date | None:
        """Return the day that `shifted` has made this one of; None where there is none, as after the year 9999."""
        return _moved(day, self._shift(pseudonym))

    def _shift(self, pseudonym: str) -> timedelta:
        return timedelta(days=1 + int(self._digest("days", pseudonym), 16) % _LONGEST_SHIFT_DAYS)

    def study(self, content: bytes) -> str:
        """Return the name of an image (10 hex digits), given the digest of its voxels."""
        return self._digest("image", content.hex())[:10]

    def _digest(self, what: str, text: str) -> str:
        return hmac.new(self.secret, f"{what}:{text}".encode(), hashlib.sha256).hexdigest()


def _moved(day: date, by: timedelta) -> date | None:
    try:
        return day + by
    except OverflowError:
        return None


def is_fingerprint(text: object) -> bool:
    """Say whether this is what a data set may know of its key; it becomes the name of a file."""
    return isinstance(text, str) and _FINGERPRINT.fullmatch(text) is not None


def normal_code(patient_code: str) -> str:
    """Return a patient's code without what does not matter: capitals, blanks, and the width of letters."""
    return "".join(unicodedata.normalize("NFKC", patient_code).casefold().split())


def new_key() -> Key:
    """Make a key."""
    return Key(secrets.token_bytes(32))


def key_folder() -> Path:
    """Return where this user's keys lie: the folder that ``ONFH_KEYS`` names, or the usual one for settings."""
    if os.environ.get("ONFH_KEYS"):
        return Path(os.environ["ONFH_KEYS"])
    return user_folder("settings") / "keys"


def key_file(fingerprint: str) -> Path:
    """Return where the key with this fingerprint belongs."""
    return key_folder() / f"{fingerprint}.key"


def keep_key(key: Key) -> Path:
    """Write a key into this user's folder of keys, readable by the user alone from its first byte; return its file."""
    path = key_file(key.fingerprint)
    if not path.exists():
        try:
            write_private(path, key.secret.hex().encode() + b"\n")
        except OSError as error:
            raise InputError(
                f"The key cannot be kept in {path.parent} ({reason(error)}); make that folder writable, or name "
                "another one with ONFH_KEYS."
            ) from error
    return path


def read_key(path: Path) -> Key:
    """Read a key file.

    Raises:
        InputError: it can't be read, or holds something else.
    """
    try:
        # The user names it, so a link to it will do; but it is short, and a pipe or a device is none.
        secret = bytes.fromhex(read_plain_file(Path(path).resolve(), 1000).decode("ascii"))
    except (OSError, ValueError, RuntimeError):
        secret = b""
    if len(secret) != 32:
        raise InputError(f"{path} is not a key of a data set; ask the one who made the data set for its .key file.")
    return Key(secret)


def key_of(fingerprint: str, name: str) -> Key:
    """Return the key of a data set from this user's folder of keys.

    Raises:
        InputError: it is not there, or another key lies in its place.
    """
    path = key_file(fingerprint)
    if not path.exists():
        raise InputError(
            f"The key of the data set {name} ({fingerprint}.key) is not on this computer; "
            f"get the file from the one who made the data set and put it into {path.parent}."
        )
    key = read_key(path)
    require(key, fingerprint, name)
    return key


def require(key: Key, fingerprint: str, name: str) -> None:
    """Raise InputError where a key is not that of the data set: one patient would get two names."""
    if key.fingerprint != fingerprint:
        raise InputError(
            f"The key {key.fingerprint} is not that of the data set {name} ({fingerprint}); "
            "use the key file that was made with the data set."
        )

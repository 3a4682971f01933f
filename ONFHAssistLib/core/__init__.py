"""Plain geometry, measurements and gradings: numpy in, frozen dataclasses out, no files and no windows."""

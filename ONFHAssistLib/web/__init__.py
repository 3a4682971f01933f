"""The review of hips in a web browser, on trame-slicer: the only room that touches it."""

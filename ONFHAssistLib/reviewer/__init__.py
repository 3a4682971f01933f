"""What the panel in Slicer and the page in a browser have in common: all that they say, and what a reader may do."""

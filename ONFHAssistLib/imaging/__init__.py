"""Files and series to volumes, hips to canonical crops, and whether an image is within what the models know."""

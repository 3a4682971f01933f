"""Ways from an image to a result that were published elsewhere, one file for each."""

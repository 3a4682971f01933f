"""What the software and its networks are measured with: sections of the evaluation, calibration, comparison."""

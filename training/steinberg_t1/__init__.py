"""The axial-T1 system: its slices, its networks and their rivals, the table of the study, the threshold."""

"""The network of S-JIC (`ONFHAssistLib.systems.jic_coronal`): its slices, its loss, its task."""

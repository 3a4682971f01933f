"""The data set's folder: saved into by many people at once, opened, checked and repaired without losing anything."""

"""Procedural hips, lesion painting, training and evaluation. Needs the extra ``[train]``."""

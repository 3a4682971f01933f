"""Procedural hips, lesion painting, training and evaluation. Needs the extra ``[train]``.

The files of this folder are the commands, ``python -m training.NAME``: they read what is asked and call the rooms.
"""

"""Procedural anatomy and its rendering, painters of lesions, and other contrasts of real images."""

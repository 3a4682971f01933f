"""Bundles of trained networks: made, checked, installed; model cards."""

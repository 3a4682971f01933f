"""Configs, samples, batches and losses of the networks, and the one training loop."""

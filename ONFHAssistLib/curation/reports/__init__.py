"""What is made of a data set: its status, agreement of readers, what to read next, exports for a training."""

"""The real images: which may be used for what, what was marked on them by eye, and labels made of that."""

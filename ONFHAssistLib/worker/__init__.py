"""The analysis in a process of its own, which stays warm between studies: `client` here, `serve` there."""

"""The review of a study in a scene of MRML nodes, without Qt: desktop and browser share it."""

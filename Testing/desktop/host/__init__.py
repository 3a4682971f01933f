"""A host for Slicer's scripted modules without Slicer: PythonQt's manners on PySide6, over slicer-core's real scene.

It proves a module's own wiring: a name that Slicer does not have, a slot that raises, a dialog that nobody answers fail
the test. It does not prove how CTK, qMRML or PythonQt behave. What the stand-ins imitate was read in the sources of
Slicer, CTK and PythonQt; which names they may have stands in ``slicer_names.json``.
"""

"""What runs in desktop 3D Slicer only: the panels of the module, what it checks and what it installs."""

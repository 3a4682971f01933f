# Slicer packs the install tree here.

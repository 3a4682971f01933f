"""The two-stage system on coronal CT: its slices, its networks and their rivals, what is measured of them."""

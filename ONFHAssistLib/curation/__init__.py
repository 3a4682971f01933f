"""The retraining folder: reviewed hips on disk, as nnU-Net v2 and MONAI read them, with their history."""

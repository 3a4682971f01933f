"""The retraining folder: reviewed hips on disk, as nnU-Net v2 and MONAI read them, with their history.

`case.save_case` saves a `case.ReviewedCase`; `folder.create_store` and `folder.open_store` give a `store.Store`, which
saves, lists, opens again and withdraws cases; `status.status` counts them, `check.check` finds and mends what is wrong.
"""

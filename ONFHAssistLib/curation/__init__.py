"""The data set of reviewed hips on disk, as nnU-Net v2 and MONAI read it, with its history. Three rooms, from below:

- ``case``: one case. `case.reviewed.ReviewedCase` is what a reader hands over, `case.record.CaseRecord` what is known
  of it.
- ``store``: the folder. `store.folder.save_case`, `store.folder.create_store` and `store.folder.open_store`; a
  `store.store.Store` saves, lists, opens again and withdraws cases, `store.check.check` finds and mends what is wrong.
- ``reports``: what is made of it. `reports.status.status`, `reports.agree.agree`, `reports.next_cases.suggest`,
  `reports.export.export`.
"""

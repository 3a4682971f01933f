"""What leaves the program: report.json, masks, slices.csv and the report page. For research use."""

"""ONFHAssist: segmentation and grading of osteonecrosis of the femoral head. For research use."""

__version__ = "0.2.0"

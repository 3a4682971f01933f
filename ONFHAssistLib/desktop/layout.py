"""The arrangement of views made for a review: the mid-coronal slice large, everything else beside it."""

import slicer

REVIEW_LAYOUT, FOLLOW_UP_LAYOUT = 51171, 51172
"""Any numbers will do that no other module uses; Slicer's own are below 1000."""

BASELINE_VIEW, PLOT_VIEW = "ONFHAssistBaseline", "ONFHAssistPlot"
"""Singleton tags of the views that Slicer does not have by itself."""


def _slice(tag: str, orientation: str, label: str, colour: str) -> str:
    return (
        f'<item splitSize="500"><view class="vtkMRMLSliceNode" singletontag="{tag}">'
        f'<property name="orientation" action="default">{orientation}</property>'
        f'<property name="viewlabel" action="default">{label}</property>'
        f'<property name="viewcolor" action="default">{colour}</property></view></item>'
    )


_CORONAL = _slice("Green", "Coronal", "G", "#6EB04B")
_AXIAL = _slice("Red", "Axial", "R", "#F34A33")
_SAGITTAL = _slice("Yellow", "Sagittal", "Y", "#EDD54C")
_BASELINE = _slice(BASELINE_VIEW, "Coronal", "B", "#E17012")
_PLOT = (
    f'<item splitSize="250"><view class="vtkMRMLPlotViewNode" singletontag="{PLOT_VIEW}">'
    '<property name="viewlabel" action="default">P</property></view></item>'
)
_WIDE_PLOT = _PLOT.replace("250", "500", 1)
_THREE_D = (
    '<item splitSize="500"><view class="vtkMRMLViewNode" singletontag="1">'
    '<property name="viewlabel" action="default">1</property></view></item>'
)

REVIEW = (
    '<layout type="horizontal" split="true">'
    f'<item splitSize="650"><layout type="vertical" split="true">{_CORONAL.replace("500", "750", 1)}{_PLOT}</layout>'
    f'</item><item splitSize="350"><layout type="vertical" split="true">{_AXIAL}{_SAGITTAL}{_THREE_D}</layout></item>'
    "</layout>"
)
FOLLOW_UP = (
    '<layout type="vertical" split="true">'
    f'<item splitSize="600"><layout type="horizontal" split="true">{_BASELINE}{_CORONAL}</layout></item>'
    f'<item splitSize="400"><layout type="horizontal" split="true">{_AXIAL}{_SAGITTAL}{_WIDE_PLOT}</layout></item>'
    "</layout>"
)


ONE_VIEW = {"axial": 6, "sagittal": 7, "coronal": 8}
"""Slicer's own layouts of one slice view (vtkMRMLLayoutNode: OneUpRed, OneUpYellow, OneUpGreen)."""


def make_known() -> None:
    """Tell Slicer of the layouts: at its start, as a scene that was saved in one of them may be opened at any time."""
    manager = slicer.app.layoutManager()
    if manager is None:  # started without a main window
        return
    node = manager.layoutLogic().GetLayoutNode()
    for known, description in ((REVIEW_LAYOUT, REVIEW), (FOLLOW_UP_LAYOUT, FOLLOW_UP)):
        if not node.IsLayoutDescription(known):
            node.AddLayoutDescription(known, description)


def show_layout(number: int) -> None:
    """Arrange the views; the layout is made known to Slicer first if it is not yet."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return
    make_known()
    manager.setLayout(number)
    # A scene that was opened before the layout was known has its number, and no view at all.
    manager.layoutLogic().GetLayoutNode().SetViewArrangement(number)


def plot_view():
    """Return the qMRMLPlotView of the layout, or None."""
    manager = slicer.app.layoutManager()
    for n in range(manager.plotViewCount if manager else 0):
        widget = manager.plotWidget(n)
        if widget.mrmlPlotViewNode().GetSingletonTag() == PLOT_VIEW:
            return widget.plotView()
    return None

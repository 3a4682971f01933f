"""ONFHAssist in 3D Slicer: a study in, both hips reviewed, a case out. Wiring only; the library does the work."""

import sys
from pathlib import Path
from typing import Union

import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLVectorVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

_ROOT = Path(__file__).resolve().parents[1]  # of the source tree; installed, the library lies beside this file
if (_ROOT / "ONFHAssistLib").is_dir() and str(_ROOT) not in sys.path:
    sys.path.append(str(_ROOT))

# Slicer reads this file at each start: the library is imported when the module is opened.


class ONFHAssist(ScriptedLoadableModule):
    """What Slicer's list of modules shows."""

    def __init__(self, parent) -> None:
        """Called when Slicer starts."""
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("ONFHAssist")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        self.parent.dependencies = ["Segmentations", "Markups", "SubjectHierarchy"]
        self.parent.contributors = ["ONFHAssist contributors"]
        self.parent.helpText = _(
            "<p>Outlines both femoral heads and the necrosis in them on hip MRI and CT, grades its extent (Steinberg, "
            "JIC, Kerboul and others), tells the rule behind each grade and how close the next class is, and lets a "
            "reader correct and sign off.</p>"
            "<p>Choose a volume, press Analyse, step through the slices that matter with [ and ], correct, save.</p>"
            "<p>For research use only. Not a medical device; not for diagnosis or treatment.</p>"
        )
        self.parent.helpText += self.getDefaultModuleDocumentationLink("https://github.com/ONFHAssist/ONFHAssist")
        self.parent.acknowledgementText = _(
            "<p>To cite: ONFHAssist contributors. ONFHAssist: open-source grading of osteonecrosis of the femoral "
            "head.</p><p>The gradings are those of Steinberg 1995, Sugano 2002, Ha 2006, Koo and Kim 1995, Cherian "
            "2003 and Li 2012. Built on 3D Slicer, VTK, SimpleITK, OpenVINO and scikit-image.</p>"
        )
        slicer.app.connect("startupCompleted()", self.onStartupCompleted)

    def onStartupCompleted(self) -> None:
        """Offer sample data and the settings page, and make the layouts known."""
        from ONFHAssistLib.desktop.layout import make_known
        from ONFHAssistLib.desktop.samples import register_sample_data
        from ONFHAssistLib.desktop.settings import add_settings_panel

        make_known()
        register_sample_data()
        self.settingsPanel = add_settings_panel()


@parameterNodeWrapper
class ONFHAssistParameterNode:
    """What the scene keeps of the panel.

    Attributes:
        volume: the study under review; pictures in colours are vector volumes.
        baseline: an earlier study that it is compared with.
        showMasks: whether the outlines are shown.
    """

    volume: Union[vtkMRMLScalarVolumeNode, vtkMRMLVectorVolumeNode]  # noqa: UP007 (as Slicer wants it)
    baseline: vtkMRMLScalarVolumeNode
    showMasks: bool = True


class ONFHAssistWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel's life: opened, left, reloaded, and what the scene does meanwhile."""

    def __init__(self, parent=None) -> None:
        """Called when the module is opened for the first time; `setup` follows."""
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None
        self._exitQuestion = None

    def setup(self) -> None:
        """Build the panel; called when the module is opened for the first time, and again by a reload."""
        ScriptedLoadableModuleWidget.setup(self)
        from ONFHAssistLib.desktop.panel import Panel
        from ONFHAssistLib.desktop.unsaved import ExitQuestion

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/ONFHAssist.ui"))
        self.layout.setContentsMargins(4, 0, 4, 0)
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)

        self.logic = ONFHAssistLogic()
        self.panel = Panel(self.ui, self.logic.session, self.addObserver, self.removeObserver)
        uiWidget.setMRMLScene(slicer.mrmlScene)

        scene = slicer.mrmlScene
        # Before Slicer takes the views apart: what the panel asks about is still to be seen then.
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose, priority=1.0)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(scene, scene.NodeAddedEvent, self.onNodeAdded)
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodeRemoved)
        if slicer.util.mainWindow() is not None:
            self._exitQuestion = ExitQuestion(lambda: self.panel.may_leave(can_stay=True, lost=True))
            slicer.util.mainWindow().installEventFilter(self._exitQuestion)

        self.logic.session.restore()
        self.initializeParameterNode()
        if getattr(self.parent, "isEntered", False):  # a reload: Slicer does not enter the module again
            self.panel.enter()

    def cleanup(self) -> None:
        """Called when the application closes, and before a reload."""
        if self._exitQuestion is not None:
            slicer.util.mainWindow().removeEventFilter(self._exitQuestion)
            self._exitQuestion = None
        if self.panel is not None:
            self.panel.close()
        self.setParameterNode(None)
        self.removeObservers()
        if self.logic is not None:
            self.logic.session.close()

    def enter(self) -> None:
        """Called each time the module is opened."""
        self.initializeParameterNode()
        self.panel.enter()

    def exit(self) -> None:
        """Called each time another module is opened."""
        self.panel.exit()

    def onReload(self) -> None:
        """Reload the library together with the module."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "ONFHAssistLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller, event) -> None:
        """Called just before the scene is closed."""
        self.panel.forget_scene()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event) -> None:
        """Called just after the scene is closed."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller, event) -> None:
        """Go on with the reviews that an opened scene has kept."""
        self.logic.session.restore()
        if self.parent.isEntered:
            self.initializeParameterNode()
            self.panel.open()

    def onNodeAdded(self, caller, event) -> None:
        """Take a volume that is loaded while none is chosen, as soon as it is there as a whole."""
        if self._parameterNode and self._parameterNode.volume is None:
            qt.QTimer.singleShot(0, self.takeVolume)

    def onNodeRemoved(self, caller, event) -> None:
        """Stop an analysis whose volume is gone."""
        self.logic.session.drop_orphan()

    def takeVolume(self) -> None:
        """Choose the volume that is shown, or the first one, if none is chosen."""
        if slicer.mrmlScene.IsImporting():  # a scene brings the image after its node
            return
        if self._parameterNode and self._parameterNode.volume is None:
            self._parameterNode.volume = self.logic.volumeInView()

    def initializeParameterNode(self) -> None:
        """Bind the panel to what the scene keeps of it."""
        self.setParameterNode(self.logic.getParameterNode())
        self.takeVolume()
        self.onParametersModified()

    def setParameterNode(self, parameterNode: ONFHAssistParameterNode | None) -> None:
        """Observe a parameter node in place of the former one."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        self._parameterNode = parameterNode
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)

    def onParametersModified(self, caller=None, event=None) -> None:
        """Let the panel follow the choices of volume, baseline and masks."""
        if slicer.mrmlScene.IsImporting():
            return
        parameters = self._parameterNode
        if parameters.volume is not self.panel.volume and not self.panel.choose(parameters.volume):
            parameters.volume = self.panel.volume
        self.panel.compare_with(parameters.baseline)
        self.panel.show_masks(parameters.showMasks)


class ONFHAssistLogic(ScriptedLoadableModuleLogic):
    """What can be done without the panel: ``session.analyse(volumeNode)``, ``session.review(volumeNode)``."""

    def __init__(self) -> None:
        """Open a session; the worker starts with the first analysis."""
        ScriptedLoadableModuleLogic.__init__(self)
        from ONFHAssistLib.desktop.session import Session

        self.session = Session()

    def getParameterNode(self) -> ONFHAssistParameterNode:
        """Return the choices that the scene keeps."""
        return ONFHAssistParameterNode(super().getParameterNode())

    def volumeInView(self) -> vtkMRMLScalarVolumeNode | None:
        """Return the scalar volume that is shown, or where nothing is shown the first one of the scene, or None."""
        from ONFHAssistLib.scene.in_view import is_study

        shown = self.session.in_view()
        if shown is not None:
            return shown if is_study(shown) else None
        selection = slicer.app.applicationLogic().GetSelectionNode()
        shown = slicer.mrmlScene.GetNodeByID(selection.GetActiveVolumeID() or "") if selection else None
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")  # those in colours among them
        plain = [node for node in volumes if is_study(node)]
        return shown if shown in plain else next(iter(plain), None)


class ONFHAssistTest(ScriptedLoadableModuleTest):
    """The self test of the developer's "Reload and Test" and of the Extensions Index."""

    def setUp(self) -> None:
        """Begin in an empty scene."""
        slicer.mrmlScene.Clear(False)

    def runTest(self) -> None:
        """Walk the whole way on the sample study."""
        self.setUp()
        self.test_sample_study_from_volume_to_saved_case()

    def test_sample_study_from_volume_to_saved_case(self) -> None:
        """Sample data, analysis, numbers, an edit, a saved case."""
        from ONFHAssistLib.desktop.self_test import walk

        walk(self)

"""``slicer.ScriptedLoadableModule``, ``slicer.i18n``, ``SampleData``: what a module derives from and calls."""

import importlib
import os
import types
import unittest
from dataclasses import dataclass, field

import slicer
import vtk

from .annotations import Choice, Decimals, Default, Maximum, Minimum, SingleStep, Validator, WithinRange
from .parameter_node import PROPERTY, isParameterNodeWrapper, parameterNodeWrapper, parameterPack


class ScriptedLoadableModule:
    """Describes a module to Slicer, through the properties of its parent."""

    def __init__(self, parent):
        super().__init__()
        self.parent, self.moduleName = parent, type(self).__name__
        parent.title, parent.categories, parent.dependencies = "", [], []
        parent.contributors, parent.helpText, parent.acknowledgementText = [], "", ""
        if not hasattr(slicer, "selfTests"):
            slicer.selfTests = {}
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename: str) -> str:
        return os.path.join(os.path.dirname(self.parent.path), "Resources", filename)

    def getDefaultModuleDocumentationLink(self, docPage=None) -> str:
        return f'<p>For more information, see the <a href="{docPage or self.moduleName}">online documentation</a>.</p>'

    def runTest(self, msec: int = 100, **kwargs):
        module = importlib.import_module(type(self).__module__)
        case = getattr(module, f"{self.moduleName}Test")()
        case.messageDelay = msec
        case.runTest(**kwargs)


class ScriptedLoadableModuleWidget:
    """The panel of a module."""

    def __init__(self, parent=None):
        super().__init__()
        import qt

        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = slicer.util.settingsValue("Developer/DeveloperMode", False, converter=slicer.util.toBool)
        if not parent:
            self.parent = slicer.qMRMLWidget()
            self.parent.setLayout(qt.QVBoxLayout())
            self.parent.setMRMLScene(slicer.mrmlScene)
        else:
            self.parent = parent
        self.layout = self.parent.layout()
        if not parent:
            self.setup()
            self.parent.show()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, filename: str) -> str:
        return os.path.join(os.path.dirname(slicer.util.modulePath(self.moduleName)), "Resources", filename)

    def _onModuleAboutToBeUnloaded(self, moduleName):
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def setup(self):
        """Slicer puts its developer's section here."""

    def cleanup(self):
        """For derived classes."""

    def onReload(self):
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    """Keeps the parameter node of a module."""

    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        """The module's parameter node in slicer.mrmlScene, made if there is none."""
        scene = slicer.mrmlScene
        if self.isSingletonParameterNode:
            node = scene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node:
                if node.GetAttribute("ModuleName") != self.moduleName:  # closing a scene may have removed it
                    node.SetAttribute("ModuleName", self.moduleName)
                return node
        found = self.getAllParameterNodes()
        return found[0] if found and not self.isSingletonParameterNode else scene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self) -> list:
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode", slicer.mrmlScene)
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self):
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """A module's self test."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.moduleTestNames = [name for name in dir(self) if "test" in name and callable(getattr(self, name))]

    def delayDisplay(self, message: str, requestedDelay=None, msec=None):
        slicer.util.delayDisplay(message, 50)

    def runTest(self):
        self.setUpClass()
        for name in self.moduleTestNames:
            self.setUp()
            getattr(self, name)()
            self.tearDown()
        self.tearDownClass()


@dataclass
class SampleDataSource:
    """A data set of the SampleData module."""

    sampleName: str | None = None
    uris: object = None
    fileNames: object = None
    nodeNames: object = None
    thumbnailFileName: str | None = None
    loadFileTypes: object = None
    loadFiles: object = None
    loadFileProperties: dict = field(default_factory=dict)
    checksums: object = None
    customDownloader: object = None


class SampleDataLogic:
    """Knows the sample data that modules registered."""

    @staticmethod
    def registerCustomSampleDataSource(category="Custom", loadFileType=None, **source):
        if loadFileType is not None:
            source["loadFileTypes"] = loadFileType
        if not hasattr(slicer.modules, "sampleDataSources"):
            slicer.modules.sampleDataSources = {}
        slicer.modules.sampleDataSources.setdefault(category, []).append(SampleDataSource(**source))

    def downloadSample(self, name: str):
        """Load a registered sample: its own loader, or a file:// address."""
        for sources in slicer.modules.sampleDataSources.values():
            for source in sources:
                if source.sampleName == name:
                    return self.downloadFromSource(source)
        raise KeyError(name)

    def downloadFromSource(self, source: SampleDataSource) -> list:
        if source.customDownloader is not None:
            return source.customDownloader(source)
        uris = source.uris if isinstance(source.uris, list) else [source.uris]
        if not all(uri.startswith("file:") for uri in uris):
            raise RuntimeError(f"the host has no network: {uris}")
        from urllib.parse import urlparse
        from urllib.request import url2pathname

        manager = slicer.app.coreIOManager()

        def each(values):
            return values if isinstance(values, list) else [values] * len(uris)

        loaded = vtk.vtkCollection()
        for uri, name, kind in zip(uris, each(source.nodeNames), each(source.loadFileTypes), strict=True):
            path = url2pathname(urlparse(uri).path)
            properties = {"fileName": path, **({"name": name} if name else {}), **source.loadFileProperties}
            if not manager.loadNodes(kind or manager.fileType(path), properties, loaded):
                raise RuntimeError(f"Failed to load node from file: {path}")
        return [loaded.GetItemAsObject(n) for n in range(loaded.GetNumberOfItems())]


def tr(text: str) -> str:
    """``slicer.i18n.tr``: the texts stay as they are; that they are plain texts is checked."""
    if not isinstance(text, str):
        raise TypeError(f"_() takes a text and got {text!r}")
    return text


def translate(context: str, text: str) -> str:
    """``slicer.i18n.translate``."""
    return tr(text)


class Packaging(types.ModuleType):
    """``slicer.packaging``: asks nobody and installs nothing, but behaves as if it had.

    ``answer`` is what the user and pip do: "install", "decline" (Slicer then raises RuntimeError) or "fail" (pip ends
    with an error). ``missing`` are the requirements that are not satisfied; None: look at what is installed.
    """

    def __init__(self):
        super().__init__("slicer.packaging")
        self.answer, self.missing, self.asked, self.installed = "install", None, [], []

    def _list(self, requirements) -> list[str]:
        return requirements.split() if isinstance(requirements, str) else [str(item) for item in requirements]

    def pip_check(self, req) -> bool:
        from importlib.metadata import PackageNotFoundError, version

        from packaging.requirements import Requirement

        for text in self._list(req):
            if self.missing is not None:
                if text in self.missing or Requirement(text).name in self.missing:
                    return False
                continue
            try:
                if not Requirement(text).specifier.contains(version(Requirement(text).name)):
                    return False
            except PackageNotFoundError:
                return False
        return True

    def pip_ensure(
        self,
        requirements,
        constraints=None,
        skip_packages=None,
        prompt_install=True,
        prompt_restart=True,
        requester=None,
        skip_in_testing=True,
        show_progress=True,
    ):
        import subprocess

        wanted = [text for text in self._list(requirements) if not self.pip_check([text])]
        if not wanted:
            return None
        self.asked.append(tuple(wanted))
        if prompt_install and self.answer == "decline":
            raise RuntimeError("Required Python packages were not installed: the user declined")
        if self.answer == "fail":
            raise subprocess.CalledProcessError(1, ["pip", "install", *wanted])
        self.installed += wanted
        if self.missing is not None:
            self.missing = [name for name in self.missing if name not in wanted]
        return None

    def pip_install(self, requirements, **options):
        self.pip_ensure(requirements, prompt_install=False)

    def load_requirements(self, path):
        from packaging.requirements import Requirement

        with open(path, encoding="utf-8") as file:
            lines = [line.partition("#")[0].strip() for line in file]
        return [Requirement(line) for line in lines if line and not line.startswith("-")]

    def isPipInstallInProgress(self) -> bool:
        return False


def modules() -> dict[str, types.ModuleType]:
    """The Python modules that a scripted module imports, under the names that it imports."""
    base, i18n, sample = (
        types.ModuleType(name) for name in ("slicer.ScriptedLoadableModule", "slicer.i18n", "SampleData")
    )
    base.__all__ = [
        "ScriptedLoadableModule",
        "ScriptedLoadableModuleWidget",
        "ScriptedLoadableModuleLogic",
        "ScriptedLoadableModuleTest",
    ]
    for name in base.__all__:
        setattr(base, name, globals()[name])
    i18n.tr, i18n.translate = tr, translate
    sample.SampleDataLogic, sample.SampleDataSource = SampleDataLogic, SampleDataSource
    wrapper = types.ModuleType("slicer.parameterNodeWrapper")
    for cls in (Choice, Decimals, Default, Maximum, Minimum, SingleStep, Validator, WithinRange):
        setattr(wrapper, cls.__name__, cls)
    for function in (parameterNodeWrapper, parameterPack, isParameterNodeWrapper):
        setattr(wrapper, function.__name__, function)
    wrapper.SlicerParameterNamePropertyName = PROPERTY
    return {
        "slicer.ScriptedLoadableModule": base,
        "slicer.i18n": i18n,
        "slicer.parameterNodeWrapper": wrapper,
        "slicer.packaging": Packaging(),
        "SampleData": sample,
    }

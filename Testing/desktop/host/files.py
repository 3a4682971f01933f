"""Loading and saving, as slicer.app.ioManager() does it, through slicer-core's own storage nodes."""

import os

import slicer
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

READERS = {
    # Slicer's readers of volumes and of segmentations both take these; which one is asked first depends on the order in
    # which the modules were loaded. The host takes the one that a module does not expect.
    (".seg.nrrd", ".nrrd", ".nhdr", ".nii", ".nii.gz"): "SegmentationFile",
    (".mha", ".mhd"): "VolumeFile",
    (".mrb", ".mrml"): "SceneFile",
    (".mrk.json", ".fcsv"): "MarkupsFile",
    (".txt", ".json"): "TextFile",
}


class qSlicerIOManager(QObject):
    """Loads and saves through slicer-core's storage nodes."""

    newFileLoaded = Signal(object)
    fileSaved = Signal(object)

    def fileType(self, path: str) -> str:
        best = max(
            ((end, kind) for ends, kind in READERS.items() for end in ends if str(path).lower().endswith(end)),
            key=lambda found: len(found[0]),
            default=None,
        )
        if best is None:
            raise ValueError(f"the host does not read {os.path.basename(str(path))}")
        return best[1]

    def loadNodes(self, kind: str, properties: dict, nodes=None, messages=None) -> bool:
        scene, path = slicer.mrmlScene, properties["fileName"]
        name = properties.get("name") or os.path.basename(path).split(".")[0]
        if kind == "SceneFile":
            return self.loadScene(path, properties.get("clear", True))
        if kind == "VolumeFile":
            node = slicer.modules.volumes.logic().AddArchetypeVolume(path, name, int(bool(properties.get("labelmap"))))
        elif kind == "SegmentationFile":
            node = slicer.modules.segmentations.logic().LoadSegmentationFromFile(path, True, name)
        elif kind == "MarkupsFile":
            node = scene.GetNodeByID(slicer.modules.markups.logic().LoadMarkups(path, name))
        else:
            raise NotImplementedError(f"the host does not load {kind}")
        if node is None:
            return False
        if nodes is not None:
            nodes.AddItem(node)
        if kind == "VolumeFile" and properties.get("show", True):
            selection = slicer.app.applicationLogic().GetSelectionNode()
            selection.SetActiveVolumeID(node.GetID())
            slicer.app.applicationLogic().PropagateVolumeSelection()
        self.newFileLoaded.emit(properties)
        return True

    def loadScene(self, path: str, clear: bool = True, messages=None) -> bool:
        scene = slicer.mrmlScene
        if path.endswith(".mrb"):
            scene.SetURL("")
            return bool(scene.ReadFromMRB(path, clear))
        scene.SetURL(path)
        return bool(scene.Connect() if clear else scene.Import())

    def fileWriterFileType(self, node, extension: str = "") -> str:
        return node.GetClassName()

    def saveNodes(self, kind: str, properties: dict, messages=None) -> bool:
        path = properties["fileName"]
        if kind == "SceneFile":
            return self.saveScene(path, QImage())
        node = slicer.mrmlScene.GetNodeByID(properties["nodeID"])
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode()
        node.GetStorageNode().SetFileName(path)
        return bool(node.GetStorageNode().WriteData(node))

    def saveScene(self, path: str, screenshot=None, messages=None) -> bool:
        scene = slicer.mrmlScene
        if path.endswith(".mrb"):
            return bool(scene.WriteToMRB(path, None))
        scene.SetURL(path)
        return bool(scene.Commit(path))

    def addDefaultStorageNodes(self):
        for node in slicer.util.getNodesByClass("vtkMRMLStorableNode", slicer.mrmlScene):
            node.AddDefaultStorageNode()

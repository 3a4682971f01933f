"""A scene with slice views and the volume of a study, as Slicer would have them."""

import numpy as np
import slicer
import vtk

from ONFHAssistLib.core.volume import Volume

VIEWS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}


def make_scene():
    """An empty scene with an axial, a coronal and a sagittal view of different shapes."""
    scene = slicer.vtkMRMLScene()
    for singleton in (slicer.vtkMRMLSelectionNode(), slicer.vtkMRMLInteractionNode()):
        scene.AddNode(singleton)
    markups = slicer.vtkSlicerMarkupsLogic()
    markups.SetMRMLScene(scene)  # registers the nodes that keep control points in files
    scene.logic = markups  # alive as long as the scene
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    for (name, orientation), size in zip(VIEWS.items(), ((400, 300), (300, 500), (640, 640)), strict=True):
        node = scene.CreateNodeByClass("vtkMRMLSliceNode")  # with the orientations by name
        node.UnRegister(None)
        node.SetLayoutName(name)
        node.SetName(name)
        node = scene.AddNode(node)
        node.SetOrientation(orientation)
        node.SetDimensions(*size, 1)
        node.SetFieldOfView(*size, 1)
        composite = slicer.vtkMRMLSliceCompositeNode()
        composite.SetLayoutName(name)
        scene.AddNode(composite)
    return scene


def add_volume(scene, volume: Volume, name: str = "T1 coronal"):
    """The volume as a scalar volume node with a display node."""
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(volume.ijk_to_ras.ravel().tolist())
    node.SetIJKToRASMatrix(matrix)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(volume.array))
    node.CreateDefaultDisplayNodes()
    return node


def view(scene, name: str):
    """The slice node of a view."""
    return scene.GetNodeByID(f"vtkMRMLSliceNode{name}")


def slice_to_ras(node) -> np.ndarray:
    """Columns: right, top, normal and centre of a view in RAS."""
    matrix = node.GetSliceToRAS()
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def reopened(scene, folder):
    """The scene as it is after it was saved as .mrb and opened in a fresh one."""
    path = str(folder / "scene.mrb")
    scene.SetRootDirectory(str(folder))
    assert scene.WriteToMRB(path)
    again = make_scene()
    cache, files = slicer.vtkCacheManager(), slicer.vtkDataIOManager()
    cache.SetRemoteCacheDirectory(str(folder))
    files.SetCacheManager(cache)
    again.SetCacheManager(cache)
    again.SetDataIOManager(files)
    assert again.ReadFromMRB(path, False)
    return again

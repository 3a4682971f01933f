"""What the views show, and where a review is drawn: on real MRML nodes."""

import pytest
import slicer
from review_parts import add_volume, made_up

from ONFHAssistLib.scene import in_view
from ONFHAssistLib.scene.nodes import review_nodes
from ONFHAssistLib.scene.review import Review

LAYOUT = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal", "Other": "Coronal"}


@pytest.fixture
def views(scene):
    """Four slice views and a 3D view."""
    made = {}
    for name in LAYOUT:
        node, composite = slicer.vtkMRMLSliceNode(), slicer.vtkMRMLSliceCompositeNode()
        for one in (node, composite):
            one.SetName(name)
            one.SetLayoutName(name)
            one.SetSingletonTag(name)
            scene.AddNode(one)
        made[name] = (node, composite)
    scene.AddNewNodeByClass("vtkMRMLViewNode", "3D")
    return made


@pytest.fixture
def volumes(scene):
    """Two studies."""
    return [add_volume(scene, made_up().volume, name=name) for name in ("A", "B")]


def put(views, shown):
    for name, volume in shown.items():
        views[name][1].SetBackgroundVolumeID(volume and volume.GetID())


def test_most_views_tell_which_volume_is_shown_and_the_preferred_one_where_as_many_do(scene, views, volumes):
    one, other = volumes
    assert in_view.main_volume(scene) is None
    put(views, {"Red": one, "Green": other, "Yellow": other})
    assert in_view.main_volume(scene, one) is other
    put(views, {"Other": one})
    assert in_view.main_volume(scene, one) is one and in_view.main_volume(scene, other) is other
    assert in_view.main_volume(scene, one, aside=["Other"]) is other


def test_views_that_are_not_in_the_layout_do_not_count(scene, views, volumes):
    one, other = volumes
    put(views, {"Red": one, "Green": other, "Yellow": other, "Other": other})
    views["Red"][0].SetMappedInLayout(True)
    assert in_view.main_volume(scene) is one


def test_a_volume_is_shown_by_taking_the_one_away_that_covers_it(scene, views, volumes):
    one, other = volumes
    composite = views["Red"][1]
    put(views, {"Red": one})
    composite.SetForegroundVolumeID(other.GetID())
    composite.SetForegroundOpacity(0.3)
    assert in_view.volume_shown(composite) == one.GetID()
    composite.SetForegroundOpacity(0.9)
    assert in_view.volume_shown(composite) == other.GetID()
    in_view.show_in(composite, one)
    assert in_view.volume_shown(composite) == one.GetID()


def test_a_review_is_drawn_where_its_volume_is_and_nowhere_once_that_is_removed(scene, views, volumes):
    one, other = volumes
    reviews = [Review.begin(scene, volume, made_up()) for volume in volumes]
    put(views, {"Red": one, "Green": one, "Yellow": one, "Other": other})
    in_view.draw_where_shown(scene, one)
    assert drawn(reviews[0]) == {"Red", "Green", "Yellow", "3D"} and drawn(reviews[1]) == {"Other"}
    scene.RemoveNode(one)
    in_view.draw_where_shown(scene, other)
    assert drawn_node(reviews[0].segmentation_node) == set() and drawn(reviews[1]) == {"Other", "3D"}


def test_the_watch_tells_of_another_volume_once_and_of_nothing_else(scene, views, volumes):
    heard = []
    watch = in_view.ViewWatch(scene, lambda: heard.append(1))
    put(views, {"Red": volumes[0]})
    assert len(heard) == 1
    views["Red"][1].SetLinkedControl(True)
    put(views, {"Red": volumes[0]})
    assert len(heard) == 1
    views["Red"][0].SetSliceOffset(7)
    assert len(heard) == 1
    red = views["Red"][0]
    red.SetMappedInLayout(not red.IsMappedInLayout())  # one is maximised, or there is another layout
    assert len(heard) == 2
    watch.close()
    watch.close()
    put(views, {"Red": volumes[1]})
    assert len(heard) == 2


def drawn_node(node):
    scene, found = node.GetScene(), set()
    for kind in ("vtkMRMLSliceNode", "vtkMRMLViewNode"):
        for n in range(scene.GetNumberOfNodesByClass(kind)):
            view = scene.GetNthNodeByClass(n, kind)
            if node.GetDisplayNode().IsDisplayableInView(view.GetID()):
                found.add(view.GetName())
    return found


def drawn(review):
    nodes = [n for n in review_nodes(review.volume_node) if hasattr(n, "GetDisplayNode") and n.GetDisplayNode()]
    (places,) = {frozenset(drawn_node(node)) for node in nodes}
    return set(places)

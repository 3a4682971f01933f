"""Before the user has agreed to install anything, Slicer has numpy, scipy, SimpleITK, pydicom, Pillow and VTK alone."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import sys
for name in ("skimage", "jinja2", "jsonschema", "openvino", "torch", "reportlab", "matplotlib"):
    sys.modules[name] = None  # importing it fails
import importlib
import pkgutil

import ONFHAssistLib.scene
names = [module.name for module in pkgutil.iter_modules(ONFHAssistLib.scene.__path__)]
for name in names:
    importlib.import_module(f"ONFHAssistLib.scene.{name}")

from ONFHAssistLib.scene import markups, overlay, pictures, tables, views
from Testing.exchange.made_up_study import make_study
from Testing.scene.scene_parts import add_volume, make_scene

study, scene = make_study(), make_scene()
node = add_volume(scene, study.volume)
for hip, masks in zip(study.hips, study.masks):
    markups.write_landmarks(markups.landmarks_node(node), hip.side, hip.landmarks, hip.sphere)
    points = (masks.sphere, masks.landmarks)
    overlay.update_overlay(overlay.overlay_nodes(node, hip.side), hip, study.volume, points)
    tables.update_table(tables.hip_table(node, hip.side), study.volume, hip)
    views.marrow_window(node, study.volume, hip.sphere)
    assert pictures.polar_png(masks, None, 120).startswith(b"\\x89PNG")
views.show_volume(scene, node)
views.show_hip(scene, node, study.hips[0].sphere)
print(len(names), "rooms work")
"""


def test_the_scene_is_built_with_nothing_installed():
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "rooms work" in done.stdout, done.stderr[-2000:]

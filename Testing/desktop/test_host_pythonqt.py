"""The host is as strict as PythonQt and Slicer: what would fail there, fails here, and what works there, works here."""

import enum
from types import SimpleNamespace

import pytest


@pytest.fixture
def q(host):
    """The modules that a scripted module imports."""
    import ctk
    import qt
    import slicer

    return SimpleNamespace(qt=qt, ctk=ctk, slicer=slicer)


# names


@pytest.mark.parametrize("name", ["txet", "setTxet", "Text", "text_"])
def test_a_misspelt_property_cannot_be_read(q, name):
    with pytest.raises(AttributeError):
        getattr(q.qt.QPushButton(), name)


@pytest.mark.parametrize("name", ["txet", "tooltip", "myOwnNote"])
def test_a_misspelt_property_cannot_be_written(q, name):
    with pytest.raises(AttributeError):
        setattr(q.qt.QPushButton(), name, "x")


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        ("qMRMLNodeComboBox", "currentNodes"),
        ("qMRMLNodeComboBox", "setNoneEnabled"),  # a property; qMRMLNodeComboBox has no such slot
        ("qMRMLSegmentEditorWidget", "setActiveEffectName"),
        ("qMRMLSegmentEditorWidget", "onAddSegment"),  # a protected slot
        ("qMRMLTableView", "setMRMLTable"),
        ("qMRMLPlotView", "setPlotViewNode"),
    ],
)
def test_a_name_that_slicers_widget_does_not_have_is_an_error(q, cls, name):
    with pytest.raises(AttributeError):
        getattr(getattr(q.slicer, cls)(), name)


@pytest.mark.parametrize(
    ("cls", "name"),
    [("ctkSliderWidget", "setMaximum"), ("ctkCollapsibleButton", "setCollapsed"), ("ctkPathLineEdit", "path")],
)
def test_a_name_that_ctks_widget_does_not_have_is_an_error(q, cls, name):
    with pytest.raises(AttributeError):
        getattr(getattr(q.ctk, cls)(), name)


def test_what_slicer_has_and_the_host_has_not_is_told_as_such(q):
    with pytest.raises(NotImplementedError, match="Slicer's has"):
        q.slicer.qMRMLSegmentEditorWidget().jumpSlices  # noqa: B018 -- a slot that Slicer does not show to Python
    with pytest.raises(NotImplementedError, match="Slicer's has"):
        q.slicer.qMRMLSegmentEditorWidget().turnOffLightboxes()


@pytest.mark.parametrize("name", ["Signal", "Slot", "Property", "QtWidgets", "QNoSuchWidget", "qVersion"])
def test_qt_has_what_pythonqt_has_and_nothing_of_pyside(q, name):
    with pytest.raises(AttributeError):
        getattr(q.qt, name)


def test_what_only_qt_6_has_is_an_error_since_slicer_is_built_with_qt_5_too(q):
    with pytest.raises(TypeError):
        q.qt.QCheckBox().connect("checkStateChanged(Qt::CheckState)", lambda state: None)
    with pytest.raises(AttributeError):
        q.qt.QCheckBox().checkStateChanged  # noqa: B018
    with pytest.raises(AttributeError):
        q.qt.QMessageBox().setOption  # noqa: B018


def test_an_unknown_class_module_or_application_attribute_is_an_error(q):
    for owner, name in (
        (q.ctk, "ctkNoSuchWidget"),
        (q.slicer, "qMRMLNoSuchWidget"),
        (q.slicer.modules, "nosuchmodule"),
        (q.slicer.app, "nosuchfunction"),
    ):
        with pytest.raises(AttributeError):
            getattr(owner, name)


# properties


def test_properties_are_attributes_and_not_functions(q):
    button = q.qt.QPushButton("Analyse")
    assert button.text == "Analyse" and button.enabled and not button.checkable
    with pytest.raises(TypeError):
        button.text()
    button.text, button.toolTip, button.enabled = "Cancel", "Stop", False
    assert (button.text, button.toolTip, button.isEnabled()) == ("Cancel", "Stop", False)
    button.setText("Analyse")
    assert button.text == "Analyse"


def test_name_is_the_object_name(q):
    button = q.qt.QPushButton()
    button.name = "analyseButton"
    assert button.objectName == "analyseButton" and button.name == "analyseButton"


def test_a_value_of_the_wrong_type_is_refused(q):
    for name, value in (("text", None), ("enabled", "no"), ("maximumWidth", "wide"), ("text", object())):
        with pytest.raises(AttributeError):
            setattr(q.qt.QPushButton(), name, value)


def test_a_property_that_is_for_reading_only_cannot_be_written(q):
    with pytest.raises(AttributeError, match="not writable"):
        q.qt.QWidget().width = 5


def test_enumerations_are_integers_that_can_be_joined(q):
    label = q.qt.QLabel()
    label.alignment = q.qt.Qt.AlignRight | q.qt.Qt.AlignTop
    assert label.alignment == q.qt.Qt.AlignRight | q.qt.Qt.AlignTop
    label.setAlignment(int(q.qt.Qt.AlignLeft))
    assert label.alignment == q.qt.Qt.AlignLeft and isinstance(q.qt.Qt.Key_BracketLeft, int)
    assert q.qt.QKeySequence(q.qt.Qt.CTRL + q.qt.Qt.Key_Z).toString() == "Ctrl+Z"
    frame = q.qt.QFrame()
    frame.frameShape = q.qt.QFrame.HLine
    assert frame.frameShape == q.qt.QFrame.HLine
    with pytest.raises(AttributeError):
        q.qt.Qt.Key_BraketLeft  # noqa: B018


def test_a_class_derived_in_python_may_have_attributes_of_its_own(q):
    class Filter(q.qt.QObject):
        def __init__(self):
            q.qt.QObject.__init__(self)
            self.seen = []

        def eventFilter(self, watched, event):
            self.seen.append(event.type())
            return False

    listener, button = Filter(), q.qt.QPushButton()
    button.installEventFilter(listener)
    button.show()
    assert q.qt.QEvent.Show in listener.seen


def test_a_button_is_no_instance_of_qwidget_as_in_pythonqt(q):
    assert not isinstance(q.qt.QPushButton(), q.qt.QWidget) and type(q.qt.QPushButton()) is q.qt.QPushButton


def test_a_deleted_widget_says_so(q, host):
    button = q.qt.QPushButton()
    button.deleteLater()
    host.spin()
    with pytest.raises(ValueError, match="destroyed"):
        button.text = "x"


def test_children_are_found_by_class_and_name(q):
    panel = q.qt.QWidget()
    layout = q.qt.QVBoxLayout(panel)
    button = q.qt.QPushButton()
    button.name = "saveButton"
    layout.addWidget(button)
    assert panel.findChild(q.qt.QPushButton, "saveButton") is button and panel.saveButton is button
    assert panel.findChild(q.qt.QLabel, "saveButton") is None
    assert q.slicer.util.findChild(panel, "saveButton") is button
    assert [child.name for child in panel.findChildren(q.qt.QWidget)] == ["saveButton"]


# signals


@pytest.mark.parametrize("signature", ["clicked", "click()", "cliked()", "clicked(int)", "toggled()"])
def test_a_signal_that_does_not_exist_cannot_be_connected(q, signature):
    with pytest.raises(TypeError):
        q.qt.QPushButton().connect(signature, lambda: None)


def test_a_signal_of_slicers_widget_is_checked_with_its_types(q):
    selector = q.slicer.qMRMLNodeComboBox()
    assert selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: None)
    with pytest.raises(TypeError):
        selector.connect("currentNodeChanged(vtkMRMLScalarVolumeNode*)", lambda node: None)


def test_a_slot_gets_as_many_values_as_it_takes(q):
    button, got = q.qt.QPushButton(), []
    button.checkable = True
    button.connect("toggled(bool)", lambda on: got.append(on))
    button.connect("toggled(bool)", lambda: got.append("nothing"))
    button.connect("clicked()", lambda *values: got.append(values))
    button.click()
    assert got == [True, "nothing", ()]


def test_a_slot_that_is_disconnected_is_silent(q):
    button, got = q.qt.QPushButton(), []

    def slot():
        got.append(1)

    button.clicked.connect(slot)
    button.click()
    assert button.disconnect("clicked()", slot)
    button.click()
    button.connect("clicked()", slot)
    button.clicked.disconnect(slot)
    button.click()
    assert got == [1]


def test_which_of_two_signals_of_one_name_is_meant_has_to_be_said(q):
    selector = q.slicer.qMRMLNodeComboBox()
    with pytest.raises(TypeError, match="say which"):
        selector.currentNodeChanged.connect(lambda node: None)
    selector.currentNodeChanged.connect(lambda: None)


def test_an_error_in_a_slot_goes_no_further_and_fails_the_test(q, host):
    button = q.qt.QPushButton()
    button.connect("clicked()", lambda: 1 / 0)
    button.click()
    assert "ZeroDivisionError" in host.problems()[0]
    host.journal.errors.clear()


def test_an_error_in_an_observer_of_vtk_fails_the_test(q, host):
    node = host.scene.AddNewNodeByClass("vtkMRMLTextNode")
    node.AddObserver("ModifiedEvent", lambda *_: 1 / 0)
    node.SetText("x")
    assert "ZeroDivisionError" in host.problems()[0]
    host.journal.errors.clear()


def test_timers_fire_and_shortcuts_listen(q, host):
    got = []
    q.qt.QTimer.singleShot(0, lambda: got.append("once"))
    timer = q.qt.QTimer()
    timer.setInterval(1)
    timer.connect("timeout()", lambda: got.append("again"))
    timer.start()
    host.wait_for(lambda: got.count("again") > 2, 5)
    timer.stop()
    assert got.count("once") == 1
    shortcut = q.qt.QShortcut(q.qt.QKeySequence("["), q.slicer.util.mainWindow())
    shortcut.connect("activated()", lambda: got.append("["))
    host.window.activateWindow()
    host.key(host.window, q.qt.Qt.Key_BracketLeft)
    assert got[-1] == "["


# settings, pictures, files


def test_settings_are_kept_and_belong_to_one_test(q, host):
    assert q.slicer.util.settingsValue("ONFHAssist/Folder", "none") == "none"
    q.slicer.app.userSettings().setValue("ONFHAssist/Folder", "/data")
    assert q.slicer.util.settingsValue("ONFHAssist/Folder", "none") == "/data"


def test_settings_come_back_as_text_after_a_restart(q, host):
    q.slicer.app.userSettings().setValue("ONFHAssist/Shown", True)
    assert q.qt.QSettings().value("ONFHAssist/Shown") is True
    host.restart_settings()
    assert q.qt.QSettings().value("ONFHAssist/Shown") == "true"
    assert q.slicer.util.settingsValue("ONFHAssist/Shown", False, converter=q.slicer.util.toBool) is True


def test_a_settings_panel_keeps_what_is_typed(q, host):
    class Panel(q.ctk.ctkSettingsPanel):
        def __init__(self, *args, **kwargs):
            q.ctk.ctkSettingsPanel.__init__(self, *args, **kwargs)
            form = q.qt.QFormLayout(self)
            self.code = q.qt.QLineEdit()
            form.addRow("Reviewer:", self.code)
            self.registerProperty("Example/Reviewer", self.code, "text", str(q.qt.SIGNAL("textChanged(QString)")))

    panel = Panel()
    panel.code.text = "R1"
    assert q.qt.QSettings().value("Example/Reviewer") == "R1" and Panel().code.text == "R1"


def test_a_picture_is_read_from_bytes(q):
    pixmap = q.qt.QPixmap()
    png = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92"
        "ef0000000049454e44ae426082"
    )
    assert pixmap.loadFromData(png) and pixmap.width() == 1


# dialogs


def test_a_dialog_gets_the_answer_of_the_test(q, host):
    host.dialogs.expect("Discard", "Cancel")
    host.dialogs.expect("Discard", "Ok")
    assert [q.slicer.util.confirmOkCancelDisplay("Discard the changes?") for _ in range(2)] == [False, True]
    assert host.dialogs.texts() == ["Discard the changes?"] * 2


def test_a_file_dialog_gives_the_path_as_text(q, host, tmp_path):
    host.dialogs.expect("Save as", str(tmp_path / "report.html"))
    window = q.slicer.util.mainWindow()
    chosen = q.qt.QFileDialog.getSaveFileName(window, "Save as", "report.html", "Web page (*.html)")
    assert chosen == str(tmp_path / "report.html")


def test_a_dialog_that_nobody_expects_fails_the_test(q, host):
    with pytest.raises(RuntimeError, match="not expect"):
        q.slicer.util.errorDisplay("The disk is full.")
    assert "The disk is full." in host.problems()[0]
    host.dialogs.unanswered.clear()


def test_a_dialog_that_is_expected_and_does_not_come_fails_the_test(host):
    host.dialogs.expect("Save")
    assert host.problems() == ["no dialog came up with 'Save'"]
    host.dialogs._expected.clear()


def test_an_own_dialog_is_worked_by_the_test(q, host):
    dialog = q.qt.QDialog(q.slicer.util.mainWindow())
    dialog.windowTitle = "Preflight"
    host.dialogs.expect("Preflight", lambda shown: shown.accept())
    assert dialog.exec_() == q.qt.QDialog.Accepted


# parameter node


def test_nested_parameters_enumerations_and_nodes_are_kept_in_the_node(q, host):
    from slicer.parameterNodeWrapper import parameterNodeWrapper, parameterPack

    class Device(enum.Enum):
        CPU = 1
        GPU = 2

    @parameterPack
    class Edit:
        brush: float = 3.0
        masked: bool = True

    @parameterNodeWrapper
    class Parameters:
        volume: q.slicer.vtkMRMLScalarVolumeNode
        device: Device
        edit: Edit

    parameters = Parameters(host.scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    assert (parameters.volume, parameters.device, parameters.edit.brush) == (None, Device.CPU, 3.0)
    parameters.edit.brush = 5.0
    parameters.device = Device.GPU
    node = parameters.parameterNode
    assert node.GetParameter("edit.brush") == "5.0" and node.GetParameter("device") == "GPU"
    assert Parameters(node).edit == Edit(5.0, True)
    box, check = q.qt.QComboBox(), q.qt.QCheckBox()
    parameters.connectParametersToGui({"device": box, "edit.masked": check})
    assert box.currentText == "GPU" and check.checked
    check.checked = False
    assert parameters.edit.masked is False
    with pytest.raises(ValueError, match="Cannot find"):
        parameters.connectParametersToGui({"devise": box})
    with pytest.raises(RuntimeError, match="Unable to create GUI connector"):
        parameters.connectParametersToGui({"volume": check})
    with pytest.raises(TypeError):
        parameters.volume = host.scene.AddNewNodeByClass("vtkMRMLTextNode")


# packages


def test_missing_packages_are_asked_for_and_a_refusal_is_an_error(q, host):
    host.packaging.missing, host.packaging.answer = ["openvino"], "decline"
    with pytest.raises(RuntimeError):
        q.slicer.packaging.pip_ensure(["openvino==2026.4.1", "numpy"], requester="ONFHAssist")
    host.packaging.answer = "install"
    q.slicer.packaging.pip_ensure(["openvino==2026.4.1", "numpy"])
    assert host.packaging.installed == ["openvino==2026.4.1"]


# stalls


def test_a_slot_that_blocks_the_window_is_seen(q, host, stalls):
    import time

    button = q.qt.QPushButton()
    button.connect("clicked()", lambda: time.sleep(0.12))
    q.qt.QTimer.singleShot(10, button.click)
    host.spin(0.3)
    assert stalls.result.loop_ms >= 110 and stalls.result.slot_ms < 1000


def test_the_panel_is_drawn_in_both_themes(q, host, themes):
    label, seen = q.qt.QLabel("Right hip"), []
    for dark in (False, True):
        themes(dark)
        host.spin()
        path = host.picture(label, f"dark_{dark}")
        image = q.qt.QImage(str(path))
        assert image.width() == 400
        seen.append(q.qt.QColor(image.pixel(399, 0)).lightness())
    assert seen[0] > 200 > 100 > seen[1]


# the host itself


def test_the_stand_ins_have_no_name_that_slicers_classes_do_not_have(host):
    from host import names
    from host.session import ALL_CLASSES
    from PySide6 import QtCore

    invented = []
    for class_name, cls in ALL_CLASSES.items():
        for name, value in vars(cls).items():
            if isinstance(value, QtCore.Property | QtCore.Signal) and not names.knows(cls, name):
                kept = getattr(cls, "signal_of", {})
                if name not in kept.values():
                    invented.append(f"{class_name}.{name}")
    assert invented == []


def test_every_stand_in_has_its_list_of_names(host):
    from host import names
    from host.session import ALL_CLASSES

    assert [name for name, cls in ALL_CLASSES.items() if not names.is_stand_in(cls)] == []

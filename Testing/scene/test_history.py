"""Steps back and forth."""

from ONFHAssistLib.scene.history import History


def test_steps_lead_back_and_forth_with_the_words_for_each():
    history = History("a")
    history.push("to b", "b")
    history.push("to c", "c")
    assert (history.undo(), history.present) == ("to c", "b")
    assert (history.undo(), history.present) == ("to b", "a")
    assert (history.undo(), history.present, history.can_undo) == (None, "a", False)
    assert (history.redo(), history.present) == ("to b", "b")
    assert (history.redo(), history.redo(), history.present, history.can_redo) == ("to c", None, "c", False)


def test_a_new_step_forgets_what_was_undone():
    history = History("a")
    history.push("to b", "b")
    history.undo()
    history.push("to c", "c")
    assert not history.can_redo and history.present == "c"
    assert (history.undo(), history.present) == ("to c", "a")


def test_only_the_oldest_steps_are_forgotten():
    history = History(0, steps=50)
    for number in range(1, 81):
        history.push(f"to {number}", number)
    undone = 0
    while history.undo():
        undone += 1
    assert (undone, history.present) == (50, 30)

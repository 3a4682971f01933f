"""A graphics card whose memory runs out: smaller batches, then the CPU, and the report says so. No card is needed."""

import numpy as np
import pytest

from ONFHAssistLib.analysis import analyse
from ONFHAssistLib.core.geometry import SIDES
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.imaging.segment import Network
from ONFHAssistLib.models import engine as engines
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.engine import BATCH, BatchedEngine, OutOfMemory, open_engine
from ONFHAssistLib.systems.base import Models
from Testing.hip_phantom import AXIAL, add_hip, anatomy_network, finder_network, grid, necrosis_network


class Card:
    """Stands for an engine on a card that holds so many samples, and gives the mean of the channels."""

    name, device = "card", "cuda"

    def __init__(self, room: int) -> None:
        self.room, self.asked = room, []

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        self.asked.append(len(batch))
        if len(batch) > self.room:
            raise OutOfMemory
        return batch.mean(axis=1, keepdims=True)


class Cpu(Card):
    name, device = "the CPU's", "cpu"

    def __init__(self, bundle, threads=None) -> None:
        super().__init__(room=1000)


@pytest.fixture
def cpu(monkeypatch):
    monkeypatch.setattr(engines, "OpenVinoEngine", Cpu)


def samples(count: int) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, 3, 16, 16)).astype(np.float32)


def test_many_samples_are_run_in_batches_and_come_back_in_order(bundle_folder):
    card = Card(room=BATCH)
    engine = BatchedEngine(lambda: card, load_bundle(bundle_folder))
    batch = samples(2 * BATCH + 3)
    np.testing.assert_array_equal(engine(batch), batch.mean(axis=1, keepdims=True))
    assert card.asked == [BATCH, BATCH, 3] and engine.notices == ()


def test_where_memory_runs_out_batches_are_halved_until_they_fit_and_stay_so(bundle_folder):
    card = Card(room=5)
    engine = BatchedEngine(lambda: card, load_bundle(bundle_folder))
    batch = samples(10)
    np.testing.assert_array_equal(engine(batch), batch.mean(axis=1, keepdims=True))
    assert card.asked == [10, 5, 5] and engine.device == "cuda"
    engine(batch)
    assert card.asked[3:] == [5, 5]
    (notice,) = engine.notices
    assert notice.code == "gpu-smaller-batch" and "model sums: 5 went at once" in notice.message


def test_where_not_one_sample_fits_the_cpu_goes_on(bundle_folder, cpu):
    card = Card(room=0)
    engine = BatchedEngine(lambda: card, load_bundle(bundle_folder))
    assert engine.device == "cuda"
    batch = samples(8)
    np.testing.assert_array_equal(engine(batch), batch.mean(axis=1, keepdims=True))
    assert card.asked == [8, 4, 2, 1] and (engine.name, engine.device) == ("the CPU's", "cpu")
    (notice,) = engine.notices
    assert notice.code == "gpu-out-of-memory" and "model sums: it ran on the CPU" in notice.message


def test_memory_that_runs_out_midway_loses_no_sample(bundle_folder, cpu):
    card = Card(room=BATCH)
    engine = BatchedEngine(lambda: card, load_bundle(bundle_folder))

    def full_after_the_first(batch):
        card.room = 0 if card.asked else BATCH
        return Card.__call__(card, batch)

    engine._engine = full_after_the_first
    batch = samples(BATCH + 2)
    np.testing.assert_array_equal(engine(batch), batch.mean(axis=1, keepdims=True))
    assert engine.device == "cpu"


def test_a_network_that_does_not_fit_into_the_card_is_opened_on_the_cpu(bundle_folder, cpu):
    def no_room():
        raise OutOfMemory

    engine = BatchedEngine(no_room, load_bundle(bundle_folder))
    assert engine.device == "cpu" and engine.notices[0].code == "gpu-out-of-memory"


def test_the_memory_error_of_torch_leads_to_the_cpu_and_the_same_result(trained, dims, monkeypatch):
    """The real torch engine, whose network says what torch says when a card is full."""
    import torch

    real = engines.TorchEngine

    class Full(real):
        def __init__(self, bundle, device, precision="auto"):
            super().__init__(bundle, "cpu", precision)
            self.device = device
            self._network = self._refuse

        def _refuse(self, image):
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr(engines, "TorchEngine", Full)
    bundle = load_bundle(trained[dims][0])
    engine = open_engine(bundle, "cpu", engine="torch")
    batch = np.random.default_rng(0).normal(size=(3, bundle.in_channels, *[32] * dims)).astype(np.float32)
    np.testing.assert_array_equal(engine(batch), open_engine(bundle, "cpu")(batch))
    assert engine.name.startswith("OpenVINO") and engine.notices[0].code == "gpu-out-of-memory"


def test_the_report_says_that_memory_ran_out_and_the_grades_are_the_same():
    volume = grid(AXIAL, (1.5, 1.5, 3.0), (320, 126, 120))
    for side, centre in zip(SIDES, ((88.0, 2.0, -4.0), (-84.0, 5.0, 1.0)), strict=True):
        volume = add_hip(volume, side, centre)
    source = {"modality": "CT", "sequence": "CT", "sequence_from": "tags", "fat_suppressed": False}
    study = Study(volume, source | {"body_part": "hip", "contrast_agent": None}, {}, ())

    def on_a_card(network: Network, room: int) -> Network:
        def run(batch):
            if len(batch) > room:
                raise OutOfMemory
            return network.engine(batch)

        run.name, run.device = "card", "cuda"
        return Network(network.bundle, BatchedEngine(lambda: run, network.bundle))

    enough = analyse(study, models=Models.of(finder_network(), anatomy_network(), necrosis_network()))
    models = Models.of(finder_network(), on_a_card(anatomy_network(), 7), on_a_card(necrosis_network(), BATCH))
    scarce = analyse(study, models=models)
    assert scarce.hips == enough.hips
    assert [n.code for n in scarce.warnings if n.code.startswith("gpu")] == ["gpu-smaller-batch"]
    assert not [n for n in enough.warnings if n.code.startswith("gpu")]

"""nasface.train: a detector is trained in place, on records, with or without a folder."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from tiny import AUGMENT, DETECTOR, OPTIMIZER, StopAfter, tiny_genotype, write_tiny

import nasface
from nasface.annotations.records import AnnotatedDataset
from nasface.arch.io import save_genotype
from nasface.cli.main import main
from nasface.engine.train import TrainConfig, run_training
from nasface.errors import ConfigError, DataError
from nasface.progress import Silent

SETTINGS: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 3,
    "evaluate_every": 1,
    "augment": AUGMENT,
    "optimizer": OPTIMIZER,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def images(data: Path) -> AnnotatedDataset:
    return nasface.read_dataset(data, "train")


@pytest.fixture(scope="module")
def val(data: Path) -> AnnotatedDataset:
    return nasface.read_dataset(data, "val")


def untrained(seed: int = 0) -> nasface.FaceDetector:
    return nasface.create_detector(DETECTOR, tiny_genotype(), device="cpu", seed=seed)


def weights(detector: nasface.FaceDetector) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in detector.trainable.state_dict().items()}


def assert_equal(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert torch.equal(value, other[key]), key


def test_train_writes_nothing_without_out(
    images: AnnotatedDataset, val: AnnotatedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "write_bytes", None)
    detector = untrained()
    before = weights(detector)
    result = nasface.train(detector, images, val, **{**SETTINGS, "device": torch.device("cpu")})
    assert not list(tmp_path.iterdir())
    assert result.detector is detector
    assert not detector.training
    moved = [key for key, value in weights(detector).items() if not torch.equal(value, before[key])]
    assert any(key.startswith("neck.") for key in moved)
    assert result.finished
    assert result.history.column("step") == [1, 2, 2, 3, 4, 4]
    assert {"loss", "classification_loss", "box_loss", "positives", "first_shot_loss", "ap"} < set(
        result.history.columns
    )
    assert detector.metrics == result.metrics
    assert result.metrics["ap"] == [row["ap"] for row in result.history if "ap" in row][-1]
    assert result.metrics["step"] == 4
    assert "finished after 4 steps" in repr(result)
    assert "AP" in [axes.get_ylabel() for axes in result.plot().axes]


def test_train_is_the_training_of_the_same_settings(
    data: Path, images: AnnotatedDataset, val: AnnotatedDataset, tmp_path: Path
) -> None:
    """From the weights that the seed of the settings gives, all comes out equal."""
    save_genotype(tiny_genotype(), tmp_path / "genotype.yaml")
    config = TrainConfig(
        data=str(data),
        genotype=str(tmp_path / "genotype.yaml"),
        detector=DETECTOR,
        **{**SETTINGS, "ema_decay": 0.9},
    )
    detector = untrained(seed=config.seed)
    nasface.train(detector, images, val, out=tmp_path / "api", ema_decay=0.9, **SETTINGS)
    run_training(config, tmp_path / "engine", Silent())
    one, other = tmp_path / "api", tmp_path / "engine"
    assert {path.name for path in one.iterdir()} == {path.name for path in other.iterdir()}
    assert (one / "metrics.jsonl").read_bytes() == (other / "metrics.jsonl").read_bytes()
    last = nasface.load_detector(other / "last.safetensors", "cpu")
    assert_equal(weights(detector), weights(last))
    assert all(detector.metrics[name] == last.metrics[name] for name in ("ap", "step", "faces"))


def test_stopped_training_goes_on_as_if_it_was_not(
    images: AnnotatedDataset, val: AnnotatedDataset, tmp_path: Path
) -> None:
    whole, stopped, resumed = untrained(), untrained(), untrained(seed=1)
    nasface.train(whole, images, val, **SETTINGS)
    out = tmp_path / "run"
    part = nasface.train(stopped, images, val, out=out, progress=StopAfter(3), **SETTINGS)
    assert not part.finished
    assert "stopped after 3 steps" in repr(part)
    done = nasface.train(resumed, images, val, out=out, resume=True, **SETTINGS)
    assert done.history.column("step") == [1, 2, 2, 3, 4, 4]
    assert_equal(weights(resumed), weights(whole))


def test_ctrl_c_ends_with_what_there_is(images: AnnotatedDataset) -> None:
    detector = untrained()
    before = weights(detector)
    result = nasface.train(detector, images, progress=StopAfter(2), **SETTINGS)
    assert (result.finished, len(result.history)) == (False, 2)
    assert not torch.equal(
        weights(detector)["trunk.laterals.0.0.weight"], before["trunk.laterals.0.0.weight"]
    )


def test_train_computes_gradients_where_they_are_off(images: AnnotatedDataset) -> None:
    expected, found = untrained(), untrained()
    nasface.train(expected, images, **SETTINGS)
    with torch.no_grad():
        nasface.train(found, images, **SETTINGS)
        assert not torch.is_grad_enabled()
    assert_equal(weights(found), weights(expected))


def test_train_works_beside_the_main_thread(images: AnnotatedDataset) -> None:
    """As in an application with a window of its own, where no signal can be caught."""
    results = []
    thread = threading.Thread(
        target=lambda: results.append(nasface.train(untrained(), images, **SETTINGS))
    )
    thread.start()
    thread.join()
    assert [each.finished for each in results] == [True]


def test_a_saved_detector_is_trained_on(images: AnnotatedDataset, tmp_path: Path) -> None:
    """A loaded detector goes on as the one that was saved does."""
    detector = untrained()
    nasface.train(detector, images, **(SETTINGS | {"epochs": 1}))
    loaded = nasface.load_detector(detector.save(tmp_path / "face.safetensors"), "cpu")
    results = [
        nasface.train(each, images, **(SETTINGS | {"epochs": 1})) for each in (detector, loaded)
    ]
    assert results[0].history == results[1].history
    assert_equal(weights(detector), weights(loaded))
    loaded.save(tmp_path / "again.safetensors")


def test_frozen_stages_are_trained_again_when_not_asked_for(images: AnnotatedDataset) -> None:
    detector = untrained()
    start = weights(detector)
    settings = SETTINGS | {"epochs": 1}
    nasface.train(detector, images, freeze_stages=5, freeze_norms=True, **settings)
    frozen = weights(detector)
    backbone = [key for key in start if key.startswith("trunk.backbone.")]
    assert all(torch.equal(start[key], frozen[key]) for key in backbone)
    nasface.train(detector, images, **settings)
    after = weights(detector)
    assert not all(torch.equal(frozen[key], after[key]) for key in backbone)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": 0.1}, "train: there is no 'lr'; did you mean optimizer={'lr': ...}?"),
        ({"genotype": "asfd-ref"}, "genotype: is no setting here"),
        ({"batch_size": 9}, "batch_size: 9 is more than the 8 images"),
    ],
)
def test_arguments_that_do_not_fit(
    settings: dict[str, Any], message: str, images: AnnotatedDataset
) -> None:
    with pytest.raises(nasface.NasfaceError) as error:
        nasface.train(untrained(), images, **settings)
    assert message in str(error.value)


def test_train_takes_folders(data: Path) -> None:
    result = nasface.train(untrained(), data, data, **(SETTINGS | {"epochs": 1}))
    assert result.metrics["images"] == 3


class Numbered:
    """What torch calls a data set: a length and items; iterated over, it does not end."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, at: int) -> Any:
        return self.items[at % len(self)]


def test_data_are_images_of_ones_own(images: AnnotatedDataset) -> None:
    own = [nasface.ImageRecord(each.name, each.path, each.boxes_M4) for each in images]
    result = nasface.train(untrained(), cast(Any, Numbered(own)), own, **SETTINGS)
    assert result.metrics["images"] == len(images)
    again = nasface.evaluate(result.detector, own, inference=SETTINGS.get("inference"))
    assert again.ap == pytest.approx(result.metrics["ap"])


@pytest.mark.parametrize("wrong", [Numbered([("a.jpg", [])]), iter([1]), [1, 2], 7])
def test_data_of_another_kind_are_refused(wrong: Any, images: AnnotatedDataset) -> None:
    expected = "expected a folder, what read_dataset returns, or a list of ImageRecord"
    with pytest.raises(DataError, match=expected):
        nasface.train(untrained(), wrong, **SETTINGS)
    with pytest.raises(DataError, match=expected):
        nasface.search("autofem", wrong)
    with pytest.raises(DataError, match=expected):
        nasface.evaluate(untrained(), wrong)


def test_a_released_detector_is_fine_tuned_by_its_preset(data: Path, tmp_path: Path) -> None:
    few: dict[str, Any] = {"epochs": 1, "batch_size": 4, "augment": {"size": 64}, "device": "cpu"}
    detector = nasface.load_detector("asfd-nano", device="cpu")
    found = nasface.train(detector, data, data, **few)
    words = f"train --config preset:asfd-nano-finetune --data {data} --out {tmp_path / 'run'}"
    words += " --epochs 1 --batch-size 4 --augment.size 64 --device cpu"
    assert main(words.split()) == 0
    same = nasface.load_detector(tmp_path / "run" / "last.safetensors", device="cpu")
    for key, value in weights(same).items():
        assert torch.equal(value, weights(found.detector)[key]), key


def test_a_file_of_weights_is_trained_on(images: AnnotatedDataset, tmp_path: Path) -> None:
    path = untrained().save(tmp_path / "w.safetensors")
    result = nasface.train(path, images, **{**SETTINGS, "epochs": 1})
    assert result.finished
    assert result.detector.source == path


def test_what_cannot_be_trained_is_refused(images: AnnotatedDataset) -> None:
    given = untrained()
    fixed = nasface.FaceDetector(torch.nn.Identity(), given.config)
    with pytest.raises(ConfigError, match="is of an ONNX file"):
        nasface.train(fixed, images, **SETTINGS)


def test_genotype_of_a_resumed_run_is_the_detectors(
    images: AnnotatedDataset, tmp_path: Path
) -> None:
    nasface.train(untrained(), images, out=tmp_path / "run", **SETTINGS)
    other = nasface.create_detector(
        replace(DETECTOR, channels=12), tiny_genotype(), device="cpu", seed=0
    )
    with pytest.raises(nasface.NasfaceError, match=r"detector is .* asked for is"):
        nasface.train(other, images, out=tmp_path / "run", resume=True, **SETTINGS)

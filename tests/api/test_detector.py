import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detecting import CONFIG, FIVE_BEST, GENOTYPE, load_untrained, picture
from tiny import write_lively_weights
from torch import nn

import nasface
from nasface.api.detector import FaceDetector
from nasface.api.faces import Faces
from nasface.data.images import read_image, write_image
from nasface.errors import ConfigError, RunError
from nasface.inference.annotate import draw_boxes
from nasface.inference.loading import read_detector
from nasface.inference.predict import detect
from nasface.nn.fuse import fuse_conv_bn


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> FaceDetector:
    return load_untrained(tmp_path_factory.mktemp("weights"))


def test_what_the_file_says_is_at_hand(detector: FaceDetector) -> None:
    assert detector.metrics == {"ap": 0.5}
    assert detector.genotype == GENOTYPE
    assert detector.config == CONFIG


def test_weak_detections_are_left_out(detector: FaceDetector) -> None:
    (every,) = detector.detect(picture(1), inference=FIVE_BEST, score_threshold=0.0)
    assert len(every) == 5
    least, best = float(every.scores_N.min()), float(every.scores_N.max())
    (some,) = detector.detect(picture(1), inference=FIVE_BEST, score_threshold=(least + best) / 2)
    assert 1 <= len(some) == int((every.scores_N >= (least + best) / 2).sum()) < 5
    assert len(detector.detect(picture(1), inference=FIVE_BEST, score_threshold=0.99)[0]) == 0


def test_a_low_threshold_is_heard(detector: FaceDetector) -> None:
    """Whatever score is looked at by default."""
    (every,) = detector.detect(picture(1), score_threshold=0.0)
    assert every.scores_N.amin() < 0.02


def test_settings_of_inference_are_a_map_as_well(detector: FaceDetector) -> None:
    image = picture(3)
    few = detector.detect(image, 0.0, inference={"max_detections": 2})[0]
    assert len(few) == 2
    with pytest.raises(ConfigError, match="inference: there is no 'longerside'; did you mean"):
        detector.detect(image, inference={"longerside": 64})
    wrong: Any
    for wrong in (-0.1, 30, float("nan"), "0.5", None, [0.5, 0.6], torch.tensor([0.5, 0.6])):
        with pytest.raises(ValueError, match="score_threshold must be from 0 to 1"):
            detector.detect(image, wrong)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_weights_of_two_bytes_detect(detector: FaceDetector, kind: torch.dtype) -> None:
    image = picture(5)
    (expected,) = detector.detect(image, 0.0, inference=FIVE_BEST)
    (found,) = copy.deepcopy(detector).to(kind).detect(image, 0.0, inference=FIVE_BEST)
    torch.testing.assert_close(found.scores, expected.scores, atol=0.05, rtol=0)
    assert found.boxes.dtype == torch.float32


def test_faces_are_gone_through_and_chosen(detector: FaceDetector) -> None:
    (faces,) = detector.detect(picture(5), 0.0, inference=FIVE_BEST)
    assert [(box, score) for box, score in faces] == [
        (faces.boxes[at].tolist(), float(faces.scores[at])) for at in range(5)
    ]
    assert torch.equal(faces[1].boxes, faces.boxes[1:2])
    assert torch.equal(faces[:2].scores, faces.scores[:2])
    assert len(faces[faces.scores > faces.scores[3]]) == 3
    for best in (0, -len(faces), faces.scores.argmax()):
        assert faces[best].boxes.tolist() == faces.boxes[:1].tolist()
        assert faces[best].scores.tolist() == faces.scores[:1].tolist()
    with pytest.raises(IndexError):
        faces[5]
    for anything in (True, None, 1.0, "0", (0, 1)):
        with pytest.raises(TypeError, match="expected a number, a slice, a mask or numbers, got"):
            faces[anything]  # type: ignore[index]


@pytest.mark.parametrize(
    ("images", "kind"),
    [
        (torch.zeros(3, 64, 64), r"torch.float32 \(3, 64, 64\)"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "torch.uint8"),
        ("photo.jpg", "str"),
    ],
)
def test_a_call_says_what_it_takes(detector: FaceDetector, images: Any, kind: str) -> None:
    with pytest.raises(ValueError, match=rf"floats \(B, 3, H, W\), got {kind}.*detector.detect"):
        detector(images)


def test_what_is_called_in_the_wrong_way_names_the_right_one(detector: FaceDetector) -> None:
    with pytest.raises(TypeError, match=r"nasface\.train\(detector, data\) trains a detector"):
        detector.train("data")  # type: ignore[arg-type]


def test_a_mistyped_engine_is_refused(detector: FaceDetector) -> None:
    with pytest.raises(ConfigError, match=r"^engine: .*did you mean 'onnxruntime'\?$"):
        detector.detect(np.zeros((64, 64, 3), np.uint8), engine="onnxruntim")  # type: ignore[arg-type]


def lively(folder: Path, seed: int = 0) -> FaceDetector:
    return nasface.load_detector(write_lively_weights(folder / f"{seed}.safetensors", seed=seed))


def test_it_detects_as_its_module_with_fused_normalisations(tmp_path: Path) -> None:
    """To the bit, whether the module is trained in between or not."""
    path = write_lively_weights(tmp_path / "w.safetensors")
    fused = fuse_conv_bn(read_detector(path).detector)
    detector = nasface.load_detector(path, device="cpu")
    for mode in (False, True):
        (found,) = detector.train(mode).detect(picture(3), 0.0, inference=FIVE_BEST)
        wanted = detect(fused, picture(3), FIVE_BEST)
        assert torch.equal(found.boxes, wanted.boxes_N4)
        assert torch.equal(found.scores, wanted.scores_N)
    assert detector.training
    assert any(isinstance(each, nn.BatchNorm2d) for each in detector.modules())


def test_the_fused_copy_lasts_until_a_weight_changes(detector: FaceDetector) -> None:
    network = detector.network()
    assert detector.network() is network
    assert not any(isinstance(each, nn.BatchNorm2d) for each in network.modules())
    for change in (
        detector.eval,
        lambda: detector.to("cpu"),
        lambda: detector.load_state_dict(detector.state_dict()),
        lambda: torch.optim.SGD(with_gradients(detector), 0.1).step(),
        lambda: detector.module.train()(torch.randn(2, 3, 128, 128)),
    ):
        change()
        assert detector.network() is not network
        network = detector.network()
        assert detector.network() is network
    detector.eval()


def with_gradients(detector: FaceDetector) -> list[nn.Parameter]:
    for each in detector.parameters():
        each.grad = torch.ones_like(each)
    return list(detector.parameters())


def test_a_loaded_detector_is_trained_on_and_saved(tmp_path: Path) -> None:
    detector = lively(tmp_path).train()
    optimizer = torch.optim.SGD(detector.parameters(), 1e-3)
    before = detector.detect(picture(1), 0.0, inference=FIVE_BEST)[0].scores
    first, second = detector.trainable.forward_train(torch.randn(2, 3, 128, 128))
    assert first is not None
    (first.logits_BA2.square().mean() + second.logits_BA2.square().mean()).backward()
    optimizer.step()
    after = detector.detect(picture(1), 0.0, inference=FIVE_BEST)[0].scores
    assert not torch.equal(before, after)
    detector.metrics = {"ap": 0.25}
    again = nasface.load_detector(detector.save(tmp_path / "again.safetensors"))
    assert torch.equal(again.detect(picture(1), 0.0, inference=FIVE_BEST)[0].scores, after)
    assert (again.config, again.genotype) == (detector.config, detector.genotype)
    assert again.metrics == {"ap": 0.25}
    assert not again.training
    with pytest.raises(RunError, match="exists; expected a new file"):
        detector.save(tmp_path / "again.safetensors")
    detector.save(tmp_path / "again.safetensors", overwrite=True)
    with pytest.raises(ConfigError, match=r"w\.pt: expected a \.safetensors file"):
        detector.save(tmp_path / "w.pt")


def test_an_exported_detector_detects_and_does_not_train(tmp_path: Path) -> None:
    detector = lively(tmp_path).train()
    worst = detector.export(tmp_path / "w.onnx", outputs="predictions")
    assert worst.relative < 1e-4
    assert detector.training
    other = nasface.load_detector(tmp_path / "w.onnx").eval()
    one, two = (each.detect(picture(2), 0.0, inference=FIVE_BEST)[0] for each in (detector, other))
    torch.testing.assert_close(one.boxes, two.boxes, atol=0.01, rtol=1e-3)
    assert other.config == detector.config
    for refused in (
        other.train,
        lambda: other.save(tmp_path / "x.safetensors"),
        lambda: other.export(tmp_path / "x.py"),
    ):
        with pytest.raises(ConfigError, match="is of an ONNX file, which can detect"):
            refused()
    assert "ONNX" in repr(other)
    assert other.to("cpu").float().cpu() is other
    moves: tuple[Callable[[], object], ...] = (lambda: other.to("meta"), other.half, other.double)
    for move in moves:
        with pytest.raises(ConfigError, match="cannot be moved or change its type"):
            move()


def test_a_name_or_a_file_is_exported_as_its_detector(tmp_path: Path) -> None:
    detector = lively(tmp_path)
    written = []
    assert detector.source is not None
    for name, given in (("a", detector), ("b", detector.source)):
        (tmp_path / name).mkdir()
        nasface.export(given, tmp_path / name / "w.py")
        written.append((tmp_path / name / "w.py").read_text())
    assert written[0] == written[1]
    with pytest.raises(RunError, match="asfd-nanno"):
        nasface.export("folder/asfd-nanno", tmp_path / "c.py")
    nothings: tuple[Any, ...] = (None, 3, detector.network())
    for none in nothings:
        with pytest.raises(ConfigError, match="expected a FaceDetector, its file or name"):
            nasface.export(none, tmp_path / "c.py")
        with pytest.raises(ConfigError, match="expected a FaceDetector, its file or name"):
            nasface.quantize(none, tmp_path / "c.onnx")


def test_unknown_forms_and_options_of_an_export(tmp_path: Path) -> None:
    detector = lively(tmp_path)
    with pytest.raises(ConfigError, match=r"w\.tflite: unknown export format"):
        nasface.export(detector, tmp_path / "w.tflite")
    with pytest.raises(ConfigError, match="export: there is no 'output'; did you mean 'outputs'"):
        detector.export(tmp_path / "w.onnx", output="boxes")


def test_a_detector_shows_what_it_is(tmp_path: Path) -> None:
    detector = lively(tmp_path)
    count = sum(each.numel() for each in detector.parameters())
    assert repr(detector) == (
        f"FaceDetector(tiny, backbone mobilenet_v1_0.25, neck genotype, {count:,} parameters, "
        f"on {detector.device}, ap 0.500)"
    )
    found = Faces(torch.tensor([[0.0, 0, 9, 9], [1, 1, 5, 5]]), torch.tensor([0.9, 0.6]))
    assert repr(found) == "Faces(2 faces, scores 0.90 to 0.60)"
    assert len(found) == 2
    assert repr(Faces(found.boxes[:1], found.scores[:1])) == "Faces(1 face, score 0.90)"
    assert repr(Faces(found.boxes[:0], found.scores[:0])) == "Faces(0 faces)"


def test_faces_are_drawn_on_their_picture(detector: FaceDetector, tmp_path: Path) -> None:
    image = picture(5)
    write_image(tmp_path / "a.png", image)
    from_file, from_array = detector.detect([tmp_path / "a.png", image], 0.0, inference=FIVE_BEST)
    assert from_file.source == tmp_path / "a.png"
    drawn = from_file.draw()
    assert np.array_equal(
        drawn.pixels, draw_boxes(image, from_file.boxes.numpy(), from_file.scores.numpy())
    )
    assert not np.array_equal(drawn.pixels, image)
    assert np.array_equal(read_image(drawn.save(tmp_path / "b.png")), drawn.pixels)
    assert repr(drawn) == "DrawnImage(80 x 64 pixels)"
    assert drawn._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"expected it as argument: draw\(image\)"):
        from_array.draw()
    assert np.array_equal(from_array.draw(image).pixels, drawn.pixels)


def test_detect_calls_forward_hooks() -> None:
    detector = nasface.load_detector("asfd-nano", device="cpu")
    image = np.zeros((64, 96, 3), np.uint8)
    (without,) = detector.detect(image, score_threshold=0.0)
    shapes: list[tuple[int, ...]] = []
    hook = detector.trainable.trunk.backbone.register_forward_hook(
        lambda module, inputs, features: shapes.append(tuple(features[3].shape[2:]))
    )
    (found,) = detector.detect(image, score_threshold=0.0)
    assert shapes == [(8, 12)]
    assert torch.allclose(found.scores, without.scores, atol=1e-5)
    hook.remove()
    detector.detect(image)
    assert len(shapes) == 1

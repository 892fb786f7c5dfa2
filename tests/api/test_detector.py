import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import DETECTOR, tiny_genotype, write_lively_weights
from torch import nn

import nasface
from nasface.api.detector import FaceDetector
from nasface.api.faces import Faces
from nasface.data.images import read_image, write_image
from nasface.detection.checkpoint import save_detector
from nasface.detection.detector import build_detector
from nasface.detection.heads import Head
from nasface.errors import ConfigError, DataError, RunError
from nasface.inference.annotate import draw_boxes
from nasface.inference.loading import read_detector
from nasface.inference.pictures import Picture
from nasface.inference.predict import InferenceConfig, detect
from nasface.nn.fuse import fuse_conv_bn

TEST = InferenceConfig(score_threshold=0.0, max_detections=5)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> FaceDetector:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    untrained = build_detector(DETECTOR, tiny_genotype())
    with torch.no_grad():  # or all scores are as good as the same
        for head in untrained.trunk.heads:
            cast(nn.Conv2d, cast(Head, head).classify[-1]).weight.mul_(300)
    save_detector(path, untrained, tiny_genotype(), {"ap": 0.5})
    return nasface.load_detector(path)


def picture(seed: int, height: int = 64, width: int = 80) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_what_the_file_says_is_at_hand(detector: FaceDetector) -> None:
    assert detector.metrics == {"ap": 0.5}
    assert detector.genotype == tiny_genotype()
    assert detector.config == DETECTOR


def test_pictures_of_mixed_sizes_as_one_by_one(detector: FaceDetector) -> None:
    sizes = [(64, 80), (64, 80), (64, 80), (96, 64), (64, 80)]
    pictures = [picture(at, *size) for at, size in enumerate(sizes)]
    for batch in (1, 2, 8):
        together = detector.detect(pictures, inference=TEST, score_threshold=0.0, batch_size=batch)
        assert len(together) == 5
        for each, image in zip(together, pictures, strict=True):
            alone = detect(detector.network(), image, TEST)
            assert len(each) == 5
            torch.testing.assert_close(each.boxes_N4, alone.boxes_N4, atol=1e-3, rtol=1e-4)
            torch.testing.assert_close(each.scores_N, alone.scores_N, atol=1e-5, rtol=1e-4)


def test_paths_arrays_and_tensors_show_the_same(detector: FaceDetector, tmp_path: Path) -> None:
    image = picture(7)
    write_image(tmp_path / "a.png", image)
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    kinds: list[Picture] = [
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        image,
        tensor,
        tensor / 255,
    ]
    first, *others = detector.detect(kinds, inference=TEST, score_threshold=0.0, batch_size=1)
    for each in others:
        assert torch.equal(each.boxes_N4, first.boxes_N4)
        assert torch.equal(each.scores_N, first.scores_N)
    (single,) = detector.detect(image, inference=TEST, score_threshold=0.0)
    assert torch.equal(single.scores_N, first.scores_N)


def test_pillow_images_of_every_mode(detector: FaceDetector, tmp_path: Path) -> None:
    image = picture(7)
    pillow = Image.fromarray(image)
    write_image(tmp_path / "a.png", image)
    lazy = Image.open(tmp_path / "a.png")
    for first, second in ((image, pillow), (image, lazy), (image, pillow.convert("RGBA"))):
        one, two = detector.detect(
            [first, second], inference=TEST, score_threshold=0.0, batch_size=1
        )
        assert torch.equal(one.boxes_N4, two.boxes_N4)
        assert torch.equal(one.scores_N, two.scores_N)
    grey = pillow.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    rgb = np.repeat(np.asarray(grey)[..., None], 3, axis=2)
    found = detector.detect([rgb, grey, deep], inference=TEST, score_threshold=0.0, batch_size=1)
    for each in found[1:]:
        assert torch.equal(each.boxes_N4, found[0].boxes_N4)
    for mode in ("1", "P", "LA", "CMYK", "YCbCr", "HSV"):
        assert len(detector.detect(pillow.convert(mode), inference=TEST, score_threshold=0.0)) == 1
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:-200])
    with (
        Image.open(tmp_path / "cut.png") as cut,
        pytest.raises(ValueError, match="Pillow image cannot be read"),
    ):
        detector.detect(cut)


def test_views_of_an_array(detector: FaceDetector) -> None:
    """Such as BGR turned to RGB, a mirrored picture or a crop; also when they are resized."""
    image = picture(7, 80, 96)
    test = InferenceConfig(score_threshold=0.0, max_detections=5, longer_side=64)
    for view in (image[..., ::-1], image[:, ::-1], image[8:72:2, 3:90], image.swapaxes(0, 1)):
        one, two = detector.detect(
            [view, view.copy()], inference=test, score_threshold=0.0, batch_size=1
        )
        assert torch.equal(one.boxes_N4, two.boxes_N4)


def test_a_picture_of_one_pixel(detector: FaceDetector) -> None:
    assert len(detector.detect(np.zeros((1, 1, 3), np.uint8))) == 1


def test_weak_detections_are_left_out(detector: FaceDetector) -> None:
    (every,) = detector.detect(picture(1), inference=TEST, score_threshold=0.0)
    assert len(every) == 5
    least, best = float(every.scores_N.min()), float(every.scores_N.max())
    (some,) = detector.detect(picture(1), inference=TEST, score_threshold=(least + best) / 2)
    assert 1 <= len(some) == int((every.scores_N >= (least + best) / 2).sum()) < 5
    assert len(detector.detect(picture(1), inference=TEST, score_threshold=0.99)[0]) == 0


def test_a_low_threshold_is_heard(detector: FaceDetector) -> None:
    """Whatever score is looked at by default."""
    (every,) = detector.detect(picture(1), score_threshold=0.0)
    assert every.scores_N.amin() < 0.02


def test_pictures_are_taken_a_batch_at_a_time(detector: FaceDetector) -> None:
    """A generator is not read further ahead than the batch and one picture."""
    seen: list[int] = []
    calls: list[int] = []

    def endless() -> Iterator[np.ndarray]:
        for at in range(6):
            seen.append(at)
            yield picture(at)

    network = detector.network()
    handle = network.register_forward_pre_hook(lambda *_: calls.append(len(seen)))
    detector.detect(endless(), inference=TEST, batch_size=2, engine="torch")
    handle.remove()
    assert len(calls) == 3
    assert all(taken <= 2 * at + 3 for at, taken in enumerate(calls))


def test_folders_patterns_stacks_and_data_sets_are_several_pictures(
    detector: FaceDetector, tmp_path: Path
) -> None:
    images = [picture(at) for at in range(3)]
    for at, image in enumerate(images):
        write_image(tmp_path / f"{at}.png", image)
    expected = [each.scores.tolist() for each in detector.detect(images, 0.0, inference=TEST)]
    stack = np.stack(images)
    records = [
        nasface.ImageRecord("a", tmp_path / f"{at}.png", np.zeros((0, 4), np.float32))
        for at in range(3)
    ]
    for several in (
        tmp_path,
        str(tmp_path / "*.png"),
        stack,
        torch.from_numpy(stack).permute(0, 3, 1, 2),
        records,
    ):
        found = detector.detect(several, 0.0, inference=TEST)
        assert [each.scores.tolist() for each in found] == expected
    assert [each.source for each in detector.detect(tmp_path)] == [each.path for each in records]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no image or video in"):
        detector.detect(tmp_path / "empty")


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
    (expected,) = detector.detect(image, 0.0, inference=TEST)
    (found,) = copy.deepcopy(detector).to(kind).detect(image, 0.0, inference=TEST)
    torch.testing.assert_close(found.scores, expected.scores, atol=0.05, rtol=0)
    assert found.boxes.dtype == torch.float32


def test_faces_are_gone_through_and_chosen(detector: FaceDetector) -> None:
    (faces,) = detector.detect(picture(5), 0.0, inference=TEST)
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


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_from_0_to_1_are_the_same_picture(detector: FaceDetector, kind: Any) -> None:
    image = picture(5)
    floats = (image / 255).astype(kind)
    as_tensor = torch.from_numpy(floats).permute(2, 0, 1)
    one, array, tensor = detector.detect([image, floats, as_tensor], 0.0, inference=TEST)
    assert torch.equal(one.boxes, array.boxes)
    assert torch.equal(one.boxes, tensor.boxes)


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


def test_what_is_no_picture(detector: FaceDetector, tmp_path: Path) -> None:
    anything: Any = object()
    with pytest.raises(DataError, match="no such"):
        detector.detect("no such.jpg")
    with pytest.raises(ValueError, match=r"array must be \(H, W, 3\).*uint8 \(3, 64, 64\)"):
        detector.detect(np.zeros((3, 64, 64), np.uint8))
    with pytest.raises(ValueError, match="tensor must be"):
        detector.detect(torch.zeros(64, 64, 3))
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got 0 to 255"):
        detector.detect(torch.arange(256.0).expand(3, 16, 256))
    for nothing in (torch.full((3, 64, 64), torch.nan), np.full((64, 64, 3), np.nan)):
        with pytest.raises(ValueError, match=r"must be in \[0, 1\], got nan"):
            detector.detect(nothing)
    with pytest.raises(ValueError, match=r"array must be .* got int64"):
        detector.detect(np.zeros((64, 64, 3), np.int64))
    with pytest.raises(ValueError, match="picture must be a path"):
        detector.detect([anything])
    for empty in (np.zeros((0, 10, 3), np.uint8), np.zeros((10, 0, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"array must be .* got uint8 \("):
            detector.detect(empty)
    with pytest.raises(ValueError, match=r"tensor must be .* got torch.uint8 \(3, 0, 4\)"):
        detector.detect(torch.zeros((3, 0, 4), dtype=torch.uint8))
    for other, kind in ((b"\xff\xd8", "bytes"), (7, "int"), (None, "NoneType"), ({}, "dict")):
        anything = other
        with pytest.raises(ValueError, match=rf"must be a path, an array .* image, .*got {kind}$"):
            detector.detect(anything)
        with pytest.raises(ValueError, match=rf"must be a path, an array .* image, got {kind}$"):
            detector.detect([anything])
    for mode in ("I", "F"):
        with pytest.raises(ValueError, match=rf"8 or 16 bits a channel, got mode {mode}"):
            detector.detect(Image.new(mode, (20, 10)))
    for name, what in (
        ("https://example.org/a.jpg", r"^https://example.org/a.jpg: is an address or a camera"),
        ("rtsp://me:secret@example.org/1", r"^rtsp://example.org/1: is an address or a camera"),
        ("camera:0", "is an address or a camera"),
        ("film.MP4", r"film\.MP4: is a video"),
    ):
        for pictures in (name, [name]):
            with pytest.raises(DataError, match=what):
                detector.detect(pictures)
    with pytest.raises(DataError, match=f"{tmp_path.name}: is a folder among pictures"):
        detector.detect([tmp_path])
    calls: list[Any] = ["a.jpg", [picture(1)], picture(1)]
    for anything in calls:
        with pytest.raises(ValueError, match=r"floats \(B, 3, H, W\), got .* detector.detect"):
            detector(anything)
    with pytest.raises(ValueError, match="batch_size must be a whole number from 1, got 0"):
        detector.detect(picture(1), batch_size=0)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nasface.nothing  # type: ignore[attr-defined]  # type checkers know that, too


def lively(folder: Path, seed: int = 0) -> FaceDetector:
    return nasface.load_detector(write_lively_weights(folder / f"{seed}.safetensors", seed=seed))


def test_it_detects_as_its_module_with_fused_normalisations(tmp_path: Path) -> None:
    """To the bit, whether the module is trained in between or not."""
    path = write_lively_weights(tmp_path / "w.safetensors")
    fused = fuse_conv_bn(read_detector(path).detector)
    detector = nasface.load_detector(path, device="cpu")
    for mode in (False, True):
        (found,) = detector.train(mode).detect(picture(3), 0.0, inference=TEST)
        wanted = detect(fused, picture(3), TEST)
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
    before = detector.detect(picture(1), 0.0, inference=TEST)[0].scores
    first, second = detector.trainable.forward_train(torch.randn(2, 3, 128, 128))
    assert first is not None
    (first.logits_BA2.square().mean() + second.logits_BA2.square().mean()).backward()
    optimizer.step()
    after = detector.detect(picture(1), 0.0, inference=TEST)[0].scores
    assert not torch.equal(before, after)
    detector.metrics = {"ap": 0.25}
    again = nasface.load_detector(detector.save(tmp_path / "again.safetensors"))
    assert torch.equal(again.detect(picture(1), 0.0, inference=TEST)[0].scores, after)
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
    one, two = (each.detect(picture(2), 0.0, inference=TEST)[0] for each in (detector, other))
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
    from_file, from_array = detector.detect([tmp_path / "a.png", image], 0.0, inference=TEST)
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

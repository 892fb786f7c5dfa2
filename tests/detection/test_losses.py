import math
from itertools import chain
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from predictions import ANCHORS, backward, make_predictions, make_targets
from torch import Tensor

from nasface.detection.boxes import encode
from nasface.detection.losses import BoxLoss, DetectionLoss, LossConfig, ShotLoss, shot_loss
from nasface.detection.matching import BACKGROUND, IGNORED, MatchConfig, Matches, match
from nasface.errors import ConfigError
from nasface.structures import Predictions, ShotPair, Targets

LOSS = DetectionLoss(MatchConfig(), LossConfig())


def gradients(predictions: Predictions) -> tuple[Tensor, Tensor]:
    logits, deltas = predictions.logits_BA2.grad, predictions.deltas_BA4.grad
    assert logits is not None
    assert deltas is not None
    return logits, deltas


def loop_box_loss(deltas: list[float], anchor: list[float], target: list[float]) -> float:
    """1 - IoU + d^2 / diagonal^2 of one decoded box, number by number."""
    width, height = anchor[2] - anchor[0], anchor[3] - anchor[1]
    x = (anchor[0] + anchor[2]) / 2 + 0.1 * deltas[0] * width
    y = (anchor[1] + anchor[3]) / 2 + 0.1 * deltas[1] * height
    width, height = width * math.exp(0.2 * deltas[2]), height * math.exp(0.2 * deltas[3])
    box = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    across = max(0.0, min(box[2], target[2]) - max(box[0], target[0]))
    down = max(0.0, min(box[3], target[3]) - max(box[1], target[1]))
    wanted = (target[2] - target[0]) * (target[3] - target[1])
    share = across * down / (width * height + wanted - across * down)
    apart = (x - (target[0] + target[2]) / 2) ** 2 + (y - (target[1] + target[3]) / 2) ** 2
    outer = (max(box[2], target[2]) - min(box[0], target[0])) ** 2
    outer += (max(box[3], target[3]) - min(box[1], target[1])) ** 2
    return 1 - share + apart / outer


def loop_loss(
    predictions: Predictions, faces: list[list[int]], targets: list[Targets], config: LossConfig
) -> tuple[float, float, int]:
    """The loss of one shot, anchor by anchor."""
    positives: list[list[float]] = [[] for _ in faces]
    negatives: list[list[float]] = [[] for _ in faces]
    box = []
    for image, row in enumerate(faces):
        for at, face in enumerate(row):
            logits = predictions.logits_BA2[image, at].tolist()
            error = math.log(sum(map(math.exp, logits))) - logits[face >= 0]
            if face >= 0:
                positives[image].append(error)
                deltas = predictions.deltas_BA4[image, at].tolist()
                target = targets[image].boxes_M4[face].tolist()
                box.append(loop_box_loss(deltas, ANCHORS[at].tolist(), target))
            elif face == BACKGROUND:
                negatives[image].append(error)
    least = config.min_negatives
    if config.classification == "hard_negatives":  # as if all were one large image
        positives, negatives = [list(chain(*positives))], [list(chain(*negatives))]
        least *= len(faces)
    classification = 0.0
    for ours, others in zip(positives, negatives, strict=True):
        wanted = max(math.floor(config.negatives_per_positive * len(ours)), least)
        classification += sum(ours + sorted(others, reverse=True)[:wanted])
    divisor = max(1, len(box))
    return classification / divisor, sum(box) / divisor, len(box)


@settings(deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(
        st.lists(
            st.sampled_from([BACKGROUND, BACKGROUND, IGNORED, 0, 1]), min_size=16, max_size=16
        ),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([0.0, 1.5, 3.0]),
    st.sampled_from([0, 2, 100]),
    st.sampled_from(["hard_negatives", "hard_negatives_per_image"]),
)
def test_loss_equals_the_loop_over_anchors(
    seed: int, faces: list[list[int]], ratio: float, least: int, name: str
) -> None:
    config = LossConfig(classification=name, negatives_per_positive=ratio, min_negatives=least)
    predictions = make_predictions(len(faces), seed)
    targets = [make_targets([1, 2, 12, 14], [10 + k, 9, 19, 25]) for k in range(len(faces))]
    matches = [Matches(torch.tensor(row)) for row in faces]
    loss = shot_loss(predictions, matches, targets, config)
    classification, box, positives = loop_loss(predictions, faces, targets, config)
    assert loss.positives == positives
    assert loss.classification.item() == pytest.approx(classification, rel=1e-4, abs=1e-5)
    assert loss.box.item() == pytest.approx(box, rel=1e-4, abs=1e-5)


def test_only_positives_and_the_hardest_negatives_learn() -> None:
    predictions = make_predictions(2)
    face = torch.full((2, 16), BACKGROUND)
    face[0, 5], face[1, 2:9] = 0, IGNORED
    targets = [make_targets([8, 8, 17, 22]), make_targets()]
    matches = [Matches(row) for row in face]
    loss = shot_loss(predictions, matches, targets, LossConfig(min_negatives=0))
    backward(loss.classification + loss.box)
    logits, deltas = gradients(predictions)
    learns = logits.abs().sum(dim=2) > 0
    assert learns[0, 5]
    assert not learns[face == IGNORED].any()
    assert int(learns.sum()) == 4
    confidence = predictions.logits_BA2.detach().softmax(dim=2)[..., 1]
    chosen, passed = confidence[learns & (face < 0)], confidence[~learns & (face == BACKGROUND)]
    assert chosen.min() > passed.max()
    assert torch.equal((deltas.abs().sum(dim=2) > 0).nonzero(), torch.tensor([[0, 5]]))


def test_the_right_answer_costs_nothing() -> None:
    targets = make_targets([8, 8, 17, 22], [0, 0, 8, 12])
    matches = match(ANCHORS, targets, MatchConfig())
    face = matches.face_A
    logits = torch.where((face >= 0)[:, None], torch.tensor([-50.0, 50]), torch.tensor([50.0, -50]))
    deltas = encode(targets.boxes_M4[face.clamp(min=0)], ANCHORS)
    loss = shot_loss(
        Predictions(logits[None], deltas[None], ANCHORS), [matches], [targets], LossConfig()
    )
    assert loss.positives >= 2
    # exp(-100) of each anchor
    assert loss.classification.item() == pytest.approx(0, abs=1e-40)
    assert loss.box.item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    "targets",
    [
        make_targets(),
        make_targets([4, 4, 4, 4], [9, 3, 9, 20]),
        make_targets([0, 0, 8, 12], ignore=True),
        make_targets([0, 0, 400, 400], ignore=True),
        make_targets([5, 5, 5 + 1e-6, 5 + 1e-6]),
        make_targets([900, 900, 910, 910]),
    ],
    ids=["none", "no area", "ignored", "all ignored", "tiny", "far away"],
)
@pytest.mark.parametrize("least", [0, 16])
def test_finite_whatever_the_faces(targets: Targets, least: int) -> None:
    predictions = make_predictions(2)
    config = LossConfig(min_negatives=least)
    losses = DetectionLoss(MatchConfig(), config)(ShotPair(predictions, predictions), [targets] * 2)
    backward(losses.total)
    assert losses.total.isfinite()
    assert all(each.isfinite().all() for each in gradients(predictions))


def test_images_without_faces_teach() -> None:
    predictions = make_predictions(2)
    losses = LOSS(ShotPair(None, predictions), [make_targets()] * 2)
    assert losses.positives == 0
    assert losses.box.item() == 0
    backward(losses.total)
    logits, deltas = gradients(predictions)
    assert bool((logits[..., 1] > 0).all())
    assert not deltas.any()


def test_extreme_offsets_stay_finite() -> None:
    predictions = make_predictions(1)
    with torch.no_grad():
        predictions.deltas_BA4.mul_(1e4)
    targets = [make_targets([8, 8, 17, 22])]
    loss = LOSS(ShotPair(None, predictions), targets)
    backward(loss.total)
    assert loss.total.isfinite()
    assert all(each.isfinite().all() for each in gradients(predictions))


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_predictions_are_scored_in_float32(
    dtype: torch.dtype, autocast: bool
) -> None:
    targets = [make_targets([8, 8, 17, 22]), make_targets()]
    half = make_predictions(2, dtype=dtype)
    single = Predictions(
        half.logits_BA2.detach().float(), half.deltas_BA4.detach().float(), ANCHORS
    )
    expected = LOSS(ShotPair(single, single), targets)
    with torch.autocast("cpu", dtype=dtype, enabled=autocast):
        losses = LOSS(ShotPair(half, half), targets)
    assert losses.total.dtype == torch.float32
    torch.testing.assert_close(losses.total, expected.total)
    backward(losses.total)
    assert all(each.dtype == dtype and bool(each.isfinite().all()) for each in gradients(half))


def test_total_weights_the_shots_and_their_parts() -> None:
    targets = [make_targets([8, 8, 17, 22]), make_targets([1, 1, 8, 12], [16, 8, 32, 20])]
    centre = (ANCHORS[:, :2] + ANCHORS[:, 2:]) / 2
    half = (ANCHORS[:, 2:] - ANCHORS[:, :2]) / 4
    first = make_predictions(2, seed=1)._replace(
        anchors_A4=torch.cat([centre - half, centre + half], dim=1)
    )
    second = make_predictions(2, seed=2)
    config = LossConfig(box_weight=5.0, first_shot_weight=0.25, min_negatives=1)

    def alone(shot: Predictions) -> ShotLoss:
        matches = [match(shot.anchors_A4, each, MatchConfig()) for each in targets]
        return shot_loss(shot, matches, targets, config)

    losses = DetectionLoss(MatchConfig(), config)(ShotPair(first, second), targets)
    of_first, of_second = alone(first), alone(second)
    assert (losses.classification, losses.box, losses.positives) == of_second
    assert of_first.positives != of_second.positives  # each has anchors of its own
    expected = of_second.classification + 5 * of_second.box
    without = DetectionLoss(MatchConfig(), config)(ShotPair(None, second), targets)
    assert without.first_shot is None
    assert set(without.figures()) == {"classification_loss", "box_loss", "positives"}
    torch.testing.assert_close(without.total, expected)
    wanted_first = of_first.classification + 5 * of_first.box
    torch.testing.assert_close(losses.first_shot, wanted_first)
    torch.testing.assert_close(losses.figures()["first_shot_loss"], wanted_first)
    torch.testing.assert_close(losses.total, expected + 0.25 * wanted_first)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["box_weight", "negatives_per_positive", "first_shot_weight"])
def test_settings_out_of_range(name: str, value: float) -> None:
    told = rf"{name}:? .*{value},.* expected (a finite number|finite numbers, 0 or more)"
    settings: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError, match=told):
        LossConfig(**settings)


def test_the_loss_is_the_papers_where_nothing_is_said() -> None:
    assert LossConfig() == LossConfig(
        classification="hard_negatives",
        logit_margin=0,
        box="diou",
        box_weight=2,
        negatives_per_positive=3,
        min_negatives=16,
        first_shot_weight=1,
        focal_gamma=2,
        focal_alpha=0.75,
    )


def test_smooth_l1_is_summed_over_the_coordinates() -> None:
    predictions = make_predictions(1, seed=5)
    faces = [BACKGROUND] * len(ANCHORS)
    faces[3], faces[6] = 0, 1
    target = make_targets([1, 2, 12, 14], [10, 9, 19, 25])
    config = LossConfig(box="smooth_l1")
    loss = shot_loss(predictions, [Matches(torch.tensor(faces))], [target], config)
    expected = 0.0
    for at, face in ((3, 0), (6, 1)):
        wanted = encode(target.boxes_M4[face : face + 1], ANCHORS[at : at + 1])[0].tolist()
        for one, other in zip(predictions.deltas_BA4[0, at].tolist(), wanted, strict=True):
            apart = abs(one - other)
            expected += apart**2 / 2 if apart < 1 else apart - 0.5
    assert float(loss.box.detach()) == pytest.approx(expected / 2, rel=1e-5)


def test_images_and_targets_must_be_as_many() -> None:
    matches = [Matches(torch.full((len(ANCHORS),), BACKGROUND))] * 2
    with pytest.raises(ValueError, match="longer"):
        shot_loss(make_predictions(2), matches, [make_targets()], LossConfig())


@pytest.mark.parametrize("kind", ["giou", "diou", "ciou", "smooth_l1"])
def test_every_box_loss_is_least_for_the_right_boxes(kind: BoxLoss) -> None:
    target = make_targets((8, 8, 17, 21), (0, 16, 7, 30))
    matches = [match(ANCHORS, target, MatchConfig(positive=0.3, negative=0.3))]
    wanted = target.boxes_M4[matches[0].face_A.clamp(min=0)]
    right = encode(wanted, ANCHORS)
    config = LossConfig(box=kind)
    values = []
    for shift in (0.0, 0.5, 1.0):
        predictions = make_predictions(1)._replace(deltas_BA4=(right + shift)[None])
        values.append(float(shot_loss(predictions, matches, [target], config).box))
    assert values[0] == pytest.approx(0, abs=1e-5)
    assert values == sorted(values)
    assert values[2] > values[0] + 0.01


@pytest.mark.parametrize("kind", ["giou", "diou", "ciou", "smooth_l1"])
def test_every_box_loss_is_finite_without_faces_and_for_points(kind: BoxLoss) -> None:
    for target in (make_targets(), make_targets((5, 5, 5, 5))):
        predictions = make_predictions(1)
        matches = [match(ANCHORS, target, MatchConfig())]
        loss = shot_loss(predictions, matches, [target], LossConfig(box=kind, logit_margin=0.2))
        backward(loss.classification + loss.box)
        assert all(bool(gradient.isfinite().all()) for gradient in gradients(predictions))

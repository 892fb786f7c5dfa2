from dataclasses import replace
from typing import Any, Literal, cast

import pytest
import torch
from tiny import DETECTOR, tiny_genotype
from torch import nn

from nasface.arch.genotype import CellGene, Genotype, NodeGene
from nasface.arch.io import load_search_space
from nasface.detection.anchors import AnchorConfig
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import build_detector
from nasface.detection.heads import Cosine, Head, build_head
from nasface.detection.joint_head import JointHead
from nasface.detection.pyramid import LEVELS, STRIDES
from nasface.detection.searchable import build_searchable
from nasface.errors import ConfigError, SpecError
from nasface.nas.policy import ArgmaxPath


@pytest.mark.parametrize("size", [(64, 64), (97, 131)])
def test_one_prediction_per_anchor(size: tuple[int, int]) -> None:
    detector = build_detector(DETECTOR, tiny_genotype()).eval()
    predictions = detector(torch.randn(2, 3, *size))
    count = sum(-(-size[0] // s) * -(-size[1] // s) for s in STRIDES)
    assert predictions.logits_BA2.shape == (2, count, 2)
    assert predictions.deltas_BA4.shape == (2, count, 4)
    assert predictions.anchors_A4.shape == (count, 4)


def test_predictions_lie_at_their_anchors() -> None:
    """A head that answers with its own input shows which position an anchor index stands for."""
    detector = build_detector(DETECTOR, tiny_genotype()).eval()
    features = {}
    for level in LEVELS:
        rows, columns = (-(-side // 2**level) for side in (96, 160))
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        features[level] = (torch.stack([x, y])[None].float() + 0.5) * 2**level

    class Echo(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            from nasface.detection.heads import _flatten

            return _flatten(x), _flatten(torch.cat([x, x], dim=1))

    detector.trunk.heads = torch.nn.ModuleList(Echo() for _ in LEVELS)
    predictions = detector.trunk.predict(features)
    centres = (predictions.anchors_A4[:, :2] + predictions.anchors_A4[:, 2:]) / 2
    torch.testing.assert_close(predictions.logits_BA2[0], centres)


def test_both_shots_are_the_shots_apart() -> None:
    detector = build_detector(DETECTOR, tiny_genotype()).eval()
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        first, second = detector.forward_train(images)
        assert first is not None
        alone = detector(images)
        original = detector.trunk.predict(detector.trunk.pyramid(images), 0.5)
    torch.testing.assert_close(second, alone)
    torch.testing.assert_close(first, original)
    sizes = [p.anchors_A4[:, 2:] - p.anchors_A4[:, :2] for p in (first, second)]
    torch.testing.assert_close(2 * sizes[0], sizes[1])


def test_every_parameter_gets_a_gradient() -> None:
    detector = build_detector(DETECTOR, tiny_genotype())
    first, second = detector.forward_train(torch.randn(2, 3, 64, 64))
    assert first is not None
    outputs = [*first[:2], *second[:2]]
    torch.stack([output.square().sum() for output in outputs]).sum().backward()
    assert [n for n, p in detector.named_parameters() if p.grad is None] == []


def test_a_genotype_of_another_space_is_refused() -> None:
    genotype = tiny_genotype()
    gene = genotype.cells["cpm_c7"]
    moved = CellGene(
        tuple(type(each)(each.name, 9) for each in gene.inputs),
        tuple(NodeGene(n.name, 9, n.combine, n.edges) for n in gene.nodes),
        tuple(type(each)(9, each.sources) for each in gene.outputs),
        gene.projection,
        gene.residual,
    )
    foreign = Genotype(1, "foreign", genotype.space, {"high": moved})
    with pytest.raises(SpecError, match=r"'foreign'.*cell 'high' takes level 9; the pyramid has"):
        build_detector(DETECTOR, foreign)


def test_width_must_divide_into_partial_channels() -> None:
    space = load_search_space("autofem-fpn")
    with pytest.raises(ConfigError, match="channels: 8 is not divisible by partial_channels 3"):
        build_searchable(DETECTOR, type(space)(**{**vars(space), "partial_channels": 3}))


def test_weights_are_all_parameters_but_the_choices() -> None:
    model = build_searchable(DETECTOR, load_search_space("autofem", {"nodes": 4}))
    weights = {id(p) for p in model.weights()}
    rest = [name for name, p in model.named_parameters() if id(p) not in weights]
    assert rest
    assert all(name.startswith("neck.arch_parameters.") for name in rest)
    mixture = model.neck.arch_parameters.mixture(ArgmaxPath(), seed=0, step=0)
    first, second = model.forward_train(torch.randn(2, 3, 64, 64), mixture)
    assert first is not None
    assert first.logits_BA2.shape == second.logits_BA2.shape


def test_cosine_classifier_sees_directions_only() -> None:
    torch.manual_seed(0)
    cosine = Cosine(8, 2, 10.0)
    x = torch.randn(1, 8, 3, 3)
    logits = cosine(x)
    torch.testing.assert_close(cosine(7 * x), logits)
    vectors = cosine.weight.detach()[:, :, 0, 0]
    for at in range(2):
        expected = 10 * torch.cosine_similarity(x, vectors[at][None, :, None, None], dim=1)
        torch.testing.assert_close(logits[:, at], expected)
    zero = torch.zeros(1, 8, 1, 1, requires_grad=True)
    cosine(zero).sum().backward()
    assert zero.grad is not None
    assert zero.grad.isfinite().all()


def test_features_before_a_cosine_are_not_rectified() -> None:
    torch.manual_seed(0)
    config = DetectorConfig(channels=8, classifier="cosine", head_layers=1)
    head = cast(Head, build_head(config, 2))
    with torch.no_grad():
        for module in head.classify.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.bias.fill_(-9.0)
    x = torch.randn(2, 8, 4, 4, requires_grad=True)
    logits, _ = head(x)
    logits[..., 1].sum().backward()
    assert x.grad is not None
    assert (x.grad != 0).any()


@pytest.mark.parametrize("channels", [8, 128])
@pytest.mark.parametrize("max_in_out", [False, True])
@pytest.mark.parametrize("classifier", ["linear", "cosine"])
def test_faces_start_as_rare(
    classifier: Literal["linear", "cosine"], max_in_out: bool, channels: int
) -> None:
    """Everywhere: of ten thousand positions the ones likeliest to be faces are learnt from."""
    torch.manual_seed(0)
    config = DetectorConfig(channels=channels, classifier=classifier, max_in_out=max_in_out)
    logits, _ = build_head(config, 3).train()(torch.randn(40, channels, 16, 16))
    probability = logits.softmax(2)[..., 1]
    assert 0.002 < probability.median() < 0.05
    assert probability.amax() < 0.3


def test_max_in_out_takes_the_greatest_of_a_class() -> None:
    torch.manual_seed(0)
    config = DetectorConfig(channels=8, head_layers=0, max_in_out=True)
    x = torch.randn(2, 8, 2, 3)
    for level, background in ((2, 3), (3, 1), (7, 1)):
        head = cast(Head, build_head(config, level))
        every = head.classify(x).flatten(2).transpose(1, 2)
        assert every.shape == (2, 6, 4)
        logits, deltas = head(x)
        torch.testing.assert_close(logits[..., 0], every[..., :background].amax(2))
        torch.testing.assert_close(logits[..., 1], every[..., background:].amax(2))
        assert deltas.shape == (2, 6, 4)


@pytest.mark.parametrize(
    "changes",
    [{"classifier": "cosine"}, {"max_in_out": True}, {"head": "dense", "extra": "dense"}],
)
def test_forms_of_the_detector_run_and_know_their_scale(changes: dict[str, Any]) -> None:
    config = replace(DETECTOR, **changes)
    torch.manual_seed(0)
    detector = build_detector(config, tiny_genotype()).train()
    first, second = detector.forward_train(torch.randn(2, 3, 128, 128))
    assert first is not None
    scale = 10.0 if config.classifier == "cosine" else 1.0
    assert (first.scale, second.scale) == (scale, scale)
    assert first.logits_BA2.shape == second.logits_BA2.shape
    assert first.logits_BA2.shape[2] == 2


JOINT = DetectorConfig(
    backbone="thin_resnet_n",
    levels=(3, 4, 5),
    channels=8,
    neck="pan",
    head="dense",
    head_branches="joint",
    head_layers=1,
    head_channels=12,
    anchors=AnchorConfig(sides=((16, 32), (64, 128), (256, 512))),
)


def test_levels_and_joint_heads_with_several_anchors_at_a_position() -> None:
    detector = build_detector(JOINT, None).eval()
    with torch.no_grad():
        found = detector(torch.zeros(2, 3, 70, 100))
    positions = 9 * 13 + 5 * 7 + 3 * 4
    assert found.logits_BA2.shape == (2, 2 * positions, 2)
    assert found.deltas_BA4.shape == (2, 2 * positions, 4)
    assert found.anchors_A4.shape == (2 * positions, 4)


def test_joint_head_gives_each_anchor_its_own_channels() -> None:
    head = JointHead(channels=4, width=4, layers=0, anchors=2)
    assert head.last.bias is not None
    nn.init.zeros_(head.last.weight)
    head.last.bias.data.copy_(torch.arange(12.0))
    logits, deltas = head(torch.zeros(1, 4, 2, 3))
    assert logits.shape == (1, 12, 2)
    assert logits[0, 2:4].tolist() == [[0, 2], [1, 3]]
    assert deltas[0, 2:4].tolist() == [[4, 5, 6, 7], [8, 9, 10, 11]]


def test_joint_head_looks_at_the_position_of_its_anchor() -> None:
    head = JointHead(channels=4, width=4, layers=1, anchors=2).eval()
    x = torch.randn(1, 4, 9, 9, requires_grad=True)
    _, deltas = head(x)
    deltas[0, 2 * (4 * 9 + 6)].sum().backward()
    assert x.grad is not None
    seen = torch.nonzero(x.grad.abs().sum((0, 1)))
    assert len(seen) > 0
    assert (seen - torch.tensor([4, 6])).abs().max() <= 2


@pytest.mark.parametrize(
    "settings",
    [
        {"levels": ()},
        {"levels": (3, 5)},
        {"levels": (1, 2, 3)},
        {"levels": (2, 10**12)},
        {"levels": (3, 4)},
        {"head": "separable"},
        {"head": "rfe"},
        {"head": "thick"},
        {"head_channels": 0},
        {"max_in_out": True},
        {"max_out_background": True},
        {"head_kernel": 3},
        {"first_shot": "pyramid"},
        {"negative_slope": 1.0},
        {"head_branches": "separate", "classifier": "cosine"},
        {"head_branches": "separate", "first_shot": "pyramid", "levels": (3,)},
        {"head_branches": "separate", "max_in_out": True, "max_out_background": True},
        {"head_branches": "separate", "max_in_out": True, "shared_head": True},
        {"head_branches": "separate", "max_out_background": True, "shared_head": True},
        {"head_layers": 0, "head_channels": 8},
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        replace(JOINT, **settings)

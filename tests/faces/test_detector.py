import pytest
import torch
from tiny import DETECTOR, tiny_genotype

from nasface.errors import ConfigError, SpecError
from nasface.faces.backbone import LEVELS, STRIDES
from nasface.faces.detector import build_detector, build_searchable
from nasface.search.policy import ArgmaxPath
from nasface.spec.genotype import CellGene, Genotype, NodeGene
from nasface.spec.store import load_search_space


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
            from nasface.faces.detector import _flatten

            return _flatten(x), _flatten(torch.cat([x, x], dim=1))

    detector.frame.heads = torch.nn.ModuleList(Echo() for _ in LEVELS)
    predictions = detector.frame.predict(features)
    centres = (predictions.anchors_A4[:, :2] + predictions.anchors_A4[:, 2:]) / 2
    torch.testing.assert_close(predictions.logits_BA2[0], centres)


def test_both_shots_are_the_shots_apart() -> None:
    detector = build_detector(DETECTOR, tiny_genotype()).eval()
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        first, second = detector.both_shots(images)
        alone = detector(images)
        original = detector.frame.predict(detector.frame.pyramid(images), 0.5)
    torch.testing.assert_close(second, alone)
    torch.testing.assert_close(first, original)
    sizes = [p.anchors_A4[:, 2:] - p.anchors_A4[:, :2] for p in (first, second)]
    torch.testing.assert_close(2 * sizes[0], sizes[1])


def test_every_parameter_gets_a_gradient() -> None:
    detector = build_detector(DETECTOR, tiny_genotype())
    first, second = detector.both_shots(torch.randn(2, 3, 64, 64))
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
    assert all(name.startswith("enhancement.choices.") for name in rest)
    mixture = model.enhancement.choices.mixture(ArgmaxPath(), seed=0, step=0)
    first, second = model.both_shots(torch.randn(2, 3, 64, 64), mixture)
    assert first.logits_BA2.shape == second.logits_BA2.shape

"""The networks of DARTS and PC-DARTS against their published sizes."""

from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np
import pytest
import torch
from strategies import POLICIES, random_choices
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nasface.arch.genotype import Genotype
from nasface.arch.genotype_text import read_genotype_text
from nasface.arch.io import load_genotype, load_search_space
from nasface.classification.layout import NETWORKS, NetworkConfig, plan_layers
from nasface.classification.network import Classifier, SearchClassifier
from nasface.errors import ConfigError, SpecError
from nasface.nas.bilevel import arch_step, gradient_of
from nasface.nas.derive import derive
from nasface.nas.mixture import Mixture
from nasface.nas.policy import Policy, Softmax, UniformPath
from nasface.nn.blocks import DropPath
from nasface.nn.cost import count_parameters, count_saved_bytes, light_layers

OTHERS = """
NASNet = Genotype(
  normal=[('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 0), ('sep_conv_3x3', 0),
    ('avg_pool_3x3', 1), ('skip_connect', 0), ('avg_pool_3x3', 0), ('avg_pool_3x3', 0),
    ('sep_conv_3x3', 1), ('skip_connect', 1)],
  normal_concat=[2, 3, 4, 5, 6],
  reduce=[('sep_conv_5x5', 1), ('sep_conv_7x7', 0), ('max_pool_3x3', 1), ('sep_conv_7x7', 0),
    ('avg_pool_3x3', 1), ('sep_conv_5x5', 0), ('skip_connect', 3), ('avg_pool_3x3', 2),
    ('sep_conv_3x3', 2), ('max_pool_3x3', 1)],
  reduce_concat=[4, 5, 6])
AmoebaNet = Genotype(
  normal=[('avg_pool_3x3', 0), ('max_pool_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 2),
    ('sep_conv_3x3', 0), ('avg_pool_3x3', 3), ('sep_conv_3x3', 1), ('skip_connect', 1),
    ('skip_connect', 0), ('avg_pool_3x3', 1)],
  normal_concat=[4, 5, 6],
  reduce=[('avg_pool_3x3', 0), ('sep_conv_3x3', 1), ('max_pool_3x3', 0), ('sep_conv_7x7', 2),
    ('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('max_pool_3x3', 0), ('max_pool_3x3', 1),
    ('conv_7x1_1x7', 0), ('sep_conv_3x3', 5)],
  reduce_concat=[3, 4, 6])
"""
"""From DARTS' collection of cells: other node counts, concatenations and operations than DARTS'."""
SIZES = {
    ("darts_v1", "cifar"): (3169414, 476426, 500987520),
    ("darts_v2", "cifar"): (3349342, 476426, 528359040),
    ("pc_darts_cifar", "cifar"): (3634678, 476426, 556670592),
    ("pc_darts_image", "cifar"): (3721510, 476426, 570466944),
    ("NASNet", "cifar"): (3830950, 457994, 603452448),
    ("AmoebaNet", "cifar"): (3145078, 457994, 488931552),
    ("darts_v1", "imagenet"): (4510432, 1260776, 505864704),
    ("darts_v2", "imagenet"): (4718752, 1260776, 529911552),
    ("pc_darts_cifar", "imagenet"): (5270560, 1260776, 571137408),
    ("pc_darts_image", "imagenet"): (5342464, 1260776, 581627328),
    ("NASNet", "imagenet"): (5564320, 1236200, 604031616),
    ("AmoebaNet", "imagenet"): (4627360, 1236200, 526746624),
}
"""Genotype, network -> parameters without and of the auxiliary head, multiply-adds in inference;
counted on the original modules."""
TRAINING = {
    "darts_v1": 507419136,
    "darts_v2": 531465984,
    "pc_darts_cifar": 572691840,
    "pc_darts_image": 583181760,
}
"""Multiply-adds in training, with the auxiliary head."""
SEARCH_SIZES = {
    ("darts", 4, 10): 1930618,
    ("darts", 6, 10): 3661306,
    ("darts", 8, 10): 5903482,
    ("darts", 4, 100): 1953748,
    ("darts", 6, 100): 3695956,
    ("darts", 8, 100): 5949652,
    ("pc-darts", 4, 10): 299578,
    ("pc-darts", 6, 10): 532186,
    ("pc-darts", 8, 10): 821242,
    ("pc-darts", 4, 100): 322708,
    ("pc-darts", 6, 100): 566836,
    ("pc-darts", 8, 100): 867412,
}
"""Space, nodes, classes -> parameters of the search network without architecture parameters."""
SMALL = NetworkConfig(channels=4, classes=3, layers=3)


@cache
def search_network(space: str, nodes: int) -> SearchClassifier:
    """The one of ten classes; not to be changed."""
    return SearchClassifier(load_search_space(space, {"nodes": nodes}), NETWORKS["cifar-search"])


def genotype(name: str) -> Genotype:
    others = read_genotype_text(OTHERS, "others").genotypes
    return others[name] if name in others else load_genotype(name)


def macs(module: nn.Module, size: int) -> int:
    images = torch.empty(2, 3, size, size, device="meta")
    with torch.no_grad(), light_layers(module), FlopCounterMode(display=False) as counter:
        module(images)
    return int(counter.get_total_flops()) // 2 // len(images)


@pytest.mark.parametrize(("name", "network"), SIZES)
def test_sizes_are_the_published_ones(name: str, network: str) -> None:
    with torch.device("meta"):
        module = Classifier(genotype(name), NETWORKS[network])
    assert module.auxiliary is not None
    auxiliary = count_parameters(module.auxiliary)
    size = 32 if network == "cifar" else 224
    found = (count_parameters(module) - auxiliary, auxiliary, macs(module.eval(), size))
    assert found == SIZES[name, network]
    if network == "imagenet" and name in TRAINING:
        assert macs(module.train(), size) == TRAINING[name]


def test_other_classes() -> None:
    config = replace(NETWORKS["cifar"], classes=100, auxiliary=False)
    with torch.device("meta"):
        assert count_parameters(Classifier(genotype("pc_darts_cifar"), config)) == 3686608


@pytest.mark.parametrize(("space", "nodes", "classes"), SEARCH_SIZES)
def test_sizes_of_search_networks(space: str, nodes: int, classes: int) -> None:
    network = search_network(space, nodes)
    if classes != 10:
        config = replace(NETWORKS["cifar-search"], classes=classes)
        network = SearchClassifier(network.space, config)
    weights = sum(parameter.numel() for parameter in network.weights())
    assert weights == SEARCH_SIZES[space, nodes, classes]
    edges = nodes * (nodes + 3) // 2
    assert all(alpha.shape == (edges, 8) for alpha in network.arch_parameters.alpha.values())
    assert count_parameters(network) - weights == 2 * edges * (8 + (space == "pc-darts"))


def test_size_of_the_imagenet_search_network() -> None:
    with torch.device("meta"):
        space = load_search_space("pc-darts", {"partial": 2})
        network = SearchClassifier(space, NETWORKS["imagenet-search"])
    assert sum(parameter.numel() for parameter in network.weights()) == 956512


def test_layers_by_hand() -> None:
    layers = plan_layers(NetworkConfig(channels=4, layers=6), {"normal": 4, "reduce": 3})
    assert [layer.cell for layer in layers] == [
        "normal", "normal", "reduce", "normal", "reduce", "normal",
    ]  # fmt: skip
    assert [layer.channels for layer in layers] == [4, 4, 8, 8, 16, 16]
    assert [layer.widths for layer in layers] == [
        (12, 12), (12, 16), (16, 16), (16, 24), (24, 32), (32, 48),
    ]  # fmt: skip
    assert [layer.shrink_first for layer in layers] == [False, False, False, True, False, True]


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
@pytest.mark.parametrize("size", [(32, 32), (33, 47)])
def test_every_parameter_gets_a_gradient(
    stem: Literal["cifar", "imagenet"], size: tuple[int, int]
) -> None:
    big = (7 * size[0], 7 * size[1]) if stem == "imagenet" else size
    config = replace(SMALL, stem=stem, auxiliary=True, layers=4)
    network = Classifier(genotype("pc_darts_cifar"), config)
    logits = network(torch.randn(2, 3, *big))
    assert logits.main.shape == logits.auxiliary.shape == (2, 3)
    (logits.main.sum() + logits.auxiliary.sum()).backward()
    lacking = [name for name, p in network.named_parameters() if p.grad is None]
    assert lacking == []
    assert network.eval()(torch.randn(1, 3, *big)).auxiliary is None


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("space", ["darts", "pc-darts"])
def test_policies_run_and_reach_the_choices(space: str, policy: Policy) -> None:
    network = SearchClassifier(load_search_space(space, {"nodes": 2}), SMALL)
    mixture = network.arch_parameters.mixture(policy, seed=0, step=0)
    logits = network(torch.randn(2, 3, 16, 16), mixture)
    assert logits.shape == (2, 3)
    logits.square().sum().backward()
    grads = [choice.grad for choice in network.arch_parameters.parameters()]
    assert all(grad is not None and grad.isfinite().all() for grad in grads)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_derived_can_be_trained(seed: int) -> None:
    space = load_search_space("pc-darts", {"nodes": 3, "keep": 1 + seed % 2})
    alphas, betas = random_choices(space, seed, ties=True)
    network = Classifier(derive(space, alphas, betas), SMALL)
    assert network(torch.randn(2, 3, 16, 16)).main.isfinite().all()


def test_drop_path() -> None:
    network = Classifier(genotype("darts_v2"), SMALL)
    x = torch.randn(4, 3, 16, 16)
    torch.manual_seed(0)
    without = network(x).main
    network.set_drop_path(0.5)
    assert not torch.equal(network(x).main, without)
    network.set_drop_path(0.0)
    torch.testing.assert_close(network(x).main, without)
    for rate in (1.0, -0.1):
        with pytest.raises(ConfigError, match=r"is not in \[0, 1\)"):
            network.set_drop_path(rate)


def test_drop_path_keeps_the_mean() -> None:
    layer = DropPath()
    layer.rate = 0.25
    x = torch.ones(4000, 2, 3, 3)
    y = layer(x)
    by_sample = y.flatten(1)
    assert (by_sample == by_sample[:, :1]).all()
    kept = (by_sample[:, 0] > 0).float().mean()
    assert abs(kept - 0.75) < 0.03
    np.testing.assert_allclose(by_sample.max(), 1 / 0.75, rtol=1e-6)
    assert torch.equal(layer.eval()(x), x)


def test_cells_that_do_not_fit() -> None:
    with pytest.raises(SpecError, match=r"cells are fpn.* a classifier needs normal and reduce"):
        Classifier(load_genotype("autofem-quickstart"), SMALL)
    with pytest.raises(SpecError, match="space 'autofem-fpn': cells are fpn"):
        SearchClassifier(load_search_space("autofem-fpn"), SMALL)
    good = load_genotype("darts_v1")
    turned = replace(good, cells={"normal": good.cells["reduce"], "reduce": good.cells["normal"]})
    with pytest.raises(SpecError, match=r"cell 'normal' does not fit .* nodes at level 0"):
        Classifier(turned, SMALL)
    with pytest.raises(ConfigError, match="auxiliary: true, expected false"):
        SearchClassifier(load_search_space("darts"), replace(SMALL, auxiliary=True))
    with pytest.raises(ConfigError, match=r"channels 1, .* expected at least 2, 1, 1 and 1"):
        NetworkConfig(channels=1)


SAVED = {4: (2009, 638), 6: (3771, 1160), 8: (6050, 1830)}
"""Nodes -> megabytes that the original DARTS and PC-DARTS networks save at batch 16."""


def saved_mb(network: SearchClassifier, mixture: Mixture) -> float:
    """Of 16 images, by what one of them keeps."""
    image = torch.zeros(1, 3, 32, 32)
    with count_saved_bytes(*network.parameters(), *network.buffers(), image) as saved:
        network(image, mixture)
    return 16 * saved.total / 1e6


@pytest.mark.parametrize("nodes", SAVED)
def test_saved_activations_of_searches(nodes: int) -> None:
    """DARTS and PC-DARTS as the originals, with gradients of choices and weights; then a path."""
    for name, expected in zip(("darts", "pc-darts"), SAVED[nodes], strict=True):
        network = search_network(name, nodes)
        mixture = network.arch_parameters.mixture(Softmax(), seed=0, step=0)
        assert saved_mb(network, mixture) == pytest.approx(expected, rel=0.05)
    single = load_search_space("pc-darts", {"nodes": nodes, "keep": 1})
    network = SearchClassifier(single, NETWORKS["cifar-search"])
    with torch.no_grad():
        paths = [network.arch_parameters.mixture(UniformPath(), seed=0, step=s) for s in range(5)]
        soft = network.arch_parameters.mixture(Softmax(), seed=0, step=0)
    whole = saved_mb(network, soft)
    limit = {4: 0.20, 6: 0.15, 8: 0.12}[nodes]
    assert sum(saved_mb(network, path) for path in paths) / len(paths) <= limit * whole


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_choice_gradients_do_not_depend_on_those_of_weights(policy: Policy) -> None:
    torch.manual_seed(0)
    network = SearchClassifier(load_search_space("pc-darts", {"nodes": 3}), SMALL)
    images, labels = torch.randn(4, 3, 16, 16), torch.tensor([0, 1, 2, 0])
    arch_parameters = list(network.arch_parameters.parameters())

    def loss() -> torch.Tensor:
        mixture = network.arch_parameters.mixture(policy, seed=0, step=0)
        return nn.functional.cross_entropy(network(images, mixture), labels)

    torch.autograd.backward(loss())
    expected = [choice.grad for choice in arch_parameters]
    arch_step(gradient_of(loss), torch.optim.SGD(arch_parameters, lr=0.0), list(network.weights()))
    for choice, gradient in zip(arch_parameters, expected, strict=True):
        assert gradient is not None
        assert choice.grad is not gradient
        assert choice.grad is not None
        torch.testing.assert_close(choice.grad, gradient, rtol=1e-4, atol=1e-8)

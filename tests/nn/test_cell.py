"""From any space through search and derivation to a file and a built module."""

from typing import cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import CHANNELS, LEVELS, POLICIES, features, random_choices, spaces
from torch import Tensor, nn

from nasface.arch.genotype import (
    CellGene,
    EdgeGene,
    Genotype,
    NodeGene,
    OutputGene,
    SpaceReference,
    repeat,
)
from nasface.arch.graph import Input
from nasface.arch.io import load_genotype, load_search_space, parse_genotype
from nasface.arch.space import SearchSpace
from nasface.errors import SpecError
from nasface.io.yaml import to_yaml
from nasface.nas.derive import derive
from nasface.nas.supernet import Supernet
from nasface.nn.cell import FixedCell, FixedModule, build_module
from nasface.nn.combine import Concat, WeightedSum


def shapes(values: dict[int, Tensor]) -> dict[int, torch.Size]:
    return {level: value.shape for level, value in values.items()}


def run_backwards(outputs: dict[int, Tensor]) -> None:
    loss = torch.stack([value.square().mean() for value in outputs.values()]).sum()
    assert torch.isfinite(loss)
    torch.autograd.backward(loss)


def keeps_the_width(genotype: Genotype) -> bool:
    return not any(
        gene.projection == "none" and len(output.sources) > 1
        for gene in genotype.cells.values()
        for output in gene.outputs
    )


@settings(max_examples=60, deadline=None)
@given(spaces(), st.integers(0, 1000))
def test_every_valid_space_can_be_searched_derived_stored_and_built(
    space: SearchSpace, seed: int
) -> None:
    supernet = Supernet(space, CHANNELS)
    x = {level: value.requires_grad_() for level, value in features(seed=seed).items()}
    found = []
    for policy in POLICIES.values():
        supernet.zero_grad()
        outputs = supernet(x, supernet.arch_parameters.mixture(policy, seed=seed, step=seed))
        run_backwards(outputs)
        grads = [parameter.grad for parameter in supernet.parameters()]
        assert all(grad is None or torch.isfinite(grad).all() for grad in grads)
        found.append(shapes(outputs))

    genotype = derive(space, *random_choices(space, seed, ties=False))
    text = to_yaml(genotype)
    assert parse_genotype(text, "text") == genotype
    assert to_yaml(parse_genotype(text, "text")) == text

    stored = parse_genotype(text, "text")
    if keeps_the_width(stored):
        module = build_module(stored, CHANNELS, LEVELS)
    else:
        with pytest.raises(SpecError, match="projection"):
            build_module(stored, CHANNELS, LEVELS)
        module = FixedModule(stored, CHANNELS)
    outputs = module(x)
    run_backwards(outputs)
    assert all(shape == shapes(outputs) for shape in found)


@pytest.mark.parametrize("name", ["autofem", "autofem-cpm", "autofem-fpn"])
def test_every_weight_of_a_derived_module_is_used(name: str) -> None:
    space = load_search_space(name)
    module = build_module(derive(space, *random_choices(space, 0, ties=False)), 8, range(2, 8))
    x = features(range(2, 8), base=128)
    outputs = module(x)
    assert shapes(outputs) == shapes(x)
    run_backwards(outputs)
    assert [key for key, value in module.named_parameters() if value.grad is None] == []


def test_odd_pyramids_are_met_by_resampling() -> None:
    """Sizes of a 200 x 120 image: 50, 25, 13, ...; each level keeps its own."""
    space = load_search_space("autofem", {"nodes": 4})
    module = build_module(derive(space, *random_choices(space, 0, ties=False)), 8, range(2, 8))
    x, height, width = {}, 50, 30
    for level in range(2, 8):
        x[level] = torch.randn(2, 8, height, width)
        height, width = (height + 1) // 2, (width + 1) // 2
    assert shapes(module(x)) == shapes(x)
    supernet = Supernet(space, 8)
    for policy in POLICIES.values():
        mixture = supernet.arch_parameters.mixture(policy, seed=0, step=0)
        assert shapes(supernet(x, mixture)) == shapes(x)


# --- the cell by hand


def gene(combine: str, *, projection: bool = False, residual: bool = False) -> CellGene:
    return CellGene(
        inputs=(Input("x", 2), Input("y", 2), Input("z", 3)),
        nodes=(
            NodeGene("a", 2, combine, (EdgeGene("y", "skip"), EdgeGene("x", "skip"))),
            NodeGene("b", 2, "sum", (EdgeGene("z", "skip", "up2"), EdgeGene("a", "skip"))),
        ),
        outputs=(OutputGene(2, ("b", "a")),),
        projection="conv_norm_relu" if projection else "none",
        residual=residual,
    )


def genotype(**cells: CellGene) -> Genotype:
    return Genotype(1, "mine", SpaceReference("space", "0123456789ab"), cells)


X, Y, Z = torch.randn(2, 4, 6, 6), torch.randn(2, 4, 6, 6), torch.randn(2, 4, 3, 3)


@pytest.mark.parametrize("combine", ["sum", "product", "weighted_sum", "concat"])
def test_a_cell_by_hand(combine: str) -> None:
    cell = FixedCell(gene(combine), 4)
    if combine == "sum":
        a = X + Y
    elif combine == "product":
        a = X * Y
    elif combine == "weighted_sum":
        with torch.no_grad():
            cast(WeightedSum, cell.combine["a"]).scale.copy_(torch.tensor([3.0, 1.0]).log())
        a = 0.75 * Y + 0.25 * X
    else:
        merge = cast(Concat, cell.combine["a"]).merge
        a = torch.einsum("oc,bchw->bohw", merge.weight[:, :, 0, 0], torch.cat([Y, X], 1))
    b = nn.functional.interpolate(Z, (6, 6), mode="bilinear", align_corners=True) + a
    outputs = cell([X, Y, Z])
    assert list(outputs) == [2]
    torch.testing.assert_close(outputs[2], torch.cat([b, a], dim=1))


def test_projection_and_residual_by_hand() -> None:
    plain = FixedCell(gene("sum"), 4)([X, Y, Z])[2]
    cell = FixedCell(gene("sum", projection=True, residual=True), 4).eval()
    conv = cell.projections["2"].get_submodule("0")
    assert isinstance(conv, nn.Conv2d)
    projected = torch.einsum("oc,bchw->bohw", conv.weight[:, :, 0, 0], plain)
    expected = (projected / (1 + 1e-5) ** 0.5).relu() + X
    torch.testing.assert_close(cell([X, Y, Z])[2], expected)


def test_a_genotype_that_does_not_fit_the_pyramid_is_refused() -> None:
    fits = gene("sum", projection=True)
    build_module(genotype(c=fits), 4, (2, 3))
    with pytest.raises(SpecError, match=r"'mine'.*space.*cell 'c' takes level 3; .* levels 2, 4"):
        build_module(genotype(c=fits), 4, (2, 4))
    with pytest.raises(SpecError, match=r"cell 'd' concatenates .*conv or conv_norm_relu"):
        build_module(genotype(c=fits, d=gene("sum")), 4, (2, 3))
    down = CellGene(
        inputs=(Input("x", 2),),
        nodes=(NodeGene("a", 3, "sum", (EdgeGene("x", "skip", "down2"),)),),
        outputs=(OutputGene(3, ("a",)),),
        projection="none",
        residual=False,
    )
    assert shapes(build_module(genotype(c=down), 4, (2, 3))({2: X})) == {2: X.shape, 3: Z.shape}
    with pytest.raises(SpecError, match="cell 'c' gives level 3"):
        build_module(genotype(c=down), 4, (2,))


def test_dense_cells_are_bottlenecks_of_dense_convolutions() -> None:
    genotype = load_genotype("asfd-cpm-ref")
    dense = build_module(genotype, 32, range(2, 8), dense=True)
    kernels = [
        (each.in_channels, each.out_channels, each.kernel_size, each.groups)
        for each in dense.cells["cpm_c4"].modules()
        if isinstance(each, nn.Conv2d)
    ]
    # 1x1 to a quarter, five 3x3 there, 1x1 from three leaves back.
    assert kernels == [(32, 8, (1, 1), 1)] + 5 * [(8, 8, (3, 3), 1)] + [(24, 32, (1, 1), 1)]
    maps = {level: torch.randn(2, 32, 16, 16) for level in range(2, 8)}
    assert {level: x.shape for level, x in dense(maps).items()} == {
        level: x.shape for level, x in maps.items()
    }
    # A cell over several levels stays as it is.
    fpn = load_genotype("asfd-fpn-ref")
    assert build_module(fpn, 32, range(2, 8), dense=True).state_dict().keys() == (
        build_module(fpn, 32, range(2, 8)).state_dict().keys()
    )


def test_repeated_cells_follow_one_another() -> None:
    genotype = load_genotype("asfd-cpm-ref")
    twice = repeat(genotype, 2)
    assert repeat(genotype, 1) == genotype
    assert list(twice.cells)[5:7] == ["cpm_c7", "cpm_c2_2"]
    torch.manual_seed(0)
    once, module = build_module(genotype, 8, range(2, 8)), build_module(twice, 8, range(2, 8))
    maps = {level: torch.randn(2, 8, 8, 8) for level in range(2, 8)}
    first = {k: v for k, v in module.state_dict().items() if "_2." not in k}
    once.load_state_dict(first)
    second = build_module(genotype, 8, range(2, 8))
    second.load_state_dict(
        {k.replace("_2.", "."): v for k, v in module.state_dict().items() if "_2." in k}
    )
    for level, x in module(maps).items():
        torch.testing.assert_close(x, second(once(maps))[level])

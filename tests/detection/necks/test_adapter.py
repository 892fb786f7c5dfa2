"""The neck between backbones and heads of other toolkits."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_genotype
from torch import Tensor, nn

from nasface.arch.io import save_genotype
from nasface.detection.necks.adapter import BackboneWithNeck, Neck, levels_of
from nasface.errors import SpecError
from nasface.nn.cell import build_module

WIDTHS = (6, 10, 12, 20)


def maps(height: int = 64, width: int = 96, number: int = 4) -> list[Tensor]:
    """What a backbone gives, finest first."""
    generator = torch.Generator().manual_seed(height)
    found = []
    for channels in WIDTHS[:number]:
        found.append(torch.randn(2, channels, height, width, generator=generator))
        height, width = -(-height // 2), -(-width // 2)
    return found


@pytest.mark.parametrize("size", [(64, 96), (37, 53), (33, 64)])
def test_it_is_the_module_behind_laterals(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    genotype = tiny_genotype()
    neck = Neck(genotype, WIDTHS, 8).eval()
    given = maps(*size)
    outputs = neck(given)
    assert isinstance(outputs, tuple)
    assert [each.shape[1] for each in outputs] == [8] * 6
    assert [each.shape[-2:] for each in outputs[:4]] == [each.shape[-2:] for each in given]
    module = build_module(genotype, 8, range(2, 8)).eval()
    module.load_state_dict(neck.cells.state_dict())
    values = [lateral(x) for lateral, x in zip(neck.laterals, given, strict=True)]
    values.append(neck.extra[0](given[-1]))
    values.append(neck.extra[1](values[-1]))
    wanted = module(dict(enumerate(values, 2)))
    assert all(torch.equal(wanted[at], x) for at, x in enumerate(outputs, 2))


def test_names_and_order_are_kept() -> None:
    neck = Neck(tiny_genotype(), WIDTHS, 8).eval()
    named = OrderedDict(zip(("0", "1", "2", "3"), maps(), strict=True))
    outputs = neck(named)
    assert isinstance(outputs, OrderedDict)
    assert list(outputs) == ["0", "1", "2", "3", "4", "5"]
    for one, other in zip(outputs.values(), neck(tuple(named.values())), strict=True):
        assert torch.equal(one, other)
    named = OrderedDict(zip(("2", "3", "4", "5"), maps(), strict=True))
    assert list(neck(named)) == ["2", "3", "4", "5", "6", "7"]


def test_plain_values_as_in_a_config_file(tmp_path: Path) -> None:
    save_genotype(tiny_genotype("autofem-fpn"), tmp_path / "g.yaml")
    config: dict[str, Any] = {"genotype": str(tmp_path / "g.yaml"), "in_channels": list(WIDTHS)}
    neck = Neck(**config, out_channels=16, num_outs=7)
    # One map more than the genotype has levels: it passes by the cells.
    assert len(neck(maps())) == 7
    packaged = Neck("asfd-ref", in_channels=[8, 16, 32], out_channels=8, num_outs=6)
    assert levels_of(tiny_genotype()) == list(packaged.levels)


def test_gradients_reach_every_parameter() -> None:
    torch.manual_seed(0)
    body = nn.Conv2d(3, WIDTHS[0], 3, 4, 1)
    neck = Neck(tiny_genotype(), WIDTHS[:1], 8)
    model = BackboneWithNeck(_Single(body), neck)
    assert model.out_channels == 8
    outputs = model(torch.randn(2, 3, 256, 256))
    sum(each.square().mean() for each in outputs).backward()
    without = [name for name, each in model.named_parameters() if each.grad is None]
    assert not without


class _Single(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.layer(images)]


def test_what_does_not_fit_is_said() -> None:
    genotype = tiny_genotype()
    with pytest.raises(SpecError, match="takes level 6; the pyramid has levels 2, 3, 4, 5"):
        Neck(genotype, WIDTHS, 8, num_outs=4)
    with pytest.raises(SpecError, match="4 maps in, 3 out"):
        Neck(genotype, WIDTHS, 8, num_outs=3)
    with pytest.raises(SpecError, match="takes level 2; the pyramid has levels 3"):
        Neck(genotype, WIDTHS, 8, first_level=3)
    neck = Neck(genotype, WIDTHS, 8)
    with pytest.raises(ValueError, match="given 3 maps, expected 4"):
        neck(maps(number=3))
    uneven = maps()
    uneven[1] = uneven[1][..., :-1]
    with pytest.raises(ValueError, match="expected each half the one before"):
        neck(uneven)

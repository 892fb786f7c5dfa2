import pytest
import torch

from nasface.arch.genotype import cascade
from nasface.arch.io import load_genotype, load_search_space
from nasface.detection.cost import detector_cost
from nasface.detection.detector import build_detector
from nasface.detection.zoo import (
    FAMILY,
    REFERENCE_GENOTYPE,
    TABLE_SIZE,
    get_model_spec,
)
from nasface.errors import ConfigError

REFERENCE = load_genotype(REFERENCE_GENOTYPE)


@pytest.mark.parametrize("name", FAMILY)
def test_sizes_are_within_three_per_cent_of_the_papers_table(name: str) -> None:
    row = FAMILY[name]
    total = detector_cost(row.detector, REFERENCE, *TABLE_SIZE)[0]
    assert total.parameters / 1e6 == pytest.approx(row.parameters, rel=0.03)
    assert total.macs / 1e9 == pytest.approx(row.macs, rel=0.03)


@pytest.mark.parametrize("name", FAMILY)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    with torch.device("meta"):  # initial values would take longer than all the rest
        detector = build_detector(FAMILY[name].detector, REFERENCE).train()
    detector.to_empty(device="cpu")
    shots = detector.forward_train(torch.zeros(2, 3, 65, 65))
    assert shots.first is not None
    outputs = [
        output.sum()
        for shot in (shots.first, shots.second)
        for output in (shot.logits_BA2, shot.deltas_BA4)
    ]
    torch.stack(outputs).sum().backward()
    without = [key for key, value in detector.named_parameters() if value.grad is None]
    assert without == []


def test_the_whole_reference_is_its_two_parts() -> None:
    parts = cascade(load_genotype("asfd-fpn-ref"), load_genotype("asfd-cpm-ref"))
    assert parts.cells == REFERENCE.cells
    assert "hand-made" in load_genotype("asfd-cpm-ref").provenance.note
    assert REFERENCE.space.digest == load_search_space("autofem").digest


def test_the_reference_fpn_has_the_published_operations() -> None:
    cell = REFERENCE.cells["fpn"]
    chosen = [
        (edge.source, edge.operation)
        for node in cell.nodes
        for edge in node.edges
        if edge.operation != "skip"
    ]
    same_level = [each for each in chosen if each[0].startswith("f")]
    assert len(chosen) == 16
    assert {operation for _, operation in same_level} == {"conv_1x1"}
    assert {operation for each, operation in chosen if (each, operation) not in same_level} == {
        "sep_3x3"
    }


def test_unknown_model() -> None:
    with pytest.raises(ConfigError, match="unknown 'd7'; expected one of d0, d1"):
        get_model_spec("d7")

import numpy as np
import pytest
import torch

from nasface.arch.io import load_search_space
from nasface.engine.arch_history import ArchHistory, arch_history
from nasface.nas.candidates import CandidateTable


def test_probabilities_are_those_of_the_derived_operations() -> None:
    space = load_search_space("darts", {"nodes": 2})
    random = torch.Generator().manual_seed(0)
    alphas = [
        {
            cell: torch.randn(len(graph.edges), len(space.operations), generator=random)
            for cell, graph in space.cells.items()
        }
        for _ in range(2)
    ]
    entries = [{"epoch": at, "step": at, "alpha": a, "beta": {}} for at, a in enumerate(alphas)]
    history = arch_history(space, entries)
    derived, probabilities = history.genotypes()[-1], history.probabilities()
    for cell, gene in derived.cells.items():
        graph, alpha_EO = space.cells[cell], alphas[-1][cell].double().numpy()
        shares_EO = np.exp(alpha_EO) / np.exp(alpha_EO).sum(axis=1, keepdims=True)
        for at, (node, edges) in enumerate(zip(gene.nodes, graph.edges_into, strict=True)):
            row_of = {graph.edges[edge].source: edge for edge in edges}
            assert probabilities[cell][at] == pytest.approx(
                [
                    shares_EO[row_of[edge.source], space.operations.index(edge.operation)]
                    for edge in node.edges
                ]
            )


def test_a_history_and_its_space_are_shown_in_a_line() -> None:
    space = load_search_space("autofem-cpm", nodes=4)
    assert repr(space).startswith("<SearchSpace autofem-cpm, nodes 4")
    assert repr(ArchHistory(space, [1, 2], {})) == "<ArchHistory of space autofem-cpm: 2 epochs>"


def test_what_a_space_fixes_has_no_probability() -> None:
    space = load_search_space("autofem-fpn")
    alpha = {"fpn": torch.zeros(len(space.cells["fpn"].edges), len(space.operations))}
    history = arch_history(space, [{"epoch": 1, "step": 1, "alpha": alpha, "beta": {}}])
    nodes = history.genotypes()[-1].cells["fpn"].nodes
    found = dict(zip((node.name for node in nodes), history.probabilities()["fpn"], strict=True))
    assert found["up6"] == [None, None]
    count = len(
        next(edge for edge in space.cells["fpn"].edges if len(edge.operations) > 1).operations
    )
    assert found["td6"] == [pytest.approx(1 / count)]


def test_nodes_that_changed_in_the_last_quarter_are_named() -> None:
    space = load_search_space("darts", {"nodes": 2, "keep": 1})
    table = CandidateTable.of(space, "normal")
    scores = np.where(table.offered_EO, 1.0, np.nan)[None].repeat(8, axis=0).astype(np.float32)
    first, second = (edges[0] for edges in table.graph.edges_into)
    skip = space.operations.index("skip")
    names = [node.name for node in table.graph.nodes]
    scores[3:, first, skip] = 3.0  # early
    scores[7:, second, skip] = 3.0  # in the last of two epochs that are looked at
    history = ArchHistory(space, list(range(1, 9)), {"normal": scores})
    assert history.late_epochs == 2
    assert history.changed_late() == {("normal", names[1])}
    assert ArchHistory(space, [1], {"normal": scores[:1]}).changed_late() == set()

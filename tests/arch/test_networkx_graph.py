"""Graphs of networkx against a plain reading of the YAML text."""

import io
from importlib.resources import files
from typing import Any

import networkx as nx
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import spaces

from nasface.arch.io import load_genotype, load_search_space, packaged_names
from nasface.arch.space import SearchSpace
from nasface.nas.sampling import random_genotype

NAMES = packaged_names("nasface.genotypes")


def read(package: str, name: str) -> Any:
    return yaml.safe_load(files(package).joinpath(f"{name}.yaml").read_text("utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_has_what_the_file_says(name: str) -> None:
    genotype = load_genotype(name)
    for cell, written in read("nasface.genotypes", name)["cells"].items():
        graph = genotype.cells[cell].to_networkx()
        vertices = {}
        edges = []
        for each in written["inputs"]:
            vertices[each["name"]] = {"kind": "input", "level": each["level"], "combine": ""}
        for node in written["nodes"]:
            vertices[node["name"]] = {
                "kind": "node",
                "level": node["level"],
                "combine": node["combine"],
            }
            edges += [
                (edge["source"], node["name"], edge["operation"], edge.get("transform", "none"))
                for edge in node["edges"]
            ]
        for output in written["outputs"]:
            vertices[f"output {output['level']}"] = {
                "kind": "output",
                "level": output["level"],
                "combine": "concat",
                "projection": written["projection"],
                "residual": written["residual"],
            }
            edges += [
                (source, f"output {output['level']}", "", "none") for source in output["sources"]
            ]
        assert dict(graph.nodes(data=True)) == vertices
        found = [(u, v, e["operation"], e["transform"]) for u, v, e in graph.edges(data=True)]
        assert sorted(found) == sorted(edges)


@pytest.mark.parametrize("name", NAMES)
def test_a_genotype_is_its_cells_beside_each_other(name: str) -> None:
    genotype = load_genotype(name)
    whole = genotype.to_networkx()
    assert whole.graph == {"name": name, "space": genotype.space.name}
    assert nx.number_weakly_connected_components(whole) == len(genotype.cells)
    for cell, gene in genotype.cells.items():
        own = [vertex for vertex, of in whole.nodes(data="cell") if of == cell]
        assert [vertex.split(".")[0] for vertex in own] == [cell] * len(own)
        part = nx.relabel_nodes(whole.subgraph(own), {each: each.split(".")[1] for each in own})
        part.graph.clear()
        for vertex in part:
            del part.nodes[vertex]["cell"]
        assert nx.utils.graphs_equal(part, gene.to_networkx())


def test_writers_of_networkx_take_it_and_give_it_back() -> None:
    graph = load_genotype("asfd-ref").to_networkx()
    file = io.BytesIO()
    nx.write_graphml(graph, file)
    file.seek(0)
    again = nx.read_graphml(file, force_multigraph=True)
    assert dict(again.nodes(data=True)) == dict(graph.nodes(data=True))
    assert list(again.edges(data=True)) == list(graph.edges(data=True))


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(["darts", "autofem", "autofem-cpm"]), st.integers(0, 10**6))
def test_the_order_of_the_vertices_is_topological(space: str, seed: int) -> None:
    for cell in random_genotype(load_search_space(space), seed).cells.values():
        graph = cell.to_networkx()
        place = {vertex: at for at, vertex in enumerate(graph)}
        assert all(place[source] < place[target] for source, target in graph.edges())
        # Nothing but inputs starts a path and nothing but outputs ends one, leaves left out.
        kinds = dict(graph.nodes(data="kind"))
        assert {kinds[v] for v, degree in graph.in_degree() if not degree} == {"input"}
        assert all(degree == 0 for v, degree in graph.out_degree() if kinds[v] == "output")


@settings(max_examples=50, deadline=None)
@given(spaces())
def test_a_cell_to_search_has_its_edges_by_their_indices(space: SearchSpace) -> None:
    for cell in space.cells.values():
        graph = cell.to_networkx()
        assert nx.is_directed_acyclic_graph(graph)
        found = {
            index: (source, edge["operations"].split(), edge["transform"])
            for source, _, index, edge in graph.edges(data=True, keys=True)
        }
        index = 0
        for node in cell.nodes:
            assert graph.nodes[node.name] == {
                "kind": "node",
                "level": node.level,
                "combine": node.combine,
            }
            for edge in node.edges:
                assert found.pop(index) == (edge.source, list(edge.operations), edge.transform)
                assert graph.has_edge(edge.source, node.name, index)
                index += 1
        assert found == {}
        assert cell.to_networkx(frozenset({0})).number_of_edges() == 1

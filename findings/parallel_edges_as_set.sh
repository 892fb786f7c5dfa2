#!/usr/bin/env bash
# Two convolutions and a skip are isomorphic to one convolution and two skips
#
# networkx 3.6.1.
#
# Expected: is_isomorphic of multigraphs with categorical_multiedge_match compares the labels of
# parallel edges with their counts, as numerical_multiedge_match does.
# Seen: it compares them as sets, so that how often a label stands between two nodes does not count:
# conv, conv, skip equals conv, skip, skip. Only the number of parallel edges must agree. Of the
# labellings of 3 edges between two nodes with 3 operations, 10 that differ, 7 are told apart. The
# numerical one counts, but pairs several attributes by sorting: two edges with (1, 5) and
# (1 + 1e-9, 2) do not match (1 + 1e-9, 5) and (1, 2), with any tolerance. Graphs in which every edge
# is a node of its own are compared rightly.
#
# Why it matters: a cell with several operations between two nodes is such a multigraph, and isomorphic
# candidates are dropped as known or share a score. Compare counts (collections.Counter) in an
# edge_match of your own.
# nasface: compares the edges of its cells so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet networkx==3.6.1
cd "$folder"
venv/bin/python - <<'END'
from collections import Counter
from itertools import combinations, combinations_with_replacement

import networkx
from networkx.algorithms import isomorphism

categorical = isomorphism.categorical_multiedge_match("kind", None)


def cell(kinds):
    """Edges of these kinds from one node to another."""
    graph = networkx.MultiDiGraph()
    graph.add_edges_from([("in", "out", {"kind": kind}) for kind in kinds])
    return graph


def counted(one, other):
    return Counter(e["kind"] for e in one.values()) == Counter(e["kind"] for e in other.values())


def subdivided(graph):
    """The same graph with a node of that kind in place of every edge."""
    plain = networkx.DiGraph()
    plain.add_nodes_from(graph.nodes, kind="node")
    for number, (source, target, kind) in enumerate(graph.edges(data="kind")):
        plain.add_node(number, kind=kind)
        plain.add_edges_from([(source, number), (number, target)])
    return plain


def equal(one, other):
    return one == other


for one, other, seen in (
    (["conv", "conv", "skip"], ["skip", "conv", "conv"], True),
    (["conv", "conv", "skip"], ["conv", "skip", "skip"], True),
    (["conv", "conv", "skip"], ["conv", "conv", "conv"], False),
    (["conv", "conv", "skip"], ["conv", "skip"], False),
):
    first, second = cell(one), cell(other)
    by_set = networkx.is_isomorphic(first, second, edge_match=categorical)
    by_count = networkx.is_isomorphic(first, second, edge_match=counted)
    by_nodes = networkx.is_isomorphic(subdivided(first), subdivided(second), node_match=equal)
    print(one, other, f"categorical {by_set}, counted {by_count}, edges as nodes {by_nodes}")
    assert by_set == seen and by_count == by_nodes == (sorted(one) == sorted(other))

cells = [cell(kinds) for kinds in combinations_with_replacement(["conv", "skip", "pool"], 3)]
told_apart = []
for each in cells:
    if not any(networkx.is_isomorphic(each, known, edge_match=categorical) for known in told_apart):
        told_apart.append(each)
print(f"{len(cells)} different cells, {len(told_apart)} told apart")
assert (len(cells), len(told_apart)) == (10, 7)
assert not any(networkx.is_isomorphic(*pair, edge_match=counted) for pair in combinations(cells, 2))


def weighted(edges):
    graph = networkx.MultiGraph()
    graph.add_edges_from([(0, 1, {"cost": cost, "size": size}) for cost, size in edges])
    return graph


for tolerance in (1e-6, 1e-2):
    numerical = isomorphism.numerical_multiedge_match(["cost", "size"], [0, 0], rtol=tolerance)
    exact, near = (
        networkx.is_isomorphic(
            weighted([(1, 5), (1 + shift, 2)]),
            weighted([(1 + shift, 5), (1, 2)]),
            edge_match=numerical,
        )
        for shift in (0, 1e-9)
    )
    print(f"two attributes, tolerance {tolerance}: equal {exact}, equal but for 1e-9 {near}")
    assert exact and not near
END

#!/usr/bin/env bash
# Two different graphs have the edit distance 0
#
# networkx 3.6.1.
#
# Expected: graph_edit_distance is 0 for equal graphs alone, also where a node has an edge to itself;
# one line of its code speaks of such edges, and they were repaired twice (pull requests 5516, 8207).
# Seen: without such edges every distance is right. With them an edge between two nodes may turn into
# an edge of a node to itself at no cost: two nodes with an edge between them, and two nodes of which
# one has an edge to itself, are 0 apart, where 2 is right (take one edge away, put one in). Of all
# pairs of graphs with 3 nodes and 6 edges together at most, 622 of 2510 come out too small, 346 of
# them 0; none too large. Directed graphs likewise. Labels of edges (edge_match) do not help when they
# are equal; is_isomorphic is right.
#
# Why it matters: the distance measures how far apart two architectures are, and a distance of 0 drops
# a candidate as known. An edge from a node to itself is how recurrence, a residual operation within a
# node or a repeated layer is drawn. Draw the loop as a node of its own.
# nasface: measures this distance between cells, which have no loops.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet networkx==3.6.1 scipy==1.17.1 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'END'
from itertools import combinations, combinations_with_replacement, permutations, product

import networkx


def graph(kind, count, edges):
    """A graph of so many nodes."""
    made = kind()
    made.add_nodes_from(range(count))
    made.add_edges_from(edges, kind="conv")
    return made


def right(one, other):
    """The distance of two graphs of equally many nodes: the fewest edges that differ under any
    assignment of nodes, since to replace a node never costs less than to keep it."""
    keep = (lambda edge: edge) if one.is_directed() else (lambda edge: tuple(sorted(edge)))
    there = {keep(edge) for edge in other.edges}
    return min(
        len({keep((order[a], order[b])) for a, b in one.edges} ^ there)
        for order in permutations(one.nodes)
    )


def compared(kind, count, edges, loops):
    """Of all pairs with at most 6 edges together: how many there are, how many distances are too
    small, too large, and 0 without reason."""
    places = combinations_with_replacement(range(count), 2)
    if kind is networkx.DiGraph:
        places = product(range(count), repeat=2)
    places = [(a, b) for a, b in places if loops or a != b]
    graphs = [
        graph(kind, count, chosen)
        for size in range(len(places) + 1)
        for chosen in combinations(places, size)
    ]
    pairs = [pair for pair in product(graphs, repeat=2) if sum(g.size() for g in pair) <= edges]
    found = [(networkx.graph_edit_distance(*pair), right(*pair)) for pair in pairs]
    small = sum(ours < true for ours, true in found)
    large = sum(ours > true for ours, true in found)
    same = sum(ours == 0 < true for ours, true in found)
    print(f"{kind.__name__}, {count} nodes, loops {loops}: {len(found)} pairs,", end=" ")
    print(f"{small} too small, {large} too large, {same} zero")
    return len(found), small, large, same


edge = graph(networkx.Graph, 2, [(0, 1)])
loop = graph(networkx.Graph, 2, [(0, 0)])
for match in (None, lambda one, other: one == other):
    distance = networkx.graph_edit_distance(edge, loop, edge_match=match)
    print(f"an edge and a loop: {distance}, where {right(edge, loop)} is right")
    assert distance == 0 and right(edge, loop) == 2
assert not networkx.is_isomorphic(edge, loop)

assert compared(networkx.Graph, 3, 6, False)[1:] == (0, 0, 0)
assert compared(networkx.DiGraph, 2, 8, False)[1:] == (0, 0, 0)
assert compared(networkx.Graph, 3, 6, True) == (2510, 622, 0, 346)
assert compared(networkx.DiGraph, 2, 8, True)[:3] == (256, 58, 0)
END

"""Random valid search spaces, and the small things that tests of several parts need to run them.

Importable as ``strategies`` from every test (``pythonpath`` in setup.cfg).
"""

import json
import pathlib
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from hypothesis import strategies as st
from torch import Tensor

from nasface.arch.graph import LEVEL_STEP
from nasface.arch.io import load_search_space
from nasface.arch.operations import OPERATIONS
from nasface.arch.space import SearchSpace
from nasface.nas.derive import NodePaths
from nasface.nas.mixture import CellMixture, PathMixture
from nasface.nas.policy import ArgmaxPath, GumbelPath, Policy, Softmax, UniformPath

CHANNELS = 8
"""Divisible by every ``partial_channels`` that is drawn."""
LEVELS = (2, 3, 4)
"""Of random spaces; with features(base=32) the maps measure 8, 4 and 2 pixels."""

POLICIES: dict[str, Policy] = {
    "softmax": Softmax(),
    "argmax": ArgmaxPath(),
    "argmax with noise and a probe": ArgmaxPath(noise=1.0, probes=1),
    "gumbel with two probes": GumbelPath(temperature=0.5, probes=2),
    "uniform": UniformPath(),
}


def features(
    levels: Iterable[int] = LEVELS,
    channels: int = CHANNELS,
    base: int = 32,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> dict[int, Tensor]:
    """Normal features (2, channels, base / 2**level, the same), as if a backbone had made them."""
    generator = torch.Generator().manual_seed(seed)
    return {
        level: torch.randn(
            2, channels, base >> level, base >> level, generator=generator, dtype=dtype
        )
        for level in levels
    }


def space_of(
    document: Mapping[str, Any], parameters: Mapping[str, int] | None = None
) -> SearchSpace:
    """The space of plain values, taken through a file (JSON is YAML) and all its checks."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "space.yaml")
        path.write_text(json.dumps(document))
        return load_search_space(path, parameters)


def one_cell(
    nodes: list[dict[str, Any]], inputs: tuple[str, ...] = ("x",), **changes: Any
) -> SearchSpace:
    """A space of one cell ``c`` whose inputs are all at level 2; ``changes`` overrides anything."""
    output = changes.pop("output", {"rule": "cat-all", "projection": "none"})
    cell = {
        "inputs": [{"name": name, "level": 2} for name in inputs],
        "nodes": nodes,
        "output": output,
    }
    return space_of(
        {
            "format": 1,
            "name": "one-cell",
            "operations": ["none", "skip", "conv_1x1", "sep_3x3"],
            "cells": {"c": cell},
            **changes,
        }
    )


def random_choices(
    space: SearchSpace, seed: int, *, ties: bool
) -> tuple[dict[str, npt.NDArray[np.float32]], dict[str, npt.NDArray[np.float32]] | None]:
    """alpha and beta (``None`` without edge normalisation); ``ties`` takes few distinct values."""
    random = np.random.default_rng(seed)

    def draw(*shape: int) -> npt.NDArray[np.float32]:
        values = random.integers(-1, 2, shape) / 2 if ties else random.normal(size=shape)
        return np.asarray(values, dtype=np.float32)

    alphas = {c: draw(len(g.edges), len(space.operations)) for c, g in space.cells.items()}
    betas = {c: draw(len(g.edges)) for c, g in space.cells.items()}
    return alphas, betas if space.edge_normalisation else None


def per_node(mixture: CellMixture) -> NodePaths:
    """The pairs on the path, node by node and in the order of its slots."""
    assert isinstance(mixture, PathMixture)
    return tuple(tuple((s.chosen.edge, s.chosen.column) for s in node) for node in mixture.slots)


@st.composite
def spaces(
    draw: st.DrawFn, *, pooling: bool = True, partial: tuple[int, ...] = (1, 2, 4)
) -> SearchSpace:
    """A valid space of one or two cells, wired by hand or dense, that runs on ``features()``."""
    known = [name for name, each in OPERATIONS.items() if pooling or not each.needs_norm]
    pool = draw(st.lists(st.sampled_from(known), min_size=2, max_size=6, unique=True))
    count = draw(st.integers(1, 2))
    document: dict[str, Any] = {
        "format": 1,
        "name": "random",
        "operations": draw(_operation_lists(pool)),
        "partial_channels": draw(st.sampled_from(partial)),
        "edge_normalisation": draw(st.booleans()),
        "parameters": {"nodes": {"default": draw(st.integers(1, 3)), "choices": [1, 2, 3]}},
        "cells": {},
    }
    for at in range(count):
        make = _dense_cell if draw(st.integers(0, 2)) == 0 else _wired_cell
        document["cells"][f"cell{at}"] = draw(make(pool, last=at == count - 1))
    return space_of(document)


def _operation_lists(pool: list[str]) -> st.SearchStrategy[list[str]]:
    lists = st.lists(st.sampled_from(pool), min_size=1, max_size=4, unique=True)
    return lists.filter(lambda names: names != ["none"])


@st.composite
def _dense_cell(draw: st.DrawFn, pool: list[str], *, last: bool) -> dict[str, Any]:
    transform = draw(st.sampled_from(list(LEVEL_STEP)))
    level = draw(st.sampled_from([x for x in LEVELS if x + LEVEL_STEP[transform] in LEVELS]))
    count = draw(st.integers(1, 2))
    keep = draw(st.sampled_from([1, 2, 3, "all"]))
    dense = {
        "nodes": "$nodes",
        "keep": keep,
        "combine": draw(st.sampled_from(["sum", "weighted_sum", "concat"])),
        "input_transform": transform,
    }
    if draw(st.booleans()):
        dense["operations"] = draw(_operation_lists(pool))
    return {
        "inputs": [{"name": f"x{at}", "level": level} for at in range(count)],
        "dense": dense,
        "output": draw(
            _outputs(
                leaves=True,
                width_open=not last,
                leaves_vary=keep != "all",
                residual=transform == "none",
            )
        ),
    }


@st.composite
def _wired_cell(draw: st.DrawFn, pool: list[str], *, last: bool) -> dict[str, Any]:
    inputs: list[dict[str, Any]] = [
        {"name": f"x{at}", "level": draw(st.sampled_from(LEVELS))}
        for at in range(draw(st.integers(1, 3)))
    ]
    levels: dict[str, int] = {each["name"]: each["level"] for each in inputs}
    nodes: list[dict[str, Any]] = []
    for at in range(draw(st.integers(1, 4))):
        node = draw(_nodes(f"n{at}", levels, pool))
        levels[node["name"]] = node["level"]
        nodes.append(node)
    consumed = {edge["source"] for node in nodes for edge in node["edges"]}
    node_levels = {node["level"] for node in nodes}
    output = _outputs(
        leaves={node["level"] for node in nodes if node["name"] not in consumed} == node_levels,
        width_open=not last,
        leaves_vary=any(node["keep"] not in ("all", len(node["edges"])) for node in nodes),
        residual=node_levels <= {each["level"] for each in inputs},
    )
    return {"inputs": inputs, "nodes": nodes, "output": draw(output)}


@st.composite
def _nodes(draw: st.DrawFn, name: str, levels: dict[str, int], pool: list[str]) -> dict[str, Any]:
    ways = [
        (source, transform, level + step)
        for source, level in levels.items()
        for transform, step in LEVEL_STEP.items()
        if level + step in LEVELS
    ]
    level = draw(st.sampled_from(sorted({way[2] for way in ways})))
    combine = draw(st.sampled_from(["sum", "weighted_sum", "product", "concat"]))
    leading = st.sampled_from([way for way in ways if way[2] == level])
    # Long chains of products of many factors would leave the range of float32.
    chosen = draw(st.lists(leading, min_size=1, max_size=2 if combine == "product" else 3))
    edges = []
    for source, transform, _ in chosen:
        edge: dict[str, Any] = {"source": source, "transform": transform}
        if draw(st.booleans()):
            edge["operations"] = draw(_operation_lists(pool))
        edges.append(edge)
    keep = draw(st.sampled_from(["all", *range(1, len(edges) + 1)]))
    return {"name": name, "level": level, "combine": combine, "keep": keep, "edges": edges}


@st.composite
def _outputs(
    draw: st.DrawFn, *, leaves: bool, width_open: bool, leaves_vary: bool, residual: bool
) -> dict[str, Any]:
    """Only what is valid: see nasface.arch.graph.Output. ``width_open``: another cell follows."""
    rule = draw(st.sampled_from(["cat-all", "cat-leaf"] if leaves else ["cat-all"]))
    projections = ["conv", "conv_norm_relu"]
    if not width_open and (rule == "cat-all" or not leaves_vary):
        projections.append("none")
    projection = draw(st.sampled_from(projections))
    return {
        "rule": rule,
        "projection": projection,
        "residual": residual and projection != "none" and draw(st.booleans()),
    }

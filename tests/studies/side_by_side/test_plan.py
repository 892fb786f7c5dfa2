"""Plans of models and what is refused."""

from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasface.errors import ConfigError
from nasface.studies.side_by_side.engines import engines_here
from nasface.studies.side_by_side.plan import (
    ComparedModel,
    ModelsPlan,
    ReportedFigures,
    is_models_plan,
    load_models_plan,
)

TWO = "name: p\nmodels:\n  - {name: a, model: d0}\n  - {name: b, model: asfd-nano, beside: a}\n"


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=8))
def test_groups_are_what_beside_joins(rows: list[tuple[bool, int]]) -> None:
    """Against the connected components of the graph that ``beside`` makes."""
    models = []
    for at, (is_beside, other) in enumerate(rows):
        beside = f"m{other % len(rows)}" if is_beside and other % len(rows) != at else ""
        models.append(ComparedModel(name=f"m{at}", model="d0", beside=beside))
    graph = nx.Graph()
    graph.add_nodes_from(each.name for each in models)
    graph.add_edges_from((each.name, each.beside) for each in models if each.beside)
    groups = ModelsPlan(name="p", models=tuple(models)).groups()
    found = {frozenset(each.name for each in group) for group in groups}
    assert found == {frozenset(each) for each in nx.connected_components(graph)}
    # In the plan's order, the groups by their first member.
    assert all(list(group) == sorted(group, key=models.index) for group in groups)
    assert groups == sorted(groups, key=lambda group: models.index(group[0]))


def test_what_is_only_counted_is_in_no_group() -> None:
    models = (
        ComparedModel(name="a", model="d0", timed=False),
        ComparedModel(name="b", model="d1"),
    )
    assert ModelsPlan(name="p", models=models).groups() == [(models[1],)]


def test_a_plan_without_engines_takes_those_of_the_machine() -> None:
    made = ModelsPlan(name="p", models=(ComparedModel(name="a", model="d0"),), size="320x240")
    assert made.used_engines == engines_here()
    assert set(engines_here()) >= {"torch", "onnxruntime"}
    assert made.shape == (240, 320)


def test_files_of_both_forms(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(TWO)
    (tmp_path / "methods.yaml").write_text("name: p\nseeds: [0]\nmethods: []\n")
    assert is_models_plan(tmp_path / "models.yaml")
    assert not is_models_plan(tmp_path / "methods.yaml")
    assert load_models_plan(tmp_path / "models.yaml").models[1].beside == "a"
    (tmp_path / "both.yaml").write_text(TWO + "methods: []\n")
    with pytest.raises(ConfigError, match=r"methods: unknown key.*a plan of models has name"):
        load_models_plan(tmp_path / "both.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "d00"}, r"a: model 'd00', expected weights or .*did you mean 'd0'"),
        ({"model": "face.onnx"}, "expected weights"),
        ({"name": "a/b"}, "name 'a/b'"),
        ({"model": "asfd-nano", "genotype": "asfd-ref"}, "asfd-nano has settings of its own"),
        ({"model": "x.pth", "detector": {"channels": 8}}, "x.pth has settings of its own"),
    ],
)
def test_a_model_that_cannot_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ComparedModel(**({"name": "a", "model": "d0"} | changes))


@pytest.mark.parametrize(
    "figures", [{"ap": 1.5}, {"ap": -0.1}, {"milliseconds": 0.0}, {"macs_g": -1.0}]
)
def test_figures_that_cannot_be(figures: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"reported: {next(iter(figures))}"):
        ReportedFigures(**figures)


def two(**changes: Any) -> tuple[ComparedModel, ...]:
    first = ComparedModel(name="a", model="d0", timed=changes.pop("timed", True))
    return first, ComparedModel(**({"name": "b", "model": "d1"} | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": ()}, "one or more"),
        ({"models": two(name="a")}, "all different"),
        ({"models": two(beside="c")}, "b: beside 'c', expected the name of another model"),
        ({"models": two(beside="b")}, "b: beside 'b'"),
        ({"models": two(beside="a", timed=False)}, "both are timed"),
        ({"models": two(), "size": "640"}, "expected WIDTHxHEIGHT"),
        ({"models": two(), "rounds": 0}, "rounds 0, threads 1"),
        ({"models": two(), "engines": ("onnx",)}, "engines: unknown engine of models 'onnx'"),
    ],
)
def test_a_plan_that_cannot_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelsPlan(name="p", **changes)

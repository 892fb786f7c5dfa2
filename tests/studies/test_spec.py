"""Plans and what they amount to."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nasface.arch.io import load_search_space
from nasface.errors import NasfaceError
from nasface.studies.spec import MethodSpec, StudySpec, load_plan
from nasface.studies.study_run import runs_of


def plan(*methods: MethodSpec, **settings: Any) -> StudySpec:
    return StudySpec(name="p", methods=methods, **{"seeds": (0, 1), **settings})


def test_runs_are_methods_by_nodes_by_seeds() -> None:
    made = plan(
        MethodSpec(name="leaf", strategy="argmax", nodes=(4, 8)),
        MethodSpec(name="fpn", strategy="fixed", train={"detector": {"neck": "fpn"}}),
        MethodSpec(name="random", strategy="random", nodes=(4,), seeds=(1, 2)),
        search={"space": "autofem-cpm", "epochs": 30},
        data="somewhere",
    )
    runs = runs_of(made)
    assert [(run.label, run.seed) for run in runs] == [
        ("leaf 4", 0),
        ("leaf 8", 0),
        ("fpn", 0),
        ("leaf 4", 1),
        ("leaf 8", 1),
        ("fpn", 1),
        ("random 4", 1),
        ("random 4", 2),
    ]
    assert len({run.path for run in runs}) == len(runs)
    for run in runs:
        assert (run.train.seed, run.train.data) == (run.seed, "somewhere")
        assert run.train.detector.neck == ("fpn" if run.label == "fpn" else "genotype")
        if run.search is not None:
            assert (run.search.seed, run.search.parameters["nodes"]) == (run.seed, run.nodes)


@pytest.mark.parametrize(
    ("strategy", "policy", "rule", "partial", "betas"),
    [
        ("argmax", "argmax", "cat-leaf", 4, True),
        ("argmax-cat-all", "argmax", "cat-all", 4, True),
        ("gumbel", "gumbel", "cat-leaf", 4, True),
        ("pc-darts", "softmax", "cat-all", 4, True),
        ("darts", "softmax", "cat-all", 1, False),
        ("random-search", "uniform", "cat-leaf", 4, True),
    ],
)
def test_ways_of_searching(
    strategy: Any, policy: str, rule: str, partial: int, betas: bool
) -> None:
    made = plan(
        MethodSpec(name="m", strategy=strategy, nodes=(4,)), search={"space": "autofem-cpm"}
    )
    search = runs_of(made)[0].search
    assert search is not None
    space = load_search_space(search.space, search.parameters)
    assert search.policy == policy
    assert {cell.output.rule for cell in space.cells.values()} == {rule}
    assert (space.partial_channels, space.edge_normalisation) == (partial, betas)


def test_settings_of_methods_go_over_those_of_the_plan() -> None:
    made = plan(
        MethodSpec(name="long", strategy="argmax", search={"epochs": 40}, train={"batch_size": 3}),
        search={"epochs": 25, "batch_size": 4},
        train={"batch_size": 2, "epochs": 7},
    )
    run = runs_of(made)[0]
    assert run.search is not None
    assert (run.search.epochs, run.search.batch_size) == (40, 4)
    assert (run.train.epochs, run.train.batch_size) == (7, 3)


def test_a_model_is_where_settings_start() -> None:
    made = plan(
        MethodSpec(name="d1", strategy="fixed", train={"model": "d1", "detector": {"repeats": 2}})
    )
    detector = runs_of(made)[0].train.detector
    assert (detector.backbone, detector.channels, detector.repeats) == ("mobilenet_v1", 32, 2)


def test_runs_differ_by_settings_and_not_by_places() -> None:
    made = plan(MethodSpec(name="m", strategy="argmax"), search={"epochs": 30})
    run, moved = runs_of(made)[0], runs_of(replace(made, data="/elsewhere"))[0]
    longer = runs_of(replace(made, search={"epochs": 31}))[0]
    wider = runs_of(replace(made, train={"detector": {"channels": 40}}))[0]
    found = [run.difference(each) for each in (run, moved, longer, wider)]
    assert found == ["", "", "search.epochs", "train.detector.channels"]


def test_a_supernet_is_shared_by_methods_with_the_same_search_and_seed() -> None:
    searches = [{"epochs": 3}, {"epochs": 3}, {"epochs": 4}]
    methods = [
        MethodSpec(name=f"m{at}", strategy=strategy, search=search, trainings=2)
        for at, (strategy, search) in enumerate(
            zip(["random-search", "evolution", "swaps"], searches, strict=True)
        )
    ]
    runs = [each for each in runs_of(plan(*methods, seeds=(0, 1))) if each.training == 0]
    assert [(each.label, each.supernet) for each in runs] == [
        ("m0", ""), ("m1", "runs/m0/seed-0"), ("m2", ""),
        ("m0", ""), ("m1", "runs/m0/seed-1"), ("m2", ""),
    ]  # fmt: skip
    waits = {each.path: each.search_path for each in runs_of(plan(*methods, seeds=(0,)))}
    assert waits == {
        "runs/m0/seed-0": "runs/m0/seed-0",
        "runs/m0/seed-0-training-1": "runs/m0/seed-0",
        "runs/m1/seed-0": "runs/m0/seed-0",
        "runs/m1/seed-0-training-1": "runs/m1/seed-0",
        "runs/m2/seed-0": "runs/m2/seed-0",
        "runs/m2/seed-0-training-1": "runs/m2/seed-0",
    }


def test_a_random_cell_waits_for_nothing() -> None:
    method = MethodSpec(name="random", strategy="random", cells=2, trainings=2)
    assert all(run.search_path == run.path for run in runs_of(plan(method, seeds=(0,))))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: plan(), "methods: "),
        (
            lambda: plan(
                MethodSpec(name="a", strategy="random"), MethodSpec(name="a", strategy="argmax")
            ),
            "all diff",
        ),
        (lambda: plan(MethodSpec(name="a/b", strategy="random")), "methods: name 'a/b'"),
        (
            lambda: plan(MethodSpec(name="a", strategy="fixed", nodes=(4,))),
            "no meaning for strategy fixed",
        ),
        (lambda: plan(MethodSpec(name="a", strategy="evolution", cells=2)), "a: cells 2, expected"),
        (lambda: plan(MethodSpec(name="a", strategy="random", cells=0)), "a: cells 0, expected"),
        (
            lambda: plan(MethodSpec(name="a", strategy="random"), rank=("a",)),
            "rank: 'a', expected methods",
        ),
        (lambda: plan(MethodSpec(name="a", strategy="random"), threads=0), "threads 0"),
        (
            lambda: runs_of(plan(MethodSpec(name="a", strategy="fixed"))),
            "expected a genotype, given or",
        ),
        (
            lambda: runs_of(
                plan(MethodSpec(name="a", strategy="argmax"), train={"genotype": "asfd-ref"})
            ),
            "strategy argmax finds its own",
        ),
        (
            lambda: runs_of(
                plan(
                    MethodSpec(name="a", strategy="argmax"),
                    train={"detector": {"neck": "fpn"}},
                )
            ),
            "neck fpn and genotype '' with strategy argmax",
        ),
        (
            lambda: runs_of(
                plan(
                    MethodSpec(name="a", strategy="argmax", nodes=(5,)),
                    search={"space": "autofem-cpm"},
                )
            ),
            "parameters.nodes: 5 is not one of",
        ),
        (
            lambda: runs_of(plan(MethodSpec(name="a", strategy="argmax"), search={"epoch": 3})),
            "p: method a: search: epoch: ",
        ),
        (
            lambda: runs_of(
                plan(
                    MethodSpec(name="a b", strategy="random"),
                    MethodSpec(name="a-b", strategy="random"),
                )
            ),
            "differ only in characters",
        ),
    ],
)
def test_mistakes_are_named(made: Any, message: str) -> None:
    with pytest.raises(NasfaceError, match=message):
        made()


def test_a_plan_with_a_mistake_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("name: p\nseeds: [0]\nmethods: [{name: a, strategy: darst}]\n")
    with pytest.raises(
        NasfaceError,
        match=r"p\.yaml: .*unknown strategy .darst.; expected one of argmax",
    ):
        load_plan(tmp_path / "p.yaml")

"""The runs that a plan of a comparison amounts to, with their settings."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nasface.arch.io import load_search_space
from nasface.detection.necks.registry import GENOTYPE, uses_genotype
from nasface.engine.search import SearchConfig
from nasface.engine.train import TrainConfig, train_config_of
from nasface.errors import ConfigError
from nasface.io.settings import merged
from nasface.io.yaml import parse_dataclass, plain_values, to_yaml
from nasface.nas.selection import SELECTIONS
from nasface.random_streams import further_seed
from nasface.studies.limits import LatencyLimit
from nasface.studies.spec import STRATEGY_SETTINGS, Figure, MethodSpec, StudySpec, row_label


@dataclass(frozen=True, kw_only=True)
class StudyRun:
    """A search, where there is one, and a training of what it found, the first of which is number
    0. ``label`` names the row.

    ``cell`` numbers the random cells of a seed. ``supernet`` is the folder, within that of the
    comparison, of the run whose supernet this one takes: that of the first method with the same
    settings of the search. Empty for one of its own.
    """

    label: str
    method: str
    strategy: str
    nodes: int | None
    seed: int
    metric: Figure
    candidates: int
    search: SearchConfig | None
    train: TrainConfig
    training: int = 0
    score_images: int = 64
    limit: LatencyLimit | None = None
    cell: int = 0
    supernet: str = ""

    @property
    def path(self) -> str:
        """Its folder within that of the comparison."""
        again = f"-training-{self.training}" if self.training else ""
        return f"runs/{re.sub(r'[^A-Za-z0-9.+-]+', '-', self.label)}/seed-{self.seed}{again}"

    @property
    def title(self) -> str:
        """Its row, seed and, where a seed has several, number of training, as of its folder."""
        again = f", training {self.training}" if self.training else ""
        return f"{self.label}, seed {self.seed}{again}"

    @property
    def search_path(self) -> str:
        """The folder of the run whose search it waits for, which may be itself: that of its
        supernet, or the first training of what the seed finds."""
        if self.search is None or self.strategy == "random":
            return self.path
        return self.supernet or replace(self, training=0).path

    def difference(self, other: "StudyRun") -> str:
        """Say where two runs have other settings, such as ``train.epochs``; where the data lie does
        not count. Empty if they mean the same."""
        return next(_differences(plain_values(self), plain_values(other)), "")


def runs_of(plan: StudySpec) -> list[StudyRun]:
    """Return all runs of a plan, seed by seed, so that a stopped comparison has like numbers of
    each.

    Raises:
        ConfigError: naming the method whose settings cannot be used. SpecError: for a space that
            cannot be loaded with them.
    """
    rows = [(method, nodes) for method in plan.methods for nodes in method.nodes or (None,)]
    every = dict.fromkeys([*plan.seeds, *(seed for m in plan.methods for seed in m.seeds)])
    runs = [
        _run(plan, method, nodes, seed, training)
        for seed in every
        for method, nodes in rows
        if seed in (method.seeds or plan.seeds)
        for training in range(method.cells * method.trainings)
    ]
    if len({run.path for run in runs}) < len(runs):
        raise ConfigError("methods: two names differ only in characters that no folder can have")
    return list(_sharing_supernets(runs))


def _sharing_supernets(runs: Iterable[StudyRun]) -> Iterator[StudyRun]:
    """Yield the runs; those that select by the scores of the same supernet take that of the first
    of them."""
    first: dict[str, StudyRun] = {}
    for run in runs:
        if run.strategy in SELECTIONS and not run.training:
            owner = first.setdefault(to_yaml(run.search), run)
            run = run if owner is run else replace(run, supernet=owner.path)
        yield run


def _run(
    plan: StudySpec, method: MethodSpec, nodes: int | None, seed: int, training: int
) -> StudyRun:
    place = f"{plan.name}: method {method.name}"
    search = None
    if method.strategy != "fixed":
        search = _search_settings(plan, method, nodes, seed, place)
    train_seed = further_seed(seed, training) if training else seed
    return StudyRun(
        label=row_label(method, nodes),
        method=method.name,
        strategy=method.strategy,
        nodes=nodes,
        seed=seed,
        metric=plan.metric,
        candidates=plan.candidates if method.candidates is None else method.candidates,
        search=search,
        train=_train_settings(plan, method, train_seed, place, is_searched=search is not None),
        training=training,
        score_images=plan.score_images,
        limit=plan.limit,
        cell=training // method.trainings,
    )


def _search_settings(
    plan: StudySpec, method: MethodSpec, nodes: int | None, seed: int, place: str
) -> SearchConfig:
    """Return the settings of a search: those of the plan, of the strategy and of the method."""
    policy = "uniform" if method.strategy in SELECTIONS else method.strategy
    settings = STRATEGY_SETTINGS.get(method.strategy, {"policy": policy})
    values = merged(merged(plan.search, settings), method.search)
    if nodes is not None:
        values = merged(values, {"parameters": {"nodes": nodes}})
    values = merged(values, {"seed": seed, "data": plan.data})
    if method.strategy in SELECTIONS:
        # Every epoch trains weights on uniform paths; there are no choices to learn.
        values["warmup_epochs"] = values.get("epochs", SearchConfig().epochs)
    search = parse_dataclass(SearchConfig, values, f"{place}: search", ConfigError)
    load_search_space(search.space, search.parameters)
    return search


def _train_settings(
    plan: StudySpec, method: MethodSpec, seed: int, place: str, *, is_searched: bool
) -> TrainConfig:
    """Return the settings of a training: those of the model, of the plan and of the method."""
    values = merged(merged(plan.train, method.train), {"seed": seed, "data": plan.data})
    if values.get("model"):
        base = plain_values(train_config_of(str(values["model"])))
        if is_searched or not uses_genotype(str(_neck_of(values))):
            base["genotype"] = ""
        values = merged(base, values)
    train = parse_dataclass(TrainConfig, values, f"{place}: train", ConfigError)
    if uses_genotype(train.detector.neck) != bool(train.genotype or is_searched):
        raise ConfigError(
            f"{place}: neck {train.detector.neck} and genotype {train.genotype!r} with strategy "
            f"{method.strategy}: expected a genotype, given or searched, for a neck that has one"
        )
    if is_searched and train.genotype:
        raise ConfigError(
            f"{place}: genotype {train.genotype}: strategy {method.strategy} finds its own"
        )
    return train


def _neck_of(train: Mapping[str, Any]) -> Any:
    detector = train.get("detector")
    return detector.get("neck", GENOTYPE) if isinstance(detector, dict) else GENOTYPE


def _differences(ours: Any, theirs: Any, place: str = "") -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in dict.fromkeys((*ours, *theirs)):
            if key != "data":
                where = f"{place}.{key}" if place else key
                yield from _differences(ours.get(key), theirs.get(key), where)
    elif ours != theirs:
        yield place

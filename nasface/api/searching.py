"""Architecture searches: from a search space and annotated images to a genotype."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasface.annotations.records import ImageRecord
from nasface.api.arguments import (
    READING,
    annotated_images,
    output_folder,
    refuse,
    source_of_settings,
)
from nasface.api.progress import shown_progress
from nasface.api.table import Table
from nasface.arch.genotype import Genotype
from nasface.arch.io import as_genotype, load_genotype, load_search_space
from nasface.arch.space import SearchSpace
from nasface.detection.config import DetectorConfig
from nasface.engine.arch_history import ArchHistory
from nasface.engine.derive import DeriveConfig, derive_run
from nasface.engine.search import (
    SearchConfig,
    SearchInputs,
    SearchOutcome,
    around_cells,
    run_search,
    search_config_of,
)
from nasface.engine.search_job import PREFIX_GENOTYPE_FILE, SPACE
from nasface.errors import ConfigError, SpecError, check_kind
from nasface.io.settings import checked_settings, with_settings
from nasface.models import released_models
from nasface.nas.coverage import Decision
from nasface.nas.verdict import Verdict, judge
from nasface.progress import Progress

if TYPE_CHECKING:
    from nasface.plots.figure import Plot


@dataclass(frozen=True, repr=False)
class SearchResult:
    """Result of a search.

    ``genotype`` is derived from its architecture parameters, ``arch_history`` tells how these moved
    from epoch to epoch, ``history`` is what was logged, a row for each step. ``finished`` is false
    if the search was stopped; with a ``folder`` it can be resumed. Of several processes, only the
    one that ``is_first`` wrote the folder.
    """

    genotype: Genotype
    space: SearchSpace
    arch_history: ArchHistory
    history: Table
    finished: bool
    folder: Path | None = None
    is_first: bool = True
    nodes: tuple[Decision, ...] = ()

    def decisions(self) -> Table:
        """Return how decided each node is, a row each.

        ``entropy`` of the probabilities of its candidates, 0 (decided) to 1 (undecided);
        ``margin`` by which the probability of what was kept is ahead of the next; ``least`` and
        ``most``: how often its candidates were trained.
        """
        return Table(asdict(each) for each in self.nodes)

    @property
    def verdict(self) -> Verdict:
        """How many choices are decided, and what would help."""
        return judge(self.nodes, self.arch_history.changed_late(), self.arch_history.late_epochs)

    def plot(self, path: str | Path | None = None) -> "Plot":
        """Draw how the architecture parameters moved, and with ``path`` save the figure as .svg,
        .png or .pdf.

        Raises:
            ConfigError: for another suffix. MissingPackageError: without the extra ``plots``.
        """
        from nasface.plots.arch_history import plot_choice_history

        moved = self.arch_history
        figure = plot_choice_history(moved.space, moved.epochs, moved.scores)
        if path is not None:
            figure.save(path)
        return figure

    def __repr__(self) -> str:
        steps = self.history[-1]["step"] if self.history else 0
        state = "finished" if self.finished else "stopped"
        lines = [f"SearchResult: {state} after {steps} steps in space {self.space.name}"]
        lines.append(f"genotype {self.genotype.name!r}, cells {', '.join(self.genotype.cells)}")
        if self.nodes:
            least = self.verdict.least_visits
            lines.append(f"{self.verdict}; each candidate trained at least {least} times")
        if self.folder is not None:
            lines.append(f"folder {self.folder}")
        return "\n  ".join(lines)


def search(
    space: SearchSpace | str | Path,
    data: Sequence[ImageRecord] | str | Path,
    *,
    model: str | DetectorConfig = "d0",
    out: str | Path | None = None,
    epochs: int | None = None,
    resume: bool = False,
    progress: bool | Progress | None = None,
    prefix_genotype: Genotype | str | Path | None = None,
    **settings: Any,
) -> SearchResult:
    """Search an architecture for the neck of a face detector.

    One half of the images trains the weights of the network, the other half its architecture
    parameters.

    Args:
        space: a search space, the name of a packaged one, or a YAML file.
        data: annotated images, such as :func:`nasface.read_dataset` gives, or the folder of a data
            set, whose training part is taken.
        model: the detector around the searched cells: a name of :func:`nasface.list_models`, or
            settings, such as the ``config`` of a detector. The cells take the place of its neck;
            its anchors and heads stay and, of a name, assignment and loss.
        out: new folder for settings, metrics, checkpoint and genotype, as ``nasface search`` writes
            it; None writes nothing.
        epochs: passes over one half of the images.
        resume: go on with the stopped search in ``out``, given the same arguments; the result is
            that of a search which was not stopped.
        progress: False shows nothing, True a bar or lines; by default a bar on a terminal or in a
            notebook. An object with the methods of :class:`nasface.progress.Progress` is told.
        prefix_genotype: genotype built as a fixed module in front of the searched cells.
        settings: fields of :class:`~nasface.engine.search.SearchConfig`, such as ``batch_size=8``
            or ``optimizer={"lr": 0.002}``. ``warmup_epochs`` is two fifths of ``epochs`` unless
            given.

    Ctrl-C ends the search after the step, with what there is.

    Raises:
        NasfaceError: for arguments that do not fit, data or a folder that cannot be used.
    """
    refuse(settings, (*READING, "space", "parameters"))
    check_kind("model", model, str | DetectorConfig, "a name of list_models, or settings")
    if model in released_models():
        raise ConfigError(
            f"model: {model} is a released detector; expected load_detector({model!r}).config"
        )
    if isinstance(model, DetectorConfig):
        start = SearchConfig(detector=around_cells(model))
    else:
        start = search_config_of(model)
    if epochs is not None:
        settings = {**settings, "epochs": epochs}
    config = with_settings(start, settings, "search")
    folder = output_folder(out)
    kept = frozenset(
        name
        for name, object_ in ((SPACE, space), (PREFIX_GENOTYPE_FILE, prefix_genotype))
        if folder is not None and _is_nameless(object_)
    )
    inputs = SearchInputs(
        space if isinstance(space, SearchSpace) else load_search_space(space),
        annotated_images(data, "train"),
        None if prefix_genotype is None else as_genotype(prefix_genotype),
        kept=kept,
    )
    config = replace(
        config,
        data=source_of_settings(data),
        space=str(folder / SPACE) if folder is not None and SPACE in kept else _name(space),
        parameters=dict(inputs.space.parameters),
        prefix_genotype=(
            str(folder / PREFIX_GENOTYPE_FILE)
            if folder is not None and PREFIX_GENOTYPE_FILE in kept
            else None
            if prefix_genotype is None
            else _name(prefix_genotype)
        ),
    )
    with shown_progress(progress) as shown:
        found = run_search(config, folder, shown, resume=resume, inputs=inputs)
    return _result(found)


def search_from_config(
    config: SearchConfig,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    progress: bool | Progress | None = None,
) -> SearchResult:
    """Search what settings say; the other arguments are those of :func:`search`.

    Raises:
        NasfaceError: for settings, data or a folder that cannot be used.
    """
    config = checked_settings(SearchConfig, config, "search")
    folder = output_folder(out)
    with shown_progress(progress) as shown:
        found = run_search(config, folder, shown, resume=resume)
    return _result(found)


def derive_genotype(
    run: str | Path, epoch: int | None = None, *, name: str = "derived"
) -> Genotype:
    """Derive the genotype of the run folder of a search: running, stopped or finished.

    Args:
        run: the folder.
        epoch: after which to look, from 1; by default the result, or that of the newest checkpoint.
        name: of the genotype.

    Raises:
        RunError: for a folder that holds no search, or not that epoch.
    """
    return derive_run(DeriveConfig(run=str(run), epoch=epoch), name)


def _result(found: SearchOutcome) -> SearchResult:
    return SearchResult(
        genotype=found.genotype,
        space=found.space,
        arch_history=found.arch_history,
        history=Table(found.rows),
        finished=found.finished,
        folder=found.folder,
        is_first=found.is_first,
        nodes=tuple(found.decisions),
    )


def _is_nameless(given: SearchSpace | Genotype | str | Path | None) -> bool:
    """Return whether an object is in memory only: it is not what is packaged under its name."""
    if given is None or isinstance(given, str | Path):
        return False
    try:
        if isinstance(given, SearchSpace):
            return load_search_space(given.name, given.parameters) != given
        return load_genotype(given.name) != given
    except SpecError:
        return True


def _name(given: SearchSpace | Genotype | str | Path) -> str:
    return str(given) if isinstance(given, str | Path) else given.name

"""Read the run folder of a search: its genotype, now or after any epoch, and its history."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nasface
from nasface.arch.genotype import Genotype, Provenance, cascade
from nasface.arch.io import load_genotype, load_search_space
from nasface.arrays import Float32
from nasface.engine.arch_history import ArchHistory, read_history
from nasface.engine.search import SearchConfig
from nasface.errors import ConfigError, RunError
from nasface.io.settings import load_config
from nasface.io.yaml import config_digest
from nasface.kinds import Settings
from nasface.nas.derive import derive
from nasface.nn.keys import name_of
from nasface.runs.arch_history import PARAMETER_KINDS, entry_arrays
from nasface.runs.checkpoint import fitting, load_checkpoint
from nasface.runs.folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class DeriveConfig(Settings):
    """The architecture parameters to derive from."""

    run: str = ""
    """Run folder of a search."""
    epoch: int | None = None
    """Epoch to derive from, counted from 1; null: the result, or the newest checkpoint."""


def derive_run(config: DeriveConfig, name: str) -> Genotype:
    """Return the genotype of a search run.

    Raises:
        ConfigError: without a run folder. RunError: for one that holds no search, or not that
        epoch.
    """
    if not config.run:
        raise ConfigError("run: is missing; expected the run folder of a search")
    folder = RunFolder(Path(config.run))
    state = load_checkpoint(folder.checkpoint, "search")
    settings = load_config(SearchConfig, folder.config)
    space = load_search_space(settings.space, settings.parameters)
    with fitting(folder.checkpoint):
        epoch = config.epoch if config.epoch is not None else state["result_epoch"]
        step, alphas, betas, gammas = _choices(state, epoch, folder)
        digest = state["space_digest"]
    if digest != space.digest:
        raise RunError(
            f"{folder.checkpoint}: was made with another version of space {space.name} "
            f"({digest!a:.60}, now {space.digest})"
        )
    provenance = Provenance(
        nasface=nasface.__version__,
        seed=settings.seed,
        step=step,
        policy=settings.policy,
        config=config_digest(settings),
    )
    with fitting(folder.checkpoint):
        found = derive(space, alphas, betas or None, gammas, name=name, provenance=provenance)
    return (
        found
        if settings.prefix_genotype is None
        else cascade(load_genotype(settings.prefix_genotype), found)
    )


def load_history(run: Path) -> ArchHistory:
    """Return how the architecture parameters of a search run moved.

    Raises:
        NasfaceError: if the folder holds no history, or none of the space that the run names.
    """
    settings = load_config(SearchConfig, RunFolder(run).config)
    return read_history(run, load_search_space(settings.space, settings.parameters))


def _choices(
    state: Mapping[str, Any], epoch: int | None, folder: RunFolder
) -> tuple[int, dict[str, Float32], dict[str, Float32], dict[str, Float32]]:
    if epoch is None:
        model = state["model"]
        alphas, betas, gammas = (
            {
                name_of(key.removeprefix(prefix)): value.numpy()
                for key, value in model.items()
                if key.startswith(prefix)
            }
            for prefix in (f"neck.arch_parameters.{kind}." for kind in PARAMETER_KINDS)
        )
        return state["step"], alphas, betas, gammas
    entries = {entry["epoch"]: entry for entry in state["history"]}
    if epoch not in entries:
        raise RunError(
            f"{folder.checkpoint}: has no epoch {epoch}; it holds "
            f"{f'1 to {max(entries)}' if entries else 'none yet'}"
        )
    entry = entries[epoch]
    return (entry["step"], *entry_arrays(entry))

"""``nasface completion``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import tyro

from nasface.annotations.formats import DATASET_FORMATS
from nasface.arch.io import packaged_names
from nasface.cli.commands import commands
from nasface.cli.console import say
from nasface.cli.detail import DETAILS
from nasface.cli.main import VERBS
from nasface.cli.option_list import Option, options
from nasface.cli.options import parse_line
from nasface.cli.presets import first_sentence
from nasface.cli.shell_scripts import Completions, Word, bash_script, fish_script, zsh_script
from nasface.cli.train import SHORT_WORDS
from nasface.deploy.runtimes.registry import TARGETS
from nasface.detection.assignment import ASSIGNERS
from nasface.detection.backbones.registry import BACKBONES
from nasface.detection.classification_losses import CLASSIFICATION_LOSSES
from nasface.detection.head_layers import HEAD_LAYERS
from nasface.detection.necks.registry import GENOTYPE, NECK_PARTS, NONE
from nasface.detection.zoo import MODELS
from nasface.device import DEVICES
from nasface.errors import ConfigError, one_of
from nasface.metrics.registry import PROTOCOLS
from nasface.models import released_models
from nasface.nas.policies import POLICIES
from nasface.presets import presets
from nasface.runs.logger import LOGGERS

SCRIPTS: Mapping[str, Callable[[Completions], str]] = MappingProxyType(
    {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}
)

_NAMES: Mapping[str, Callable[[], Sequence[str]]] = MappingProxyType(
    {
        "policy": partial(tuple, POLICIES),
        "model": partial(tuple, MODELS),
        "detect model": lambda: tuple(released_models()),
        "backbone": partial(tuple, BACKBONES),
        "neck": lambda: (GENOTYPE, NONE, *NECK_PARTS),
        "head": partial(tuple, HEAD_LAYERS),
        "assignment": partial(tuple, ASSIGNERS),
        "classification": partial(tuple, CLASSIFICATION_LOSSES),
        "protocol": partial(tuple, PROTOCOLS),
        "weights": lambda: tuple(released_models()),
        "start-weights": lambda: tuple(released_models()),
        "teacher": lambda: tuple(released_models()),
        "data-format": partial(tuple, DATASET_FORMATS),
        "convert to": lambda: [name for name, each in DATASET_FORMATS.items() if each.writer],
        "export to": partial(tuple, TARGETS),
        "log": partial(tuple, LOGGERS),
        "device": lambda: ("auto", *DEVICES),
        "space": partial(packaged_names, "nasface.search_spaces"),
        "genotype": partial(packaged_names, "nasface.genotypes"),
    }
)
"""Last part of an option's name, behind the command where it matters -> names that it takes beside
files."""


@dataclass(kw_only=True)
class CompletionCommand:
    """Print the script that makes a shell complete the commands of nasface with the TAB key.

    It completes commands, options, and the names that options take; files elsewhere. It holds the
    options of this version: print it again after an update.
    """

    shell: tyro.conf.Positional[str]
    """bash, zsh or fish."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    shell = parse_line(CompletionCommand, arguments, "completion").shell
    if shell not in SCRIPTS:
        raise ConfigError(f"shell: unknown {shell!r}; expected {one_of(shell, SCRIPTS)}")
    say(SCRIPTS[shell](completions()).rstrip("\n"))
    return 0


def completions() -> Completions:
    """Return which words may follow each other in the commands, extensions included."""
    found = {words: _words(words, command) for words, command in commands()}
    actions = {
        verb: [words.split()[1] for words in found if words.startswith(f"{verb} ")]
        for verb in VERBS
    }
    detectors = (*MODELS, *released_models())
    drawn = (*detectors, *packaged_names("nasface.genotypes"))
    first: dict[str, Sequence[str]] = {
        "models": detectors,
        "presets": tuple(presets()),
        "completion": tuple(SCRIPTS),
        "draw": drawn,
        "cost": drawn,
        **{verb: own for verb, own in actions.items() if own},
    }
    return Completions(VERBS, first, actions, found)


def _words(verb: str, command: type[object]) -> list[Word]:
    short_words = SHORT_WORDS if verb == "train" else {}
    words = [
        Word(word, first_sentence(each.text), tuple(_names(verb, each)), not each.value)
        for each in options(command)
        if not each.is_positional
        for word in (
            *each.words,
            *(short for short, long in short_words.items() if long == each.word),
        )
    ]
    always = ("--help", "--help-all", *(word for word in DETAILS if word.startswith("--")))
    return words + [Word(each, "", (), is_switch=True) for each in always]


def _names(verb: str, option: Option) -> Sequence[str]:
    last = option.name.rpartition(".")[2]
    names = _NAMES.get(f"{verb} {last}") or _NAMES.get(last)
    return option.choices or (names() if names else ())

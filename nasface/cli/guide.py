"""What the help of a command leads with: examples, and the options that most people need."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Guide:
    """Examples of a command (what for, the command) and the options of its short help.

    ``groups``: title -> names of options; ``--help-all`` shows the others. Without groups the
    short help shows all options. ``notes`` stand below the examples.
    """

    examples: tuple[tuple[str, str], ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: str = ""


RUN_OPTIONS = ("data", "out", "config", "resume")
"""Options of what makes a run folder."""
COMPUTER_OPTIONS = ("device", "workers", "seed")
"""Options of what trains."""

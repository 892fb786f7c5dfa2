"""``nasface models``."""

from collections.abc import Sequence
from dataclasses import dataclass

import tyro

from nasface.api.released import describe_released
from nasface.api.zoo_card import card_facts, model_card
from nasface.cli.console import print_json, print_table, say
from nasface.cli.options import parse_line
from nasface.detection.zoo_peers import PEERS


@dataclass(kw_only=True)
class ModelsCommand:
    """List the released detectors, or print the card of one, or of a detector of the zoo.

    Figures are average precision on the easy, medium and hard faces of 176 validation photographs
    of WIDER FACE, by the official protocol. Times are ratios to d0-dense in ONNX Runtime, one
    thread, one image of 640 x 480.
    """

    name: tyro.conf.Positional[str] = ""
    """Detector whose card is printed: a released one, d0 to d6, or a published one such as
    extd-64."""
    json: bool = False
    """Print the list, or what the card says, as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    command = parse_line(ModelsCommand, arguments, "models")
    if command.name:
        if command.json:
            print_json(card_facts(command.name))
        else:
            say(model_card(command.name).rstrip("\n"))
        return 0
    found = describe_released()
    if command.json:
        print_json([vars(each) for each in found])
        return 0
    print_table(
        "released detectors",
        ("", "parameters", "MB", "easy", "medium", "hard", "time"),
        [
            [
                each.name,
                f"{each.parameters / 1e6:.2f} M",
                f"{each.megabytes:.1f}",
                *(f"{figure:.3f}" for figure in (each.easy, each.medium, each.hard)),
                f"{each.relative_time:.2f}",
            ]
            for each in found
        ],
    )
    say("nasface models NAME prints what one was trained on and how it was measured.")
    say("Detectors without weights have cards, too: d0 to d6, d0-dense to d6-dense,")
    say(f"{', '.join(PEERS)}.")
    return 0

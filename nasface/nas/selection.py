"""Selection of a cell by the scores of a supernet: candidates, and the best of them.

A selection has a budget of scores and gives the best cell that it has seen. All of them look at
cells that are allowed alone, such as those within a latency limit, and score none twice.

Source of the evolution: SPOS (Guo et al., ECCV 2020, section 3.4), whose crossover and mutation are
by layer, here by node. Swaps: selection by the true change of the loss, as perturbation-based
selection (Wang et al., ICLR 2021) does with a candidate left out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from nasface.arch.genotype import Genotype, Provenance
from nasface.arch.space import SearchSpace
from nasface.errors import ConfigError
from nasface.nas.candidates import CandidateTable, Pair
from nasface.nas.choices import Choices, NodeChoice, choices_of, genotype_of_choices
from nasface.nas.sampling import random_genotype, random_pairs
from nasface.random_streams import Purpose, stream
from nasface.registry import Registry

_TRIES = 1000
"""A selection gives up after this many draws in a row without a new, allowed cell."""


@dataclass
class CellScorer:
    """Scores cells, each once, as long as the budget lasts.

    Args:
        space: of the cells.
        score: higher is better.
        budget: how many cells may be scored.
        allowed: whether a cell may be looked at; all may by default.
        seed: of all draws.
    """

    space: SearchSpace
    score: Callable[[Genotype], float]
    budget: int
    allowed: Callable[[Genotype], bool] = lambda genotype: True
    seed: int = 0
    scores: dict[tuple[object, ...], float] = field(default_factory=dict, init=False)
    found: list[tuple[float, Choices]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.tables = {cell: CandidateTable.of(self.space, cell) for cell in self.space.leaders}
        self.generator = stream(self.seed, Purpose.SELECTION)

    @property
    def spent(self) -> bool:
        """Whether the budget is used up."""
        return len(self.scores) >= self.budget

    def consider(self, choices: Choices) -> float | None:
        """Return the score of a cell; ``None`` if it is not allowed, or new and the budget is
        spent."""
        genotype = self.genotype(choices)
        # Nodes of a cell that is left out make no other genotype.
        key = tuple(genotype.cells.items())
        if key in self.scores:
            return self.scores[key]
        if self.spent or not self.allowed(genotype):
            return None
        self.scores[key] = self.score(genotype)
        self.found.append((self.scores[key], choices))
        return self.scores[key]

    def drawn(self) -> Iterator[Choices]:
        """Yield random cells without end; the first of a seed is that of the strategy ``random``'s
        next.

        Raises:
            ConfigError: if no allowed cell turns up for long.
        """
        at, missed = 1, 0
        while True:
            genotype = random_genotype(self.space, self.seed, at)
            at += 1
            if self.allowed(genotype):
                missed = 0
                yield choices_of(self.space, genotype)
            elif (missed := missed + 1) >= _TRIES:
                raise ConfigError(
                    f"none of {_TRIES} random cells of space {self.space.name} in a row keeps the "
                    "limit; expected a wider one"
                )

    def mutate(self, choices: Choices, share: float) -> Choices:
        """Return a copy in which a share of the nodes and widths is drawn anew, one at least."""
        draw = self.generator
        places = [(cell, at) for cell, nodes in choices.items() for at in range(len(nodes))]
        moved = {places[int(draw.integers(len(places)))]}
        moved |= {place for place in places if draw.random() < share}
        return {
            cell: tuple(
                self._draw(cell, at) if (cell, at) in moved else node
                for at, node in enumerate(nodes)
            )
            for cell, nodes in choices.items()
        }

    def crossover(self, one: Choices, other: Choices) -> Choices:
        """Return a cell with each node, and width, from one of two cells."""
        return {
            cell: tuple(
                own if self.generator.random() < 0.5 else others
                for own, others in zip(nodes, other[cell], strict=True)
            )
            for cell, nodes in one.items()
        }

    def best(self) -> Genotype:
        """Return the cell with the highest score so far; the first of equals.

        Raises:
            ConfigError: if none has been scored.
        """
        if not self.found:
            raise ConfigError("no cell has been scored; expected a budget of 1 or more")
        return self.genotype(max(self.found, key=lambda each: each[0])[1])

    def genotype(self, choices: Choices) -> Genotype:
        """Return the genotype of choices."""
        provenance = Provenance(seed=self.seed, policy="selection")
        return genotype_of_choices(self.space, choices, "selected", provenance)

    def _draw(self, cell: str, at: int) -> NodeChoice:
        table, draw = self.tables[cell], self.generator
        pairs: tuple[Pair, ...] = ()
        if at < len(table.slots):
            pairs = random_pairs(table.slots[at], table.graph.nodes[at].kept, draw)
        rules = table.rules.rules[at]
        return pairs, rules[int(draw.integers(len(rules)))]

    def swaps(self, choices: Choices) -> Iterator[tuple[str, int, list[NodeChoice]]]:
        """Yield for every node and width, in random order, what one swap makes of it: another pair
        in the place of one, or another rule or width."""
        places = [(cell, at) for cell, nodes in choices.items() for at in range(len(nodes))]
        for index in self.generator.permutation(len(places)):
            cell, at = places[int(index)]
            yield cell, at, list(self._neighbours(cell, at, choices[cell][at]))

    def _neighbours(self, cell: str, at: int, node: NodeChoice) -> Iterator[NodeChoice]:
        pairs, rule = node
        table = self.tables[cell]
        offered = [pair for each in table.slots[at] for pair in each] if pairs else []
        for place, old in enumerate(pairs):
            taken = {edge for edge, _ in pairs} - {old[0]}
            for pair in offered:
                if pair != old and pair[0] not in taken:
                    yield (*pairs[:place], pair, *pairs[place + 1 :]), rule
        for other in table.rules.rules[at]:
            if other != rule:
                yield pairs, other


Selection: TypeAlias = Callable[[CellScorer], Genotype]
"""Spends the budget of a scorer; the best cell."""

SELECTIONS: Registry[Selection] = Registry("selection")
"""Name -> how cells are picked by the scores of a supernet that was trained on uniform paths."""


def register_selection(name: str, select: Selection) -> None:
    """Add a way to pick cells by scores; methods of a comparison may have it as their strategy.

    Raises:
        ConfigError: if the name is taken, or for what cannot be called.
    """
    SELECTIONS.check_callable(name, select)
    SELECTIONS.add(name, select)


def best_of_random(scorer: CellScorer) -> Genotype:
    """Return the best of as many random cells as the budget allows."""
    drawn, repeated = scorer.drawn(), 0
    while not scorer.spent and repeated < _TRIES:
        before = len(scorer.scores)
        scorer.consider(next(drawn))
        repeated = 0 if len(scorer.scores) > before else repeated + 1
    return scorer.best()


def evolve(scorer: CellScorer, *, population: int = 16, share: float = 0.1) -> Genotype:
    """Return the best of a population that evolves. The parents are the better half; of their
    children one half is crossed, the other mutated, a ``share`` of the nodes each."""
    drawn = scorer.drawn()
    for _ in range(population):
        scorer.consider(next(drawn))
    for _ in range(_TRIES):
        if scorer.spent:
            break
        ranked = sorted(scorer.found, key=lambda each: -each[0])[: max(2, population // 2)]
        parents = [choices for _, choices in ranked]
        for at in range(population):
            first, second = (
                parents[int(i)] for i in scorer.generator.integers(len(parents), size=2)
            )
            child = scorer.crossover(first, second) if at % 2 else scorer.mutate(first, share)
            scorer.consider(child)
    return scorer.best()


def climb_by_swaps(scorer: CellScorer) -> Genotype:
    """Return the best cell of a climb by swaps: from a random cell, node by node, the best of all
    that one swap makes of it; from another cell once no swap is better."""
    drawn = scorer.drawn()
    for _ in range(_TRIES):
        if scorer.spent:
            break
        here = next(drawn)
        best = scorer.consider(here)
        better = best is not None
        while better and not scorer.spent:
            better = False
            for cell, at, nodes in scorer.swaps(here):
                for node in nodes:
                    there = {**here, cell: (*here[cell][:at], node, *here[cell][at + 1 :])}
                    score = scorer.consider(there)
                    if score is not None and best is not None and score > best:
                        here, best, better = there, score, True
    return scorer.best()


register_selection("random-search", best_of_random)
register_selection("evolution", evolve)
register_selection("swaps", climb_by_swaps)

"""What a search step costs on the search networks of DARTS and PC-DARTS, and on the argmax path.

    python scripts/benchmarks/darts_cost.py [--csv FILE]

Network: 16 channels, 8 cells, batch 16, 32 x 32 pixels, random input. The argmax path is one (edge,
operation) per node on 1/4 of the channels, with the first operation that PC_DARTS_cifar has at each
node (its pattern repeated for more than four nodes), so that it is comparable from run to run.

Saved bytes are those of distinct storages kept for the backward pass, without parameters, buffers
and input. ``with choices`` keeps what the architecture parameters' gradient needs as well, as the
original implementations do in every step; our weight steps freeze the architecture parameters and
keep less. Times are medians of ratios inside rounds that alternate in one process.
"""

import argparse
import copy
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from measuring import Run, alternate, ratio, write_rows
from torch import Tensor, nn

from nasface.arch.io import load_genotype, load_search_space
from nasface.arch.space import SearchSpace
from nasface.classification.layout import NETWORKS
from nasface.classification.network import Classifier, SearchClassifier
from nasface.nas.bilevel import arch_step, frozen, gradient_of, weight_step
from nasface.nas.candidates import CandidateTable, Pair
from nasface.nas.derive import genotype_of_paths
from nasface.nas.mixture import CellMixture, GatedOp, InputSlot, Mixture, PathMixture
from nasface.nas.policy import ArgmaxPath, Policy, Softmax, StepRandom
from nasface.nn.cost import count_saved_bytes

CONFIG = NETWORKS["cifar-search"]
PATTERN = load_genotype("pc_darts_cifar")


class GivenPath:
    """A policy that always takes the path of :data:`PATTERN`, with its gates in architecture
    steps."""

    def __init__(self, space: SearchSpace, probes: int) -> None:
        self.paths = {cell: pattern_path(space, cell) for cell in space.cells}
        self.probes = probes

    def mix(
        self, table: CandidateTable, alpha_EO: Tensor, beta_E: Tensor | None, draw: StepRandom
    ) -> CellMixture:
        """See :class:`nasface.nas.policy.Policy`."""
        path = self.paths[table.cell]
        if not (torch.is_grad_enabled() and alpha_EO.requires_grad):
            return PathMixture(tuple((InputSlot(GatedOp(*pair)),) for pair in path))
        # Architecture parameters that prefer the pattern, and the gates of the argmax policy at
        # them.
        preferred = alpha_EO.detach().clone()
        for edge, column in path:
            preferred[edge, column] += 100.0
        return ArgmaxPath(probes=self.probes).mix(
            table, alpha_EO + (preferred - alpha_EO).detach(), beta_E, draw
        )


def pattern_path(space: SearchSpace, cell: str) -> tuple[Pair, ...]:
    """Return, for each node, the first edge and operation of the pattern's node at that place."""
    graph, nodes = space.cells[cell], PATTERN.cells[cell].nodes
    pairs = []
    for at, edges in enumerate(graph.edges_into):
        gene = nodes[at % len(nodes)].edges[0]
        edge = next(edge for edge in edges if graph.edges[edge].source == gene.source)
        pairs.append((edge, space.operations.index(gene.operation)))
    return tuple(pairs)


class Variant:
    """A search network with a policy, and its two steps."""

    def __init__(self, space: SearchSpace, policy: Policy, images: Tensor, labels: Tensor) -> None:
        torch.manual_seed(0)
        self.network = SearchClassifier(space, CONFIG)
        self.policy, self.images, self.labels = policy, images, labels
        self.weights = list(self.network.weights())
        self.arch_parameters = list(self.network.arch_parameters.parameters())
        self.optimizer = torch.optim.SGD(self.weights, 0.025, momentum=0.9, weight_decay=3e-4)
        self.arch_optimizer = torch.optim.Adam(self.arch_parameters, 6e-4, (0.5, 0.999))

    def mixture(self) -> Mixture:
        """Return what the next step executes."""
        return self.network.arch_parameters.mixture(self.policy, seed=0, step=0)

    def loss(self) -> Tensor:
        """Return the loss of the network with that mixture."""
        return F.cross_entropy(self.network(self.images, self.mixture()), self.labels)

    def weight_step(self) -> None:
        """Make a weight step as in a search."""
        weight_step(gradient_of(self.loss), self.optimizer, self.arch_parameters, clip=5.0)

    def original_weight_step(self) -> None:
        """Make a weight step with a gradient of the architecture parameters too, which DARTS and
        PC-DARTS compute and drop."""
        self.optimizer.zero_grad(set_to_none=True)
        self.loss().backward()
        nn.utils.clip_grad_norm_(self.weights, 5.0)
        self.optimizer.step()

    def arch_step(self) -> None:
        """Make an architecture step as in a search."""
        arch_step(gradient_of(self.loss), self.arch_optimizer, self.weights)

    def saved_mb(self, kind: str) -> float:
        """Return what a step of a kind keeps for its backward pass, counted on the meta device."""
        parameters = {"weight step": self.arch_parameters, "architecture step": self.weights}.get(
            kind, []
        )
        with frozen(parameters):
            mixture = self.mixture()
            network = copy.deepcopy(self.network).to("meta")
        return saved_mb(network, lambda images: network(images, mixture), len(self.images))

    def steps(self) -> Mapping[str, Run]:
        """Return the steps by the name of their kind."""
        return {
            "weight step": self.weight_step,
            "weight step with choices": self.original_weight_step,
            "architecture step": self.arch_step,
        }


def saved_mb(module: nn.Module, forward: Callable[[Tensor], object], batch: int) -> float:
    """Return the megabytes that a forward pass of a module on the meta device keeps."""
    images = torch.empty(batch, 3, 32, 32, device="meta")
    with count_saved_bytes(*module.parameters(), *module.buffers(), images) as saved:
        forward(images)
    return saved.total / 1e6


def measure(nodes: int, batch: int, repeats: int) -> list[dict[str, object]]:
    """Return a row for each step of each method."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch, 3, 32, 32, generator=generator)
    labels = torch.randint(0, 10, (batch,), generator=generator)
    spaces = {name: load_search_space(name, {"nodes": nodes}) for name in ("darts", "pc-darts")}
    single = load_search_space("pc-darts", {"nodes": nodes, "keep": 1})
    variants = {
        "darts": Variant(spaces["darts"], Softmax(), images, labels),
        "pc-darts": Variant(spaces["pc-darts"], Softmax(), images, labels),
        "argmax": Variant(single, GivenPath(single, 0), images, labels),
        "argmax, 1 probe": Variant(single, GivenPath(single, 1), images, labels),
    }
    kinds = {
        (name, kind): step
        for name, variant in variants.items()
        for kind, step in variant.steps().items()
        if name != "argmax, 1 probe" or kind == "architecture step"
    }
    path = {cell: tuple((pair,) for pair in pattern_path(single, cell)) for cell in single.cells}
    fixed = Classifier(genotype_of_paths(single, path), CONFIG)

    def fixed_step() -> None:
        F.cross_entropy(fixed(images).main, labels).backward()

    steps: dict[str, Run] = {f"{name}|{kind}": step for (name, kind), step in kinds.items()}
    times = alternate({**steps, "derived network|weight step": fixed_step}, repeats)
    saved = {f"{name}|{kind}": variants[name].saved_mb(kind) for name, kind in kinds}
    saved["derived network|weight step"] = saved_mb(fixed.to("meta"), fixed, batch)
    rows: list[dict[str, object]] = []
    for key, seconds in times.items():
        name, kind = key.split("|")
        row: dict[str, object] = {"nodes": nodes, "method": name, "step": kind}
        row["saved_mb"] = round(saved[key], 1)
        for base in ("pc-darts|weight step", "pc-darts|weight step with choices"):
            title = "to_pc_darts" + ("_with_choices" if "with" in base else "")
            row[f"saved_{title}"] = round(saved[key] / saved[base], 3)
            row[f"time_{title}"] = round(ratio(seconds, times[base]), 3)
        own = times.get(f"{name}|weight step", times["argmax|weight step"])
        row["time_to_own_weight_step"] = round(ratio(seconds, own), 3)
        rows.append(row)
    return rows


def main() -> None:
    """Print the table and write it with what is needed to repeat it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--nodes", type=int, nargs="+", default=[4, 6, 8])
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--commit", default="", help="commit to note in the file")
    parser.add_argument("--csv", type=Path, help="file to write the rows to")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: list[dict[str, object]] = []
    for nodes in options.nodes:
        found = measure(nodes, options.batch, options.repeats)
        for row in found:
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        rows += found
    if options.csv:
        about = {"batch": options.batch, "threads": options.threads, "commit": options.commit}
        write_rows(options.csv, rows, about)


if __name__ == "__main__":
    main()

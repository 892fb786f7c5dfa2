"""What a search step of the paper's setting keeps in memory, by method and number of nodes.

    python scripts/benchmarks/search_memory.py [--csv FILE]

Bytes are those of distinct storages that autograd keeps in one weight step of both shots on one
image (parameters, buffers and input not counted), counted on the meta device, so that the paper's
setting needs neither a GPU nor the memory: ResNet-50, 256 channels, 640 x 640 pixels, the context
cells of `autofem-cpm`. They are proportional to the batch; kernels need temporary buffers on top.
State is weights, gradients and momentum. The paper trains 48 images on four GPUs of 32 GB, 12 on
each.

Times are ratios of weight steps of the context cells alone, at a size that a CPU can bear, taken
inside rounds in which all methods alternate.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from measuring import alternate, ratio, write_rows
from search_cost import mixture_forward, pyramid, step_of

from nasface.arch.io import load_search_space
from nasface.arch.space import ParameterValue, SearchSpace
from nasface.detection.config import DetectorConfig
from nasface.detection.searchable import build_searchable
from nasface.nas.arch_parameters import ArchitectureParameters
from nasface.nas.policy import ArgmaxPath, Policy, Softmax
from nasface.nas.supernet import Supernet
from nasface.nn.cost import count_parameters, count_saved_bytes

GPU_BYTES = 32e9
PER_GPU, BATCH = 12, 48
DRAWS = 5


@dataclass(frozen=True)
class Variant:
    """A method: the policy of its steps and the parameters of its space."""

    policy: Policy
    parameters: dict[str, ParameterValue]


VARIANTS = {
    "argmax path": Variant(ArgmaxPath(), {}),
    "PC-DARTS": Variant(Softmax(), {"rule": "cat-all"}),
    "DARTS": Variant(Softmax(), {"rule": "cat-all", "partial": 1, "edge_normalisation": False}),
}


def space_of(variant: Variant, nodes: int) -> SearchSpace:
    """Return the space of a method with a number of nodes."""
    return load_search_space("autofem-cpm", {"nodes": nodes, **variant.parameters})


def kept_bytes(variant: Variant, nodes: int, config: DetectorConfig, size: int) -> tuple[int, int]:
    """Return the bytes that a weight step keeps for one image, and parameters of the whole
    supernet.

    Paths differ in what they keep; counted is the most of some random ones.
    """
    with torch.device("meta"):
        model = build_searchable(config, space_of(variant, nodes)).train()
        image = torch.empty(1, 3, size, size)
    if isinstance(variant.policy, Softmax):
        mixtures = [model.neck.arch_parameters.mixture(variant.policy, seed=0, step=0)]
    else:
        # Drawn on the host: a path is a decision, which meta tensors cannot make.
        arch_parameters = ArchitectureParameters(space_of(variant, nodes)).requires_grad_(False)
        noisy = ArgmaxPath(noise=1.0)
        mixtures = [arch_parameters.mixture(noisy, seed=0, step=step) for step in range(DRAWS)]
    most = 0
    for mixture in mixtures:
        with count_saved_bytes(*model.parameters(), *model.buffers(), image) as saved:
            model.forward_train(image, mixture)
        most = max(most, saved.total)
    return most, count_parameters(model)


def step_ratios(nodes: int, channels: int, size: int, repeats: int) -> dict[str, float]:
    """Return the time of a weight step of the cells, to that of the argmax path."""
    features = pyramid(channels, size, 2)
    steps = {}
    for name, variant in VARIANTS.items():
        supernet = Supernet(space_of(variant, nodes), channels)
        with torch.no_grad():
            mixture = supernet.arch_parameters.mixture(variant.policy, seed=0, step=0)
        steps[name] = step_of(mixture_forward(supernet, features, mixture), supernet)
    times = alternate(steps, repeats)
    return {name: ratio(times[name], times["argmax path"]) for name in VARIANTS}


def measure(
    nodes: Sequence[int], config: DetectorConfig, size: int, time: tuple[int, int, int]
) -> list[dict[str, object]]:
    """Return a row for each method and number of nodes; ``time`` is channels, size and repeats."""
    rows = []
    for count in nodes:
        ratios = step_ratios(count, *time)
        for name, variant in VARIANTS.items():
            kept, parameters = kept_bytes(variant, count, config, size)
            state = 3 * 4 * parameters
            rows.append(
                {
                    "method": name,
                    "nodes": count,
                    "parameters_m": round(parameters / 1e6, 2),
                    "kept_mb_per_image": round(kept / 1e6, 1),
                    "state_mb": round(state / 1e6, 1),
                    f"gb_at_{PER_GPU}": round((PER_GPU * kept + state) / 1e9, 1),
                    f"gb_at_{BATCH}": round((BATCH * kept + state) / 1e9, 1),
                    "most_images_in_32_gb": int((GPU_BYTES - state) // kept),
                    "step_to_argmax": round(ratios[name], 2),
                }
            )
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    return rows


def main() -> None:
    """Print the table and write it with what is needed to repeat it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--nodes", type=int, nargs="+", default=[4, 6, 8, 12])
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--size", type=int, default=640, help="side of the image in pixels")
    parser.add_argument("--time-channels", type=int, default=32)
    parser.add_argument("--time-size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--commit", default="", help="commit to note in the file")
    parser.add_argument("--csv", type=Path, help="file to write the rows to")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = DetectorConfig(
        backbone=options.backbone,
        channels=options.channels,
        head_layers=2,
        head="dense",
        extra="dense",
        extra_channels=(options.channels, options.channels),
    )
    time = (options.time_channels, options.time_size, options.repeats)
    rows = measure(options.nodes, config, options.size, time)
    if options.csv:
        about = {
            "backbone": options.backbone,
            "channels": options.channels,
            "size": options.size,
            "time_channels": options.time_channels,
            "time_size": options.time_size,
            "threads": options.threads,
            "commit": options.commit,
        }
        write_rows(options.csv, rows, about)


if __name__ == "__main__":
    main()

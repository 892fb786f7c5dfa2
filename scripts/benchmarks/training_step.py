"""Time of a training step on a CPU, with what it reads: loading a batch, and the step itself.

    python scripts/benchmarks/training_step.py --data DIR [--model d0] [--size 320] [--batch 8] \
        [--precision bf16] [--threads 2]

Medians of whole steps as ``nasface train`` takes them (both shots, optimiser, moving average). In
processor time other work on the machine counts little with one thread; with more threads compare
the elapsed time of a machine that does nothing else.
"""

import argparse
import time
from dataclasses import replace
from statistics import median

import torch

from nasface.data.augment import AugmentConfig
from nasface.detection.zoo import MODELS
from nasface.engine.distributed.world import World
from nasface.engine.job import RunContext
from nasface.engine.malloc import keep_freed_memory
from nasface.engine.train import load_train_inputs, make_train_job, train_config_of
from nasface.progress import Silent


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", choices=MODELS, default="d0")
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=4, help="behind two that warm up")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    config = replace(
        train_config_of(options.model),
        data=options.data,
        batch_size=options.batch,
        ema_decay=0.998,
        precision=options.precision,
        augment=AugmentConfig(size=options.size),
    )
    context = RunContext(World(), torch.device("cpu"))
    job = make_train_job(config, load_train_inputs(config), context)
    job.start(Silent())
    loading, stepping, elapsed = [], [], []
    for _ in range(options.steps + 2):
        started = time.process_time()
        batch = next(job.batches)
        loaded, clock = time.process_time(), time.perf_counter()
        job.take_step(batch)
        loading.append(loaded - started)
        stepping.append(time.process_time() - loaded)
        elapsed.append(time.perf_counter() - clock)
    print(
        f"loading {1000 * median(loading[2:]):.0f} ms, step {1000 * median(stepping[2:]):.0f} ms, "
        f"elapsed {1000 * median(elapsed[2:]):.0f} ms"
    )


if __name__ == "__main__":
    main()

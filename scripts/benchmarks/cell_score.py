"""Time of the score of a cell by a supernet, and of what it stands for: a training of the cell.

    python scripts/benchmarks/cell_score.py --data DIR [--images 600] [--rounds 4]

Settings are those of preset:best-of-small, and the supernet is trained for one epoch: others take
as long. A round is one score and ten steps of a training, each with the time to load its batch.
Medians of processor time on one thread; a training is as many steps as an epoch has, without an
evaluation.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from nasface.arch.io import save_genotype
from nasface.engine.distributed.world import World
from nasface.engine.job import RunContext
from nasface.engine.malloc import keep_freed_memory
from nasface.engine.search import SearchConfig, run_search
from nasface.engine.train import TrainConfig, load_train_inputs, make_train_job
from nasface.io.settings import read_config, with_settings
from nasface.nas.sampling import random_genotype
from nasface.presets import preset_path
from nasface.progress import Silent
from nasface.studies.one_shot import OneShotScorer

STEPS = 10


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    plan = read_config(preset_path("preset:best-of-small", "compare"))
    search = with_settings(
        SearchConfig(data=options.data, policy="uniform", epochs=1, warmup_epochs=1), plan["search"]
    )
    with tempfile.TemporaryDirectory() as folder:
        run_search(search, Path(folder) / "search", Silent())
        score = OneShotScorer(Path(folder) / "search", options.data, options.images)
        cell = random_genotype(score.search.space, 0)
        save_genotype(cell, Path(folder) / "cell.yaml")
        settings = {**plan["train"], "genotype": str(Path(folder) / "cell.yaml"), "epochs": 9}
        train = with_settings(TrainConfig(data=options.data), settings)
        context = RunContext(World(), torch.device("cpu"))
        job = make_train_job(train, load_train_inputs(train), context)
        job.start(Silent())
        scoring, stepping = [], []
        for at in range(options.rounds + 1):
            cell = random_genotype(score.search.space, at)
            started = time.process_time()
            score(cell)
            scored = time.process_time()
            for _ in range(STEPS):
                job.next_step()
            scoring.append(scored - started)
            stepping.append((time.process_time() - scored) / STEPS)
    # The first round warms up.
    once, training = median(scoring[1:]), job.epoch_steps * median(stepping[1:])
    print(f"score {once:.2f} s, training of {job.epoch_steps} steps {training:.1f} s")
    print(f"ratio 1/{training / once:.0f}")


if __name__ == "__main__":
    main()

#!/usr/bin/env bash
# A resumed evaluation counts some pictures twice
#
# accelerate 1.15.0, torch 2.13.0, two processes, backend gloo, CPU.
#
# Expected: gather_for_metrics leaves out the samples with which the last batch was filled up to be equal in
# all processes, also when the first batches were skipped. It does so for all other loaders that were tried:
# nested in another, left early, iterable, of objects.
# Seen: after skip_first_batches they stay. Of 9 pictures in batches of 4 for each of two processes, of which
# the first 8 are skipped, the last batch holds picture 8 and the pictures 0 to 6, which were skipped, once
# more. With split_batches=True likewise; with dispatch_batches=True all is right. Nothing is said. (A change
# that mends it was proposed in September 2026, as pull request 4235 of accelerate.)
#
# Why it matters: an evaluation of hours that was stopped is resumed this way. Up to a whole batch less one
# is counted twice, always of the first pictures, and average precision moves a little, so that the resumed
# result is not that of a run without a stop. Count by the ids of the pictures.
# nasface: shares images out without filling up, and gathers detections by the names of the images.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet accelerate==1.15.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
cat > resume.py <<'END'
import logging
import os

import torch
from accelerate import Accelerator, DataLoaderConfiguration, skip_first_batches
from torch import distributed
from torch.utils.data import DataLoader


def work(rank, folder):
    """Both processes compare what is gathered with what should be, and the first one prints it."""
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1")
    meeting = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    logging.disable()
    for options in ({}, {"split_batches": True}, {"dispatch_batches": True}):
        for pictures, batch, skipped in ((9, 4, 0), (9, 4, 1), (14, 4, 1), (11, 2, 2), (16, 4, 1)):
            configuration = DataLoaderConfiguration(**options)
            accelerator = Accelerator(cpu=True, dataloader_config=configuration)
            assert accelerator.num_processes == 2
            loader = accelerator.prepare(DataLoader(torch.arange(pictures), batch_size=batch))
            if skipped:
                loader = skip_first_batches(loader, skipped)
            gathered = []
            for ids in loader:
                gathered += accelerator.gather_for_metrics(ids).tolist()
            together = batch if options else 2 * batch  # of all processes, at each step
            right = list(range(skipped * together, pictures))
            more = gathered[len(right) :]
            if rank == 0:
                print(f"{options} {pictures} pictures, {skipped} x {together} skipped: also {more}")
            assert gathered[: len(right)] == right
            filled = -pictures % together
            kept = filled if skipped and "dispatch_batches" not in options else 0
            assert more == list(range(kept))
    distributed.destroy_process_group()


if __name__ == "__main__":
    torch.multiprocessing.spawn(work, (os.getcwd(),), 2)
END
GLOO_SOCKET_IFNAME=lo OMP_NUM_THREADS=1 venv/bin/python -W ignore resume.py

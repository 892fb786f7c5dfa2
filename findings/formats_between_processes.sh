#!/usr/bin/env bash
# Weights that are sent to a process in another memory format arrive shuffled
#
# torch 2.13.0, backend gloo, CPU.
#
# Expected: a collective operation sends elements, whatever order they have in memory, or fails where
# the tensors of the processes differ.
# Seen: `broadcast` and `all_reduce` take a channels-last tensor as the memory that it is. Where another
# process has the same weights in the usual format, each of its elements gets another one's value:
# 0, 1, 2, 3, 4, ... is received as 0, 4, 8, 12, 1, ..., and sums are sums of elements that do not
# belong together, different ones in each process. Shapes agree, and nothing is said. `all_gather`
# puts elements where they belong.
#
# Why it matters: a process that reads a checkpoint and takes its tensors over (assign=True) has them
# in the usual format, and the others, which were built in channels last, wait for them. Averages of
# weights and of gradients go wrong in the same way. Send what `contiguous()` returns.
# nasface: sums flat copies of its gradients, in the order of the elements.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
cd "$folder"
cat > processes.py <<'END'
import torch
import torch.distributed as dist

last = torch.channels_last
ordered = torch.arange(16.0).reshape(1, 4, 2, 2)


def run(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.set_num_threads(1)

    received = torch.zeros(1, 4, 2, 2)
    weights = received.to(memory_format=last) if rank else ordered.clone()
    dist.broadcast(weights, 0)

    summed = ordered.to(memory_format=last) if rank else ordered.clone()
    dist.all_reduce(summed)

    gathered = [torch.zeros(1, 4, 2, 2).to(memory_format=last) for _ in range(2)]
    dist.all_gather(gathered, ordered)

    if rank == 1:
        print("broadcast:", weights.flatten().tolist())
        print("all_reduce:", summed.flatten().tolist())
        print("all_gather:", gathered[0].flatten().tolist())
        assert torch.equal(weights, ordered.flatten().view(1, 2, 2, 4).permute(0, 3, 1, 2))
        assert not torch.equal(summed, 2 * ordered) and summed.sum() == 2 * ordered.sum()
        assert all(torch.equal(each, ordered) for each in gathered)
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.multiprocessing.spawn(run, args=(".",), nprocs=2)
END
GLOO_SOCKET_IFNAME=lo OMP_NUM_THREADS=1 venv/bin/python -W ignore processes.py

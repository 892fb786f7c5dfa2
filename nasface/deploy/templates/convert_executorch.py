"""python convert_executorch.py detector.pt2 detector.pte: for ExecuTorch, with XNNPACK."""

import sys
from pathlib import Path

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower

program = torch.export.load(sys.argv[1])
lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
Path(sys.argv[2]).write_bytes(lowered.to_executorch().buffer)

"""python convert_litert.py detector.pt2 detector.tflite: a program of torch.export for LiteRT."""

import sys

import litert_torch
import torch

program = torch.export.load(sys.argv[1])
litert_torch.convert(program.module(), program.example_inputs[0]).export(sys.argv[2])

"""A folder for ncnn, by pnnx."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import to_onnx
from nasface.deploy.parity import ParityDifference
from nasface.deploy.runtimes.heads_program import USUAL_SIZE
from nasface.deploy.runtimes.registry import compare_heads, write_decoding
from nasface.detection.checkpoint import LoadedDetector
from nasface.errors import ExportError
from nasface.optional import need
from nasface.progress import Progress


def write_ncnn(
    loaded: LoadedDetector, folder: Path, config: ExportConfig, progress: Progress
) -> ParityDifference:
    """Write ``detector.ncnn.param`` and ``.bin``, heads of one image of a fixed size.

    Without ``size`` that is 640x480.

    Raises:
        ExportError: if pnnx does not take the graph, or for a batch.
    """
    if config.batch != 1:
        raise ExportError("batch: ncnn sees one image at a time")
    config = replace(config, size=config.size or USUAL_SIZE)
    assert config.fixed is not None
    height, width, _ = config.fixed
    write_decoding(loaded, folder, config)
    progress.note("converting")
    model = to_onnx(loaded, replace(config, outputs="heads", precision="fp32"))
    work = folder / "work"
    work.mkdir()
    (work / "detector.onnx").write_bytes(model.SerializeToString())
    pnnx = need("pnnx", "nasface[ncnn]")
    command = [pnnx.EXEC_PATH, "detector.onnx", f"inputshape=[1,3,{height},{width}]"]
    done = subprocess.run(
        [*command, f"fp16={int(config.is_half)}"],
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )
    for name in ("detector.ncnn.param", "detector.ncnn.bin"):
        if not (work / name).is_file():
            raise ExportError(f"pnnx: {(done.stderr or done.stdout).strip()[-300:]}")
        shutil.move(work / name, folder / name)
    shutil.rmtree(work)
    progress.note("comparing with the detector")
    run = open_ncnn(folder / "detector.ncnn.param", torch.get_num_threads())
    return compare_heads(loaded, run, config)


def open_ncnn(path: Path, threads: int) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Return a file of ncnn with heads as a function of one image, on the CPU in float32."""
    ncnn = need("ncnn", "nasface[ncnn]")
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.load_param(str(path))
    net.load_model(str(path.with_suffix(".bin")))

    def run(images: Tensor) -> tuple[Tensor, ...]:
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(images[0].contiguous().numpy()).clone())
        found = [np.array(extractor.extract(name)[1]) for name in ("out0", "out1")]
        return tuple(torch.tensor(each).reshape(1, -1, each.shape[-1]) for each in found)

    return run

"""Train both released detectors at once on one device, within a box of wall time.

    python scripts/gpu/train.py --packs DIR... --teacher FILE --out DIR --seconds 450

Photographs live in the device's memory; crops are drawn and rendered there. Both students see the
same crops, the same assignment of anchors and the same teacher, each in a stream of its own. The
rate follows the wall time, so that training ends with the box whatever the speed. Writes weights
(moving average and last) and ``training.csv``.
"""

import argparse
import csv
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from crops import Batch, CropConfig, compile_rendering, constant, draw_batch
from models import CONFIGS, Grid, Student, as_predictions, make_grid
from photographs import load_photographs
from safetensors.torch import save_file
from teacher import CenterFace
from torch import Tensor, nn

from nasface.data.images import IMAGE_MEAN, IMAGE_STD
from nasface.detection.atss import assign_adaptively
from nasface.detection.detector import build_detector
from nasface.detection.quality_loss import quality_focal, quality_loss
from nasface.nn.blocks import channels_last

STARTED = time.perf_counter()
PARTS = ("classification", "box", "teacher", "positives", "norm")


class Inputs:
    """What a step reads; the same memory in each step, as a CUDA graph wants it."""

    def __init__(self, batch: Batch, owner_BA: Tensor, targets: list[Tensor]) -> None:
        self.tensors = [
            _normalised(batch.images),
            batch.boxes_BM4,
            batch.ignore_BM,
            owner_BA,
            *targets,
        ]

    def update(self, other: "Inputs") -> None:
        """Take over the values of another batch."""
        for mine, its in zip(self.tensors, other.tensors, strict=True):
            mine.copy_(its)


def _normalised(images_B3HW: Tensor) -> Tensor:
    device = images_B3HW.device
    mean, std = (255 * constant(each, device).view(1, 3, 1, 1) for each in (IMAGE_MEAN, IMAGE_STD))
    return ((images_B3HW - mean) / std).contiguous(memory_format=torch.channels_last)


class Trainer:
    """One student with its optimiser, its moving average and its stream."""

    def __init__(self, name: str, options: argparse.Namespace, grid: Grid) -> None:
        self.name, self.options, self.grid = name, options, grid
        self.device = grid.anchors_A4.device
        torch.manual_seed(options.seed)
        student = Student(build_detector(CONFIGS[name], None))
        self.student = channels_last(student.to(self.device)).train()
        self.forward: Callable[..., tuple[Tensor, Tensor, list[Tensor]]] = self.student
        if options.compile:
            self.forward = torch.compile(self.student)
        self.on_gpu = self.device.type == "cuda"
        rate = torch.tensor(0.0, device=self.device) if self.on_gpu else 0.0
        norms_and_biases = [p for p in student.parameters() if p.ndim < 2]
        weights = [p for p in student.parameters() if p.ndim >= 2]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": weights, "weight_decay": options.weight_decay},
                {"params": norms_and_biases, "weight_decay": 0.0},
            ],
            lr=rate,
            betas=(0.9, 0.99),
            fused=self.on_gpu,
            capturable=self.on_gpu,
        )
        self.steps = 0
        self.values = [
            each for each in self.student.detector.state_dict().values() if each.is_floating_point()
        ]
        self.average = [each.detach().clone() for each in self.values]
        self.sums = torch.zeros(len(PARTS), device=self.device)
        self.stream = torch.cuda.Stream() if self.on_gpu else None
        self.done = torch.cuda.Event() if self.on_gpu else None
        self.graph: torch.cuda.CUDAGraph | None = None

    @property
    def finished(self) -> torch.cuda.Event:
        """Recorded behind each step on a GPU."""
        assert self.done is not None
        return self.done

    def loss(self, inputs: Inputs) -> Tensor:
        """The loss of a step; its parts go into ``sums``."""
        images, boxes, ignore, owner, *targets = inputs.tensors
        with torch.autocast(self.device.type, torch.bfloat16, self.on_gpu, cache_enabled=False):
            logits, deltas, notes = self.forward(images)
        predictions = as_predictions(logits, deltas, self.grid)
        found = quality_loss(predictions, owner, boxes, ignore, self.options.box)
        taught = logits.new_zeros((), dtype=torch.float32)
        if targets:
            wrong = [
                quality_focal(note.float(), target).sum()
                for note, target in zip(notes, targets, strict=True)
            ]
            taught = torch.stack(wrong).sum() / torch.stack([t.sum() for t in targets]).sum().clamp(
                min=1.0
            )
        self.parts = (found.classification, found.box, taught, found.positives.float())
        box_weight, teacher_weight = self.options.box_weight, self.options.teacher_weight
        total: Tensor = found.classification + box_weight * found.box + teacher_weight * taught
        return total

    def _step(self, inputs: Inputs) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(inputs).backward()
        norm = nn.utils.clip_grad_norm_(self.student.parameters(), self.options.clip, foreach=True)
        self.optimizer.step()
        self.sums += torch.stack([each.detach() for each in (*self.parts, norm)])

    def prepare(self, inputs: Inputs) -> None:
        """Warm up, and capture the step as a CUDA graph."""
        if not self.on_gpu or not self.options.graph:
            return
        assert self.stream is not None
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            for _ in range(4):
                self._step(inputs)
        torch.cuda.current_stream().wait_stream(self.stream)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self.stream):
            self._step(inputs)
        self.graph = graph
        self.sums.zero_()
        torch.cuda.synchronize()

    def step(self, inputs: Inputs, rate: float) -> None:
        """One step of the optimiser and of the moving average."""
        with torch.cuda.stream(self.stream) if self.stream else nullcontext():
            if self.stream is not None:
                self.stream.wait_stream(torch.cuda.default_stream())
            for group in self.optimizer.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate)
                else:
                    group["lr"] = rate
            if self.graph is not None:
                self.graph.replay()
            else:
                self._step(inputs)
            self.steps += 1
            if self.steps % self.options.average_every == 0:
                self._average()
            if self.done is not None:
                self.done.record()

    @torch.no_grad()
    def _average(self) -> None:
        every = self.options.average_every
        decay = min(self.options.average**every, self.steps / (self.steps + 9 * every))
        torch._foreach_lerp_(self.average, self.values, 1 - decay)

    def save(self, folder: Path, last: bool) -> None:
        """Write the average and, at the end, the last weights."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        state = self.student.detector.state_dict()
        keys = [key for key, each in state.items() if each.is_floating_point()]
        averaged = {**state, **dict(zip(keys, self.average, strict=True))}
        for kind, tensors in (("average", averaged), ("last", state))[: 1 + last]:
            path = folder / f"{self.name}-{kind}.safetensors"
            about = {"steps": str(self.steps), "kind": kind}
            save_file({k: v.cpu().contiguous() for k, v in tensors.items()}, path, about)


class Feed:
    """Draws crops, assigns anchors, asks the teacher."""

    def __init__(self, options: argparse.Namespace, device: torch.device, grid: Grid) -> None:
        self.options, self.device, self.grid = options, device, grid
        self.photographs = load_photographs(options.packs, device, options.threads, options.limit)
        self.config = replace(CropConfig(), size=options.size)
        self.teacher: CenterFace | None = None
        if options.teacher is not None:
            self.teacher = channels_last(CenterFace(options.teacher).to(device))
        if options.compile_crops:
            compile_rendering()

    @torch.no_grad()
    def __call__(self, mosaic: float) -> Inputs:
        """A batch."""
        batch = draw_batch(self.photographs, self.options.batch, self.config, mosaic)
        owner = assign_adaptively(
            self.grid.anchors_A4,
            self.grid.sizes,
            self.grid.strides,
            batch.boxes_BM4,
            batch.exists_BM,
        )
        targets: list[Tensor] = []
        if self.teacher is not None:
            images = batch.images.contiguous(memory_format=torch.channels_last)
            half = self.device.type == "cuda"
            with torch.autocast(self.device.type, torch.bfloat16, half):
                targets = self.teacher(images)
        return Inputs(batch, owner, targets)


def main() -> None:
    """Train, log, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--packs", type=Path, nargs="+", required=True)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--seconds", type=float, required=True, help="from the start of the program"
    )
    parser.add_argument("--models", nargs="+", choices=CONFIGS, default=list(CONFIGS))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument("--warm-up", type=float, default=0.03, help="share of the time")
    parser.add_argument("--mosaic", type=float, default=0.25)
    parser.add_argument("--plain-end", type=float, default=0.15, help="share without mosaics")
    parser.add_argument("--box", choices=["giou", "diou", "ciou"], default="diou")
    parser.add_argument("--box-weight", type=float, default=2.0)
    parser.add_argument("--teacher-weight", type=float, default=0.5)
    parser.add_argument("--clip", type=float, default=10.0)
    parser.add_argument("--average", type=float, default=0.999)
    parser.add_argument("--average-every", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="photographs")
    parser.add_argument("--steps", type=int, default=10**9, help="most steps")
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true", help="the students, by torch.compile")
    parser.add_argument("--compile-crops", action="store_true")
    parser.add_argument("--graph", action="store_true", help="steps as CUDA graphs")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    device = torch.device(options.device)
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    grid = make_grid(CONFIGS[options.models[0]], options.size, device)
    trainers = [Trainer(name, options, grid) for name in options.models]
    torch.manual_seed(options.seed)
    feed = Feed(options, device, grid)
    inputs = feed(options.mosaic)
    for trainer in trainers:
        trainer.prepare(inputs)
        print(f"{trainer.name} ready after {time.perf_counter() - STARTED:.1f} s", flush=True)
    _report_speed(trainers, feed, inputs, options)
    _train(trainers, feed, inputs, options)
    for trainer in trainers:
        trainer.save(options.out, last=True)


def _train(
    trainers: list[Trainer], feed: Feed, inputs: Inputs, options: argparse.Namespace
) -> None:
    """All steps, with their log."""
    begun = time.perf_counter()
    length = STARTED + options.seconds - begun
    on_gpu = feed.device.type == "cuda"
    saved, logged, step = 0, begun, 0
    with (options.out / "training.csv").open("w", newline="") as file:
        log = csv.writer(file)
        log.writerow(["model", "step", "seconds", "rate", "images_per_second", *PARTS])
        while step < options.steps:
            progress = (time.perf_counter() - begun) / length
            if progress >= 1:
                break
            mosaic = options.mosaic if progress < 1 - options.plain_end else 0.0
            fresh = feed(mosaic)
            if on_gpu:
                for trainer in trainers:
                    torch.cuda.default_stream().wait_event(trainer.finished)
            inputs.update(fresh)
            rate = options.rate * _schedule(progress, options.warm_up)
            for trainer in trainers:
                trainer.step(inputs, rate)
            step += 1
            if on_gpu and step % 4 == 0:
                # The program runs ahead of the device by a few steps, no more.
                trainers[0].finished.synchronize()
            if step % options.log_every == 0:
                if on_gpu:
                    torch.cuda.synchronize()
                now = time.perf_counter()
                speed = options.log_every * options.batch / (now - logged)
                logged = now
                for trainer in trainers:
                    parts = (trainer.sums / options.log_every).tolist()
                    trainer.sums.zero_()
                    log.writerow(
                        [
                            trainer.name,
                            step,
                            f"{now - begun:.1f}",
                            f"{rate:.2e}",
                            f"{speed:.0f}",
                            *(f"{each:.5g}" for each in parts),
                        ]
                    )
                    if not all(map(math.isfinite, parts)):
                        raise FloatingPointError(f"{trainer.name}: {parts} at step {step}")
                    if step % (10 * options.log_every) == 0:
                        words = " ".join(f"{n} {v:.4g}" for n, v in zip(PARTS, parts, strict=True))
                        print(
                            f"{now - begun:5.0f} s, step {step}, {speed:.0f} images/s, "
                            f"{trainer.name}: {words}",
                            flush=True,
                        )
                file.flush()
            if progress > 0.25 * (saved + 1):
                saved += 1
                for trainer in trainers:
                    trainer.save(options.out, last=False)
    print(f"{step} steps in {time.perf_counter() - begun:.1f} s", flush=True)


def _report_speed(
    trainers: list[Trainer], feed: Feed, inputs: Inputs, options: argparse.Namespace
) -> None:
    """Print how long a batch and the steps take, each alone; steps have a rate of 0."""
    if feed.device.type != "cuda":
        return
    works: dict[str, Callable[[], object]] = {"batch": lambda: feed(options.mosaic)}
    works |= {each.name: partial(each.step, inputs, 0.0) for each in trainers}
    for name, work in works.items():
        for count in (2, 6):
            torch.cuda.synchronize()
            begun = time.perf_counter()
            for _ in range(count):
                work()
            torch.cuda.synchronize()
            took = (time.perf_counter() - begun) / count
        print(f"{name}: {1000 * took:.1f} ms for {options.batch} crops", flush=True)
    print(f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB at most", flush=True)


def _schedule(progress: float, warm_up: float) -> float:
    """Share of the rate: a linear rise, then half a cosine down to a hundredth."""
    if progress < warm_up:
        return max(progress, 1e-3) / warm_up
    rest = (progress - warm_up) / (1 - warm_up)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, rest)))


if __name__ == "__main__":
    main()

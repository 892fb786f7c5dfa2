"""What the help of commands on detectors, their data and their exports leads with."""

from collections.abc import Mapping
from types import MappingProxyType

from nasface.cli.guide import COMPUTER_OPTIONS, RUN_OPTIONS, Guide

DETECTOR_GUIDES: Mapping[str, Guide] = MappingProxyType(
    {
        "detect": Guide(
            (
                ("Find faces in a folder", "nasface detect holiday/"),
                ("A video, every face above 0.3", "nasface detect clip.mp4 --score-threshold 0.3"),
                (
                    "With a detector of your own",
                    "nasface detect --weights train/best.safetensors --out found photo.jpg",
                ),
            ),
            {
                "common": ("out", "model", "weights", "score-threshold", "config", "json"),
                "inputs and computer": ("frames", "bad-images", "device", "precision"),
                "how the detector is applied": ("inference.longer-side", "inference.preset"),
            },
        ),
        "models": Guide(
            (
                ("List them", "nasface models"),
                ("What one was trained on", "nasface models asfd-nano"),
                ("For a program", "nasface models --json"),
            )
        ),
        "sample": Guide(
            (
                ("500 images to try things on", "nasface sample data"),
                ("A few, small ones", "nasface sample tiny --train 40 --val 10 --max-side 256"),
                ("Other faces in other places", "nasface sample again --seed 1"),
            )
        ),
        "check-data": Guide(
            (
                ("Before the first training", "nasface check-data data"),
                ("Keep the figures and a picture", "nasface check-data data --out checked"),
                ("For a program", "nasface check-data data --json"),
            )
        ),
        "convert": Guide(
            (
                ("For pycocotools, MMDetection and others", "nasface convert data coco --to coco"),
                (
                    "Without a copy of the images",
                    "nasface convert data yolo --to yolo --images link",
                ),
                (
                    "Divide a file into two parts",
                    "nasface convert faces.json data --to wider --val-fraction 0.1",
                ),
            )
        ),
        "train": Guide(
            (
                (
                    "What a search found, on the small sample",
                    "nasface train --config preset:quickstart-train "
                    "--genotype search/genotype.yaml --data data --out train",
                ),
                ("A model by its name", "nasface train --model d0 --data DIR --out train"),
                (
                    "Fine-tune a released detector",
                    "nasface train --config preset:asfd-nano-finetune --data DIR --out tuned",
                ),
            ),
            {
                "common": (*RUN_OPTIONS, "json"),
                "what is trained": (
                    "genotype",
                    "model",
                    "detector.neck",
                    "detector.backbone",
                    "backbone-weights",
                ),
                "how": (
                    "epochs",
                    "batch-size",
                    "optimizer.lr",
                    "augment.size",
                    "evaluate-every",
                ),
                "computer": COMPUTER_OPTIONS,
            },
        ),
        "evaluate": Guide(
            (
                (
                    "Weights, on the validation part",
                    "nasface evaluate --weights train/best.safetensors --data data --out score",
                ),
                (
                    "A released one, by two protocols",
                    "nasface evaluate --weights asfd-nano --data data --also coco",
                ),
                (
                    "Detections made elsewhere, by the protocol of WIDER FACE",
                    "nasface evaluate widerface --detections DIR --data DIR --ground-truth DIR",
                ),
            ),
            {
                "common": (
                    "weights",
                    "detections",
                    "data",
                    "out",
                    "protocol",
                    "also",
                    "split",
                    "ground-truth",
                    "config",
                    "resume",
                    "json",
                ),
                "data and computer": ("data-format", "classes", "exif", "bad-images", "device"),
                "how the detector is applied": ("inference.longer-side", "inference.preset"),
            },
        ),
        "export": Guide(
            (
                (
                    "As ONNX",
                    "nasface export --weights train/best.safetensors --out detector.onnx",
                ),
                ("A released detector for OpenVINO", "nasface export --to openvino --out face"),
                ("A page for the browser", "nasface export --to web --out page"),
            )
        ),
        "quantize": Guide(
            (
                (
                    "A released detector, with AP before and after",
                    "nasface quantize --data wider --out int8.onnx",
                ),
                (
                    "With photographs that have no annotations",
                    "nasface quantize --images holiday --out int8.onnx",
                ),
                (
                    "For OpenVINO",
                    "nasface quantize --data wider --out int8.xml",
                ),
            ),
            {
                "common": ("out", "weights", "data", "images", "overwrite", "json"),
                "how it is quantised": ("calibration", "samples", "reduce-range", "keep-float"),
                "how images are seen": ("longer-side",),
                "what the file gives": ("outputs",),
            },
        ),
        "benchmark": Guide(
            (
                ("Two released detectors", "nasface benchmark asfd-nano asfd-small"),
                (
                    "What was exported",
                    "nasface benchmark face.onnx face/detector.xml --size 320x320",
                ),
                ("With a figure", "nasface benchmark asfd-nano nano.onnx --figure bars.png"),
            )
        ),
        "serve": Guide(
            (
                ("Show a page of export --to web", "nasface serve page"),
                ("At another port", "nasface serve page --port 9000"),
                ("To the whole network", "nasface serve page --host 0.0.0.0"),
            )
        ),
        "cost": Guide(
            (
                ("A model by its name", "nasface cost d0"),
                ("The whole family beside the paper's table", "nasface cost family"),
                ("Weights, at another size", "nasface cost train/best.safetensors --size 320x240"),
            ),
            {
                "common": ("size", "genotype", "config", "json"),
                "the detector": ("backbone", "levels", "channels", "neck", "repeats", "head"),
            },
        ),
        "latency": Guide(
            (
                ("Measure this machine", "nasface latency measure --out table.yaml"),
                (
                    "What a detector takes by the table",
                    "nasface cost search/genotype.yaml --latency table.yaml",
                ),
                (
                    "For another image size",
                    "nasface latency measure --size 320x240 --out small.yaml",
                ),
            )
        ),
        "latency measure": Guide(
            (
                ("The default space on this machine", "nasface latency measure --out table.yaml"),
                (
                    "For another image size",
                    "nasface latency measure --size 320 240 --out small.yaml",
                ),
                (
                    "What a detector takes by the table",
                    "nasface cost search/genotype.yaml --latency table.yaml",
                ),
            ),
            {
                "common": ("out", "config", "json"),
                "what is measured, and how": (
                    "space",
                    "parameters",
                    "size",
                    "engine",
                    "threads",
                    "rounds",
                    "calibrate",
                    "check",
                ),
                "the detector": ("detector.backbone", "detector.channels"),
            },
        ),
        "completion": Guide(
            (
                (
                    "bash",
                    "nasface completion bash > ~/.local/share/bash-completion/completions/nasface",
                ),
                ("zsh, in .zshrc", "source <(nasface completion zsh)"),
                ("fish", "nasface completion fish > ~/.config/fish/completions/nasface.fish"),
            )
        ),
    }
)
"""Words of a command -> its guide."""

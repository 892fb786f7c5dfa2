"""Suppression inside an ONNX graph: the best candidates of each image, then the NMS operator."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from nasface.deploy.onnx_graph.builder import Dimension
from nasface.deploy.parity import InputShapes, ParityDifference, check, random_images
from nasface.deploy.traceable import Graph
from nasface.errors import ExportError
from nasface.inference.onnx_runtime import OUTPUT_NAMES, runner
from nasface.inference.predict import SuppressionConfig, suppress
from nasface.optional import need
from nasface.random_streams import Purpose, torch_seed
from nasface.structures import Candidates

if TYPE_CHECKING:
    import onnx

CANDIDATES = ("candidate_boxes", "candidate_scores")
"""Names under which boxes (B, A, 4) and scores (B, A) enter suppression."""


def suppression_model(
    config: SuppressionConfig,
    opset: int,
    ir_version: int,
    shape: tuple[Dimension, Dimension] = ("batch", "anchors"),
) -> "onnx.ModelProto":
    """Return the model from the candidates of a batch to image (N,), boxes (N, 4) and scores (N,):
    image by image, best first.

    Which boxes stay is decided as in :func:`nasface.detection.boxes.non_maximum_suppression`, ties
    included. ``shape`` is that of the scores, names where it is open.
    """
    # The operator keeps scores above its threshold, we keep those from ours on.
    above = np.nextafter(np.float32(config.score_threshold), np.float32(-1)).item()
    boxes, scores = CANDIDATES
    batch, anchors = shape
    if isinstance(anchors, int):
        number = min(config.pre_nms_top_k, anchors)
        taken = f"nms_taken = Constant <value = int64[1] {{{number}}}> ()"
    else:
        taken = f"""nms_size = Shape ({scores})
            nms_number = Gather <axis = 0> (nms_size, nms_second)
            nms_taken = Min (nms_most, nms_number)"""
    # Inner names begin with nms_, so that no name of the detector's graph is one of them.
    text = f"""
        <ir_version: {ir_version}, opset_import: ["": {opset}]>
        suppression (float[{batch}, {anchors}, 4] {boxes}, float[{batch}, {anchors}] {scores})
            => (int64[found] image, float[found, 4] boxes, float[found] scores)
        <int64[1] nms_most = {{{config.pre_nms_top_k}}},
             int64[1] nms_keep = {{{config.max_detections}}},
         int64[1] nms_first = {{0}}, int64[1] nms_second = {{1}}, int64[1] nms_third = {{2}},
         int64[2] nms_columns = {{0, 2}}>
        {{
            {taken}
            nms_best, nms_order = TopK <axis = 1> ({scores}, nms_taken)
            nms_position = Unsqueeze (nms_order, nms_third)
            nms_pairs = Concat <axis = 2> (nms_position, nms_position)
            nms_positions = Concat <axis = 2> (nms_pairs, nms_pairs)
            nms_boxes = GatherElements <axis = 1> ({boxes}, nms_positions)
            nms_faces = Unsqueeze (nms_best, nms_second)
            nms_kept = NonMaxSuppression (nms_boxes, nms_faces, nms_keep, nms_overlap, nms_above)
            nms_place = Gather <axis = 1> (nms_kept, nms_columns)
            nms_images = Gather <axis = 1> (nms_kept, nms_first)
            image = Squeeze (nms_images, nms_second)
            boxes = GatherND (nms_boxes, nms_place)
            scores = GatherND (nms_best, nms_place)
        }}
    """
    model: onnx.ModelProto = need("onnx.parser", "nasface[export]").parse_model(text)
    # Not as text: the parser of older versions does not read the smallest numbers.
    from_array = need("onnx.numpy_helper", "nasface[export]").from_array
    for name, value in {"nms_overlap": config.nms_iou, "nms_above": above}.items():
        model.graph.initializer.append(from_array(np.array([value], np.float32), name))
    return model


def with_suppression(
    model: "onnx.ModelProto", config: SuppressionConfig, opset: int
) -> "onnx.ModelProto":
    """Return a model that gives candidates, with suppression behind it."""
    scores = model.graph.output[1].type.tensor_type.shape.dim
    shape = tuple(each.dim_value or each.dim_param for each in scores)
    behind = suppression_model(config, opset, model.ir_version, (shape[0], shape[1]))
    merged: onnx.ModelProto = need("onnx.compose", "nasface[export]").merge_models(
        model, behind, io_map=[(name, name) for name in CANDIDATES]
    )
    # The inner sizes that are noted there contradict what some runtimes infer.
    del merged.graph.value_info[:]
    # Merging states the operator set once for each part.
    versions = {each.domain: each.version for each in merged.opset_import}
    del merged.opset_import[:]
    for domain, version in versions.items():
        merged.opset_import.add(domain=domain, version=version)
    return merged


def compare_suppressed(
    detector: nn.Module,
    path: Path,
    config: SuppressionConfig,
    inputs: InputShapes,
    tolerance: float,
) -> ParityDifference:
    """Return the greatest difference of a file's candidates from the detector's.

    A difference in the last digit may turn the order of two candidates. So suppression is compared
    on the file's own candidates, and on random ones, where it must agree to the last digit.

    Raises:
        ExportError: if candidates or suppression do not agree.
    """
    model: onnx.ModelProto = need("onnx", "nasface[export]").load(path)
    name_output = need("onnx.helper", "nasface[export]").make_empty_tensor_value_info
    model.graph.output.extend(name_output(name) for name in CANDIDATES)
    whole = runner(model.SerializeToString(), (*CANDIDATES, *OUTPUT_NAMES["detections"]))
    found = check(
        Graph(detector, "boxes"),
        lambda images: whole(images)[:2],
        ("boxes", "scores"),
        inputs,
        tolerance=tolerance,
    )
    for height, width, batch in inputs:
        boxes, scores, *kept = whole(random_images(batch, height, width))
        _same(Candidates(boxes, scores), kept, config, f"at {height}x{width}, batch {batch}")
    opset, ir_version = model.opset_import[0].version, model.ir_version
    alone = suppression_model(config, opset, ir_version).SerializeToString()
    behind = runner(alone, OUTPUT_NAMES["detections"], CANDIDATES)
    for number in (1, 100, 2000):
        candidates = random_candidates(number)
        _same(candidates, list(behind(*candidates)), config, f"of {number} random candidates")
    return found


def random_candidates(number: int, batch: int = 4) -> Candidates:
    """Return boxes that overlap often, some of them twice, and scores, some of them equal."""
    generator = torch.Generator().manual_seed(torch_seed(0, Purpose.PARITY, number))
    low = torch.rand(batch, number, 2, generator=generator) * 200
    boxes = torch.cat([low, low + 5 + 60 * torch.rand(batch, number, 2, generator=generator)], 2)
    scores = torch.rand(batch, number, generator=generator)
    half = number // 2
    scores[:, :half] = (scores[:, :half] * 50).round() / 50
    boxes[:, : half // 2] = boxes[:, half : half + half // 2]
    return Candidates(boxes, scores)


def _same(
    candidates: Candidates, kept: list[Tensor], config: SuppressionConfig, where: str
) -> None:
    image_N, boxes_N4, scores_N = kept
    for at in range(len(candidates.scores_BA)):
        ours, theirs = suppress(candidates, config, at), image_N == at
        if not (
            torch.equal(ours.boxes_N4, boxes_N4[theirs])
            and torch.equal(ours.scores_N, scores_N[theirs])
        ):
            raise ExportError(f"suppression {where} keeps other boxes than the detector's")

import random
from fractions import Fraction

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nasface.detection import matching
from nasface.detection.matching import BACKGROUND, IGNORED, MatchConfig, match
from nasface.errors import ConfigError
from nasface.structures import Targets

Box = tuple[int, int, int, int]


@st.composite
def grid_boxes(draw: st.DrawFn, least: int = 0) -> Box:
    x1, y1 = draw(st.integers(0, 9)), draw(st.integers(0, 9))
    return x1, y1, x1 + draw(st.integers(least, 6)), y1 + draw(st.integers(least, 6))


anchor_lists = st.lists(grid_boxes(1), max_size=14)
face_lists = st.lists(st.tuples(grid_boxes(), st.booleans()), max_size=7)
configs = st.builds(
    MatchConfig,
    positive=st.sampled_from([0.4, 0.75, 1.0]),
    min_anchors_per_face=st.sampled_from([0, 1, 3, 6]),
    compensation_iou=st.sampled_from([0.1, 0.25]),
)


def tensor(boxes: list[Box]) -> Tensor:
    return torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)


def targets(faces: list[tuple[Box, bool]]) -> Targets:
    flags = torch.tensor([ignore for _, ignore in faces], dtype=torch.bool)
    return Targets(tensor([box for box, _ in faces]), flags)


def size(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def shared(a: Box, b: Box) -> int:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(0, width) * max(0, height)


def overlap(a: Box, b: Box) -> Fraction:
    union = size(a) + size(b) - shared(a, b)
    return Fraction(shared(a, b), union) if union else Fraction(0)


def wanted(faces: list[tuple[Box, bool]]) -> list[int]:
    return [at for at, (box, ignore) in enumerate(faces) if not ignore and size(box)]


def most_served(anchors: list[Box], faces: list[tuple[Box, bool]]) -> int:
    """The largest number of faces that can have an anchor of their own."""
    graph: nx.Graph[tuple[str, int]] = nx.Graph()
    graph.add_nodes_from(("face", face) for face in wanted(faces))
    for face in wanted(faces):
        for at, anchor in enumerate(anchors):
            if shared(anchor, faces[face][0]):
                graph.add_edge(("face", face), ("anchor", at))
    tops = [("face", face) for face in wanted(faces)]
    return len(nx.bipartite.maximum_matching(graph, tops)) // 2


def own_anchors(anchors: list[Box], faces: list[tuple[Box, bool]]) -> dict[int, int] | None:
    """Rule 1 in rounds, or None where a face comes out without an anchor."""
    result: dict[int, int] = {}
    waiting = wanted(faces)
    while waiting:
        wishes: dict[int, list[int]] = {}
        for face in waiting:
            free = [at for at in range(len(anchors)) if at not in result]
            free = [at for at in free if shared(anchors[at], faces[face][0])]
            if not free:
                return None
            best = max(free, key=lambda at: (overlap(anchors[at], faces[face][0]), -at))
            wishes.setdefault(best, []).append(face)
        for at, rivals in wishes.items():
            result[at] = max(rivals, key=lambda f: (overlap(anchors[at], faces[f][0]), -f))
        waiting = [face for face in waiting if face not in result.values()]
    return result


def naive_match(
    anchors: list[Box], faces: list[tuple[Box, bool]], config: MatchConfig
) -> list[int] | None:
    """The rules, one anchor and one face after the other."""
    own = own_anchors(anchors, faces)
    if own is None:
        return None
    positive = Fraction(str(config.positive))
    result = []
    for at, anchor in enumerate(anchors):
        near = [face for face in wanted(faces) if overlap(anchor, faces[face][0]) >= positive]
        best = max(near, key=lambda f: (overlap(anchor, faces[f][0]), -f), default=BACKGROUND)
        result.append(own.get(at, best))
    if config.min_anchors_per_face:
        for face in wanted(faces):
            ranked = sorted(
                range(len(anchors)), key=lambda at: (-overlap(anchors[at], faces[face][0]), at)
            )
            for at in ranked:
                enough = overlap(anchors[at], faces[face][0]) > Fraction(
                    str(config.compensation_iou)
                )
                if (
                    result.count(face) < config.min_anchors_per_face
                    and result[at] == BACKGROUND
                    and enough
                ):
                    result[at] = face
    for at, anchor in enumerate(anchors):
        for box, ignore in faces:
            inside = Fraction(shared(anchor, box), size(anchor)) >= Fraction(1, 2)
            if ignore and result[at] == BACKGROUND:
                result[at] = IGNORED if inside or overlap(anchor, box) >= positive else BACKGROUND
    return result


@settings(max_examples=200, deadline=None)
@given(anchor_lists, face_lists, configs)
def test_match_equals_the_loops(
    anchors: list[Box], faces: list[tuple[Box, bool]], config: MatchConfig
) -> None:
    face_A = match(tensor(anchors), targets(faces), config).face_A
    assert face_A.dtype == torch.int64
    expected = naive_match(anchors, faces, config)
    if expected is not None:
        assert face_A.tolist() == expected


@settings(deadline=None)
@given(st.integers(0, 2**32), configs)
def test_match_equals_the_loops_in_crowds(seed: int, config: MatchConfig) -> None:
    generator = random.Random(seed)

    def draw() -> Box:
        x, y = generator.randrange(8), generator.randrange(8)
        return x, y, x + generator.randint(3, 6), y + generator.randint(3, 6)

    anchors = [draw() for _ in range(40)]
    faces = [(draw(), generator.random() < 0.2) for _ in range(8)]
    expected = naive_match(anchors, faces, config)
    assert expected is not None
    assert match(tensor(anchors), targets(faces), config).face_A.tolist() == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(grid_boxes(1), max_size=6), st.lists(grid_boxes(), max_size=9))
def test_as_many_faces_as_possible_have_an_anchor(anchors: list[Box], boxes: list[Box]) -> None:
    faces = [(box, False) for box in boxes]
    face_A = match(tensor(anchors), targets(faces), MatchConfig()).face_A.tolist()
    assert len(set(face_A) - {BACKGROUND}) == most_served(anchors, faces)
    for at, face in enumerate(face_A):
        assert face == BACKGROUND or shared(anchors[at], boxes[face])


def test_of_two_faces_the_closer_one_has_the_anchor() -> None:
    anchors = [(0, 0, 10, 10), (0, 5, 10, 15)]
    faces = [((0, 0, 10, 9), False), ((0, 0, 10, 10), False)]  # IoU .9 and 1, .36 and .33
    config = MatchConfig(positive=1.0)
    assert match(tensor(anchors), targets(faces), config).face_A.tolist() == [1, 0]


def test_thresholds_include_positive_and_exclude_compensation() -> None:
    face = [((0, 0, 10, 10), False)]
    anchors = [(0, 0, 10, 10), (0, 0, 10, 4), (0, 0, 1, 10), (0, 0, 11, 1)]  # IoU 1, .4, .1, < .1
    config = MatchConfig(min_anchors_per_face=6)
    assert match(tensor(anchors), targets(face), config).face_A.tolist() == [0, 0, -1, -1]


def test_an_anchor_larger_than_an_ignored_face_is_ignored_by_its_overlap() -> None:
    anchors = [(0, 0, 10, 10), (0, 0, 11, 10)]
    ignored = [((0, 0, 10, 4), True)]  # IoU .4 and less
    assert match(tensor(anchors), targets(ignored), MatchConfig()).face_A.tolist() == [IGNORED, -1]


def test_a_face_moves_on_for_one_that_has_no_other_anchor() -> None:
    anchors = [(0, 0, 4, 4), (4, 0, 8, 4)]
    faces = [((0, 0, 5, 4), False), ((0, 0, 1, 1), False)]  # the first overlaps both anchors
    assert match(tensor(anchors), targets(faces), MatchConfig()).face_A.tolist() == [1, 0]


def test_a_long_row_of_faces_moves_on() -> None:
    # Face k overlaps anchors k and k + 1, more of the former; the last face has the first only.
    anchors = [(4 * k, 0, 4 * k + 4, 4) for k in range(1201)]
    faces = [((4 * k, 0, 4 * k + 5, 4), False) for k in range(1200)] + [((0, 0, 1, 1), False)]
    face_A = match(tensor(anchors), targets(faces), MatchConfig()).face_A.tolist()
    assert face_A == [1200, *range(1200)]


def test_identical_faces_take_neighbouring_anchors() -> None:
    anchors = [(k, 0, k + 40, 40) for k in range(30)]
    faces = [((0, 0, 40, 40), False)] * 30
    face_A = match(tensor(anchors), targets(faces), MatchConfig()).face_A.tolist()
    assert face_A == list(range(30))


def test_a_small_face_gets_its_best_anchor_and_compensation_more() -> None:
    anchors = [(0, 0, 10, 10), (1, 0, 11, 10), (2, 0, 12, 10), (30, 0, 40, 10)]
    face = [((0, 0, 4, 4), False), ((30, 5, 37, 10), False)]  # IoU .16, .12 and .08; .35
    plain = match(tensor(anchors), targets(face), MatchConfig()).face_A.tolist()
    assert plain == [0, BACKGROUND, BACKGROUND, 1]
    more = match(
        tensor(anchors), targets(face), MatchConfig(min_anchors_per_face=6)
    ).face_A.tolist()
    assert more == [0, 0, BACKGROUND, 1]


def test_anchors_in_an_ignored_face_are_neither() -> None:
    anchors = [(0, 0, 4, 4), (8, 0, 12, 4), (9, 0, 13, 4), (20, 20, 24, 24)]
    faces = [((0, 0, 10, 10), True), ((0, 0, 4, 5), False), ((19, 19, 25, 25), True)]
    face_A = match(tensor(anchors), targets(faces), MatchConfig()).face_A.tolist()
    assert face_A == [1, IGNORED, BACKGROUND, IGNORED]


def test_nothing_to_match() -> None:
    nobody = targets([])
    assert match(tensor([(0, 0, 4, 4)]), nobody, MatchConfig()).face_A.tolist() == [BACKGROUND]
    flat = targets([((2, 2, 2, 9), False), ((3, 3, 3, 3), True)])
    anchors = tensor([(0, 0, 4, 4)])
    assert match(anchors, flat, MatchConfig(min_anchors_per_face=6)).face_A.tolist() == [BACKGROUND]
    someone = targets([((0, 0, 4, 4), False), ((0, 0, 4, 4), True)])
    assert match(tensor([]), someone, MatchConfig(min_anchors_per_face=6)).face_A.shape == (0,)


def test_result_does_not_depend_on_how_pairs_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(230, 2, generator=generator) * 100
    boxes = torch.cat([corner, corner + 5 + torch.rand(230, 2, generator=generator) * 20], dim=1)
    faces = Targets(boxes[200:], torch.arange(30) % 3 == 0)
    config = MatchConfig(min_anchors_per_face=4)
    at_once = match(boxes[:200], faces, config).face_A
    assert {BACKGROUND, IGNORED} < set(at_once.tolist())
    for pairs in (1, 450):
        monkeypatch.setattr(matching, "_PAIRS_AT_ONCE", pairs)
        assert torch.equal(match(boxes[:200], faces, config).face_A, at_once)


@pytest.mark.parametrize(
    "values", [(0.0, 0, 0.1), (1.1, 0, 0.1), (0.4, -1, 0.1), (0.4, 0, 0.5), (0.4, 0, 0.0)]
)
def test_settings_out_of_range(values: tuple[float, int, float]) -> None:
    with pytest.raises(ConfigError, match="expected 0 < compensation_iou <= positive <= 1"):
        MatchConfig(positive=values[0], min_anchors_per_face=values[1], compensation_iou=values[2])


@pytest.mark.parametrize("negative", [0.0, 0.5, -1.0])
def test_negative_out_of_range(negative: float) -> None:
    with pytest.raises(ConfigError, match=f"negative: {negative} is not above 0 and at most"):
        MatchConfig(negative=negative)


def test_anchors_between_the_thresholds_are_ignored() -> None:
    # IoU of a 10 x 10 face with itself shifted right by d is (10 - d) / (10 + d).
    shifts = torch.tensor([0.0, 3.0, 4.0, 5.0, 6.0, 9.0])
    anchors = torch.tensor([[0.0, 0.0, 10.0, 10.0]]).repeat(6, 1)
    anchors[:, [0, 2]] += shifts[:, None]
    face = Targets(torch.tensor([[0.0, 0.0, 10.0, 10.0]]), torch.tensor([False]))
    overlaps = ((10 - shifts) / (10 + shifts)).tolist()
    found = match(anchors, face, MatchConfig(positive=0.5, negative=0.3)).face_A.tolist()
    expected = [0 if o >= 0.5 else IGNORED if o >= 0.3 else BACKGROUND for o in overlaps]
    assert found == expected == [0, 0, IGNORED, IGNORED, BACKGROUND, BACKGROUND]

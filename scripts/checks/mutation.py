"""Changes one place of a module at a time and sees whether the tests of the module notice.

    python scripts/checks/mutation.py --most 60 --seed 0 --csv survivors.csv

A mutant has one operator, constant, condition, argument, slice, function or statement exchanged or
removed. The tests that mirror its module run on it until one fails; a mutant that none of them
notices survives, for want of a test or because the change makes no difference. Of a module with
more than ``--most`` mutants a random sample is tried. Each runs in a fork of a process that has
collected the tests; one that takes five times the processor time of the module itself counts as
noticed. Examples of property tests are the same every time.
"""

import argparse
import ast
import copy
import csv
import os
import random
import resource
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, Phase, settings

ROOT = Path(__file__).resolve().parents[2]

MODULES = {
    "nasface.nas.derive": "nas/test_derive.py",
    "nasface.detection.boxes": "detection/test_boxes.py",
    "nasface.detection.losses": "detection/test_losses.py",
    "nasface.metrics.average_precision": "metrics/test_average_precision.py",
    "nasface.metrics.widerface": "metrics/test_widerface.py",
    "nasface.metrics.fddb": "metrics/test_fddb.py",
}
"""Module -> the file below ``tests`` that mirrors it."""

OPERATORS: dict[type[ast.AST], Any] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
"""What takes the place of an operator."""

_PAIRS = "min max, minimum maximum, argmin argmax, any all, sin cos, floor ceil, degrees radians"
NAMES = {
    one: other
    for pair in _PAIRS.split(", ")
    for one, other in (pair.split(), reversed(pair.split()))
}
"""What takes the place of a function."""


@dataclass(frozen=True)
class Mutant:
    """A module with one change: its code, the line, and the place before and after."""

    code: types.CodeType
    line: int
    before: str
    after: str


def mutants(source: str, file: str) -> list[Mutant]:
    """Return all mutants of a module, in the order of its text."""
    tree = ast.parse(source)
    found = []
    for parent, field, at in list(_places(tree)):
        node = getattr(parent, field) if at is None else getattr(parent, field)[at]
        for other in _variants(node, is_condition=field in ("test", "ifs")):
            new = ast.fix_missing_locations(ast.copy_location(other, node))
            _put(parent, field, at, new)
            code = compile(tree, file, "exec")
            found.append(Mutant(code, node.lineno, ast.unparse(node), ast.unparse(new)))
            _put(parent, field, at, node)
    return found


def _put(parent: ast.AST, field: str, at: int | None, node: ast.AST) -> None:
    if at is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[at] = node


def _places(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Yield where code stands below a node; types, decorators, and texts of no consequence are left
    out."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        listed = isinstance(value, list)
        for at, child in enumerate(value if listed else [value]):
            if not isinstance(child, ast.AST) or _is_idle(node, child):
                continue
            if isinstance(child, ast.expr | ast.stmt):
                yield node, field, at if listed else None
            yield from _places(child)


def _is_idle(parent: ast.AST, child: ast.AST) -> bool:
    """Return whether a node is a docstring, words around the values of a message, or a value of a
    Literal."""
    is_text = isinstance(child, ast.Constant) and isinstance(child.value, str)
    is_literal = isinstance(child, ast.Subscript) and ast.unparse(child.value) == "Literal"
    return is_literal or (is_text and isinstance(parent, ast.Expr | ast.JoinedStr))


def _variants(node: ast.AST, is_condition: bool) -> Iterator[Any]:
    """Yield what may stand in the place of an expression or statement."""
    match node:
        case ast.Compare(ops=operators):
            for at, each in enumerate(operators):
                others = [*operators[:at], OPERATORS[type(each)](), *operators[at + 1 :]]
                yield _but(node, "ops", others)
        case ast.BinOp(op=operator) | ast.BoolOp(op=operator) | ast.AugAssign(op=operator):
            if type(operator) in OPERATORS:
                yield _but(node, "op", OPERATORS[type(operator)]())
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(value=str()):
            yield ast.Constant("X")
        case ast.Name(id=name) if name in NAMES:
            yield _but(node, "id", NAMES[name])
        case ast.Attribute(attr=name) if name in NAMES:
            yield _but(node, "attr", NAMES[name])
        case ast.Call(keywords=keywords):
            for at in range(len(keywords)):
                yield _but(node, "keywords", [*keywords[:at], *keywords[at + 1 :]])
        case ast.Slice():
            for bound in ("lower", "upper", "step"):
                if getattr(node, bound) is not None:
                    yield _but(node, bound, None)
        case ast.Raise() | ast.Continue() | ast.Break():
            yield ast.Pass()
    if is_condition and isinstance(node, ast.expr) and not isinstance(node, ast.Compare):
        yield ast.UnaryOp(ast.Not(), node)


def _but(node: ast.AST, field: str, value: object) -> ast.AST:
    other = copy.copy(node)
    setattr(other, field, value)
    return other


class MutationPlugin:
    """A plugin of pytest that runs the tests of a module on mutants instead of once."""

    def __init__(self, name: str, most: int, seed: int) -> None:
        self.name, self.most, self.seed = name, most, seed
        self.file = ROOT / Path(*name.split(".")).with_suffix(".py")
        self.count = 0
        self.tried: list[Mutant] = []
        self.alive: list[Mutant] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests in the place of pytest's own loop."""
        source = self.file.read_text("utf-8")
        before = seconds()
        if self.notices(session, compile(source, str(self.file), "exec"), 600):
            raise SystemExit(f"{MODULES[self.name]}: fails on the module as it is")
        limit = int(5 * (seconds() - before)) + 5
        every = mutants(source, str(self.file))
        self.count = len(every)
        self.tried = random.Random(self.seed).sample(every, min(self.most, len(every)))
        self.alive = [each for each in self.tried if not self.notices(session, each.code, limit)]
        self.alive.sort(key=lambda each: each.line)
        return True

    def notices(self, session: pytest.Session, code: types.CodeType, limit: int) -> bool:
        """Return whether tests fail with other code, or take ``limit`` seconds of processor
        time."""
        child = os.fork()
        if child:
            return os.waitpid(child, 0)[1] != 0
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
            self.exchange(code)
            for item, following in zip(session.items, [*session.items[1:], None], strict=True):
                reports = runtestprotocol(item, log=False, nextitem=following)
                if any(report.failed for report in reports):
                    os._exit(1)
            os._exit(0)
        finally:
            os._exit(1)

    def exchange(self, code: types.CodeType) -> None:
        """Put the names of a module with other code wherever the names of the module are."""
        old = sys.modules[self.name]
        new = types.ModuleType(self.name)
        new.__file__ = str(self.file)
        sys.modules[self.name] = new
        exec(code, new.__dict__)
        # What the module imports is the same in both.
        own = {
            name: value
            for name, value in vars(old).items()
            if not name.startswith("__") and value is not vars(new).get(name)
        }
        for module in list(sys.modules.values()):
            for name, value in own.items():
                if module is not old and vars(module).get(name) is value:
                    setattr(module, name, vars(new).get(name))


def seconds() -> float:
    """Return the processor time of the forks so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Try the modules, print what became of their mutants and list those that survived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", default=list(MODULES), help="all by default")
    parser.add_argument("--most", type=int, default=60, help="mutants of a module that are tried")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--csv", type=Path, help="file for the survivors")
    options = parser.parse_args()
    if unknown := set(options.modules) - MODULES.keys():
        parser.error(f"unknown: {', '.join(unknown)}; expected some of {', '.join(MODULES)}")
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutation")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # that of hypothesis would undo the profile
    survivors = []
    for name in options.modules:
        before, plugin = seconds(), MutationPlugin(name, options.most, options.seed)
        words = ["-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:capture"]
        pytest.main([*words, str(ROOT / "tests" / MODULES[name])], plugins=[plugin])
        tried, alive = len(plugin.tried), len(plugin.alive)
        print(
            f"{name}: {plugin.count} mutants, {tried} tried, {tried - alive} noticed, {alive} "
            f"survived; {seconds() - before:.0f} s of processor time",
            flush=True,
        )
        for each in plugin.alive:
            print(f"  line {each.line}: {each.before}  ->  {each.after}", flush=True)
            survivors.append((name, each.line, each.before, each.after))
    if options.csv is not None:
        with options.csv.open("w", newline="", encoding="utf-8") as rows:
            csv.writer(rows).writerows([("module", "line", "before", "after"), *survivors])


if __name__ == "__main__":
    main()

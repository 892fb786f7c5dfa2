"""The console command ``nasface``: a verb, then the verb's options."""

import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import nasface
from nasface.cli.detail import detail, take_detail
from nasface.engine.malloc import keep_freed_memory
from nasface.errors import NasfaceError, one_of
from nasface.registry import EXTENSIONS, import_extensions

VERBS: Mapping[str, str] = MappingProxyType(
    {
        "detect": "find faces in images, draw and list them",
        "models": "list the released detectors, or print the card of one",
        "sample": "write a small data set of real faces to try things on",
        "check-data": "look for what is wrong with a data set",
        "convert": "write a data set in another form: COCO, YOLO, Pascal VOC, ...",
        "presets": "list the files of settings that come with nasface, or print one",
        "search": "search an architecture on a data set",
        "derive": "write the genotype of a search, at its end or at any epoch",
        "genotype": "import, export, show, validate and compare genotypes",
        "train": "train the detector of a genotype",
        "compare": "search, train and evaluate the methods of a plan over several seeds",
        "tune": "tune settings of training by successive halving",
        "evaluate": "score weights or detections; widerface and fddb: by the official protocols",
        "plot": "draw the curves of evaluations in one figure",
        "report": "write a report of runs, side by side, as one HTML file",
        "export": "write a detector for another runtime, or as a page for the browser",
        "quantize": "write a detector as ONNX that computes with 8-bit integers",
        "benchmark": "latency and memory of exported detectors, side by side",
        "serve": "show a detector's page in the browser",
        "draw": "draw a genotype, what two share, or how the choices of a search moved",
        "cost": "parameters and multiply-adds of a detector",
        "completion": "print what makes a shell complete these commands and their options",
        "latency": "measure how long the parts of detectors take on this machine",
    }
)
"""Verb -> what it does, in the order in which a newcomer meets them; each is nasface.cli.<verb>,
with _ for -."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code: 0 done, 2 for a user's mistake, 130 after Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output (`head`, say) has seen enough; Python must not flush to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _run(words: list[str]) -> int:
    words = take_detail(words)
    if not words or words[0] in ("-h", "--help", "--help-all"):
        print(_usage())
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        print(nasface.__version__)
        return 0
    if words[0] == "--import":
        if len(words) < 2:
            return _fail("nasface: --import: is missing a name; expected that of a module")
        # Worker processes read it, too. A console script does not look for modules where it runs.
        os.environ[EXTENSIONS] = ",".join(filter(None, (os.environ.get(EXTENSIONS), words[1])))
        sys.path.insert(0, "")
        return _run(words[2:])
    verb = words[0]
    if verb not in VERBS:
        return _fail(f"nasface: unknown command {verb!r}; expected {one_of(verb, VERBS)}")
    keep_freed_memory()
    warnings.showwarning = _show_warning
    try:
        import_extensions()
        code: int = importlib.import_module(f"nasface.cli.{verb.replace('-', '_')}").run(words[1:])
    except NasfaceError as error:
        if detail() == "verbose":
            traceback.print_exc()
        # An error of a data worker arrives with the worker's traceback in front of its message.
        message = str(error).rstrip().splitlines()[-1].removeprefix(f"{_name(error)}: ")
        return _fail(f"nasface {verb}: {message}")
    except BrokenPipeError:
        raise
    except OSError as problem:  # a disk that is full, say, where no command speaks of it
        where = problem.filename2 or problem.filename
        message = problem.strerror or str(problem)
        return _fail(f"nasface {verb}: {f'{where}: ' if where else ''}{message}")
    except KeyboardInterrupt:
        return _fail(f"nasface {verb}: interrupted", code=130)
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else 2
    return code


def _usage() -> str:
    lines = "\n".join(f"  {verb:<11} {what}" for verb, what in VERBS.items())
    return (
        "usage: nasface [--import MODULE] COMMAND [options]\n\n"
        "Differentiable architecture search for face detectors.\n\n"
        f"{lines}\n\n"
        "`nasface COMMAND --help` shows examples and options of a command. With every command:\n"
        "--quiet, --verbose; alone: -V for the version. --import imports a module of yours first,\n"
        "which registers operations, policies and more (see docs/extending.md)."
    )


def _show_warning(
    message: Warning | str, category: type[Warning], *_: object, **__: object
) -> None:
    """Print what a user should know on one line, without the place in our code."""
    kind = "note" if issubclass(category, FutureWarning) else category.__name__
    print(f"{kind}: {message}", file=sys.stderr)


def _name(error: Exception) -> str:
    return f"{type(error).__module__}.{type(error).__name__}"


def _fail(message: str, code: int = 2) -> int:
    print(message, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

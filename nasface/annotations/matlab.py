"""Read MATLAB files of level 5, as far as annotations need them: numbers, text and cell arrays.

After "MAT-File Format" (The MathWorks). Every length is checked against the bytes that are there,
and nothing but numbers, text and cells is made of them. ``scipy.io.loadmat`` is not used: there, a
damaged file can crash the whole process (seen with scipy 1.17.1); here it is a ``ValueError``.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from types import MappingProxyType
from typing import Any

import numpy as np

_HEADER = 128
_MAX_BYTES = 64 * 2**20
_MAX_PARTS = 100_000
_DEEPEST = 8
_MATRIX, _COMPRESSED = 14, 15
_CELL, _CHAR = 1, 4
_NUMERIC = range(6, 16)
_STORED = MappingProxyType(
    {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
)
_TEXT = MappingProxyType({2: "utf-8", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"})


def read_matlab(data: bytes) -> dict[str, Any]:
    """Return the variables in the bytes of a file: name -> value.

    Numbers become float64 arrays in their shape, text a ``str``, a cell array the list of its
    elements in MATLAB's order (the first index runs fastest), anything else None.

    Raises:
        ValueError: if the bytes are not such a file, or are damaged.
    """
    mark = data[126:128]
    if mark not in (b"IM", b"MI"):
        raise ValueError("no MATLAB file of level 5")
    order = "<" if mark == b"IM" else ">"
    found: dict[str, Any] = {}
    for kind, content in _elements(memoryview(data)[_HEADER:], order):
        if kind == _COMPRESSED:
            found.update(_variable(*each, order) for each in _elements(_inflate(content), order))
        else:
            found.update([_variable(kind, content, order)])
    return found


def _inflate(content: memoryview) -> memoryview:
    stream = zlib.decompressobj()
    try:
        whole = stream.decompress(content, _MAX_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not stream.eof:
        raise ValueError("compressed data is cut short or too large")
    return memoryview(whole)


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yield the type and content of the elements that lie one behind the other."""
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            raise ValueError("an element is cut short")
        kind, size = struct.unpack_from(order + "II", data, at)
        start, end = at + 8, at + 8 + size
        at = end if kind == _COMPRESSED else end + -size % 8
        if kind >> 16:  # up to four bytes, within the tag
            kind, size = kind & 0xFFFF, kind >> 16
            start, end, at = start - 4, start - 4 + size, start
            if size > 4:
                raise ValueError("a small element has more than four bytes")
        if end > len(data):
            raise ValueError("an element is cut short")
        yield kind, data[start:end]


def _variable(kind: int, content: memoryview, order: str, depth: int = 0) -> tuple[str, Any]:
    """Return the name and value of an array."""
    if kind != _MATRIX or depth > _DEEPEST:
        raise ValueError("something other than an array, or too deep")
    if not len(content):  # an empty cell
        return "", np.empty((0, 0))
    parts = list(islice(_elements(content, order), _MAX_PARTS))
    if len(parts) < 3 or len(parts[0][1]) != 8:
        raise ValueError("an array without its description")
    sort = struct.unpack_from(order + "I", parts[0][1])[0] & 0xFF
    shape = [int(each) for each in np.frombuffer(_whole(parts[1][1], 4), order + "i4")]
    if len(shape) < 2 or min(shape) < 0:
        raise ValueError("an array without a shape")
    name = bytes(parts[2][1]).decode("ascii")
    return name, _value(sort, shape, parts[3:], order, depth)


def _value(
    sort: int, shape: list[int], parts: list[tuple[int, memoryview]], order: str, depth: int
) -> Any:
    count = math.prod(shape)
    if sort == _CELL:
        if len(parts) != count:
            raise ValueError("a cell array with other than its number of elements")
        return [_variable(*part, order, depth + 1)[1] for part in parts]
    if sort not in (_CHAR, *_NUMERIC):
        return None
    if not parts:
        raise ValueError("an array without its values")
    kind, content = parts[0]
    if sort == _CHAR:
        if kind not in _TEXT:
            raise ValueError("text of an unknown kind")
        coding = _TEXT[kind] + {"<": "-le", ">": "-be"}[order] * (kind not in (2, 16))
        return bytes(content).decode(coding)
    if kind not in _STORED:
        raise ValueError("numbers of an unknown kind")
    stored = np.dtype(order + _STORED[kind])
    values = np.frombuffer(_whole(content, stored.itemsize), stored)
    if len(values) != count:
        raise ValueError("an array with other than its number of values")
    return values.astype(np.float64).reshape(shape, order="F")


def _whole(content: memoryview, size: int) -> memoryview:
    if len(content) % size:
        raise ValueError("half a number")
    return content

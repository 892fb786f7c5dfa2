"""The structure of JPEG files (ITU-T T.81, annex B): where a picture ends and whether it is whole.

A file is a chain of segments, most of which state their length. Only the coded data of a scan do
not: they go on to the next marker. Phones and cameras write more behind the end marker (a film, a
depth map, notes of the maker), in which the bytes of any marker may occur by chance.
"""

import io
import re
import warnings
from dataclasses import dataclass, field

from PIL import Image

JPEG_START, END = b"\xff\xd8", b"\xff\xd9"
_END, _SCAN, _RESTART_INTERVAL = 0xD9, 0xDA, 0xDD
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_BARE = frozenset((0x01, *range(0xD0, 0xD9)))
"""Markers without a length: TEM, RST0 to RST7, SOI."""
# A byte 0xFF of the coded data is followed by 0; restart markers lie between them.
_AFTER_SCAN = re.compile(rb"\xff(?:[^\x00\xd0-\xd7]|\Z)", re.DOTALL)
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
# Every bit of the first is the opposite of the second's, so coded data that are not whole go on in
# different ways; the third makes it less likely that both ways look the same. None has a byte 0xFF,
# which would begin a marker.
_FILLINGS = (b"\x2a" * 64, b"\xd5" * 64, bytes(range(0, 255, 4)))


def whole_jpeg(data: bytes) -> bytes | None:
    """Return the picture in ``data``, from its start to its end marker; None if it is cut short.

    What follows the end marker is left out. An end marker is added where it alone is missing.
    ``data`` starts with ``START``.
    """
    layout = _walk(data)
    if layout.is_closed:
        return data[: layout.end] + END
    return data[: layout.end] + END if _has_all_data(data, layout) else None


def has_all_data(data: bytes) -> bool:
    """Tell whether the coded data of a JPEG reach the last pixel, by decoding it several times.

    Programs that save what is left of a file close it by an end marker, so that ``whole_jpeg``
    takes it; the missing part is then grey.
    """
    return _has_all_data(data, _walk(data))


@dataclass
class _Layout:
    """Where the parts of a picture lie.

    ``end`` is where the end marker is or should be, ``scan`` where the coded data of the last scan
    begin (0 without a scan), ``bits_left`` (component, coefficient) -> the bits that no scan has
    sent yet.
    """

    end: int = len(JPEG_START)
    is_closed: bool = False
    scan: int = 0
    is_progressive: bool = False
    has_restarts: bool = False
    components: frozenset[int] = frozenset()
    bits_left: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def has_all_scans(self) -> bool:
        seen = {component for component, coefficient in self.bits_left if coefficient == 0}
        return self.scan > 0 and self.components <= seen and not any(self.bits_left.values())


def _walk(data: bytes) -> _Layout:
    layout = _Layout()
    at = len(JPEG_START)
    while True:
        at = data.find(b"\xff", at)
        while 0 <= at < len(data) and data[at] == 0xFF:  # fill bytes may stand before a marker
            at += 1
        if not 0 <= at < len(data):
            return layout
        marker = data[at]
        at += 1
        if marker == _END:
            layout.end, layout.is_closed = at - len(END), True
            return layout
        if marker == 0 or marker in _BARE:
            continue
        size = int.from_bytes(data[at : at + 2], "big")
        if size < 2 or at + size > len(data):
            return layout
        body = data[at + 2 : at + size]
        at += size
        if marker in _FRAMES:
            layout.is_progressive = marker in _PROGRESSIVE
            layout.components = frozenset(body[6::3])
        elif marker == _RESTART_INTERVAL:
            layout.has_restarts = any(body)
        elif marker == _SCAN:
            _note_scan(body, layout)
            after = _AFTER_SCAN.search(data, at)
            layout.scan, layout.end = at, after.start() if after else len(data)
            at = layout.end


def _note_scan(body: bytes, layout: _Layout) -> None:
    """Note which coefficients of which components a scan sends, and how many bits it leaves out."""
    count = body[0] if body else 0
    if len(body) < 1 + 2 * count + 3:
        return
    first, last, bits = body[1 + 2 * count], body[2 + 2 * count], body[3 + 2 * count] & 15
    if not layout.is_progressive:
        first, last, bits = 0, 0, 0
    for component in body[1 : 1 + 2 * count : 2]:
        for coefficient in range(first, min(last, 63) + 1):
            layout.bits_left[component, coefficient] = bits


def _has_all_data(data: bytes, layout: _Layout) -> bool:
    """Tell whether what follows the coded data changes the picture: if so, some are missing."""
    if not layout.has_all_scans:
        return False
    restarts = len(_RESTART.findall(data, layout.scan, layout.end))
    later = [bytes((0xFF, 0xD0 + (restarts + at) % 8)) for at in range(8 * layout.has_restarts)]
    decoded = {
        _decoded(data[: layout.end] + filling + b"".join(each + filling for each in later) + END)
        for filling in _FILLINGS
    }
    return len(decoded) == 1 and None not in decoded


def _decoded(data: bytes) -> bytes | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                return image.tobytes()
    except Exception:  # Pillow has many exceptions for damaged files
        return None

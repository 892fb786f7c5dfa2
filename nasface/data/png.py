"""The structure of PNG files (ISO/IEC 15948): where a picture ends and whether it is whole."""

import zlib

PNG_START = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xaeB`\x82"
_OF_ANIMATIONS = (b"acTL", b"fcTL", b"fdAT")
_STEP = 2**20


def whole_png(data: bytes) -> bytes | None:
    """Return the picture in ``data``, up to its end chunk; None if it is cut short.

    An end chunk is added where it alone is missing. A chunk that states more bytes than follow is
    noticed here: OpenCV takes and clears that much memory, up to 4 GB, before it looks for them.
    Of an animation the chunks that say so are left out: the picture is the one that readers without
    animations show, which need not be the first frame. ``data`` starts with ``START``.
    """
    at, coded, kept = len(PNG_START), [], [PNG_START]
    while at + 12 <= len(data):  # length, kind, content, checksum
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if at + 12 + size > len(data):
            break
        if kind == b"IEND":
            return b"".join(kept) + data[at : at + 12 + size]
        if kind not in _OF_ANIMATIONS:
            kept.append(data[at : at + 12 + size])
        if kind == b"IDAT":
            coded.append(data[at + 8 : at + 8 + size])
        at += 12 + size
    return b"".join(kept) + _END if _is_whole_stream(coded) else None


def _is_whole_stream(parts: list[bytes]) -> bool:
    """Tell whether compressed data reach their end; what they hold is not kept."""
    stream = zlib.decompressobj()
    try:
        for part in parts:
            while part and not stream.eof:
                stream.decompress(part, _STEP)
                part = stream.unconsumed_tail
    except zlib.error:
        return False
    return stream.eof

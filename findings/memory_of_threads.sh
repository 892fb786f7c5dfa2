#!/usr/bin/env bash
# Image functions that keep memory for every thread that ever called them
#
# opencv-python-headless 5.0.0.93, numpy 2.4.6, Linux with glibc.
#
# Expected: what cvtColor or resize need in a thread is given back when the thread ends.
# Seen: 1500 threads, one after the other and each joined, that convert one picture of 16 x 16 leave
# about 870 bytes each, which no later thread takes up. The same threads without the call, with
# cv2.flip, or after cv2.setNumThreads(0) leave nothing.
#
# Why it matters: loaders that start threads for every batch or every epoch, and servers with a thread
# a request, grow without an end, and Python's own tools see none of it. Keep a pool of threads, switch
# OpenCV's own threads off, or let the decoder give the right order of colours (IMREAD_COLOR_RGB) so
# that nothing is converted.
# nasface: decodes as RGB; its check of 10 000 pictures grew by 22 MB before and by 6 MB since.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'END'
import ctypes
import threading

import cv2
import numpy as np

THREADS = 1500


class Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


libc = ctypes.CDLL("libc.so.6")
libc.mallinfo2.restype = Mallinfo2
picture = np.zeros((16, 16, 3), np.uint8)
calls = {
    "no call": lambda: None,
    "flip": lambda: cv2.flip(picture, 1),
    "cvtColor": lambda: cv2.cvtColor(picture, cv2.COLOR_BGR2RGB),
    "resize": lambda: cv2.resize(picture, (8, 8)),
}


def start(call, number):
    for _ in range(number):
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()


def stays(name):
    """Bytes of each thread that are still taken when all have ended."""
    start(calls[name], 50)
    before = libc.mallinfo2().uordblks
    start(calls[name], THREADS)
    kept = (libc.mallinfo2().uordblks - before) / THREADS
    print(f"{name}: {kept:.0f} bytes a thread stay")
    return kept


assert abs(stays("no call")) < 50 and abs(stays("flip")) < 50
assert 500 < stays("cvtColor") < 1500 and 500 < stays("resize") < 1500
cv2.setNumThreads(0)
print("after setNumThreads(0):")
assert abs(stays("cvtColor")) < 50 and abs(stays("resize")) < 50
END

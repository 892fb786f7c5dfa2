#!/usr/bin/env bash
# `import openvino` opens a connection to an analytics service
#
# OpenVINO 2026.4.1 with openvino-telemetry 2025.2.0 (which pip brings along), Linux.
#
# Expected (guessed beforehand): converters may report to their makers, as `convert_model` does; the
# runtime does not. A program that only imports it and runs a model speaks with nobody.
# Seen: the import itself sends an event ("general_import") to www.google-analytics.com, with an
# identifier that it makes and keeps in ~/intel, unless `opt_in_out --opt_out` was run for this user
# or the system looks like CI. There is no question, also not on a terminal, and nothing is said
# where no answer comes. What is shown here: a listener on this machine stands for the proxy, and
# notes where the connection was to go. Nothing leaves the machine.
#
# Why it matters: cameras, clinics and firms run detectors where every outgoing connection has to be
# explained, and a container has a new home folder, hence no opt-out and a new identifier, at every
# start. Run `opt_in_out --opt_out` when the image is made, uninstall openvino-telemetry (nothing
# else needs it), or hide it from the import as below.
# nasface: imports OpenVINO and NNCF, which does the same, with openvino_telemetry hidden.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1 openvino-telemetry==2025.2.0
cd "$folder"
env -u CI -u TF_BUILD -u JENKINS_URL HOME="$folder" venv/bin/python - <<'END'
import os
import socket
import subprocess
import sys
from pathlib import Path

IMPORTS = {
    "import openvino": "import openvino, time; time.sleep(5)",
    "the same, openvino_telemetry hidden": "import sys, time; "
    "sys.modules['openvino_telemetry'] = None; import openvino; time.sleep(5); openvino.Core()",
}


def first_connection(code):
    """What a program asks of its proxy first."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        proxies = {"http_proxy": address, "https_proxy": address, "no_proxy": ""}
        child = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **proxies})
        try:
            if child.wait() != 0:
                raise SystemExit("the import failed")
            listener.settimeout(1)
            connection, _ = listener.accept()
        except TimeoutError:
            return "nothing"
        with connection:
            return connection.recv(1000).split(b"\r\n")[0].decode()


found = {}
for name, code in IMPORTS.items():
    found[name] = first_connection(code)
    print(f"{name}: {found[name]}")
    print("  files:", sorted(str(each) for each in Path("intel").glob("*")))
asked, hidden = found.values()
assert asked.startswith("CONNECT www.google-analytics.com:443")
assert hidden == "nothing"
END

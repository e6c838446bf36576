"""The clients that are measured: where each is found, and how it is told to do a piece of work.

Every one speaks to 127.0.0.1. A tool that cannot do the same work does the nearest it can, and its note
says what is different: the notes are printed below the tables.
"""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import string
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CLIENTS = HERE / "clients"
PAYLOAD = "x" * 64
# Clients a second where tsung wants a rate: more than it reaches.
ARRIVALS = 10_000


@dataclasses.dataclass(frozen=True)
class Work:
    """`kind` is echo (one 64-byte message in flight on each connection) or idle (nothing is sent)."""

    kind: str
    connections: int
    port: int
    scratch: pathlib.Path

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/"

    def write(self, template, **more):
        """Fills one of our configuration files in, and returns where it lies."""
        values = dict(
            url=self.url, port=self.port, connections=self.connections, payload=PAYLOAD, arrivals=ARRIVALS
        )
        text = string.Template((CLIENTS / template).read_text()).substitute(values, **more)
        path = self.scratch / template
        path.write_text(text)
        return str(path)

    def environment(self):
        return {"PEER_URL": self.url, "PEER_WORK": self.kind, "PEER_CONNECTIONS": str(self.connections)}


@dataclasses.dataclass(frozen=True)
class Tool:
    name: str
    version: str
    note: str
    # Work -> command line.
    command: callable
    kinds: tuple = ("echo", "idle")
    # Added to the environment of the command.
    environment: dict = dataclasses.field(default_factory=dict)
    # It opens so slowly, and its memory is so restless at start, that growth is measured within one run.
    gradual: bool = False
    # What to run once the client has been ended.
    clean_up: tuple = ()


def version_of(command):
    """The first thing that looks like a version in what a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else "unknown version"


def find(name, *folders):
    """An executable of the folder that was given, or of PATH."""
    path = os.pathsep.join([str(folder) for folder in folders] + [os.environ["PATH"]])
    return shutil.which(name, path=path)


def floor(_peers):
    program = str(ROOT / "target/floor/floor_client")

    def command(work):
        kind = ["--idle"] if work.kind == "idle" else []
        return [program, str(work.port), "--clients", str(work.connections), "--seconds", "600", *kind]

    note = "the yardstick (`benches/floor/`): the system calls and nothing else, no measurement of a message"
    return Tool("floor", "of this tree", note, command)


def wsbench(_peers):
    program = os.environ.get("WSBENCH", str(ROOT / "target/release/wsbench"))

    def command(work):
        out = ["--quiet", "--out", str(work.scratch / "result")]
        if work.kind == "idle":
            return [program, "run", work.write("wsbench-idle.toml"), "--no-test-dial", *out]
        clients = ["--clients", str(work.connections), "--duration", "10m", "--size", "64B"]
        return [program, "run", work.url, *clients, *out]

    note = "release build; every reply matched, round_trip, service_time and schedule_lag of each recorded"
    return Tool("wsbench", version_of([program, "--version"]), note, command)


def k6(peers, name, note, script):
    """`script` makes the file to run from a piece of work."""
    program = find("k6", peers / "py/bin")
    if not program:
        return None
    version = version_of([program, "version"])

    def command(work):
        variables = [f"--env={key}={value}" for key, value in work.environment().items()]
        return [program, "run", "--quiet", "--no-usage-report", "--no-summary", *variables, script(program, work)]

    return Tool(name, version, note, command)


def k6_ws(peers):
    note = "one virtual user a connection; counts messages but times none (a script would add a Trend)"
    return k6(peers, "k6, k6/ws", note, lambda _program, _work: str(CLIENTS / "k6-ws.js"))


def k6_websockets(peers):
    def script(program, work):
        """Older versions have the module under another name, and refuse to load a script that asks for this one."""
        path = work.write("k6-websockets.js", module="k6/websockets")
        if subprocess.run([program, "inspect", path], capture_output=True).returncode == 0:
            return path
        return work.write("k6-websockets.js", module="k6/experimental/websockets")

    note = "all connections in one virtual user; counts messages but times none"
    return k6(peers, "k6, k6/websockets", note, script)


def tsung(peers):
    root = peers / "deb/usr"
    program = find("tsung", root / "bin")
    if not program:
        return None
    inside = pathlib.Path(program).is_relative_to(root)
    dtd = (root if inside else pathlib.Path("/usr")) / "share/tsung/tsung-1.0.dtd"
    # A name server of its own, so that it can be ended without harm to another.
    environment = {"ERL_EPMD_PORT": "14369"}
    epmd = find("epmd", root / "bin") or "epmd"

    def command(work):
        config = work.write(f"tsung-{work.kind}.xml", dtd=dtd)
        return [program, "-I", "127.0.0.1", "-n", "-w", "0", "-l", str(work.scratch / "log"), "-f", config, "start"]

    return Tool(
        "tsung",
        version_of([program, "-v"]),
        "one Erlang VM; a request is a message and the frame that comes next; sessions that think are hibernated",
        command,
        environment=environment,
        clean_up=(epmd, "-kill"),
    )


def npm_version(program, package):
    folder = pathlib.Path(program).resolve().parent
    while folder != folder.parent:
        manifest = folder / "package.json"
        if manifest.exists() and json.loads(manifest.read_text()).get("name") == package:
            return json.loads(manifest.read_text())["version"]
        folder = folder.parent
    return "unknown version"


def thor(peers):
    program = find("thor", peers / "npm/node_modules/.bin")
    if not program:
        return None

    def command(work):
        silent = ["--generator", str(CLIENTS / "thor-silent.js")] if work.kind == "idle" else []
        load = ["--amount", str(work.connections), "--messages", "1000000000", "--buffer", str(len(PAYLOAD))]
        return [program, "--workers", "1", "--masked", *load, *silent, work.url]

    note = "two processes (one worker), both counted; its ws and fast-stats are the registry's, not the git branches it names"
    return Tool("thor", npm_version(program, "thor"), note, command)


def artillery(peers):
    program = find("artillery", peers / "npm/node_modules/.bin")
    if not program:
        return None
    environment = {"ARTILLERY_DISABLE_TELEMETRY": "true"}

    def command(work):
        return [program, "run", "--quiet", work.write(f"artillery-{work.kind}.yml")]

    note = (
        "each send matches a regular expression, the only way it waits for a reply; it keeps a timer of 10 s for"
        " each, which is most of its memory; it times no message; at most one client arrives in a millisecond;"
        " idle memory is the growth within one run, since its heap shrinks by more than the connections while it starts"
    )
    return Tool("artillery", npm_version(program, "artillery"), note, command, environment=environment, gradual=True)


def locust(peers):
    program = find("locust", peers / "py/bin")
    if not program:
        return None

    def command(work):
        count = str(work.connections)
        load = ["--users", count, "--spawn-rate", count, "--run-time", "10m"]
        return [program, "--headless", "--skip-log", "-f", str(CLIENTS / "locustfile.py"), *load]

    note = "locust has no WebSocket of its own: websocket-client under gevent, each time fired as a request event"
    return Tool("locust", version_of([program, "--version"]), note, command)


def tcpkali(_peers):
    program = find("tcpkali")
    if not program:
        return None

    def command(work):
        load = ["--connections", str(work.connections), "--connect-rate", "1000000", "--duration", "600s"]
        return [program, "--ws", *load, f"127.0.0.1:{work.port}"]

    note = "cannot wait for a reply before it sends the next message: idle connections only"
    return Tool("tcpkali", version_of([program, "--version"]), note, command, kinds=("idle",))


FINDERS = [floor, wsbench, k6_ws, k6_websockets, tsung, thor, artillery, locust, tcpkali]
ABSENT = "autocannon is not here because it has no WebSocket."


def installed(peers):
    """Every tool that is there, and the names of those that are not."""
    found = {finder.__name__: finder(peers) for finder in FINDERS}
    missing = [name for name, tool in found.items() if tool is None]
    return [tool for tool in found.values() if tool], missing

"""The echo server and one client, seen from outside: what the server counted, what the processes used."""

import os
import pathlib
import re
import select
import signal
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
# Longer than the slowest of them takes to start and to open its connections.
WAIT_LIMIT_S = 45


class Failed(Exception):
    """A client did not do its work."""


class Server:
    """`echo_server` on a core of its own; what it counts is what counts."""

    def __init__(self, program, port, core):
        command = ["taskset", "-c", str(core), str(program), str(port), "--seconds", "3600"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)
        if self.process.poll() is not None:
            raise SystemExit(f"error: the echo server did not start on port {port}; hint: --port")

    def counts(self):
        """upgraded, open, messages, first_us, last_us, now_us: all since the server started."""
        self.process.send_signal(signal.SIGUSR1)
        if not select.select([self.process.stdout], [], [], WAIT_LIMIT_S)[0]:
            raise SystemExit("error: the echo server does not answer")
        line = self.process.stdout.readline()
        return {name: int(number) for name, number in re.findall(r"(\w+)=(-?\d+)", line)}

    def wait(self, what, client, done):
        """Until the counts are what is waited for; returns them."""
        limit = time.monotonic() + WAIT_LIMIT_S
        while not done(counts := self.counts()):
            state = f"{counts['open']} connections open, {counts['messages']} messages so far"
            if client and not client.is_running():
                raise Failed(f"ended before {what} ({state}): {client.last_words()}")
            if time.monotonic() > limit:
                raise Failed(f"no {what} after {WAIT_LIMIT_S} s ({state})")
            time.sleep(0.05)
        return counts

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Client:
    """A command with every process it starts, on one core. `with` ends them all."""

    def __init__(self, command, environment, core, scratch):
        self.errors = scratch / "errors"
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(core), *command],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
                cwd=scratch,
                env={**os.environ, "HOME": str(scratch), **environment},
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def is_running(self):
        return self.process.poll() is None

    def last_words(self):
        lines = self.errors.read_text(errors="replace").split("\n")
        return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "it said nothing")

    def processes(self):
        """Process id -> the fields of its stat file that come after the name."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid and fields[0] != "Z":
                found[int(entry.name)] = fields
        return found

    def cpu_s(self):
        """User and system time of all of them and of the children they have waited for."""
        return sum(sum(map(int, fields[11:15])) for fields in self.processes().values()) / TICKS

    def resident(self):
        """Bytes resident, summed over the processes (pages that two of them share count twice)."""
        return sum(int(fields[21]) for fields in self.processes().values()) * PAGE


def describe(commit_of):
    """The lines above every table of results."""
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    git = ["git", "-C", str(commit_of)]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    dirty = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True).stdout.strip()
    return [
        f"- {time.strftime('%Y-%m-%dT%H:%MZ', time.gmtime())}, commit {commit or 'unknown'}{' with changes' if dirty else ''}",
        f"- {model[1] if model else 'unknown processor'}, {os.cpu_count()} cores, Linux {os.uname().release}",
    ]


def load_average():
    return " ".join(f"{load:.2f}" for load in os.getloadavg())

#!/usr/bin/env python3
"""wsbench and its peers side by side on this machine, in one sitting: see benches/README.md.

The server has core 0, the client core 1. The server counts; no client is believed. Every client does all
its work in a round before the next round begins, and a ratio is taken within a round.
"""

import argparse
import collections
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import machine
import tools

SERVER_CORE, CLIENT_CORE = 0, 1
# After all connections are there and at work, before anything is read.
SETTLE_S = 1.5
ECHO_CONNECTIONS = (100, 1000)
IDLE_FEW = 100

# Key, title, digits.
COLUMNS = [
    ("rate 100", "100 connections: round trips/s", 0),
    ("cost 100", "100: CPU s per million", 1),
    ("rate 1000", "1,000 connections: round trips/s", 0),
    ("cost 1000", "1,000: CPU s per million", 1),
    ("resident 1000", "1,000: MiB resident at the end", 1),
    ("idle", "idle: bytes a connection", 0),
    ("opened", "connections opened/s", 0),
]


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", type=pathlib.Path, default=tools.ROOT / "target/peers", help="the folder install.sh filled")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement")
    parser.add_argument("--idle", type=int, default=5000, help="connections of the idle work")
    parser.add_argument("--port", type=int, default=19091, help="of the echo server on 127.0.0.1")
    parser.add_argument("--only", default="", help="names of tools with commas between; wsbench is always measured")
    parser.add_argument("--no-build", action="store_true", help="the release binary as it is; WSBENCH=PATH names another")
    parser.add_argument("--save", action="store_true", help="also writes results/peers/peers.md")
    return parser.parse_args()


class Bench:
    def __init__(self, asked):
        self.asked = asked
        self.server = machine.Server(tools.ROOT / "target/floor/echo_server", asked.port, SERVER_CORE)
        # (tool, column) -> one value a round; what failed is None.
        self.series = collections.defaultdict(list)
        self.failures = {}
        # Of its core, what the client had in each measurement of echo: the neighbours took the rest.
        self.shares = []

    def client(self, tool, kind, connections, scratch):
        work = tools.Work(kind, connections, self.asked.port, scratch)
        command = tool.command(work)
        return machine.Client(command, {**work.environment(), **tool.environment}, CLIENT_CORE, scratch)

    def run(self, tool, kind, connections, measure):
        """Starts the client, has it measured, ends it; what was measured."""
        with tempfile.TemporaryDirectory() as scratch:
            with self.client(tool, kind, connections, pathlib.Path(scratch)) as client:
                measured = measure(client)
                left = self.server.counts()["open"]
            if tool.clean_up:
                environment = {**os.environ, **tool.environment}
                subprocess.run(tool.clean_up, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.server.wait("end of its connections", None, lambda counts: counts["open"] == 0)
        if left != connections:
            raise machine.Failed(f"kept {left} of {connections} connections")
        return measured

    def wait_open(self, connections, client):
        def is_open(counts):
            return counts["open"] >= connections

        return self.server.wait(f"{connections} connections", client, is_open)

    def echo(self, tool, connections):
        before_it = self.server.counts()["messages"]

        def is_busy(counts):
            return counts["messages"] >= before_it + connections

        def measure(client):
            self.wait_open(connections, client)
            self.server.wait("echo on every connection", client, is_busy)
            time.sleep(SETTLE_S)
            before, cpu = self.server.counts(), client.cpu_s()
            time.sleep(self.asked.seconds)
            after, cpu = self.server.counts(), client.cpu_s() - cpu
            messages = after["messages"] - before["messages"]
            if messages == 0:
                raise machine.Failed(f"sent nothing: {client.last_words()}")
            took_us = after["now_us"] - before["now_us"]
            rate = messages * 1e6 / took_us
            self.shares.append(cpu * 1e8 / took_us)
            return rate, cpu * 1e6 / messages, client.resident() / 2**20

        measured = self.run(tool, "echo", connections, measure)
        return dict(zip((f"rate {connections}", f"cost {connections}", f"resident {connections}"), measured))

    def idle(self, tool):
        """Memory from a few connections to many; how fast the many were opened."""
        many = self.asked.idle

        def settled(connections):
            def measure(client):
                few = self.wait_open(IDLE_FEW, client)["open"], client.resident()
                opened = self.wait_open(connections, client)
                time.sleep(SETTLE_S)
                return few, opened, client.resident()

            return self.run(tool, "idle", connections, measure)

        (few, few_bytes), opened, many_bytes = settled(many)
        if not tool.gradual:
            few, (_, _, few_bytes) = IDLE_FEW, settled(IDLE_FEW)
        took_us = max(opened["last_us"] - opened["first_us"], 1)
        return {"idle": (many_bytes - few_bytes) / (many - few), "opened": (many - 1) * 1e6 / took_us}

    def attempt(self, tool, what, *arguments):
        try:
            return what(tool, *arguments)
        except machine.Failed as failed:
            message = f"{tool.name}: {what.__name__} {' '.join(map(str, arguments))}: {failed}"
            print(message, file=sys.stderr)
            self.failures[message] = True
            return {}

    def round(self, all_tools):
        for tool in all_tools:
            print(f"  {tool.name}", file=sys.stderr)
            values = {}
            if "echo" in tool.kinds:
                for connections in ECHO_CONNECTIONS:
                    values |= self.attempt(tool, self.echo, connections)
            values |= self.attempt(tool, self.idle)
            for column, *_ in COLUMNS:
                self.series[tool.name, column].append(values.get(column))

    def absolute(self, tool, column):
        return [value for value in self.series[tool.name, column] if value is not None]

    def ratios(self, tool, column):
        """To wsbench in the same round: both had the same neighbours."""
        pairs = zip(self.series[tool.name, column], self.series["wsbench", column])
        return [mine / its for mine, its in pairs if mine is not None and its]


def spread(values, digits):
    if not values:
        return "-"
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def digits_of(ratios):
    """A ratio keeps two figures that mean something."""
    middle = statistics.median(ratios) if ratios else 1
    return 0 if middle >= 20 else 1 if middle >= 5 else 2 if middle >= 0.1 else 3


def table(rows, cell):
    heads = ["client", *(title for _, title, _ in COLUMNS)]
    yield "| " + " | ".join(heads) + " |"
    yield "|---" * len(heads) + "|"
    for tool in rows:
        yield "| " + " | ".join([tool.name, *(cell(tool, *column) for column in COLUMNS)]) + " |"


def page(bench, all_tools, missing, load_before, began):
    asked = bench.asked

    def ratio(tool, column, _title, _digits):
        ratios = bench.ratios(tool, column)
        return spread(ratios, digits_of(ratios))

    yield "# wsbench and its peers"
    yield ""
    yield from machine.describe(tools.ROOT)
    yield f"- server on core {SERVER_CORE}, client on core {CLIENT_CORE}; {asked.rounds} rounds, {asked.seconds:g} s a measurement"
    yield f"- load average of the machine: {load_before} before, {machine.load_average()} after (these runs alone make about 2)"
    yield f"- of its core a client had {spread(bench.shares, 0)} % in the echo runs: far from 100 % the neighbours took it, and a rate says little"
    yield f"- made by `benches/peers/run.py --rounds {asked.rounds} --seconds {asked.seconds:g}` in {(time.monotonic() - began) / 60:.1f} minutes"
    yield "- " + ", ".join(f"{tool.name} ({tool.version})" for tool in all_tools)
    yield ""
    yield "Every number is what the server counted or the kernel says of the client's processes, while the work was under way"
    yield "(start-up is not in it). Echo is a closed loop of 64-byte text messages, one in flight on each connection. Idle memory"
    yield f"is the growth from {IDLE_FEW} to {asked.idle:,} connections; the time to open them runs from the first upgrade to the last."
    yield ""
    yield "## Ratio to wsbench in the same round"
    yield ""
    yield "Median (lowest to highest round). Below 1: less than wsbench; above 1: more."
    yield ""
    yield from table([tool for tool in all_tools if tool.name != "wsbench"], ratio)
    yield ""
    yield "## Numbers"
    yield ""
    yield from table(all_tools, lambda tool, column, _title, digits: spread(bench.absolute(tool, column), digits))
    yield ""
    yield "## What is not the same work"
    yield ""
    yield from (f"- {tool.name}: {tool.note}." for tool in all_tools)
    yield f"- {tools.ABSENT}" + (f" Not found: {', '.join(missing)}." if missing else "")
    yield from (f"- failed: {message}" for message in bench.failures)


def prepare(asked):
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("error: two cores are needed: one for the server, one for the client")
    subprocess.run([tools.ROOT / "benches/floor/build.sh", tools.ROOT / "target/floor"], check=True)
    if not asked.no_build and "WSBENCH" not in os.environ:
        subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=tools.ROOT, check=True)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < asked.idle + 200:
        raise SystemExit(f"error: the limit of open files is below {asked.idle + 200}; hint: ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Beside the server, away from the client.
    os.sched_setaffinity(0, {SERVER_CORE})


def main():
    asked = options()
    prepare(asked)
    all_tools, missing = tools.installed(asked.peers.resolve())
    if asked.only:
        wanted = {"wsbench", *asked.only.split(",")}
        all_tools = [tool for tool in all_tools if wanted & {tool.name, tool.name.split(",")[0]}]
    load_before, began = machine.load_average(), time.monotonic()
    bench = Bench(asked)
    try:
        for number in range(asked.rounds):
            print(f"round {number + 1} of {asked.rounds}", file=sys.stderr)
            bench.round(all_tools)
    finally:
        bench.server.stop()
    text = "\n".join(page(bench, all_tools, missing, load_before, began)) + "\n"
    print(text, end="")
    if asked.save:
        folder = tools.ROOT / "results/peers"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "peers.md").write_text(text)


if __name__ == "__main__":
    main()

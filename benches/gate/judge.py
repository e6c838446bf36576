#!/usr/bin/env python3
"""How often does the gate cry wolf on this machine, and how often does it find what was made slower?

  benches/gate/judge.py record DIR [--rounds 24] [--wsbench target/release/wsbench]
  benches/gate/judge.py judge DIR [--tries 100] [--of 10] [--wsbench ...] [--save]

record runs every variant once a round, in an order that turns with each round, and keeps the results.
judge draws that many rounds at random again and again and asks `wsbench compare --paired` each time:
A against A must not regress (false alarms), the slower ones must, 2 % must not. Tries share rounds, so
they are not independent: a rate here is an estimate, not a proof. Needs only Python 3.
"""
import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PORT = 19340
STALL = ["--stall-every", "500ms", "--stall"]
# name: (base, flags of the server, whether the gate should fail it, how often at least or at most)
# A base without a limit is only compared with. "closed" variants run gate-closed.toml, in which the rate
# of answers follows from how long an answer takes.
VARIANTS = {
    "same": (None, ["--delay", "4ms"], None, None),
    "again": ("same", ["--delay", "4ms"], False, 0.05),
    "median+2%": ("same", ["--delay", "4080us"], False, 0.0),
    "median+10%": ("same", ["--delay", "4400us"], True, 0.9),
    "tail": (None, ["--delay", "4ms", *STALL, "20ms"], None, None),
    "tail+20%": ("tail", ["--delay", "4ms", *STALL, "24ms"], True, 0.9),
    "closed": (None, ["--delay", "4ms"], None, None),
    "closed-10%": ("closed", ["--delay", "4470us"], True, 0.9),
}


def up(port):
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.01)
    sys.exit("the server did not listen")


def record(args):
    for number in range(args.rounds):
        names = list(VARIANTS)
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            out = os.path.join(args.dir, name, "%03d" % number)
            if os.path.exists(out):
                continue
            listen = ["serve", "--listen", "127.0.0.1:%d" % PORT, "--quiet"]
            server = subprocess.Popen([args.wsbench, *listen, *VARIANTS[name][1]])
            try:
                up(PORT)
                scenario = os.path.join(HERE, "gate-closed.toml" if name.startswith("closed") else "gate.toml")
                command = [args.wsbench, "run", scenario, "--quiet", "--no-test-dial", "--out", out]
                subprocess.run(command + ["--target", "ws://127.0.0.1:%d/" % PORT], check=False)
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait()
        print("round %d of %d" % (number + 1, args.rounds), flush=True)


def gated(args, run):
    """A copy of a result that was run with --set KEY=VALUE of the gate; made once."""
    copy = os.path.join(run, "gate " + args.gate.replace("/", "_"))
    if not os.path.exists(copy):
        with open(os.path.join(run, "result.json")) as file:
            result = json.load(file)
        key, value = args.gate.split("=", 1)
        result["scenario"].setdefault("changes", {})[key] = value
        os.mkdir(copy)
        with open(os.path.join(copy, "result.json"), "w") as file:
            json.dump(result, file)
    return copy


def compare(args, base, candidate):
    if args.gate:
        candidate = [gated(args, run) for run in candidate]
    pairs = [] if args.unpaired else ["--paired"]
    if args.min_effect:
        pairs += ["--min-effect", args.min_effect]
    command = [args.wsbench, "compare", *pairs, "--format", "json", *base, "--", *candidate]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(run.stdout)


def judge(args):
    draw = random.Random(1)
    rounds = sorted(os.listdir(os.path.join(args.dir, "same")))
    lines = ["| candidate | true change | tries | regressed | inconclusive | pass | invalid | wanted |",
             "|---|---|---|---|---|---|---|---|"]
    for name, (base, _, wanted, limit) in VARIANTS.items():
        if base is None:
            continue
        path = lambda side, one: os.path.join(args.dir, side, one)
        whole = compare(args, [path(base, r) for r in rounds], [path(name, r) for r in rounds])
        true = ", ".join("%s %+.1f %%" % (c["statistic"], 100 * c["change"])
                         for c in whole["changes"]
                         if c["statistic"] in ("round_trip.p50", "round_trip.p99", "replies.rate"))
        seen = {"fail": 0, "inconclusive": 0, "pass": 0, "invalid": 0}
        for _ in range(args.tries):
            some = draw.sample(rounds, args.of)
            verdict = compare(args, [path(base, r) for r in some], [path(name, r) for r in some])["verdict"]
            seen[verdict] += 1
        share = seen["fail"] / args.tries
        goal = ">= %d %%" % (100 * limit) if wanted else "<= %d %%" % (100 * limit)
        good = share >= limit if wanted else share <= limit
        lines.append("| %s | %s | %d | %d | %d | %d | %d | %s %s |" % (
            name, true, args.tries, seen["fail"], seen["inconclusive"], seen["pass"], seen["invalid"],
            goal, "" if good else "**missed**"))
        print(lines[-1], flush=True)
    text = "\n".join(lines) + "\n"
    head = "%d rounds drawn of %d, 5 s a run; `benches/gate/judge.py judge DIR --tries %d --of %d`\n\n" % (
        args.of, len(rounds), args.tries, args.of)
    print(head + text)
    if args.save:
        os.makedirs("results/gate", exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir="results/gate", delete=False) as out:
            out.write("# The gate judged\n\n" + head + text)
        os.chmod(out.name, 0o644)
        os.rename(out.name, "results/gate/gate.md")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["record", "judge"])
    parser.add_argument("dir")
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--tries", type=int, default=100)
    parser.add_argument("--of", type=int, default=10)
    parser.add_argument("--wsbench", default="target/release/wsbench")
    parser.add_argument("--unpaired", action="store_true", help="as sets of runs, not as rounds")
    parser.add_argument("--min-effect", help="a minimum effect instead of the default 5%%, e.g. 15%%")
    parser.add_argument("--gate", metavar="KEY=VALUE", help="as if run with --set of this key of [gate]")
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    {"record": record, "judge": judge}[args.what](args)


if __name__ == "__main__":
    main()

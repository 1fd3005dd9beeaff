#!/usr/bin/env python3
"""What cold builds cost, in CPU seconds: from nothing, without ccache, in folders of their own that
are removed again. build.py [--all] [--json FILE]: the targets of scripts/demo; --all also the three
whole builds of scripts/test."""
import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def demo_targets():
    for line in open(os.path.join(root, "scripts/demo"), encoding="utf-8"):
        if line.startswith("TARGETS="):
            return line.split('"')[1]
    sys.exit("scripts/demo: no TARGETS")


def build(name, targets, flags):
    folder = os.path.join(root, "build-bench-" + name)
    shutil.rmtree(folder, ignore_errors=True)
    environment = dict(os.environ, CCACHE_DISABLE="1", TARGETS=targets)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    try:
        built = subprocess.run([root + "/scripts/build", folder, *flags], env=environment,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    wall_s = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if built.returncode != 0:
        sys.exit(built.stdout[-4000:] + f"\nbuild {name} failed")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # The largest compiler of all builds so far: getrusage has no other.
    largest_mib = after.ru_maxrss / 1024
    print(f"{name:<8}{cpu_s:>10.0f}{wall_s:>10.0f}{largest_mib:>18.0f}", flush=True)
    return cpu_s, largest_mib


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    print(f"{'build':<8}{'CPU s':>10}{'wall s':>10}{'largest MiB':>18}")
    cpu_s, largest_mib = build("demo", demo_targets(), [])
    figures = {"build.cpu_s_demo": cpu_s}
    if arguments.all:
        thread = subprocess.check_output([root + "/tests/lint/tsan_targets.sh"], text=True).strip()
        total = 0
        for name, targets, flags in [("asan", "all", ["-DSANITIZE=address"]),
                                     ("tsan", thread, ["-DSANITIZE=thread"]),
                                     ("shipped", "all", ["-DSANITIZE="])]:
            cpu_s, largest_mib = build(name, targets, flags)
            total += cpu_s
        print(f"{'all three':<8}{total:>9.0f}")
        figures["build.cpu_s_all"] = total
    figures["build.largest_mib"] = largest_mib
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=2)


main()

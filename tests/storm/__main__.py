"""`make storm`: lets storms blow, and says whether the promise was kept."""

import argparse
import dataclasses
import json
import logging
import secrets
import sys
import tempfile
from pathlib import Path

from tests.guard import sitecustomize  # noqa: F401 - installs itself
from tests.storm.storm import Verdict, storm

KINDS = ("sqlite", "postgresql")


def main() -> int:
    """Let them blow, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description="Tries to break the promise.")
    parser.add_argument("--database", choices=[*KINDS, "both"], default="both")
    parser.add_argument("--seconds", type=float, default=120, help="how long each lasts (default: 120)")
    parser.add_argument("--seed", type=int, default=None, help="to have the same weather again")
    parser.add_argument("--logs", type=Path, default=None, help="a folder for the evidence")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("storm").setLevel(logging.INFO)
    seed = secrets.randbelow(1_000_000) if asked.seed is None else asked.seed
    kept = True
    for kind in KINDS if asked.database == "both" else (asked.database,):
        again = f"python -m tests.storm --database {kind} --seconds {asked.seconds:g} --seed {seed}"
        _say(f"{again}\n")
        with tempfile.TemporaryDirectory(prefix="actcode-storm-") as folder:
            verdict = storm(kind, seconds=asked.seconds, seed=seed, folder=Path(folder))
        if asked.logs is not None:
            _keep(asked.logs / kind, verdict)
        _say(f"{verdict.summary}\n")
        for sentence in verdict.broken:
            _say(f"BROKEN: {sentence}\n")
        _say(f"{'the promise was broken; again: ' + again if verdict.broken else 'the promise was kept'}\n\n")
        kept = kept and not verdict.broken
    return 0 if kept else 1


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _keep(folder: Path, verdict: Verdict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "diary.txt").write_text("\n".join(verdict.diary) + "\n")
    for name, said in verdict.evidence.logs.items():
        (folder / f"{name}.log").write_text(said)
    seen = dataclasses.asdict(dataclasses.replace(verdict.evidence, logs={}, secrets=[]))
    (folder / "evidence.json").write_text(json.dumps(seen, indent=1))


if __name__ == "__main__":
    sys.exit(main())

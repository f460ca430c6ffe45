"""`check`: prints what the doctor finds, a line each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bot import doctor, logs
from bot.doctor.findings import Finding, Grade


def run(environ: Mapping[str, str], *, mend: bool) -> int:
    """Check everything, and return the exit code."""
    logs.set_up("CRITICAL", logs.form_of(environ))  # what a library has to say is on the doctor's own lines
    findings = []
    for one in doctor.examine(environ, Path.cwd(), mend=mend):
        print(one, flush=True)
        findings.append(one)
    return exit_code(findings)


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 0, 1 where something is at fault, 2 where a setting is."""
    faults = [one for one in findings if one.grade is Grade.FAULT]
    if any(one.setting for one in faults):
        return 2
    return 1 if faults else 0

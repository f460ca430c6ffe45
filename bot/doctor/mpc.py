"""Asks whether the MPC is there, with a question that mails nobody."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from bot.answers import Answer
from bot.config import Settings
from bot.doctor.findings import Finding, fault, fine
from bot.mpc import MPC
from bot.outcomes import Outcome

_REMEDIES = {
    403: "the MPC may have blocked this address: ask its help desk; lower MPC_RATE_PER_S if others here ask, too",
    404: "check MPC_API_URL",
    429: "this address asks too often: wait, lower MPC_RATE_PER_S, and see what else here asks the MPC",
}


def examine(settings: Settings) -> Iterator[Finding]:
    """Ask the MPC."""
    answer = MPC(api_url=settings.mpc_api_url, timeout_s=settings.mpc_timeout_s).reach()
    yield judge(answer, urlsplit(settings.mpc_api_url).netloc)


def judge(answer: Answer, host: str) -> Finding:
    """Judge what the MPC answered."""
    if answer.outcome in {Outcome.ACCEPTED, Outcome.REJECTED}:
        return fine("MPC", f"it answers ({host})")
    status, detail = answer.http_status, answer.detail or "no answer"
    what = detail if status is None else f"HTTP {status}"
    if status is None:
        remedy = (
            "check MPC_API_URL, the DNS, the firewall, and this machine's CA certificates; no proxy is used for the MPC"
        )
    elif 300 <= status < 400:
        remedy = "check MPC_API_URL: what stands there sends elsewhere"
    elif status >= 500:
        remedy = "the MPC fails; see its status page, and try again later"
    else:
        remedy = _REMEDIES.get(status, "check MPC_API_URL: what answers there is not the MPC's API")
    return fault("MPC", f"it does not answer as it should ({what})", remedy)

"""Says what a connection that failed means, and what to do about it."""

import socket
import ssl
from urllib.error import URLError


def explain(fault: Exception, host: str) -> tuple[str, str]:
    """Return what is so, and what to do.

    Args:
        fault: what the connection failed with.
        host: the name of the other side.
    """
    cause = fault.reason if isinstance(fault, URLError) else fault
    if isinstance(cause, socket.gaierror):
        return f"the name {host} is not found", "check the name, and this machine's DNS"
    if isinstance(cause, ssl.SSLCertVerificationError):
        what = f"the certificate of {host} is not trusted: {cause.verify_message}"
        return (
            what,
            "check this machine's clock and its CA certificates; a proxy that opens TLS needs its own among them",
        )
    if isinstance(cause, ssl.SSLError):
        return f"{host} does not speak TLS there", "check the URL and its port, and what stands between here and there"
    if isinstance(cause, TimeoutError):
        return f"{host} does not answer in time", "check the network and the firewall: outgoing HTTPS must be open"
    if isinstance(cause, ConnectionRefusedError):
        return f"{host} refuses the connection", "check the URL, the network and the firewall"
    what = type(cause).__name__ if isinstance(cause, Exception) else type(fault).__name__
    return f"the connection to {host} broke ({what})", "check the network and the firewall, and try again"

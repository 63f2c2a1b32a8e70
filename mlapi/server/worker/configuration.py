"""gunicorn's configuration as a worker's requests read it, and whose word it takes for the scheme.

Looked up once a process, and for a client once a connection.
"""

import ipaddress
from typing import Any

_UNASKED = {"SCRIPT_NAME", "PATH_INFO"}
"""gunicorn's default for `forwarder_headers`."""


def take_no_names_from_headers(cfg: Any, log: Any) -> None:
    """Let no header of a request become one of the WSGI environment's own names, whatever started gunicorn.

    By its defaults (27.0.1) a client on this machine, or of a proxy here that passes headers on, says with
    `SCRIPT_NAME` which part of its path counts.
    """
    asked = sorted(set(cfg.forwarder_headers) - _UNASKED)
    if asked:
        log.warning("forwarder_headers counts for nothing here, and %s is not taken", ", ".join(asked))
    cfg.set("forwarder_headers", "")
    if cfg.header_map == "dangerous":
        log.warning("header_map is drop here, not dangerous: names with an underscore are left out")
        cfg.set("header_map", "drop")


class Frozen:
    """Plain attributes in place of gunicorn's table, for clients of one kind: whether what they say of
    the scheme is believed (`forwarded_allow_ips`) is found once a connection and not once a request."""

    def __init__(self, cfg: Any, *, trusted: bool) -> None:
        self._cfg = cfg
        self.__dict__.update((name, getattr(cfg, name)) for name in cfg.settings)
        self.is_ssl = False
        self.sendfile = False  # a Connection is no socket
        self.forwarded_allow_ips = ["*"]
        if not trusted:
            self.secure_scheme_headers: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cfg, name)


class Configuration:
    """The two kinds: `own` also says what the worker itself does."""

    def __init__(self, cfg: Any) -> None:
        self._cfg = cfg
        self.own = Frozen(cfg, trusted=True)
        self._for_strangers = Frozen(cfg, trusted=False)

    def of(self, client: Any) -> Frozen:
        """What holds for a client, by its address; one without (of a Unix socket) is a proxy here."""
        return self.own if self._trusts(client) else self._for_strangers

    def _trusts(self, client: Any) -> bool:
        if not isinstance(client, tuple) or "*" in self._cfg.forwarded_allow_ips:
            return True
        address = ipaddress.ip_address(client[0].partition("%")[0])
        return any(address in network for network in self._cfg.forwarded_allow_networks())

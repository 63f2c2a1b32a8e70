"""gunicorn's configuration as a worker's requests read it, and whose word for https is taken.

The configuration is looked up once a process, and the client's address once a connection.
"""

import ipaddress
from typing import Any

_DEFAULT_FORWARDER_HEADERS = {"SCRIPT_NAME", "PATH_INFO"}
"""gunicorn's own value of the setting: a configuration with it asks for nothing."""


def take_no_names_from_headers(cfg: Any, log: Any) -> None:
    """Let no header of a request become one of the WSGI environment's own names, whatever started gunicorn.

    Changes `cfg`, and warns of what was asked for and is not done. By its defaults (27.0.1) a client on this
    machine, or of a proxy here that passes headers on, says with `SCRIPT_NAME` which part of its path counts.
    """
    asked = sorted(set(cfg.forwarder_headers) - _DEFAULT_FORWARDER_HEADERS)
    if asked:
        log.warning("forwarder_headers counts for nothing here, and %s is not taken", ", ".join(asked))
    cfg.set("forwarder_headers", "")
    if cfg.header_map == "dangerous":
        log.warning("header_map is drop here, not dangerous: names with an underscore are left out")
        cfg.set("header_map", "drop")


class FrozenConfig:
    """Plain attributes in place of gunicorn's table, for clients of one kind.

    Whether their word for the scheme is taken (`forwarded_allow_ips`) is looked up once a connection, and not
    once a request.
    """

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
    """gunicorn's configuration for trusted clients, and for others; `own` is the first, and the worker's."""

    def __init__(self, cfg: Any) -> None:
        self._cfg = cfg
        self.own = FrozenConfig(cfg, trusted=True)
        self._for_untrusted = FrozenConfig(cfg, trusted=False)

    def of(self, client: Any) -> FrozenConfig:
        """Return what holds for a client, by its address; a client of a Unix socket is a proxy here."""
        return self.own if self._trusts(client) else self._for_untrusted

    def _trusts(self, client: Any) -> bool:
        if not isinstance(client, tuple) or "*" in self._cfg.forwarded_allow_ips:
            return True
        address = ipaddress.ip_address(client[0].partition("%")[0])
        return any(address in network for network in self._cfg.forwarded_allow_networks())

"""Hosts of addresses, read as the HTTP client reads them, and a list of those that may be asked."""

import re
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from yarl import URL

_ORIGIN = re.compile(r"(?P<scheme>https?)://[^\s\\/?#\x00-\x1f\x7f]+(?=[/?#]|\Z)", re.IGNORECASE)
"""Beginning of an address that all parsers of URLs cut in the same place."""
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
_ENTRY_BREAK = re.compile(r"[\s,]+")
_PORT = re.compile(r":[0-9]+\Z")
_NO_HOST = "@/?#*"
_NEVER_PUBLIC = (".local", ".internal", ".home.arpa", ".localhost", ".test", ".invalid")
"""Ends of names that no public DNS has: RFC 6761, RFC 6762, RFC 8375, and ICANN's `.internal`."""
_ANY_BELOW = "*."
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Host:
    """Host that an address leads to."""

    name: str
    """In lower case and ASCII, without a dot at the end: xn--… for other letters; IPv6 without
    brackets."""
    port: int
    is_encrypted: bool

    @property
    def is_private(self) -> bool:
        """Whether nobody outside of the machine or its network can answer by this name.

        Addresses of links do not count: at one of them clouds tell their machines' credentials.
        """
        address = _address(self.name)
        if address is not None:
            return address.is_loopback or (address.is_private and not address.is_link_local)
        is_label = "." not in self.name and self.name[0].isalpha()  # 0x8080808 is an address
        return is_label or self.name.endswith(_NEVER_PUBLIC)

    def __str__(self) -> str:
        """Return the name as an address writes it, with a port that is not the scheme's own."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        is_usual = self.port == _PORTS["https" if self.is_encrypted else "http"]
        return name if is_usual else f"{name}:{self.port}"


def host_of(url: str) -> Host | None:
    r"""Return the host that a request to an address goes to; None if that cannot be told for sure.

    `https://good.example@evil.example` leads to evil.example. What parsers read differently, such as
    `https://good.example\@evil.example`, leads nowhere.
    """
    origin = _ORIGIN.match(url)
    if origin is None:
        return None
    try:
        read = URL(origin[0])
        name, port = _plain(read.raw_host or ""), read.port
    except ValueError:
        return None
    if name is None or not port:
        return None
    return Host(name, port, is_encrypted=origin["scheme"].lower() == "https")


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """List of hosts that may be asked; without an entry any may."""

    entries: tuple[str, ...] = ()
    """A name, an address, or `*.name` for every name below; `:port` for that port alone."""

    @property
    def problems(self) -> tuple[str, ...]:
        """The entries that name no host."""
        return tuple(each for each in self.entries if _rule(each) is None)

    def has(self, host: Host) -> bool:
        """Return whether a host may be asked."""
        rules = map(_rule, self.entries)
        return not self.entries or any(
            (host.name.endswith(name) if name.startswith(".") else host.name == name)
            and port in {None, host.port}
            for name, port in (rule for rule in rules if rule)
        )


def entries_of(text: str) -> tuple[str, ...]:
    """Return the entries of a list, one a line or with commas between them."""
    return tuple(each for each in _ENTRY_BREAK.split(text) if each)


@cache
def _rule(entry: str) -> tuple[str, int | None] | None:
    """Return name and port of an entry, the name with a dot before it for all names below it."""
    rest = entry.removeprefix(_ANY_BELOW)
    is_address = _address(rest) is not None
    host = host_of(f"https://[{rest}]" if is_address and ":" in rest else f"https://{rest}")
    if host is None or any(mark in rest for mark in _NO_HOST):
        return None
    port = host.port if not is_address and _PORT.search(rest) else None
    if rest == entry:
        return host.name, port
    is_broad = "." not in host.name or _address(host.name) is not None
    return None if is_broad else (f".{host.name}", port)


def _plain(name: str) -> str | None:
    """Return a name as it is compared; None if it is none."""
    address = _address(name)
    if address is not None:
        return str(address)
    plain = name.lower().removesuffix(".")
    return plain if _NAME.fullmatch(plain) and ".." not in plain else None


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(name)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address

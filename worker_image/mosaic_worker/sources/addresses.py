"""Which IP addresses are public, and hosts that are addresses in disguise."""

import ipaddress
import socket

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")
_IPV4_COMPATIBLE = ipaddress.ip_network("::/96")


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet, and leads nowhere else.

    An IPv6 address that carries an IPv4 address (mapped, 6to4, NAT64) is as public as that one, for a gateway would
    connect to it. Those of Teredo and of a network's own NAT64 are not, nor is anything multicast, link-local,
    site-local or reserved.

    Args:
        address: IPv4 or IPv6, as getaddrinfo gives it.
    """
    found = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(found, ipaddress.IPv6Address):
        carried = found.ipv4_mapped or found.sixtofour
        if carried is None and found in _NAT64:
            carried = ipaddress.IPv4Address(found.packed[-4:])
        if carried is not None:
            return is_public(str(carried))
        if found in _NAT64_LOCAL or found in _IPV4_COMPATIBLE or found.is_site_local:
            return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_link_local)


def address_of(host: str) -> str | None:
    """The address that a host is, if it is one: also 2130706433, 0x7f.1 and 0177.0.0.1, as the C library reads them."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None

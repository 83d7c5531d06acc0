"""Which IP addresses are public, and which hosts are addresses in other notations."""

import ipaddress
import socket

NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        # IANA IPv4 Special-Purpose Address Registry, with all that is multicast or reserved
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers; 100.100.100.200 is the metadata server of Alibaba Cloud
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local; 169.254.169.254 is the metadata server of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is a metadata server of Oracle Cloud
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112, answers for private addresses
        "192.52.193.0/24",  # automatic multicast tunnelling
        "192.88.99.0/24",  # relays from 6to4, deprecated
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and the limited broadcast
        # public by number, but answered by the cloud that a machine runs in
        "168.63.129.16/32",  # the host of a virtual machine on Azure (WireServer)
        "161.26.0.0/16",  # services of IBM Cloud
        "166.8.0.0/14",  # services of IBM Cloud
        # IANA IPv6 Special-Purpose Address Registry, within 2000::/3, of which all public addresses are
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID, drone identifiers and others
        "2001:db8::/32",  # documentation
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
"""Networks whose addresses are not on the public internet, or lead to something near whoever connects to them."""
_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet, and leads nowhere else.

    An IPv6 address that carries an IPv4 address (mapped, 6to4, NAT64) is as public as that one, for a gateway would
    connect to it. Any other one is public in 2000::/3 only: the rest is not given out, or is link-local, site-local
    (fec0::/10), unique local (fc00::/7, fd00:ec2::254 among it), multicast, a network's own NAT64 (64:ff9b:1::/48) or
    of segment routing (5f00::/16).

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
        if found not in _UNICAST:
            return False
    return not any(found in network for network in NOT_PUBLIC)


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

"""Which IP addresses are public, and hosts that are addresses in other notations."""

import ipaddress
import socket

NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        # IANA IPv4 Special-Purpose Address Registry, multicast and reserved
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
        # public numbers that the cloud of the machine answers
        "168.63.129.16/32",  # the host of a virtual machine on Azure (WireServer)
        "161.26.0.0/16",  # services of IBM Cloud
        "166.8.0.0/14",  # services of IBM Cloud
        # IANA IPv6 Special-Purpose Address Registry, within 2000::/3, which has all public addresses
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID, drone identifiers and others
        "2001:db8::/32",  # documentation
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
"""Networks that are not on the public internet, or that reach services near the client."""
_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an address, IPv4 or IPv6 as getaddrinfo returns it, is on the public internet.

    An IPv6 address that contains an IPv4 address (mapped, 6to4, NAT64) is as public as that one, because a gateway
    connects to it. Others are public only in 2000::/3. The rest is unassigned, link-local, site-local (fec0::/10),
    unique local (fc00::/7 with fd00:ec2::254), multicast, local NAT64 (64:ff9b:1::/48) or segment routing (5f00::/16).
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
    """The IP address that a host name is, if any; also in forms of the C library: 2130706433, 0x7f.1, 0177.0.0.1."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None

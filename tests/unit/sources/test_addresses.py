"""Which addresses are public."""

import ipaddress
import random

import pytest
from mosaic_worker.sources.access.ip_addresses import NOT_PUBLIC, address_of, is_public


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
)
def test_addresses_of_the_internet_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
        "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "168.63.129.16", "192.0.0.192", "192.88.99.1", "100.100.100.200",
        "161.26.0.10", "3fff::1", "3fff:fff::1", "5f00::1",
        "4000::1", "1fff::1", "100::1", "2001:1::1", "2620:4f:8000::1", "fd20:ce::254", "::ffff:168.63.129.16",
        "64:ff9b:1::808:808", "2002:7f00:1::", "2002:a00:1::1", "2001:0:7f00:1::1",
    ],
)  # fmt: skip
def test_all_other_addresses_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("::1", "::1"),
        ("example.org", None),
        ("1.example.org", None),
    ],
)
def test_recognises_every_spelling_of_an_address_that_the_c_library_accepts(host, address):
    assert address_of(host) == address


def embedding_addresses(address: ipaddress.IPv4Address) -> list[ipaddress.IPv6Address]:
    """IPv6 addresses by which gateways connect to an IPv4 address: mapped, 6to4 and NAT64."""
    number = int(address)
    return [
        ipaddress.IPv6Address(0xFFFF << 32 | number),
        ipaddress.IPv6Address(0x2002 << 112 | number << 80 | 1),
        ipaddress.IPv6Address(0x64FF9B << 96 | number),
    ]


@pytest.mark.parametrize("network", NOT_PUBLIC, ids=str)
def test_no_address_in_a_network_of_the_table_is_public_in_any_spelling(network):
    chosen = random.Random(str(network))
    size = network.num_addresses
    for place in (0, size - 1, size // 2, *(chosen.randrange(size) for _ in range(50))):
        address = network[place]
        spellings = [address, *(embedding_addresses(address) if address.version == 4 else ())]
        assert [str(each) for each in spellings if is_public(str(each))] == []


@pytest.mark.slow
def test_an_address_that_python_considers_not_global_is_never_public():
    chosen = random.Random(7)
    for _ in range(20_000):
        four = ipaddress.IPv4Address(chosen.randrange(2**32))
        six = ipaddress.IPv6Address(chosen.randrange(2**128))
        for address in (four, six):
            if not address.is_global or address.is_multicast or address.is_reserved or address.is_link_local:
                assert not is_public(str(address)), address
        assert {is_public(str(each)) for each in embedding_addresses(four)} == {is_public(str(four))}
        assert (
            six in ipaddress.ip_network("2000::/3")
            or six in ipaddress.ip_network("64:ff9b::/96")
            or not is_public(str(six))
        )

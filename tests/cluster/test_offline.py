"""Nothing is fetched unless it is asked for: what a study and its report send beyond their host."""

import ipaddress
import re

import pytest

from tests.processes import wait_for

PATIENCE_SECONDS = 400
STUDY = (
    *("python", "-m", "study.run", "--search", "optuna", "--repeats", "1", "--optimizers", "sgd", "--trials", "1"),
    *("--seeds", "1", "--confirm-seeds", "6", "--train-images", "20", "--epochs", "1", "--output", "out"),
)
LOOK_UP = "import socket\ntry: socket.getaddrinfo('example.org', 80)\nexcept OSError: pass"

LISTEN = """
import socket
IPV4, OUTGOING = 0x0800, 4
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as everything:
    everything.bind(("eth0", 0))
    print("listens", flush=True)
    while True:
        packet, (_, protocol, kind, *_) = everything.recvfrom(2000)
        if (protocol, kind) == (IPV4, OUTGOING):
            print(packet[14:].hex(), flush=True)
"""

CLOUD = "169.254.169.254"
"""Where machines of clouds are told about themselves: Ray asks there in which cloud it runs, and so at this name."""

CLOUD_NAME = "metadata.google.internal"


def destinations(lines):
    """Addresses that packets went to, and names that were asked for."""
    found = set()
    for line in lines:
        packet = bytes.fromhex(line)
        address, port = str(ipaddress.ip_address(packet[16:20])), int.from_bytes(packet[22:24], "big")
        labels = re.findall(rb"[\x01-\x3f][A-Za-z0-9-]+", packet[40:]) if port == 53 else []
        found.add(".".join(label[1:].decode() for label in labels) if labels else address)
    return found


@pytest.mark.slow
def test_a_study_and_its_report_ask_for_nothing(hosts, tmp_path):
    with hosts(1) as (host,):
        gateway = host.run(["ip", "route", "show", "default"]).stdout.split()[2]
        servers = tmp_path / "resolv.conf"
        servers.write_text(f"nameserver {gateway}\noptions timeout:1 attempts:1\n", encoding="utf-8")
        host.run(["mount", "--bind", str(servers), "/etc/resolv.conf"])
        with (tmp_path / "packets").open("w") as sink:
            listener = host.start(["python", "-c", LISTEN], stdout=sink)

        def packets():
            return (tmp_path / "packets").read_text().splitlines()

        wait_for(lambda: packets() == ["listens"], listener, PATIENCE_SECONDS)
        host.run([*STUDY], cwd=tmp_path, timeout=PATIENCE_SECONDS)
        host.run(["python", "-m", "analysis.report", "out"], cwd=tmp_path, timeout=PATIENCE_SECONDS)
        asked = {name.removesuffix(".") for name in destinations(packets()[1:])}
        assert {name for name in asked if not name.startswith(CLOUD_NAME)} <= {CLOUD}
        # Else this would show nothing.
        host.run(["python", "-c", LOOK_UP])
        wait_for(lambda: any("example.org" in name for name in destinations(packets()[1:])), listener, PATIENCE_SECONDS)

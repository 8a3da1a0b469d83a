"""Nothing is fetched unless it is asked for: a study and its report send no packet beyond their host."""

import pathlib

import pytest

from tests.processes import wait_for

PATIENCE_SECONDS = 400
STUDY = (
    *("python", "-m", "study.run", "--search", "optuna", "--repeats", "1", "--optimizers", "sgd", "--trials", "1"),
    *("--seeds", "1", "--confirm-seeds", "6", "--train-images", "20", "--epochs", "1", "--output", "out"),
)
LOOK_UP = "import socket\ntry: socket.getaddrinfo('example.org', 80)\nexcept OSError as error: print(error)"
NAME_SERVER = "nameserver 10.213.7.200\noptions timeout:1 attempts:1\n"


def sent(host):
    """Packets, those that ask who has an address among them."""
    lines = pathlib.Path(f"/proc/{host.pid}/net/dev").read_text().splitlines()
    (line,) = [line for line in lines if line.strip().startswith("eth0:")]
    return int(line.partition(":")[2].split()[9])


@pytest.mark.slow
def test_a_study_and_its_report_send_nothing(hosts, tmp_path):
    (tmp_path / "resolv.conf").write_text(NAME_SERVER, encoding="utf-8")
    with hosts(1) as (host,):
        # The new protocol's neighbours greet each other unasked.
        host.run(["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"], outside="--net", cwd="/")
        host.run(["mount", "--bind", str(tmp_path / "resolv.conf"), "/etc/resolv.conf"])
        before = sent(host)
        host.run([*STUDY], cwd=tmp_path, timeout=PATIENCE_SECONDS)
        host.run(["python", "-m", "analysis.report", "out"], cwd=tmp_path, timeout=PATIENCE_SECONDS)
        assert sent(host) == before
        # Else this would show nothing.
        looking = host.start(["python", "-c", LOOK_UP], stdout=-1)
        wait_for(lambda: sent(host) > before, looking, PATIENCE_SECONDS)
        looking.communicate()

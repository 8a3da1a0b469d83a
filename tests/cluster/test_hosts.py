"""The hosts of these tests are hosts: alone with their processes and files, and reached by their addresses alone."""

import pathlib
import time


def test_hosts_reach_each_other_but_while_one_is_cut_off(hosts):
    with hosts(2) as (one, other):
        listen = (
            "import socket; s = socket.create_server(('', 5000)); print('listens', flush=True)\nwhile s.accept(): ..."
        )
        server = other.start(["python", "-c", listen], stdout=-1)
        assert server.stdout.readline() == "listens\n"
        call = f"import socket; socket.create_connection(('{other.address}', 5000), timeout=0.5)"
        assert one.run(["python", "-c", call]).returncode == 0
        other.cut()
        assert "TimeoutError" in one.run(["python", "-c", call], check=False).stderr
        other.join()
        patient = call.replace("0.5", "20")
        assert one.run(["python", "-c", patient]).returncode == 0
        other.end()
        server.communicate()


def test_a_host_sees_its_own_processes_and_ray_folder_alone(hosts):
    with hosts(2) as (one, other):
        sleeper = one.start(["sleep", "1000"])
        (one.home.parent / "ray" / "note").touch()
        assert one.run(["ls", "/tmp/ray"]).stdout == "note\n"
        assert other.run(["ls", "/tmp/ray"]).stdout == ""
        assert one.run(["sh", "-c", "echo $HOME"]).stdout == f"{one.home}\n"
        names = ["sh", "-c", "cat /proc/[0-9]*/comm"]
        assert "sleep" in one.run(names, check=False).stdout.split()
        assert "sleep" not in other.run(names, check=False).stdout.split()
        one.end()
        assert sleeper.wait(timeout=10)
        assert other.run(["true"]).returncode == 0


def test_orphans_leave_no_zombie(hosts):
    """`ray stop` waits for what it ends, a zombie as well."""
    with hosts(1) as (host,):
        host.run(["sh", "-c", "(sleep 0.1 &) &"])
        states = "cat /proc/[0-9]*/stat"
        deadline = time.monotonic() + 10
        while "(sleep)" in (shown := host.run(["sh", "-c", states], check=False).stdout):
            assert time.monotonic() < deadline, shown


def test_nothing_of_the_hosts_is_left(hosts):
    with hosts(1) as (host,):
        folder, pid = host.home.parent.parent, host.pid
        host.run(["touch", str(folder / "made")])
        assert (folder / "made").exists()
    assert not folder.exists()
    assert not pathlib.Path(f"/proc/{pid}").exists()

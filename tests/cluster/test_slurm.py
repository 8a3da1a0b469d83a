"""The Slurm script: starts Ray on all nodes, runs the study, and ends it gracefully at the time limit."""

import os
import pathlib
import signal
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]
STUDY = "--search random --optimizers sgd --dataset synthetic --trials 2000 --confirm-seeds 0 --no-sweep --no-timing"
STAND_INS = {
    "srun": '#!/bin/bash\necho "srun $*"\nwhile [[ $1 == --* ]]; do shift; done\nexec "$@"\n',
    "scontrol": "#!/bin/bash\nprintf 'node1\\nnode2\\n'\n",
}
"""Every node of the job is this one."""


def num_raylets(host):
    """Nodes of Ray on a host."""
    return host.run(["bash", "-c", "cat /proc/[0-9]*/comm"], check=False).stdout.split().count("raylet")


@pytest.mark.slow
def test_the_slurm_script_runs_a_study_and_hands_it_the_signal_of_the_time_limit(hosts, tmp_path):
    for name, text in {**STAND_INS, "activate": ""}.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    with hosts(1) as (host,):
        env = host.environment()
        env |= {"PATH": f"{tmp_path}/bin:{env['PATH']}", "STUDY_ENV": str(tmp_path)}
        env |= {"SLURM_JOB_ID": "4711", "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_JOB_NUM_NODES": "2"}
        env |= {"SLURM_CPUS_PER_TASK": "1"}
        script = str(ROOT / "docs" / "cluster" / "study.slurm")
        words = ["bash", script, *STUDY.split(), "--output", str(tmp_path / "study")]
        log = tmp_path / "log"
        with log.open("w") as out:
            job = host.start(words, env, stdout=out, stderr=out)
        deadline = time.monotonic() + 240
        while " of 4,000 networks" not in log.read_text():
            assert job.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
        count = num_raylets(host)
        (script_pid,) = pathlib.Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
        os.kill(int(script_pid), signal.SIGTERM)
        assert job.wait(timeout=120) == 143, log.read_text()
        said = log.read_text()
        print(said)
        assert "--nodelist=node1 ray start --head" in said
        assert "--exclude=node1 ray start --block" in said
        assert "Not finished; go on with:" in said
        assert count == 2

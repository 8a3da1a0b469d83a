"""The files that make clusters hold what they promise, and each check refuses the file that breaks the promise."""

import pathlib
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator

import click
import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from study.request.options import parser

ROOT = pathlib.Path(__file__).parents[2]
RAY = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[1]
PYTHON = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["target-version"]
TAGS = {f"{RAY}-{PYTHON}-{device}" for device in ("cpu", "gpu")}
PATHS = re.compile(r"(?:docs/[\w./-]*\w|(?<![\w./-])(?:constraints\.txt|cluster\.yaml))")
STUDY_RUN = re.compile(r"python -m study\.run ((?:[^\n#\\]|\\\n)+)")


def numbers(value: object) -> Iterator[float]:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from numbers(part)
    elif isinstance(value, int | float):
        yield value


def check_text(text: str) -> None:
    """What holds for every file: no token, no dead path, no option that `study.run` does not have, pinned images."""
    assert not re.search(r"\b[0-9a-f]{32,}\b", text), "holds something like a token"
    for path in PATHS.findall(text):
        assert (ROOT / path).exists(), f"{path} does not exist"
    for words in STUDY_RUN.findall(text):
        if '"$@"' not in words:
            parser().parse_args([word for word in shlex.split(words.replace("\\\n", " ")) if word.strip("`")])
    for tag in re.findall(r"(?:rayproject/ray|optimizer-study):(\d[\w.-]+)", text.replace("${DEVICE}", "cpu")):
        assert tag in TAGS, f"image of {tag}, but constraints.txt and pyproject.toml want {sorted(TAGS)}"


def check_shell(command: str) -> None:
    checked = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True, check=False)
    assert not checked.returncode, checked.stderr


def check_launcher(text: str) -> dict[str, object]:
    """A file for `ray up`; returns what Ray makes of it."""
    check_text(text)
    config = prepare_config(yaml.safe_load(text))
    validate_config(config)
    assert min(numbers(config)) >= 0, "a negative number"
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        (start,) = [command for command in commands if "ray start" in command]
        assert "RAY_AUTH_MODE=token" in start, "no token asked for"
    mounts = config["file_mounts"]
    assert [to for to, given in mounts.items() if given == "~/.ray/auth_token"], "nodes get no token"
    assert [to for to, given in mounts.items() if given == "."], "nodes get no package"
    assert {"/data", "/results"} <= set(config["rsync_exclude"]), "data or results are sent to the nodes"
    for key in ("initialization", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray"):
        for command in config[f"{key}_commands"]:
            check_shell(command)
    installs = [command for command in config["worker_setup_commands"] if "pip install" in command]
    assert installs
    assert all("constraints.txt" in command for command in installs), "the versions are not pinned"
    return config


def check_cloud(text: str) -> None:
    config = check_launcher(text)
    types = dict(config["available_node_types"])
    assert types.pop(config["head_node_type"])["resources"] == {"CPU": 0}, "the head runs trials"
    assert config["docker"]["image"].endswith("-cpu")
    for name, node in types.items():
        assert node["min_workers"] == 0 < node["max_workers"], f"{name} does not scale from zero"
        image = node.get("docker", {}).get("worker_image", config["docker"]["image"])
        assert image.endswith("-gpu" if "GPU" in node["resources"] else "-cpu"), f"{name} has the wrong image"
    assert {"GPU" in node["resources"] for node in types.values()} == {False, True}, "one kind of worker is missing"
    assert 0 < config["idle_timeout_minutes"] <= 10, "idle workers stay too long, or go at once"
    assert sum(node["max_workers"] for node in types.values()) <= config["max_workers"], "not all workers can start"


def check_on_prem(text: str) -> None:
    config = check_launcher(text)
    (node,) = config["available_node_types"].values()
    assert node["min_workers"] == node["max_workers"] == len(config["provider"]["worker_ips"]), "not all workers start"
    (head,) = [command for command in config["head_start_ray_commands"] if "ray start" in command]
    assert "--num-cpus=0" in head, "the head runs trials"
    assert "RAY_enable_autoscaler_v2=0" in head, "autoscaler 2 starts no worker of this provider"


def fields(required: str, optional: str = "", **known: object) -> dict[str, object]:
    """Schema of an object with these fields and no other, as KubeRay's reference of ray.io/v1 names them."""
    names = {name: {} for name in f"{required} {optional}".split()}
    return {
        "type": "object",
        "properties": names | known,
        "required": required.split(),
        "additionalProperties": False,
    }


COUNT = {"type": "integer", "minimum": 0}
START = {"type": "object", "additionalProperties": {"type": "string"}}
QUANTITIES = {"type": "object", "additionalProperties": {"type": "string", "pattern": r"^[0-9.]+([KMGT]i|m)?$"}}
CONTAINER = fields(
    "name image resources",
    "env ports volumeMounts",
    resources=fields("requests limits", requests=QUANTITIES, limits=QUANTITIES),
)
POD = fields(
    "spec",
    "metadata",
    spec=fields(
        "containers",
        "serviceAccountName nodeSelector tolerations volumes",
        containers={"type": "array", "minItems": 1, "items": CONTAINER},
    ),
)
GROUP = fields(
    "groupName replicas minReplicas maxReplicas rayStartParams template",
    "idleTimeoutSeconds numOfHosts",
    replicas=COUNT,
    minReplicas=COUNT,
    maxReplicas=COUNT,
    rayStartParams=START,
    template=POD,
)
CLUSTER = fields(
    "rayVersion authOptions enableInTreeAutoscaling headGroupSpec workerGroupSpecs",
    rayVersion={"const": RAY},
    authOptions=fields("mode", mode={"const": "token"}),
    enableInTreeAutoscaling={"const": True},
    autoscalerOptions=fields(
        "version idleTimeoutSeconds", "upscalingMode", version={"enum": ["v1", "v2"]}, idleTimeoutSeconds=COUNT
    ),
    headGroupSpec=fields("rayStartParams template", rayStartParams=START, template=POD),
    workerGroupSpecs={"type": "array", "minItems": 2, "items": GROUP},
)
JOB = fields(
    "apiVersion kind metadata spec",
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=fields("", "name generateName namespace"),
    spec=fields(
        "entrypoint shutdownAfterJobFinishes rayClusterSpec",
        "runtimeEnvYAML activeDeadlineSeconds",
        entrypoint={"type": "string", "pattern": "^python -m study.run .*--output s3://"},
        shutdownAfterJobFinishes={"const": True},
        ttlSecondsAfterFinished=COUNT,
        backoffLimit=COUNT,
        rayClusterSpec=CLUSTER,
    ),
)


def check_rayjob(text: str) -> None:
    check_text(text)
    job = yaml.safe_load(text)
    jsonschema.validate(job, JOB)
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0", "the head runs trials"
    kinds = set()
    for group in cluster["workerGroupSpecs"]:
        assert group["replicas"] == group["minReplicas"] == 0 < group["maxReplicas"], "does not scale from zero"
        (container,) = group["template"]["spec"]["containers"]
        has_gpu = "nvidia.com/gpu" in container["resources"]["limits"]
        assert container["image"].endswith("-gpu" if has_gpu else "-cpu"), "the wrong image"
        kinds.add(has_gpu)
    assert kinds == {False, True}, "one kind of worker is missing"


def check_slurm(text: str) -> None:
    check_text(text)
    check_shell(text)
    assert re.search(r"^#SBATCH --signal=B:TERM@\d+$", text, re.MULTILINE), "the driver is killed at the time limit"
    assert "RAY_AUTH_MODE=token" in text, "no token asked for"
    assert 'kill -TERM "$driver"' in text, "the driver does not hear of the time limit"


def check_readme(text: str) -> None:
    check_text(text)
    blocks = re.findall(r"^```\n(.+?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        check_shell(block)
    for link in re.findall(r"\]\(([^):]+)\)", text):
        if link != "tokens.md":
            assert (ROOT / "docs" / "cluster" / link).exists(), f"{link} does not exist"


def check_runtime_env(text: str) -> None:
    env = yaml.safe_load(text)
    assert {"/data", "/results"} <= set(env["excludes"]), "data or results are sent to the cluster"
    assert env["env_vars"]["RAY_AUTH_MODE"] == "token", "the driver asks for no token"
    assert int(env["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"]) >= 60, "a driver that is stopped is killed before its end"


CHECKS = {
    "cluster.yaml": check_cloud,
    "docs/cluster/on-prem.yaml": check_on_prem,
    "docs/cluster/rayjob.yaml": check_rayjob,
    "docs/cluster/runtime-env.yaml": check_runtime_env,
    "docs/cluster/study.slurm": check_slurm,
    "docs/cluster/README.md": check_readme,
    "docs/cluster/Dockerfile": check_text,
}
REFUSALS = AssertionError, ValueError, SystemExit, click.ClickException, jsonschema.ValidationError
BREAKS = [
    ("cluster.yaml", '"CPU": 0', '"CPU": 4', "the head runs trials"),
    ("cluster.yaml", "max_workers: 8", "max_workers: -8", "a negative number"),
    ("cluster.yaml", "max_workers: 8", "max_workers: 80", "not all workers can start"),
    ("cluster.yaml", "min_workers: 0", "min_workers: 1", "does not scale from zero"),
    ("cluster.yaml", "min_workers", "minimum_workers", "minimum_workers"),
    ("cluster.yaml", "head_node_type: head", "head_node_type: chief", "must be one of `available_node_types`"),
    ("cluster.yaml", "upscaling_speed: 1.0", "upscaling_speed: -1", "less than the minimum"),
    ("cluster.yaml", "idle_timeout_minutes: 5", "idle_timeout_minutes: 500", "idle workers"),
    ("cluster.yaml", f"ray:{RAY}-{PYTHON}-gpu", f"ray:{RAY}-{PYTHON}-cpu", "wrong image"),
    ("cluster.yaml", f"ray:{RAY}-{PYTHON}-gpu", f"ray:2.9.0-{PYTHON}-gpu", "image of 2.9.0"),
    ("cluster.yaml", f"ray:{RAY}-{PYTHON}-cpu", f"ray:{RAY}-py312-cpu", "py312"),
    ("cluster.yaml", "RAY_AUTH_MODE=token ray start --head", "ray start --head", "no token asked for"),
    ("cluster.yaml", "RAY_AUTH_MODE=token ray start --address", "ray start --address", "no token asked for"),
    ("cluster.yaml", "/home/ray/.ray/auth_token: ~/.ray/auth_token", "", "nodes get no token"),
    (
        "cluster.yaml",
        "RAY_AUTH_MODE=token ray start",
        f"RAY_AUTH_TOKEN={'0a' * 32} RAY_AUTH_MODE=token ray start",
        "something like a token",
    ),
    ("cluster.yaml", "- /results", "", "data or results"),
    ("cluster.yaml", "- /data", "", "data or results"),
    ("cluster.yaml", "-c ~/optimizer-study/constraints.txt", "", "not pinned"),
    ("cluster.yaml", "docs/cluster/Dockerfile", "docs/cluster/Containerfile", "Containerfile does not exist"),
    ("cluster.yaml", "chmod 600 ~/.ray/auth_token\n", "chmod 600 '~/.ray/auth_token\n", "unexpected EOF"),
    ("docs/cluster/on-prem.yaml", "--num-cpus=0", "", "the head runs trials"),
    ("docs/cluster/on-prem.yaml", " RAY_enable_autoscaler_v2=0", "", "starts no worker"),
    ("docs/cluster/on-prem.yaml", "RAY_AUTH_MODE=token ray start", "ray start", "no token asked for"),
    ("docs/cluster/on-prem.yaml", "idle_timeout_minutes: 5", "min_workers: 0", "not all workers start"),
    ("docs/cluster/on-prem.yaml", "head_ip:", "head:", "head_ip"),
    ("docs/cluster/on-prem.yaml", "- /results", "", "data or results"),
    ("docs/cluster/on-prem.yaml", "~/.ray/auth_token: ~/.ray/auth_token", "", "nodes get no token"),
    ("docs/cluster/rayjob.yaml", 'num-cpus: "0"', "num-cpus: 0", "not of type 'string'"),
    ("docs/cluster/rayjob.yaml", 'num-cpus: "0"', 'num-cpus: "4"', "the head runs trials"),
    ("docs/cluster/rayjob.yaml", "mode: token", "mode: disabled", "'token' was expected"),
    ("docs/cluster/rayjob.yaml", "authOptions", "authOption", "'authOptions' is a required"),
    (
        "docs/cluster/rayjob.yaml",
        "enableInTreeAutoscaling",
        "enableAutoscaling",
        "'enableInTreeAutoscaling' is a required",
    ),
    ("docs/cluster/rayjob.yaml", "minReplicas: 0", "minReplicas: 1", "does not scale from zero"),
    ("docs/cluster/rayjob.yaml", "maxReplicas: 4", "maxReplicas: -4", "less than the minimum"),
    ("docs/cluster/rayjob.yaml", "shutdownAfterJobFinishes: true", "", "is a required"),
    ("docs/cluster/rayjob.yaml", f'"{RAY}"', '"2.9.0"', f"'{RAY}' was expected"),
    ("docs/cluster/rayjob.yaml", f"{RAY}-{PYTHON}-gpu", f"{RAY}-{PYTHON}-cpu", "wrong image"),
    ("docs/cluster/rayjob.yaml", "--search optuna", "--serach optuna", "2"),
    ("docs/cluster/rayjob.yaml", " --output s3://BUCKET/study", "", "does not match"),
    ("docs/cluster/runtime-env.yaml", "  - /data\n", "", "data or results"),
    ("docs/cluster/runtime-env.yaml", "RAY_AUTH_MODE: token", "RAY_AUTH_MODE: disabled", "no token"),
    ("docs/cluster/runtime-env.yaml", '"120"', '"3"', "before its end"),
    ("docs/cluster/study.slurm", "\ndone", "", "syntax error"),
    ("docs/cluster/study.slurm", "B:TERM", "TERM", "killed at the time limit"),
    ("docs/cluster/study.slurm", "RAY_AUTH_MODE=token", "", "no token asked for"),
    ("docs/cluster/README.md", "(umask 077; ", "(umask 077; && ", "syntax error"),
    ("docs/cluster/README.md", "(on-prem.yaml)", "(onprem.yaml)", "onprem.yaml does not exist"),
    ("docs/cluster/README.md", "--search optuna", "--search", "2"),
    ("docs/cluster/Dockerfile", RAY, "2.9.0", "image of 2.9.0"),
]


@pytest.mark.parametrize("name", CHECKS)
def test_a_file_holds_what_it_promises(name):
    CHECKS[name]((ROOT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "good", "bad", "reason"), BREAKS)
def test_a_broken_file_is_refused(name, good, bad, reason):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert good in text
    with pytest.raises(REFUSALS, match=re.escape(reason)):
        CHECKS[name](text.replace(good, bad))


def test_every_promise_is_broken_once():
    assert {name for name, *_ in BREAKS} == set(CHECKS)


def test_images_leave_data_and_results_out():
    ignored = (ROOT / "docs" / "cluster" / "Dockerfile.dockerignore").read_text().split()
    assert {"data", "results", ".git"} <= set(ignored)

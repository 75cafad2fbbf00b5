"""contrib/container/compose.yaml and contrib/kubernetes match their schemas, the command, the image and each other. The workflows
match theirs, and the Makefile.

    manifests.py TOOL

TOOL is the command wxtoken. This runs in a Python environment with manifests-requirements.txt.
"""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import yaml
from checks import ROOT, Checks
from common import VERSION

COMPOSE = ROOT / "contrib" / "container" / "compose.yaml"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
KUBERNETES = sorted((ROOT / "contrib" / "kubernetes").glob("*.yaml"))
VALIDATORS = Path(sys.executable).parent
IMAGE = f"wxtoken:{VERSION}"
STORE = "/var/lib/wxtoken"


def main(tool):
    check = Checks()
    parses = Parser(tool)
    check("the command refuses an unknown word", not parses(["keep", "--fro", "x"]) and not parses(["keeper"]))
    fits(check, "Compose", "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)
    for file in KUBERNETES:
        fits(check, f"Kubernetes {file.name}", "kubernetes-validate", "--strict", file)
    compose(check, parses, yaml.safe_load(COMPOSE.read_text()))
    routes = yaml.safe_load((ROOT / "docs" / "server.openapi.yaml").read_text())["paths"]
    for file in KUBERNETES:
        objects = list(yaml.safe_load_all(file.read_text()))
        for one in objects:
            if "template" in one["spec"]:
                pod_of(check, parses, routes, file.name, one)
        services(check, file.name, objects)
    documents(check)
    fits(check, "dependabot.yml", "check-jsonschema", "--builtin-schema", "vendor.dependabot", ROOT / ".github" / "dependabot.yml")
    targets = set(re.search(r"^\.PHONY:((?:.*\\\n)*.*)", (ROOT / "Makefile").read_text(), re.M)[1].split())
    for file in WORKFLOWS:
        fits(check, f"workflow {file.name}", "check-jsonschema", "--builtin-schema", "vendor.github-workflows", file)
        made = made_by(yaml.safe_load(file.read_text()))
        check(f"workflow {file.name}: the Makefile has each target", made and made <= targets, sorted(made - targets))
    return check.end()


def made_by(workflow):
    """Return the targets that a workflow makes. A matrix names some of them."""
    commands = []
    for job in workflow["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {}).get("run", [""])
        commands += [step["run"].replace("${{ matrix.run }}", run) for step in job["steps"] if "run" in step for run in matrix]
    return {target for command in commands for target in re.findall(r"\bmake ([a-z-]+)", command)}


class Parser:
    """The real command line. Its error names the first unknown word, which must be the extra one."""

    UNKNOWN = "--what-no-option-is-called"

    def __init__(self, tool):
        self.tool = tool

    def __call__(self, words):
        done = subprocess.run([self.tool, *words, self.UNKNOWN], capture_output=True, text=True, check=False)
        return done.returncode == 2 and f"there is no option {self.UNKNOWN}" in done.stderr


def fits(check, what, *words):
    done = subprocess.run([VALIDATORS / words[0], *words[1:]], capture_output=True, text=True, check=False)
    check(f"{what}: it matches the schema", done.returncode == 0, done.stdout, done.stderr)


def compose(check, parses, whole):
    for name, service in whole["services"].items():
        say = f"Compose {name}"
        check(f"{say}: it uses the packed image", service["image"] == IMAGE, service["image"])
        commands(check, parses, say, service["command"], service.get("healthcheck", {}).get("test", ["CMD"])[1:])
        strict = (service["read_only"], service["cap_drop"], service["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
        check(f"{say}: its root is read-only and it has no capability", strict and not service["user"].startswith("0"))
        mounts = [volume.split(":") for volume in service["volumes"]]
        declared = set(whole["volumes"]) >= {mount[0] for mount in mounts} and set(whole["secrets"]) >= set(service.get("secrets", []))
        check(f"{say}: its volumes and secrets are declared", declared)
        places = [mount[1] for mount in mounts] + [f"/run/secrets/{secret}" for secret in service.get("secrets", [])]
        check.none(f"{say}: each file in its arguments is mounted", unmounted(service["command"], places))
        published = {port.split(":")[-1] for port in service.get("ports", [])}
        check(f"{say}: the port is the one that it listens on", published == set(listening(service["command"]).values()), published)
        check.none(f"{say}: its dependencies exist", set(service.get("depends_on", {})) - set(whole["services"]))
    app = whole["services"]["app"]
    check("Compose app: it has no secret, no network, and cannot write", "secrets" not in app and app["network_mode"] == "none" and app["volumes"][0].endswith(":ro"))


def pod_of(check, parses, routes, file, one):
    pod = one["spec"]["template"]["spec"]
    check(f"{file}: the selector matches its pods", one["spec"]["selector"]["matchLabels"].items() <= one["spec"]["template"]["metadata"]["labels"].items())
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in itertools.chain(pod.get("initContainers", []), pod["containers"]):
        say = f"{file} {container['name']}"
        mounts = container["volumeMounts"]
        is_ours = container["image"].startswith("wxtoken:")
        probes = [container[name] for name in ("startupProbe", "livenessProbe", "readinessProbe") if name in container]
        if is_ours:
            check(f"{say}: it uses the packed image", container["image"] == IMAGE, container["image"])
            commands(check, parses, say, container["args"], *(probe["exec"]["command"] for probe in probes if "exec" in probe))
            listens = listening(container["args"])
            given = {str(port["containerPort"]): port["name"] for port in container.get("ports", [])}
            check(f"{say}: its port is the one that it listens on", set(listens.values()) == set(given))
            for probe in (probe["httpGet"] for probe in probes if "httpGet" in probe):
                good = probe["path"] in routes and probe["port"] in given.values() and probe["scheme"].lower() in listens
                check(f"{say}: the server answers the probe of {probe['path']}", good, probe)
        else:
            check(f"{say}: a program reads the store and no secret", all(mount["mountPath"] == STORE and mount.get("readOnly") for mount in mounts))
        check.none(f"{say}: each volume exists", {mount["name"] for mount in mounts} - volumes)
        named = [*container.get("args", []), *(variable["value"] for variable in container.get("env", []))]
        check.none(f"{say}: each file in its arguments is mounted", unmounted(named, [mount["mountPath"] for mount in mounts]))
        context = container["securityContext"]
        strict = context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"] and context["capabilities"] == {"drop": ["ALL"]}
        check(f"{say}: its root is read-only and it has no capability", strict)
        secrets = [mount for mount in mounts if mount["name"] == "secrets"]
        check(f"{say}: secrets are mounted read-only", all(mount["readOnly"] for mount in secrets))


def services(check, file, objects):
    pods = [one["spec"]["template"] for one in objects if "template" in one["spec"]]
    for service in (one for one in objects if one["kind"] in ("Service", "PodDisruptionBudget")):
        selector = service["spec"]["selector"].get("matchLabels", service["spec"]["selector"])
        chosen = [pod for pod in pods if selector.items() <= pod["metadata"]["labels"].items()]
        ports = {port["name"] for pod in chosen for container in pod["spec"]["containers"] for port in container.get("ports", [])}
        wanted = {port["targetPort"] for port in service["spec"].get("ports", [])}
        check(f"{file} {service['kind']}: it selects pods of this file, and their ports", chosen and wanted <= ports, wanted, ports)


def commands(check, parses, say, words, *probes):
    check(f"{say}: the command accepts its arguments", parses(words), words)
    for probe in filter(None, probes):
        check(f"{say}: the probe is a command of the image", probe[0] == "/wxtoken" and parses(probe[1:]), probe)


def listening(words):
    """The ports that are listened on, by scheme."""
    urls = [after for before, after in itertools.pairwise(words) if before == "--listen"]
    return {url.partition(":")[0]: url.rpartition(":")[2] for url in urls}


def unmounted(words, places):
    paths = [word for word in words if word.startswith("/")]
    return [path for path in paths if not any(path == place or path.startswith(f"{place}/") for place in places)]


def documents(check):
    """Both languages have the same blocks of code, except for comments, and name existing files."""
    pages = [(ROOT / "docs" / name).read_text() for name in ("containers.md", "containers.zh-CN.md")]
    blocks = [[re.sub(r"(?m)\s*#.*$", "", block) for block in re.findall(r"(?ms)^```.*?^```", page)] for page in pages]
    check("docs/containers.md has the same code in both languages", blocks[0] and blocks[0] == blocks[1], *set(blocks[0]).symmetric_difference(blocks[1]))
    linked = {link for page in pages for link in re.findall(r"\]\(((?:\.\./)?[\w./-]+)[)#]", page)}
    check.none("the target of its link exists", {link for link in linked if not (ROOT / "docs" / link).exists()})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))

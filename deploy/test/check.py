"""What can be checked of deploy/ without a cluster, a container engine or a network.

    check.py            # all of it
    check.py --update   # write the snapshots of the chart anew

The chart is rendered by Helm itself for every file in helm/tamis/ci; what comes out is validated against Kubernetes' own
schemas, held to the policy below, and compared with its snapshot. With TAMIS=BINARY that binary checks the settings that
the chart writes and the arguments that the container starts with.
"""

import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import helm_python
import kubernetes_validate
import yaml

DEPLOY = Path(__file__).resolve().parent.parent
ROOT = DEPLOY.parent
CHART = DEPLOY / "helm" / "tamis"
SNAPSHOTS = DEPLOY / "test" / "snapshots"
KUBERNETES = ["1.28", "1.34"]
FOREIGN = {"ServiceMonitor", "PrometheusRule", "GRPCRoute"}  # Their schemas are not Kubernetes' own.

wrong: list[str] = []


def check(is_right: bool, message: str) -> None:
    if not is_right:
        wrong.append(message)


def documents(text: str) -> list[dict]:
    return [d for d in yaml.safe_load_all(text) if d]


def render(chart: helm_python.Chart, values: dict) -> str:
    rendered = chart.render(values=values, name="tamis", namespace="search")
    files = sorted(name for name in rendered if name.endswith(".yaml") and rendered[name].strip())
    text = "\n".join(f"---\n# {name}\n{rendered[name].strip()}" for name in files)
    return re.sub(r"[ \t]+\n", "\n", text) + "\n"


def pods(document: dict):
    """Every pod that a document makes, with where it stands."""
    spec = document.get("spec", {})
    match document["kind"]:
        case "Pod":
            yield spec
        case "Deployment" | "StatefulSet" | "Job":
            yield spec["template"]["spec"]
        case "CronJob":
            yield spec["jobTemplate"]["spec"]["template"]["spec"]


def policy(name: str, document: dict) -> None:
    """Pods of the restricted profile, that say what they need and never name a secret's value."""
    where = f"{name}: {document['kind']} {document['metadata']['name']}"
    check(document["metadata"].get("labels", {}).get("app.kubernetes.io/name") == "tamis", f"{where}: has no name label")
    for pod in pods(document):
        security = pod.get("securityContext", {})
        check(security.get("runAsNonRoot") is True, f"{where}: may run as root")
        check(security.get("seccompProfile", {}).get("type") == "RuntimeDefault", f"{where}: has no seccomp profile")
        check(pod.get("automountServiceAccountToken") is False, f"{where}: gets a token that it does not need")
        check(not pod.get("hostNetwork") and not pod.get("hostPID"), f"{where}: shares the host's namespaces")
        for volume in pod.get("volumes", []):
            check("hostPath" not in volume, f"{where}: mounts a path of the host")
        for container in pod["containers"]:
            inner = container.get("securityContext", {})
            check(inner.get("allowPrivilegeEscalation") is False, f"{where}: may gain privileges")
            check(inner.get("readOnlyRootFilesystem") is True, f"{where}: may write its root")
            check(inner.get("capabilities", {}).get("drop") == ["ALL"], f"{where}: keeps capabilities")
            resources = container.get("resources", {})
            check("memory" in resources.get("limits", {}), f"{where}: has no limit of memory")
            check({"cpu", "memory"} <= set(resources.get("requests", {})), f"{where}: requests nothing")
            check(not container["image"].endswith(":latest"), f"{where}: has an image without a version")
            for variable in container.get("env", []):
                secret = re.search("KEY|TOKEN|PASSWORD|SECRET", variable["name"])
                check(not (secret and variable.get("value")), f"{where}: {variable['name']} is a secret in the clear")
            mounted = {m["name"] for m in container.get("volumeMounts", [])}
            there = {v["name"] for v in pod.get("volumes", [])} | claims(document)
            check(mounted <= there, f"{where}: mounts {mounted - there}, which is no volume")


def claims(document: dict) -> set[str]:
    return {c["metadata"]["name"] for c in document["spec"].get("volumeClaimTemplates", [])}


def chart(update: bool) -> None:
    loaded = helm_python.Chart.load(CHART)
    sets = sorted((CHART / "ci").glob("*.yaml"))
    check(len(sets) >= 8, "fewer than eight sets of values")
    settings = set(json.loads((ROOT / "docs" / "config.schema.json").read_text())["properties"])
    for path in sets:
        values = yaml.safe_load(path.read_text())
        try:
            text = render(loaded, values)
        except helm_python.HelmError as e:
            check(False, f"{path.name}: {e}")
            continue
        snapshot = SNAPSHOTS / path.name
        if update:
            snapshot.parent.mkdir(exist_ok=True)
            snapshot.write_text(text)
        before = snapshot.read_text() if snapshot.exists() else ""
        if text != before:
            difference = difflib.unified_diff(before.splitlines(), text.splitlines(), "snapshot", "now", lineterm="")
            check(False, f"{path.name} renders otherwise; look, and run with --update:\n" + "\n".join(difference))
        seen = set()
        for document in documents(text):
            key = (document["kind"], document["metadata"]["name"])
            check(key not in seen, f"{path.name}: {key} is there twice")
            seen.add(key)
            policy(path.name, document)
            if document["kind"] not in FOREIGN:
                for version in KUBERNETES:
                    try:
                        kubernetes_validate.validate(document, version, strict=True)
                    except kubernetes_validate.ValidationError as e:
                        check(False, f"{path.name}: {key} in Kubernetes {version}: {e.message}")
            if document["kind"] == "ConfigMap":
                written = re.findall(r"^(\w+) = ", document["data"]["tamis.toml"], re.M)
                check(set(written) <= settings, f"{path.name}: {set(written) - settings} are no settings")
                config(path.name, document["data"]["tamis.toml"])
    report = helm_python.lint(CHART, yaml.safe_load(sets[0].read_text()))
    for message in report.get("messages", []):
        # Charts that are not published have no icon.
        check("icon" in str(message), f"helm lint: {message}")
    refusals(loaded)
    check((CHART / "alerts.yaml").read_text() == (DEPLOY / "monitoring" / "alerts.yaml").read_text(),
          "helm/tamis/alerts.yaml is not monitoring/alerts.yaml: copy it")
    readme(loaded)


def config(name: str, text: str) -> None:
    """The server itself has the last word on its settings, if its binary is there."""
    binary = os.environ.get("TAMIS")
    if not binary:
        return
    # Files of secrets are not here; what is said of them is not wrong.
    text = re.sub(r"^(api_keys|tls_\w+|jwt_\w+) = .*\n", "", text, flags=re.M)
    path = ROOT / "target" / "chart-config.toml"
    path.write_text(text + 'anonymous = "always"\n' if "anonymous" not in text else text)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TAMIS")}
    told = subprocess.run([binary, "config", "check", "--config", path], capture_output=True, text=True, env=environment)
    check(told.returncode == 0, f"{name}: {told.stderr.strip()}")


def refusals(loaded: helm_python.Chart) -> None:
    """Values that could only fail later are refused at once, with the reason."""
    keys = {"auth": {"keysSecret": {"name": "keys"}}}
    for values, said in [
        ({}, "nobody could call"),
        ({"auth": {"keysSecret": {"name": "k"}, "allowAnonymous": True}}, "needless"),
        ({**keys, "autoscaling": {"enabled": True}}, "autoscaling needs index.url"),
        ({**keys, "config": {"listen": "0.0.0.0:1"}}, "config.listen is set by the chart"),
        ({**keys, "ingest": {"job": {"enabled": True}}}, "ingest.sourceClaim"),
        ({**keys, "ingress": {"enabled": True}}, "ingress.host"),
        ({**keys, "gateway": {"enabled": True}}, "gateway.parentRefs"),
        ({**keys, "tls": {"secretName": "t", "clientCaKey": "ca.crt"}}, "tls.clientSecretName"),
        ({**keys, "index": {"url": "http://qdrant"}}, "does not match pattern"),
        ({**keys, "replica": 3}, "additional properties 'replica' not allowed"),
        ({**keys, "ingest": {"sourcePath": "../etc"}}, "sourcePath"),
    ]:
        try:
            render(loaded, values)
            check(False, f"{values} was rendered")
        except helm_python.HelmError as e:
            check(said in str(e), f"{values} was refused with {e}, not with {said!r}")


def readme(loaded: helm_python.Chart) -> None:
    """Every value is explained."""
    text = (CHART / "README.md").read_text()

    def leaves(value, path=()):
        if isinstance(value, dict) and value and path != ("config",):
            for key, inner in value.items():
                yield from leaves(inner, (*path, key))
        else:
            yield ".".join(path)

    for leaf in leaves(loaded.values):
        check(f"`{leaf}`" in text, f"README.md does not explain {leaf}")


def kustomize(update: bool) -> None:
    """The plain manifests are what the chart renders, without what only Helm needs."""
    loaded = helm_python.Chart.load(CHART)
    for name, values in (("embedded", "embedded-keys.yaml"), ("cluster", "cluster.yaml")):
        folder = DEPLOY / "kustomize" / name
        made = [d for d in documents(render(loaded, yaml.safe_load((CHART / "ci" / values).read_text()))) if d["kind"] != "Pod"]
        for document in made:
            document["metadata"]["labels"] = {
                k: v for k, v in document["metadata"]["labels"].items() if not k.startswith("helm.sh/") and "managed-by" not in k
            }
            if document["kind"] in ("Deployment", "StatefulSet"):
                del document["spec"]["template"]["metadata"]["annotations"]
        text = "---\n".join(yaml.safe_dump(d, sort_keys=False, width=120) for d in made)
        path = folder / "tamis.yaml"
        if update:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(f"# From the chart and its ci/{values}, by deploy/test/check.py --update\n{text}")
        there = path.read_text().split("\n", 1)[1] if path.exists() else ""
        check(there == text, f"kustomize/{name}/tamis.yaml is not what the chart renders: run with --update")
        listed = yaml.safe_load((folder / "kustomization.yaml").read_text())
        for resource in listed["resources"]:
            check((folder / resource).exists(), f"kustomize/{name}: {resource} is not there")


def container() -> None:
    """What is copied is there, and is not kept out; what is started is understood by the binary."""
    text = (DEPLOY / "Containerfile").read_text()
    ignored = (ROOT / ".dockerignore").read_text().split()
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.M):
        for source in line.split()[:-1]:
            check((ROOT / source).exists(), f"Containerfile: COPY {source}: is not there")
            check(source.split("/")[0] not in ignored, f"Containerfile: COPY {source}: is kept out by .dockerignore")
    copied = " ".join(re.findall(r"^COPY (?!--from)(.*)$", text, re.M)).split()
    for member in tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["members"]:
        check(member == "." or member.split("/")[0] in copied, f"Containerfile: the member {member} is not copied")
    # The same files in a plain directory: cargo finds every target and needs no other lock file.
    with tempfile.TemporaryDirectory() as plain:
        for source in copied:
            there = Path(plain) / source
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, there, ignore=shutil.ignore_patterns("target", "__pycache__"), dirs_exist_ok=True)
            elif not source.startswith((".", "/")):
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, there)
        told = subprocess.run(["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"], cwd=plain,
                              capture_output=True, text=True)
        check(told.returncode == 0, f"Containerfile: what is copied can't be built: {told.stderr}")
    binary = os.environ.get("TAMIS")
    if binary:
        arguments = json.loads(re.search(r"HEALTHCHECK .* CMD (\[.*\])", text)[1])[1:]
        for command in (arguments, json.loads(re.search(r"^CMD (\[.*\])", text, re.M)[1])):
            told = subprocess.run([binary, *command, "--help"], capture_output=True, text=True)
            check(told.returncode == 0, f"Containerfile: {command}: {told.stderr}")
        with open(ROOT / "target" / "metadata.json", "w") as out:
            subprocess.run(["cargo", "metadata", "--locked", "--format-version", "1"], stdout=out, cwd=ROOT, check=True)
        made = subprocess.run([sys.executable, DEPLOY / "sbom.py", ROOT / "target" / "metadata.json", "tamis-cli"],
                              capture_output=True, text=True)
        check(made.returncode == 0, f"sbom.py: {made.stderr}")
        names = {c["name"] for c in json.loads(made.stdout)["components"]}
        check({"tokio", "tonic", "tantivy", "tamis"} <= names, "the bill of materials lacks what is built in")
        check(not names & {"insta", "proptest", "criterion"}, "the bill of materials has what only tests need")
    compose = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                there = (DEPLOY / "compose" / source).exists() or source == "./keys"  # made by its user
                check(there, f"compose.yaml: {name}: {source} is not there")
            else:
                check(source in compose["volumes"], f"compose.yaml: {name}: {source} is no volume")
        image = service["image"]
        check("build" in service or re.search(r":v?\d", image), f"compose.yaml: {image} has no version")


def monitoring() -> None:
    """Every alert has a page in the runbook. That what they name exists is tested against a running server
    (tests/e2e/metrics.rs)."""
    rules = yaml.safe_load((DEPLOY / "monitoring" / "alerts.yaml").read_text())
    runbook = (ROOT / "docs" / "operations.md").read_text()
    expressions = []
    for rule in (r for g in rules["groups"] for r in g["rules"]):
        expressions.append((rule["alert"], rule["expr"]))
        check(rule["alert"] in runbook, f"docs/operations.md does not say what to do at {rule['alert']}")
        check({"severity"} <= set(rule["labels"]) and "summary" in rule["annotations"], f"{rule['alert']} says nothing")
    board = json.loads((DEPLOY / "monitoring" / "dashboard.json").read_text())
    for panel in board["panels"]:
        expressions += [(panel["title"], t["expr"]) for t in panel["targets"]]
    for where, expression in expressions:
        check(expression.count("(") == expression.count(")"), f"{where}: {expression}: brackets")
    alerts = subprocess.run([shutil.which("promtool") or "true", "check", "rules", DEPLOY / "monitoring" / "alerts.yaml"],
                            capture_output=True, text=True)
    check(alerts.returncode == 0, f"alerts.yaml: {alerts.stdout}{alerts.stderr}")


def main() -> None:
    update = "--update" in sys.argv[1:]
    chart(update)
    kustomize(update)
    container()
    monitoring()
    for message in wrong:
        print(message, file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

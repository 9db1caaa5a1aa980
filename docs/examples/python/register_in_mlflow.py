#!/usr/bin/env python3
"""Registers a release as a version of a model in MLflow's registry. Needs Python's standard library only.

usage: fisher-streams releases --json | register_in_mlflow.py URL NAME SOURCE RELEASE [ALIAS]

URL is MLflow's server, NAME the registered model, SOURCE the URI where the exported release lies, RELEASE its id; ALIAS is set to
the new version. A server with a login gets MLFLOW_TRACKING_TOKEN as a bearer token.
"""

import json
import os
import sys
import urllib.error
import urllib.request


def post(url, path, body):
    headers = {"Content-Type": "application/json"}
    if "MLFLOW_TRACKING_TOKEN" in os.environ:
        headers["Authorization"] = "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]
    request = urllib.request.Request(f"{url}/api/2.0/mlflow/{path}", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        answer = error.read().decode(errors="replace")
        if "RESOURCE_ALREADY_EXISTS" in answer:
            return None
        raise SystemExit(f"{path}: {error.code} {answer}")


def tags(release):
    verdict = release.get("verdict") or {}
    values = {
        "fisherstreams.release": release["id"],
        "fisherstreams.checksum": release["checksum"],
        "fisherstreams.cause": release["plan"]["cause"],
        "fisherstreams.accuracy": verdict.get("accuracy"),
    }
    for model in release["plan"]["models"]:
        values["fisherstreams.model." + model["model"]] = f"{model['version']}, share {model['share']:.4f}"
    return [{"key": key, "value": str(value)} for key, value in values.items() if value is not None]


def main(url, name, source, number, alias=None):
    releases = {str(release["id"]): release for release in map(json.loads, sys.stdin)}
    release = releases.get(number)
    if release is None or release["status"] != "COMPLETE":
        raise SystemExit(f"release {number} is not complete")
    post(url, "registered-models/create", {"name": name})
    version = post(url, "model-versions/create", {"name": name, "source": source, "tags": tags(release)})
    number = version["model_version"]["version"]
    if alias:
        post(url, "registered-models/alias", {"name": name, "alias": alias, "version": number})
    print(f"release {release['id']} is version {number} of {name}")


if __name__ == "__main__":
    if len(sys.argv) not in (5, 6):
        raise SystemExit(__doc__)
    main(*sys.argv[1:])

#!/usr/bin/env python3
"""Copies an exported release to object storage, with one PUT a file. Needs Python's standard library only.

usage: copy_to_object_storage.py EXPORT URL

EXPORT is a file or folder that fisher-streams export wrote. URL is the folder to copy to, such as https://HOST/BUCKET/releases/3. With
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, the requests are signed for S3 (AWS_REGION, by default us-east-1). The
files model.safetensors.index.json and config.json of a folder are copied last, so that a reader who sees them finds all the rest.
"""

import datetime
import hashlib
import hmac
import http.client
import os
import sys
import urllib.parse
from pathlib import Path

LAST = ("model.safetensors.index.json", "config.json")


def sha256(file):
    digest = hashlib.sha256()
    with open(file, "rb") as content:
        while chunk := content.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def signed(host, path, digest):
    """The headers of Amazon's Signature Version 4 for a PUT without a query."""
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret:
        return {}
    region = os.environ.get("AWS_REGION", "us-east-1")
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": now}
    names = ";".join(sorted(headers))
    canonical = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"PUT\n{path}\n\n{canonical}\n{names}\n{digest}"
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    mac = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        mac = hmac.new(mac, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(mac, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return headers


def put(file, url):
    target = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
    connection = kind(target.netloc, timeout=600)
    path = urllib.parse.quote(target.path, safe="/-_.~")
    headers = signed(target.netloc, path, sha256(file)) | {"content-length": str(file.stat().st_size)}
    with open(file, "rb") as content:
        connection.request("PUT", path, content, headers)
        answer = connection.getresponse()
        body = answer.read(1000)
    connection.close()
    if answer.status // 100 != 2:
        raise SystemExit(f"{url}: {answer.status} {body.decode(errors='replace')}")


def main(export, url):
    export = Path(export)
    files = [export] if export.is_file() else [file for file in export.rglob("*") if file.is_file()]
    for file in sorted(files, key=lambda file: (file.name in LAST, str(file))):
        name = file.name if export.is_file() else file.relative_to(export).as_posix()
        put(file, url.rstrip("/") + "/" + name)
        print(name, file.stat().st_size)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])

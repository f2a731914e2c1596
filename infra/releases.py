"""Releases, numbered, so that the one before can be brought back: a packaged template with its
parameters, and the folder of a site under the name of its bytes.
"""

import hashlib
import json
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quietdesk.errors import QuietdeskError

KEPT_SITES = 5  # the site's folders of so many releases stay
CACHE = "public, max-age=60"


class CannotDeploy(QuietdeskError):
    """It may not, or could not, be deployed. The message says what to do about it."""


class Releases:
    """The releases of one city, in a bucket of its account: code and templates, nothing of
    residents."""

    def __init__(self, s3: Any, bucket: str):
        self._s3, self.bucket = s3, bucket

    def make_bucket(self) -> None:
        """Makes the bucket, closed to everybody else, if it is not there."""
        if self.bucket in {it["Name"] for it in self._s3.list_buckets()["Buckets"]}:
            return
        self._s3.create_bucket(Bucket=self.bucket)
        closed = dict.fromkeys(
            ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"),
            True,
        )
        self._s3.put_public_access_block(Bucket=self.bucket, PublicAccessBlockConfiguration=closed)

    def add(self, text: str, parameters: Mapping[str, str]) -> str:
        """Keeps a template and its parameters; gives the number, such as 00007."""
        number = f"{int((self.numbers() or ['0'])[-1]) + 1:05d}"
        record = {"template": text, "parameters": dict(parameters)}
        self._s3.put_object(
            Bucket=self.bucket,
            Key=f"releases/{number}.json",
            Body=json.dumps(record).encode(),
        )
        return number

    def numbers(self) -> list[str]:
        """The oldest first; none where there is no bucket."""
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix="releases/"
            )
            keys_of = [it["Key"] for page in pages for it in page.get("Contents", [])]
        except self._s3.exceptions.NoSuchBucket:
            return []
        return sorted(Path(key).stem for key in keys_of)

    def read(self, number: str) -> tuple[str, dict[str, str]]:
        """Template and parameters of a release."""
        held = self._s3.get_object(Bucket=self.bucket, Key=f"releases/{number}.json")
        record = json.loads(held["Body"].read())
        return record["template"], record["parameters"]

    def last(self) -> tuple[str, dict[str, str]]:
        """Template and parameters of the last one. Raises CannotDeploy when there is none."""
        numbers = self.numbers()
        if not numbers:
            raise CannotDeploy("there is no release yet; run make deploy first")
        return self.read(numbers[-1])

    def put_site(self, bucket: str, folder: str, files: Mapping[str, bytes]) -> None:
        """Puts a site's files into their folder of the bucket that is served."""
        for path, body in files.items():
            self._s3.put_object(
                Bucket=bucket,
                Key=f"{folder}/{path}",
                Body=body,
                ContentType=content_type(path),
                CacheControl=CACHE,
            )

    def forget_old_sites(self, bucket: str) -> None:
        """Delete folders of the site that none of the last releases serves."""
        wanted = {self.read(it)[1].get("SiteRelease") for it in self.numbers()[-KEPT_SITES:]}
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for page in pages:
            old = [
                it["Key"]
                for it in page.get("Contents", [])
                if it["Key"].split("/")[0] not in wanted
            ]
            if old:
                self._s3.delete_objects(
                    Bucket=bucket, Delete={"Objects": [{"Key": key} for key in old]}
                )


def release_of(files: Mapping[str, bytes]) -> str:
    """The name of a site's folder: the beginning of the SHA-256 of its paths and bytes."""
    digest = hashlib.sha256()
    for path, body in sorted(files.items()):
        digest.update(f"{path}\0{len(body)}\0".encode() + body)
    return digest.hexdigest()[:16]


def content_type(path: str) -> str:
    """What a file is, as CloudFront will say."""
    # Python's own table: a machine's may say otherwise.
    kind, packed = mimetypes.MimeTypes(filenames=()).guess_type(path)
    kind = "application/gzip" if packed == "gzip" else kind or "application/octet-stream"
    text = kind.startswith("text/") or kind in ("application/javascript", "image/svg+xml")
    return f"{kind}; charset=utf-8" if text else kind

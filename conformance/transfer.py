"""What boto3 does by itself: the transfer manager in both directions, and the paginator. Reads the environment of client.env.

usage: transfer.py BUCKET DIRECTORY   (a scratch directory); exit code 0 when all compares equal
"""

import filecmp
import os
import sys

import boto3
from boto3.s3.transfer import TransferConfig

MIB = 1024 * 1024


def check(what, condition):
    if not condition:
        sys.exit(f"boto3: {what}")


def transfer(client, bucket, directory):
    """Up and down through multipart and ranged GETs; the bytes compare equal."""
    source, back = os.path.join(directory, "source"), os.path.join(directory, "back")
    with open(source, "wb") as file:
        for _ in range(24):
            file.write(os.urandom(MIB))
        file.write(b"the odd end")
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=8)
    metadata = {"Metadata": {"made-by": "boto3"}}
    client.upload_file(source, bucket, "boto3/large", Config=config, ExtraArgs=metadata)
    client.download_file(bucket, "boto3/large", back, Config=config)
    check("what came back is not what was sent", filecmp.cmp(source, back, shallow=False))
    head = client.head_object(Bucket=bucket, Key="boto3/large")
    check("an ETag of four parts", head["ETag"].endswith('-4"'))
    check("metadata", head["Metadata"] == {"made-by": "boto3"})
    client.copy({"Bucket": bucket, "Key": "boto3/large"}, bucket, "boto3/copy", Config=config)
    client.download_file(bucket, "boto3/copy", back, Config=config)
    check("a copy in parts is not the same", filecmp.cmp(source, back, shallow=False))


def paginate(client, bucket):
    """1,100 keys through the paginators, as keys and as prefixes, in order."""
    names = sorted(f"boto3/page/{index % 11}/{index:04} ä" for index in range(1100))
    for name in names:
        client.put_object(Bucket=bucket, Key=name, Body=name.encode())
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix="boto3/page/", PaginationConfig={"PageSize": 100}
    )
    listed = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    check("the paginator lists other keys", listed == names)
    pages = client.get_paginator("list_objects").paginate(Bucket=bucket, Prefix="boto3/page/", Delimiter="/")
    prefixes = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
    check("the paginator groups otherwise", prefixes == sorted(f"boto3/page/{index}/" for index in range(11)))
    for start in range(0, len(names), 1000):
        entries = [{"Key": name} for name in names[start : start + 1000]]
        answer = client.delete_objects(Bucket=bucket, Delete={"Objects": entries, "Quiet": True})
        check(f"errors of delete_objects: {answer.get('Errors')}", "Errors" not in answer)
    check("keys are left", client.list_objects_v2(Bucket=bucket, Prefix="boto3/page/")["KeyCount"] == 0)


def errors(client, bucket):
    """Errors have the names that programs look for."""
    for expected, call in (
        ("NoSuchKey", lambda: client.get_object(Bucket=bucket, Key="none")),
        ("404", lambda: client.head_object(Bucket=bucket, Key="none")),
        ("NoSuchBucket", lambda: client.list_objects_v2(Bucket="nowhere-at-all")),
        ("BucketNotEmpty", lambda: client.delete_bucket(Bucket=bucket)),
    ):
        try:
            call()
            check(f"{expected} was expected", False)
        except client.exceptions.ClientError as error:
            check(f"{expected} was expected, not {error}", error.response["Error"]["Code"] == expected)


def main(bucket, directory):
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    client.create_bucket(Bucket=bucket)
    transfer(client, bucket, directory)
    errors(client, bucket)
    paginate(client, bucket)
    for key in ("boto3/large", "boto3/copy"):
        client.delete_object(Bucket=bucket, Key=key)
    client.delete_bucket(Bucket=bucket)


main(*sys.argv[1:])

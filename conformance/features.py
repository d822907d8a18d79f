"""What boto3's users do beyond reading and writing: versions, tags, ACLs, policies, object lock, CORS, lifecycle, forms, presigned URLs, the resource
API, paginators and waiters. Reads the environment of client.env; OTHER_ACCESS_KEY_ID and OTHER_SECRET_ACCESS_KEY are another user's.

usage: features.py; exit code 0 when all is as it should be
"""

import datetime
import json
import os
import sys
import urllib.error
import urllib.request
import ssl

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

CONFIG = Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 1})


def check(what, condition):
    if not condition:
        sys.exit(f"boto3: {what}")


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        check(f"{error.response['Error']['Code']} instead of {code}", error.response["Error"]["Code"] == code)
    else:
        sys.exit(f"boto3: {code} was expected")


def versions(client, bucket):
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    ids = [client.put_object(Bucket=bucket, Key="k", Body=body)["VersionId"] for body in (b"one", b"two")]
    marker = client.delete_object(Bucket=bucket, Key="k")
    check("a delete marker", marker["DeleteMarker"])
    refused("NoSuchKey", client.get_object, Bucket=bucket, Key="k")
    check("an older version", client.get_object(Bucket=bucket, Key="k", VersionId=ids[0])["Body"].read() == b"one")
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 1})
    listed = [version["VersionId"] for page in pages for version in page.get("Versions", [])]
    check("versions in pages, the newest first", listed == ids[::-1])
    client.delete_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    check("the marker gone", client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"two")
    client.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "k", "VersionId": ids[0]})
    check("the oldest in front", client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"one")


def tags(client, bucket):
    wanted = [{"Key": "team", "Value": "x"}, {"Key": "cost centre", "Value": "7 + 7"}]
    client.put_object(Bucket=bucket, Key="tagged", Body=b"", Tagging="a=1")
    client.put_object_tagging(Bucket=bucket, Key="tagged", Tagging={"TagSet": wanted})
    check("tags", client.get_object_tagging(Bucket=bucket, Key="tagged")["TagSet"] == wanted)
    client.delete_object_tagging(Bucket=bucket, Key="tagged")
    check("no tags", client.get_object_tagging(Bucket=bucket, Key="tagged")["TagSet"] == [])
    client.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": wanted})
    check("tags of a bucket", client.get_bucket_tagging(Bucket=bucket)["TagSet"] == wanted)


def policies(client, other, bucket):
    client.put_object(Bucket=bucket, Key="shared/a", Body=b"for others")
    client.put_object(Bucket=bucket, Key="own", Body=b"for nobody else")
    refused("AccessDenied", other.get_object, Bucket=bucket, Key="shared/a")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/shared/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    refused("AccessDenied", client.put_bucket_policy, Bucket=bucket, Policy=policy)  # the public access block of new buckets
    client.delete_public_access_block(Bucket=bucket)
    client.put_bucket_policy(Bucket=bucket, Policy=policy)
    check("what the policy allows", other.get_object(Bucket=bucket, Key="shared/a")["Body"].read() == b"for others")
    refused("AccessDenied", other.get_object, Bucket=bucket, Key="own")
    client.delete_bucket_policy(Bucket=bucket)
    refused("AccessDenied", other.get_object, Bucket=bucket, Key="shared/a")


def acls(client, other, bucket):
    refused("AccessControlListNotSupported", client.put_object_acl, Bucket=bucket, Key="own", ACL="public-read")
    controls = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    client.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=controls)
    client.put_object_acl(Bucket=bucket, Key="own", ACL="authenticated-read")
    check("what the ACL grants", other.get_object(Bucket=bucket, Key="own")["Body"].read() == b"for nobody else")
    client.put_object_acl(Bucket=bucket, Key="own", ACL="private")
    refused("AccessDenied", other.get_object, Bucket=bucket, Key="own")


def locks(client, bucket):
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3600)
    version = client.put_object(
        Bucket=bucket, Key="k", Body=b"kept", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until
    )["VersionId"]
    refused("AccessDenied", client.delete_object, Bucket=bucket, Key="k", VersionId=version)
    client.put_object_legal_hold(Bucket=bucket, Key="k", VersionId=version, LegalHold={"Status": "ON"})
    refused(
        "AccessDenied", client.delete_object, Bucket=bucket, Key="k", VersionId=version, BypassGovernanceRetention=True
    )
    client.put_object_legal_hold(Bucket=bucket, Key="k", VersionId=version, LegalHold={"Status": "OFF"})
    client.delete_object(Bucket=bucket, Key="k", VersionId=version, BypassGovernanceRetention=True)
    client.delete_bucket(Bucket=bucket)


def rules(client, bucket):
    cors = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://*.example.com"]}]}
    client.put_bucket_cors(Bucket=bucket, CORSConfiguration=cors)
    check("CORS rules", client.get_bucket_cors(Bucket=bucket)["CORSRules"] == cors["CORSRules"])
    rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}}
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    check("lifecycle rules", client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]["ID"] == "old")


def urls(client, bucket):
    """Presigned URLs and a browser's form, without any client."""
    trust = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    url = client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "by url"}, ExpiresIn=60)
    urllib.request.urlopen(urllib.request.Request(url, data=b"put by url", method="PUT"), context=trust).read()
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "by url"}, ExpiresIn=60)
    check("a presigned URL", urllib.request.urlopen(url, context=trust).read() == b"put by url")
    form = client.generate_presigned_post(bucket, "forms/${filename}", Conditions=[["content-length-range", 1, 100]])
    parts = "".join(
        f'--line\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in form["fields"].items()
    )
    body = f'{parts}--line\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nby form\r\n--line--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=line"}
    request = urllib.request.Request(form["url"], data=body.encode(), headers=headers)
    check("a form", urllib.request.urlopen(request, context=trust).status == 204)
    check("what it sent", client.get_object(Bucket=bucket, Key="forms/a.txt")["Body"].read() == b"by form")


def resources(resource, client, bucket):
    client.get_waiter("bucket_exists").wait(Bucket=bucket)
    keys = [summary.key for summary in resource.Bucket(bucket).objects.filter(Prefix="forms/")]
    check("objects of a bucket", keys == ["forms/a.txt"])
    resource.Object(bucket, "by resource").put(Body=b"x")
    client.get_waiter("object_exists").wait(Bucket=bucket, Key="by resource")
    resource.Bucket(bucket).object_versions.delete()
    resource.Bucket(bucket).delete()
    client.get_waiter("bucket_not_exists").wait(Bucket=bucket)


def main():
    client, resource = boto3.client("s3", config=CONFIG), boto3.resource("s3", config=CONFIG)
    other = boto3.client(
        "s3",
        config=CONFIG,
        aws_access_key_id=os.environ["OTHER_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ["OTHER_SECRET_ACCESS_KEY"],
    )
    bucket = "features"
    client.create_bucket(Bucket=bucket)
    versions(client, bucket)
    tags(client, bucket)
    policies(client, other, bucket)
    acls(client, other, bucket)
    locks(client, "features-locked")
    rules(client, bucket)
    urls(client, bucket)
    resources(resource, client, bucket)


main()

"""Temporary credentials as boto3's users meet them. Reads the environment of client.env; STS_USER and STS_PASSWORD are of the directory, and
SHORT_ACCESS_KEY_ID, SHORT_SECRET_ACCESS_KEY and SHORT_SESSION_TOKEN are over at SHORT_EXPIRES (seconds since 1970).

usage: sts.py; exit code 0 when all is as it should be. Prints the secrets it was given, as JSON.
"""

import json
import os
import ssl
import sys
import time
import urllib.parse
import urllib.request

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

CONFIG = Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 1})
TRUST = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
USER = {"LDAPUsername": os.environ["STS_USER"], "LDAPPassword": os.environ["STS_PASSWORD"]}
SECRETS = [USER["LDAPPassword"]]


def check(what, condition):
    if not condition:
        sys.exit(f"boto3: {what}")


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        check(f"{error.response['Error']} instead of {code}", error.response["Error"]["Code"] == code)
        return error.response
    sys.exit(f"boto3: {code} was expected")


def session_that_knows_ldap():
    """boto3's own client of STS, with the operation that it does not know of."""
    session = botocore.session.get_session()
    model = session.get_component("data_loader").load_service_model("sts", "service-2")
    text = {"shape": "ldapText"}
    members = {"LDAPUsername": text, "LDAPPassword": text, "Policy": text, "DurationSeconds": {"shape": "ldapNumber"}}
    model["shapes"].update(
        ldapText={"type": "string"},
        ldapNumber={"type": "integer"},
        ldapRequest={"type": "structure", "members": members},
        ldapResponse={"type": "structure", "members": {"Credentials": {"shape": "Credentials"}}},
    )
    model["operations"]["AssumeRoleWithLDAPIdentity"] = {
        "name": "AssumeRoleWithLDAPIdentity",
        "http": {"method": "POST", "requestUri": "/"},
        "input": {"shape": "ldapRequest"},
        "output": {"shape": "ldapResponse", "resultWrapper": "AssumeRoleWithLDAPIdentityResult"},
        "authtype": "none",
    }
    return boto3.session.Session(botocore_session=session)


def keys_of(credentials):
    SECRETS.extend([credentials["SecretAccessKey"], credentials["SessionToken"]])
    return {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }


def assumes(session, sts):
    credentials = sts.assume_role_with_ldap_identity(**USER)["Credentials"]
    left = credentials["Expiration"].timestamp() - time.time()
    check(f"{left} seconds instead of an hour", 3500 < left <= 3600)
    keys = keys_of(credentials)
    s3 = session.client("s3", config=CONFIG, **keys)
    s3.create_bucket(Bucket="sts")
    s3.put_object(Bucket="sts", Key="a", Body=b"by a session")
    check("the key", [each["Key"] for each in s3.list_objects_v2(Bucket="sts")["Contents"]] == ["a"])
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "sts", "Key": "a"}, ExpiresIn=60)
    check("a presigned URL", urllib.request.urlopen(url, context=TRUST).read() == b"by a session")
    form = s3.generate_presigned_post("sts", "by form")
    parts = "".join(
        f'--line\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in form["fields"].items()
    )
    body = f'{parts}--line\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--line--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=line"}
    request = urllib.request.Request(form["url"], data=body.encode(), headers=headers)
    check("a form", urllib.request.urlopen(request, context=TRUST).status == 204)
    who = session.client("sts", config=Config(retries={"max_attempts": 1}), **keys).get_caller_identity()
    check(f"{who['Arn']}", who["Arn"].endswith(f":user/{os.environ['STS_USER']}"))
    return keys


def by_query():
    """As MinIO's client for Python asks: everything in the query, no body."""
    query = urllib.parse.urlencode({"Action": "AssumeRoleWithLDAPIdentity", "Version": "2011-06-15", **USER})
    request = urllib.request.Request(f"{os.environ['AWS_ENDPOINT_URL']}/?{query}", method="POST")
    answer = urllib.request.urlopen(request, context=TRUST).read().decode()
    SECRETS.append(answer.partition("<SecretAccessKey>")[2].partition("<")[0])
    check("credentials by query", len(SECRETS[-1]) == 40)


def narrowed(session, sts):
    allow = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::sts"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    credentials = sts.assume_role_with_ldap_identity(**USER, Policy=policy, DurationSeconds=900)["Credentials"]
    s3 = session.client("s3", config=CONFIG, **keys_of(credentials))
    check("what the session policy allows", s3.list_objects_v2(Bucket="sts")["KeyCount"] == 2)
    refused("AccessDenied", s3.get_object, Bucket="sts", Key="a")
    refused("AccessDenied", s3.put_object, Bucket="sts", Key="b", Body=b"")
    refused("AccessDenied", s3.list_buckets)


def mixed_up(session, keys):
    without = {name: value for name, value in keys.items() if name != "aws_session_token"}
    refused("InvalidAccessKeyId", session.client("s3", config=CONFIG, **without).list_buckets)
    token = keys["aws_session_token"]
    changed = {**keys, "aws_session_token": f"{token[:-9]}{'A' if token[-9] != 'A' else 'B'}{token[-8:]}"}
    refused("InvalidToken", session.client("s3", config=CONFIG, **changed).list_buckets)


def before_its_end(session):
    credentials = {name: os.environ[f"SHORT_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")}
    s3 = session.client("s3", config=CONFIG, **{f"aws_{name.lower()}": value for name, value in credentials.items()})
    check("the test was too slow", time.time() < float(os.environ["SHORT_EXPIRES"]) - 1)
    s3.list_buckets()
    return s3


def after_its_end(s3):
    time.sleep(max(0, float(os.environ["SHORT_EXPIRES"]) - time.time()))
    refused("ExpiredToken", s3.list_buckets)


def throttled(sts):
    wrong = {**USER, "LDAPPassword": USER["LDAPPassword"] + "x"}
    refused("MissingParameter", sts.assume_role_with_ldap_identity, **{**USER, "LDAPPassword": ""})
    response = refused("AccessDenied", sts.assume_role_with_ldap_identity, **wrong)
    check("a status of 403", response["ResponseMetadata"]["HTTPStatusCode"] == 403)
    refused("AccessDenied", sts.assume_role_with_ldap_identity, LDAPUsername="nobody", LDAPPassword="x")
    for _ in range(20):
        try:
            sts.assume_role_with_ldap_identity(**wrong)
        except ClientError as error:
            if error.response["Error"]["Code"] == "Throttling":
                return
    sys.exit("boto3: twenty wrong passwords were tried")


def main():
    session = session_that_knows_ldap()
    short = before_its_end(session)
    sts = session.client("sts", config=Config(retries={"max_attempts": 1}))
    keys = assumes(session, sts)
    by_query()
    narrowed(session, sts)
    mixed_up(session, keys)
    throttled(sts)
    after_its_end(short)
    print(json.dumps(SECRETS))


main()

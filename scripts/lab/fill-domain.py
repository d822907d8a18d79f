"""Users in a Samba domain that is not running, 2 ms each.

usage: fill-domain.py SMB_CONF USERS, by the Python that Debian's Samba belongs to
"""

import sys

from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

BASE = "DC=lab,DC=example,DC=test"
DISABLED_ACCOUNT = "514"  # an enabled one would need a password
PER_TRANSACTION = 7000

parameters = LoadParm()
parameters.load(sys.argv[1])
# Without the batch mode each user costs as much as there are users: the lists of the indexes are written anew.
domain = SamDB(
    url=parameters.private_path("sam.ldb"), session_info=system_session(), lp=parameters, options=["batch_mode:1"]
)
domain.add({"dn": f"OU=Many,{BASE}", "objectClass": "organizationalUnit"})
users = int(sys.argv[2])
for first in range(0, users, PER_TRANSACTION):
    domain.transaction_start()
    for number in range(first, min(first + PER_TRANSACTION, users)):
        name = f"many{number:06}"
        address = f"{name}@lab.example.test"
        domain.add(
            {
                "dn": f"CN={name},OU=Many,{BASE}",
                "objectClass": "user",
                "sAMAccountName": name,
                "userPrincipalName": address,
                "mail": address,
                "userAccountControl": DISABLED_ACCOUNT,
            }
        )
    domain.transaction_commit()

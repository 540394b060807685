"""An OAuth client built with Authlib, which is configured with nothing but Tidelog's URL.

    oauth_client.py SERVER CLIENT_ID REDIRECT

Finds the endpoints by the server's metadata, prints the address for the browser, reads the one that the browser was sent back to,
and prints who is signed in, after a refresh.
"""

import os
import sys

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # The server of the tests is on this machine.

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session

server, client_id, redirect = sys.argv[1:]
metadata = requests.get(server + "/.well-known/oauth-authorization-server", timeout=60).json()
assert metadata["issuer"] == server, metadata

session = OAuth2Session(
    client_id,
    redirect_uri=redirect,
    code_challenge_method="S256",
    token_endpoint_auth_method="none",
    token_endpoint=metadata["token_endpoint"],
)
verifier = generate_token(48)
address, state = session.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier)
print(address, flush=True)

back = sys.stdin.readline().strip()
session.fetch_token(metadata["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier)
session.refresh_token(metadata["token_endpoint"])
user = session.get(metadata["userinfo_endpoint"]).json()
print(f"{user['email']} in {user['app_id']}", flush=True)

session.revoke_token(metadata["revocation_endpoint"], session.token["access_token"])
assert session.get(metadata["userinfo_endpoint"]).status_code == 401

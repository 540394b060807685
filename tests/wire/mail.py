"""A mail server, written with a third-party library: receives mail over SMTP on a free port of 127.0.0.1 and reports it.

    mail.py plain | smtps | starttls [CERTIFICATES]

With TLS it has a certificate for "localhost", whose authority it writes to the file CERTIFICATES, and it requires the user
"ada@example.org" with the password "p@ss/word". The first line that it prints is {"port": ...}. Then it reads commands from
standard input, one JSON object per line, with one response each:

    {"do": "next"}       waits for the next mail: {"from", "to", "headers": {...}, "text", "over_tls"}
    {"do": "refuse"}     refuses every mail from now on
"""

import asyncio
import datetime
import email
import email.policy
import ipaddress
import json
import logging
import queue
import ssl
import sys
import tempfile
import threading
import warnings

from aiosmtpd.smtp import SMTP, AuthResult

USER, PASSWORD = b"ada@example.org", b"p@ss/word"
# Far more than a mail takes: reaching this means that none arrives.
TIMEOUT_SECONDS = 30


class Mailbox:
    def __init__(self):
        self.mails, self.refuses = queue.Queue(), False

    async def handle_DATA(self, server, session, envelope):
        if self.refuses:
            return "550 5.7.1 Not today"
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.mails.put({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": dict(message.items()),
            "text": message.get_content().replace("\r\n", "\n"),
            "over_tls": server.transport.get_extra_info("ssl_object") is not None,
        })
        return "250 OK"

    def obey(self, order):
        match order["do"]:
            case "next":
                return self.mails.get(timeout=TIMEOUT_SECONDS)
            case "refuse":
                self.refuses = True
                return {}


def certificate(where):
    """Returns a TLS context with a certificate for "localhost", and writes the authority's certificate to the file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def issue(subject, issuer, key, by, extensions):
        now = datetime.datetime.now(datetime.timezone.utc)
        day = datetime.timedelta(days=1)
        builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer))
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - day).not_valid_after(now + day)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = issue("root", "root", authority, authority, [(x509.BasicConstraints(ca=True, path_length=None), True)])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = issue("localhost", "root", own, authority, [
        (x509.SubjectAlternativeName(names), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
    ])
    with open(where, "wb") as file:
        file.write(root)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as chain:
        chain.write(leaf + own.private_bytes(*form))
        chain.flush()
        context.load_cert_chain(chain.name)
    return context


def authenticate(_server, _session, _envelope, _mechanism, data):
    return AuthResult(success=(data.login, data.password) == (USER, PASSWORD))


def serve(mailbox, how, context):
    options = {"hostname": "localhost", "enable_SMTPUTF8": False}
    if how != "plain":
        options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": how == "starttls"}
    if how == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    loop = asyncio.new_event_loop()
    made = loop.create_server(
        lambda: SMTP(mailbox, loop=loop, **options), "127.0.0.1", 0, ssl=context if how == "smtps" else None
    )
    server = loop.run_until_complete(made)
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return server.sockets[0].getsockname()[1]


def main():
    # Hide warnings about its settings and clients.
    warnings.simplefilter("ignore")
    logging.disable()
    how = sys.argv[1]
    mailbox = Mailbox()
    context = None if how == "plain" else certificate(sys.argv[2])
    print(json.dumps({"port": serve(mailbox, how, context)}), flush=True)
    for line in sys.stdin:
        print(json.dumps(mailbox.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()

"""Certificates that are made for a test run and trusted by nobody else, and folders that hold them."""

from __future__ import annotations

import functools

import trustme
from cryptography.hazmat.primitives import serialization

PASSWORDS = {"dave": "dave123", "carol": "carol123"}


@functools.cache
def authority(name):
    """Return a CA of this name: RSA, for that is what most have."""
    return trustme.CA(organization_name=name, key_type=trustme.KeyType.RSA)


@functools.cache
def certificate(*names, ca="one", rsa=True):
    """Return a certificate that bears these names."""
    kind = trustme.KeyType.RSA if rsa else trustme.KeyType.ECDSA
    return authority(ca).issue_cert(*names, key_type=kind)


def texts(cert):
    """Return a certificate with its chain, and its key, in PEM."""
    return "".join(pem.bytes().decode() for pem in cert.cert_chain_pems), cert.private_key_pem.bytes().decode()


def encrypted(cert):
    """Return the key of a certificate, under a passphrase."""
    key = serialization.load_pem_private_key(cert.private_key_pem.bytes(), None)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(
        serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"secret")
    ).decode()


def furnish(folder):
    """Put what web configurations of the tests name into a folder."""
    server, other = certificate("localhost", "127.0.0.1"), certificate("other.example")
    (folder / "server.crt").write_text(texts(server)[0])
    (folder / "server.key").write_text(texts(server)[1])
    (folder / "other.key").write_text(texts(other)[1])
    (folder / "encrypted.key").write_text(encrypted(server))
    (folder / "ca.pem").write_bytes(b"# our CA, \xc3\xbc\n" + authority("clients").cert_pem.bytes())
    (folder / "junk.crt").write_text("-----BEGIN CERTIFICATE-----\nanVuaw==\n-----END CERTIFICATE-----\n")
    (folder / "junk.key").write_text("-----BEGIN PRIVATE KEY-----\nanVuaw==\n-----END PRIVATE KEY-----\n")
    (folder / "empty.pem").touch()
    (folder / "folder").mkdir()
    return folder

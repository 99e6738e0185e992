"""The certificates that secure connections are checked with. Runs on: any thread."""

import os
import ssl
import sys

import httpx


def tls_context() -> ssl.SSLContext:
    """Return what checks the other side of a secure connection. Takes 0.1 s.

    httpx trusts the authorities that Mozilla does. On a Mac the system decides instead, since a
    company's proxy has an authority of its own, which is installed there. SSL_CERT_FILE and
    SSL_CERT_DIR are followed on every system.
    """
    if sys.platform == "darwin" and not {"SSL_CERT_FILE", "SSL_CERT_DIR"} & os.environ.keys():
        import truststore  # noqa: PLC0415  # on other systems it would read their files

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.create_ssl_context()

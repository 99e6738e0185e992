"""The certificates that secure connections are checked with."""

import ssl
import sys

import pytest
import truststore

from audio.certificates import tls_context


def test_tls_context_on_mac_asks_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the Mac trusts is trusted, such as a company's proxy."""
    monkeypatch.setattr(sys, "platform", "darwin")
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)

    assert isinstance(tls_context(), truststore.SSLContext)


def test_tls_context_on_mac_follows_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names a file of certificates means it."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setenv("SSL_CERT_FILE", ssl.get_default_verify_paths().openssl_cafile)
    context = tls_context()

    assert not isinstance(context, truststore.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_tls_context_checks_names_and_certificates() -> None:
    """Nothing is accepted unchecked."""
    context = tls_context()

    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED

"""Which format and encoding a client gets, whatever it says it accepts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.negotiation import content_type, takes_gzip

TEXT = ("text", "text/plain; version=0.0.4; charset=utf-8")
OPENMETRICS = ("openmetrics", "application/openmetrics-text; version=1.0.0; charset=utf-8")
OLD = ("openmetrics", "application/openmetrics-text; version=0.0.1; charset=utf-8")

# What Prometheus really sends
V2 = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
V3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
V3_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
    "text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4,*/*;q=0.2"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        (V2, OPENMETRICS),
        (V3, OPENMETRICS),
        (V3_PROTOBUF, TEXT),
        (BROWSER, TEXT),
        ("text/plain", TEXT),
        ("text/*", TEXT),
        ("text/plain;version=0.0.4", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0", OPENMETRICS),
        ('application/openmetrics-text; version="1.0.0"; charset=utf-8', OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", OLD),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("APPLICATION/OpenMetrics-Text;VERSION=1.0.0", OPENMETRICS),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.6", TEXT),
        ("application/openmetrics-text;q=0.6,text/plain;q=0.5", OPENMETRICS),
        ("text/plain;q=0.5 , application/openmetrics-text ;q= 0.9", OPENMETRICS),
        ("application/openmetrics-text;q=0,*/*", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("text/plain;q=0.1,application/openmetrics-text;q=0.001", TEXT),
        ("application/openmetrics-text;q=x,text/plain;q=0.1", TEXT),
        ("application/json", TEXT),
        (",,;;,", TEXT),
    ],
)
def test_formats(accept, wanted):
    assert content_type(accept) == wanted


@pytest.mark.parametrize(
    ("accept_encoding", "gzip"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("gzip, deflate, br, zstd", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip;q=0.001", True),
        ("*", True),
        ("*;q=0", False),
        ("*;q=0, gzip", True),
        ("gzip;q=0, *", False),
        ("identity", False),
        ("identity, *;q=0", False),
        ("br", False),
        ("gzip;q=x", False),
        ("gzipped", False),
    ],
)
def test_encodings(accept_encoding, gzip):
    assert takes_gzip(accept_encoding) is gzip


@given(st.text())
def test_nonsense_is_answered_in_text(header):
    form, kind = content_type(header)
    assert (form, kind) in {TEXT, OPENMETRICS, OLD}
    assert takes_gzip(header) in {True, False}
    assert kind.encode("latin-1")

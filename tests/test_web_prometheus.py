"""A real Prometheus scrapes over TLS, with a certificate and a password of its own, while the server's is renewed."""

from __future__ import annotations

import json
import subprocess

import bcrypt
from keys import authority, certificate, furnish, texts
from worlds import wait_for

from exporter.sinks.gzip_pieces import piece, stitch
from exporter.tally import Tally
from exporter.web.gate import Gate
from exporter.web.server import WebServer
from exporter.web.site import Site

PAGE = stitch([piece(b"# TYPE a gauge\na 1.0\n# EOF\n")]).gzip


def test_prometheus_scrapes_over_tls_with_a_password(tmp_path, require_tool):
    prometheus = require_tool("prometheus")
    furnish(tmp_path)
    authority("one").cert_pem.write_to_path(tmp_path / "server-ca.pem")
    client, key = texts(certificate("prometheus.example", ca="clients"))
    (tmp_path / "client.crt").write_text(client)
    (tmp_path / "client.key").write_text(key)
    (tmp_path / "web.yml").write_text(f"""
tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  client_allowed_sans: [prometheus.example]
basic_auth_users: {{prometheus: {bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()}}}
""")
    gate, tally = Gate(tmp_path / "web.yml"), Tally()
    server = WebServer("127.0.0.1:0", Site(lambda _: PAGE, lambda: b"", lambda: True), tally, gate)

    def scrapes(code="200"):
        return sum(
            s.value
            for s in tally.samples("own", 0.0)
            if s.family == "sagemaker_exporter_http_requests_total" and s.labels == ("/metrics", code)
        )

    job = {
        "job_name": "sagemaker",
        "scheme": "https",
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "basic_auth": {"username": "prometheus", "password": "secret"},
        "tls_config": {"ca_file": "server-ca.pem", "cert_file": "client.crt", "key_file": "client.key"},
        "static_configs": [{"targets": [f"127.0.0.1:{server.port}"]}],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps({"scrape_configs": [job]}))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                prometheus,
                "--config.file=prometheus.yml",
                "--web.listen-address=127.0.0.1:0",
                "--storage.tsdb.path=tsdb",
            ],
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(lambda: scrapes() >= 2)
        for name, text in zip(("server.crt", "server.key"), texts(certificate("127.0.0.1", "new")), strict=True):
            (tmp_path / name).write_text(text)
        gate.look()
        before = scrapes()
        wait_for(lambda: scrapes() >= before + 2)
    finally:
        process.kill()
        process.wait()
        server.close()
    assert scrapes("401") == 0

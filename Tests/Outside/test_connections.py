"""How long a connection lives and how many there may be, as the flags of consentd say."""

import socket
import urllib.error
import urllib.request

import h2.config
import h2.connection
import h2.events
import pytest

from service import Service
from tls_service import until


@pytest.fixture(scope="module")
def short():
    service = Service()
    service.extra = ["--max-connection-age", "1s", "--max-connections", "4",
                     "--min-ping-interval", "1s", "--permit-pings-without-calls",
                     "--drain-grace", "2s"]
    service.start()
    yield service
    service.destroy()


def test_a_connection_is_asked_to_go_at_its_age(short):
    with socket.create_connection(("127.0.0.1", short.port), timeout=20) as raw:
        client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        client.initiate_connection()
        raw.sendall(client.data_to_send())
        gone = False
        while data := raw.recv(65_536):
            for event in client.receive_data(data):
                gone = gone or isinstance(event, h2.events.ConnectionTerminated)
            try:
                raw.sendall(client.data_to_send())
            except OSError:
                break
        assert gone


def test_connections_above_the_limit_are_closed_and_counted(short):
    def count():
        page = urllib.request.urlopen(f"http://{short.address}/metrics", timeout=10).read().decode()
        return next(float(line.split()[1]) for line in page.splitlines()
                    if line.startswith("consentd_connections_refused_total "))

    before = count()
    held = [socket.create_connection(("127.0.0.1", short.port), timeout=20) for _ in range(5)]
    try:
        # Idle ones that were admitted stay open for their first bytes; the rest end at once.
        held[-1].settimeout(5)
        assert held[-1].recv(1) == b""
    except ConnectionResetError:
        pass
    finally:
        for one in held:
            one.close()

    def counted():
        try:
            return count() > before
        except (urllib.error.URLError, ConnectionError):
            return False

    until(counted, what="the count")

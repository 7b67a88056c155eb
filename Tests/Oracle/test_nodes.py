"""Several nodes on one database, as `consentd database` and `ops/run --nodes` set them up."""

import pathlib
import random

import pytest

from cluster import Cluster
from desk import check
from history import Key
from register import Register


@pytest.fixture(scope="module")
def nodes():
    cluster = Cluster(seed=1, nodes=2, organizations=1)
    yield cluster
    cluster.destroy()


def test_a_change_on_one_node_is_seen_on_the_other(nodes):
    register = Register(nodes, nodes.organizations[0], patients=1)
    key, uid = register.keys[0], register.images[0][0]
    assert key == Key(0, 0)

    def permits(number):
        answer = register.stubs[number].checks.Check(
            check.CheckRequest(request=register.question(key, uid, f"q{random.random()}")),
            timeout=10, metadata=register.metadata)
        return answer.decision.effect == 1

    assert not permits(0) and not permits(1)
    for node in (0, 1):
        recorded = register.stubs[node].records.RecordInstrument(
            register.grant_request(key), timeout=10, metadata=register.metadata)
        assert permits(1 - node) and permits(node)
        register.stubs[1 - node].records.Revoke(
            register.revoke_request(key, recorded.instrument.grants[0].grant_id), timeout=10,
            metadata=register.metadata)
        assert not permits(node) and not permits(1 - node)


def test_no_secret_is_in_arguments_or_readable_by_others(nodes):
    login = nodes.database.login_file
    password = login.read_text().split("password='")[1].split("'")[0]
    assert len(password) == 64
    for path in (login, nodes.database.root / "server.password",
                 nodes.database.root / "master.key"):
        assert path.stat().st_mode & 0o077 == 0, path
    for process in [nodes.database.process] + [node.process for node in nodes.nodes]:
        assert password not in pathlib.Path(f"/proc/{process.pid}/cmdline").read_text()
    logs = "".join(path.read_text() for path in nodes.folder.glob("*.log"))
    assert password not in logs


def test_nodes_outlive_a_restart_of_their_database(nodes):
    before = nodes.database.login_file.read_text()
    nodes.database.stop()
    assert not (nodes.database.root / "data" / "postmaster.pid").exists()
    nodes.database.start()
    assert nodes.database.login_file.read_text() == before
    for node in nodes.nodes:
        node.wait_serving()

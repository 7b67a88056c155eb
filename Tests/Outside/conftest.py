import pytest

from service import Service


@pytest.fixture(scope="session")
def service():
    """One service for all tests that do not break it; each test takes an organization of its own."""
    service = Service(scenarios=300).start()
    yield service
    service.destroy()


@pytest.fixture
def desk(service):
    """A front desk, a viewer and a compliance office in a fresh organization."""
    from desk import Desk

    return Desk(service, f"scenario-{next(service.unused)}")

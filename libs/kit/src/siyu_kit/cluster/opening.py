"""The leases of a service's singletons as its settings say."""

from siyu_kit.cluster.lease_api import LeaseApi
from siyu_kit.cluster.leases import ClusterLeases
from siyu_kit.config import CommonConfig
from siyu_kit.sql.election import Election
from siyu_kit.sql.engine import Database
from siyu_kit.sql.lease import Leases


def open_election(config: CommonConfig, database: Database) -> Election:
    """Nothing is contacted before it is needed. Create it inside the running loop."""
    if config.leases == "database":
        return Leases(database)
    api = LeaseApi(config.lease_namespace, config.kubernetes_url)
    return ClusterLeases(database, api, prefix=config.lease_prefix)

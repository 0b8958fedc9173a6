"""A Ray cluster of two workers on loopback: `python ray_cluster.py` prints its address, and kills a worker on `kill`.

It ends when its standard input closes.
"""

from __future__ import annotations

import sys
from typing import Any

WORKERS = 2


def main() -> None:
    """Begin it, and do what the lines of standard input say."""
    from ray.cluster_utils import Cluster

    own: dict[str, Any] = {
        "node_ip_address": "127.0.0.1",
        "include_dashboard": False,
        "object_store_memory": 80_000_000,
    }
    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **own})
    workers = [cluster.add_node(num_cpus=1, **own) for _ in range(WORKERS)]
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line.strip() == "kill":
            cluster.remove_node(workers.pop(), allow_graceful=False)
            print("killed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()

"""Pages of metrics, served on loopback as programs serve them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lab.ports import LOOPBACK


@contextmanager
def served(page: str) -> Iterator[str]:
    """Serve the text while the block runs; yields its `HOST:PORT`."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            """Nothing: Prometheus asks every second."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


AGENT = """\
cachemon_build_info{node="NODE",version="0.1.0"} 1
cachemon_monitoring_available{node="NODE"} 1
cachemon_rmids{node="NODE",use="total"} 32
cachemon_rmids{node="NODE",use="ours"} 20
cachemon_rmids{node="NODE",use="others"} 12
cachemon_groups{node="NODE",state="Monitored",reason=""} 1
cachemon_groups{node="NODE",state="Waiting",reason="OutOfRMIDs"} 4
cachemon_groups{node="NODE",state="Degraded",reason="VCPUsNotInVM"} 3
cachemon_cache_capacity_bytes{node="NODE",cache_id="0"} 1000
cachemon_cache_capacity_bytes{node="NODE",cache_id="1"} 1000
cachemon_node_cache_occupancy_bytes{node="NODE",cache_id="0"} 900
cachemon_node_cache_occupancy_bytes{node="NODE",cache_id="1"} 100
cachemon_node_cache_monitored_bytes{node="NODE",cache_id="0"} 800
cachemon_vmi_cache_occupancy_bytes{node="NODE",namespace="a",name="loud",cache_id="0"} 500
cachemon_vmi_cache_occupancy_bytes{node="NODE",namespace="a",name="loud",cache_id="1"} 50
cachemon_vmi_cache_occupancy_bytes{node="NODE",namespace="a",name="quiet",cache_id="0"} 300
cachemon_vmi_cache_occupancy_bytes{node="NODE",namespace="a",name="quiet",cache_id="1"} 0
cachemon_vmi_memory_traffic_bytes_total{node="NODE",namespace="a",name="loud",cache_id="0"} 100
cachemon_vmi_memory_traffic_bytes_total{node="NODE",namespace="a",name="loud",cache_id="1"} 100
cachemon_vmi_memory_traffic_bytes_total{node="NODE",namespace="a",name="quiet",cache_id="0"} 100
cachemon_vmi_memory_traffic_bytes_total{node="NODE",namespace="a",name="quiet",cache_id="1"} 100
cachemon_cache_occupancy_bytes{node="NODE",namespace="a",name="quiet",object="o",group="g",cache_id="0"} 300
cachemon_memory_traffic_bytes_total{node="NODE",namespace="a",name="quiet",object="o",group="g",cache_id="0"} 100
cachemon_memory_traffic_bytes_total{node="NODE",namespace="a",name="quiet",object="o",group="g",cache_id="1"} 100
cachemon_memory_traffic_local_bytes_total{node="NODE",namespace="a",name="quiet",object="o",group="g",cache_id="0"} 50
cachemon_memory_traffic_local_bytes_total{node="NODE",namespace="a",name="quiet",object="o",group="g",cache_id="1"} 50
cachemon_group_monitored{node="NODE",namespace="a",name="quiet",object="o",group="g"} 1
cachemon_group_monitored{node="NODE",namespace="a",name="quiet",object="o",group="h"} 0
cachemon_vmi_interference_level{node="NODE",namespace="a",name="loud"} 1
cachemon_vmi_interference_level{node="NODE",namespace="a",name="quiet"} 3
cachemon_interference_slowdown_ratio{node="NODE",victim_namespace="a",victim_name="quiet",\
suspect_namespace="a",suspect_name="loud"} 0.25
cachemon_node_interference_ratio{node="NODE"} 0.125
cachemon_agent_samples_total{node="NODE"} 100
cachemon_agent_sample_seconds_total{node="NODE"} 1
cachemon_agent_sample_overruns_total{node="NODE"} 5
cachemon_agent_traffic_gaps_total{node="NODE",reason="Restarted"} 1
cachemon_agent_api_writes_total{node="NODE",result="written"} 9
"""
"""An agent on a node with every kind of trouble; NODE stands for its name."""

OPERATOR = """\
cachemon_operator_watch_unanswered_seconds 0
cachemon_operator_groups{ready="True"} 1
cachemon_operator_groups{ready="False"} 2
cachemon_operator_groups{ready="Unknown"} 0
"""


def host_page(agent: str) -> str:
    """The page of a libvirt host's agent in the same trouble, made of a node's page."""
    names = {
        "cachemon_": "cachemon_host_",
        "cachemon_host_node_cache_occupancy_bytes": "cachemon_host_cache_used_bytes",
        "cachemon_host_node_interference_ratio": "cachemon_host_interference_ratio",
        "cachemon_host_vmi_": "cachemon_host_domain_",
        'node="NODE",': "",
        '{node="NODE"}': "",
        'victim_namespace="a",victim_name': "victim_domain",
        'suspect_namespace="a",suspect_name': "suspect_domain",
        'namespace="a",name': "domain",
        "object": "kept",
    }
    left_out = ("cachemon_node_cache_monitored", "cachemon_agent_api_writes")
    page = "".join(line for line in agent.splitlines(keepends=True) if not line.startswith(left_out))
    for name, on_hosts in names.items():
        page = page.replace(name, on_hosts)
    return f"cachemon_host_libvirt_connected 1\n{page}"

"""How long drills are: short in `make test`, as long as they are promised to be in `make drills`."""

import os

CALLS = int(os.environ.get("DRILL_CALLS", "5000"))
OUTAGE_S = float(os.environ.get("DRILL_OUTAGE_S", "3"))
RELAY_S = float(os.environ.get("DRILL_RELAY_S", "3"))
UPGRADE_CALLS = int(os.environ.get("DRILL_UPGRADE_CALLS", "300"))
UPGRADE_CLIENTS = int(os.environ.get("DRILL_UPGRADE_CLIENTS", "4"))
UPGRADE_PAUSE_S = float(os.environ.get("DRILL_UPGRADE_PAUSE_S", "0.05"))

"""What runs a network: one file each, behind `detection.runtimes.base.Runtime`."""

import sys

# Importing OpenVINO starts a thread that reports the import to its maker. Without this module it falls back to a stub.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

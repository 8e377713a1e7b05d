"""`make bench`: the benchmarks that need nothing but this machine; each is also a module of its own under `bench`."""

import sys

from bench import detector

if __name__ == "__main__":
    sys.exit(detector.main())

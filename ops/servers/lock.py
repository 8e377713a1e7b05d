"""Makes `ops/kafka-jars.lock` anew: resolves Kafka's jars as Maven would and notes each one's sha256.

Run `python -m ops.servers.lock` after changing a version here.
"""

import tempfile
from pathlib import Path

from jgo.constants import MAVEN_CENTRAL_URL
from jgo.env import LockFile
from jgo.maven import Dependency, MavenContext

from ops.servers.jars import LOCK_FILE

COORDINATES = (
    "org.apache.kafka:kafka_2.13:4.4.0",
    # Without a binding of SLF4J the broker's log stays empty, and no failure can be shown.
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5",
)


def main() -> None:
    """Resolve, download into a temporary folder, and write the lock file.

    Each coordinate is resolved by itself, and the first one's versions win: resolved together, the version
    management of log4j's own parent would replace Kafka's client by an older one.
    """
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder), local_repos=[], remote_repos={"central": MAVEN_CENTRAL_URL})
        jars: dict[tuple[str, str], Dependency] = {}
        for coordinate in COORDINATES:
            named, transitive = context.resolver.resolve([context.create_dependency(coordinate)])
            for jar in [*named, *transitive]:
                jars.setdefault((jar.groupId, jar.artifactId), jar)
        in_order = [jars[name] for name in sorted(jars)]
        LockFile.from_resolved_dependencies(in_order, environment_name="kafka").save(LOCK_FILE)


if __name__ == "__main__":
    main()

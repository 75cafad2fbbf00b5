#!/usr/bin/env bash
# Builds Java's binding and its benchmark into a directory: build.sh DIRECTORY
set -euo pipefail

built=$1
here=$(dirname "$0")
binding=$here/../../../bindings/java
mkdir -p "$built"
mvn -B -q -f "$binding/pom.xml" package -DskipTests
cp -r "$binding/target/classes/." "$binding"/target/dependency/jna-*.jar "$built"
javac -Xlint:all -Werror -cp "$built:$built/*" -d "$built" "$here/Bench.java"
# The floor of foreign functions, if a Java with them exists.
if newer=$("$here/../../../.ci/newer-java") && [ -x "${newer}c" ]; then
  "${newer}c" -Xlint:all -Werror -d "$built" "$here/Foreign.java"
fi

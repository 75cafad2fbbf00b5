#!/bin/sh
# The installed library as a user finds it. Programs compile, link and run with pkg-config's flags, shared and static.
# The library exports exactly the functions that the header declares.
#
#   PKG_CONFIG_PATH=PREFIX/lib/pkgconfig install.sh BUILD      (under `wechat-sim exec`)
set -eu

build=$1
examples=$(cd "$(dirname "$0")/../../examples-c" && pwd)
: "${PKG_CONFIG:=pkg-config}" "${CC:=cc}" "${CXX:=c++}"
: "${WXSIM_HTTP:?is not set: run this under wechat-sim exec, as make -C tests/c install does}"
warnings="-Wall -Wextra -Wpedantic -Werror"

passed=0
pass() { passed=$((passed + 1)); }
die() { echo "FAILED $1" >&2; echo "$passed passed, 1 failed"; exit 1; }

for tool in "$PKG_CONFIG" "$CC" "$CXX" nm readelf ldd python3; do
  command -v "$tool" >/dev/null || die "$tool is not there: install it"
done
"$PKG_CONFIG" --exists wxtoken || die "pkg-config does not find wxtoken: set PKG_CONFIG_PATH"
"$PKG_CONFIG" --exists libcrypto || die "pkg-config does not find libcrypto: install libssl-dev"

libdir=$("$PKG_CONFIG" --variable=libdir wxtoken)
include=$("$PKG_CONFIG" --variable=includedir wxtoken)
library=$libdir/libwxtoken.so
mkdir -p "$build"
work=$(mktemp -d "${TMPDIR:-/tmp}/wxtoken-install-XXXXXX")
trap 'rm -rf "$work"' EXIT

# Runs a first_get on a new store. It must print one line.
runs() {
  line=$(env WXTOKEN_STORE="$work/$2.db" WXTOKEN_KIND="${3:-official}" WXTOKEN_API_BASE_URL="$WXSIM_HTTP" \
    WXTOKEN_ID=wxdemo0000000001 WXTOKEN_SECRET=demo-secret-0000000000000000000000001 LD_LIBRARY_PATH="$libdir" "$1") ||
    die "$2: first_get"
  echo "$line" | grep -Eq '^C  .{8}….{4}  [0-9]+ chars  expires in [0-9]+ s  [0-9]+ us$' ||
    die "$2: it printed: $line"
  pass
}

# shellcheck disable=SC2046  # pkg-config's words are words
{
  "$CC" -o "$build/shared" "$examples/first_get.c" $("$PKG_CONFIG" --cflags --libs wxtoken) || die "linking shared"
  runs "$build/shared" shared
  LD_LIBRARY_PATH=$libdir ldd "$build/shared" | grep -q 'libwxtoken\.so\.0' || die "the program needs libwxtoken.so.0"
  pass

  "$CC" -o "$build/static" "$examples/first_get.c" $("$PKG_CONFIG" --cflags wxtoken) \
    $("$PKG_CONFIG" --static --libs wxtoken | sed 's/-lwxtoken/-l:libwxtoken.a/') || die "linking statically"
  runs "$build/static" static
  ! ldd "$build/static" | grep -q libwxtoken || die "the static program needs the shared library"
  pass

  # glibc warns that names of users and hosts are looked up by its shared libraries.
  "$CC" -static -o "$build/whole" "$examples/first_get.c" $("$PKG_CONFIG" --cflags wxtoken) \
    $("$PKG_CONFIG" --static --libs wxtoken) 2>"$work/warnings" || die "linking a static program: $(cat "$work/warnings")"
  runs "$build/whole" whole

  # The program in the header's first comment, as C and as C++.
  sed -n '/FIRST USE/,/^ \*     }/s/^ \* \{0,5\}//p' "$include/wxtoken.h" | sed 1d >"$work/first_use.c"
  mkdir "$work/first_use"
  for language in c c++; do
    # shellcheck disable=SC2086
    "$CC" -x $language $warnings -o "$build/first_use" "$work/first_use.c" $("$PKG_CONFIG" --cflags --libs wxtoken) ||
      die "FIRST USE as $language"
    said=$(cd "$work/first_use" && env WXTOKEN_API_BASE_URL="$WXSIM_HTTP" LD_LIBRARY_PATH="$libdir" WXTOKEN_ID=wxdemo0000000001 \
      WXTOKEN_SECRET=demo-secret-0000000000000000000000001 "$build/first_use") || die "FIRST USE: $said"
    echo "$said" | grep -Eqx 'a token of [0-9]+ characters' || die "FIRST USE printed: $said"
    pass
  done

  make -s -C "$examples" BUILD="$build/examples" all jssdk || die "building the examples"
  for example in "$examples"/*.c; do
    # shellcheck disable=SC2086
    "$CXX" -x c++ -std=c++11 $warnings -fsyntax-only $("$PKG_CONFIG" --cflags wxtoken libcrypto) "$example" ||
      die "$(basename "$example") as C++"
    pass
  done
}

# On the classic endpoint the second later fetch ends a token. The first store is thus left with a refused one.
for store in refused later latest; do
  runs "$build/shared" $store official_classic
done

# The other examples, on the account that first_get registered.
export WXTOKEN_API_BASE_URL="$WXSIM_HTTP" LD_LIBRARY_PATH="$libdir"
failures=$(WXTOKEN_STORE="$work/refused.db" "$build/examples/failures") || die "failures: $failures"
echo "$failures" | grep -qx 'errcode 40001: the token is refused; rejecting it' || die "failures: $failures"
echo "$failures" | grep -qx 'the call returned errcode 0' || die "failures: $failures"
pass
export WXTOKEN_STORE="$work/shared.db"
"$build/examples/threads" | grep -qx '8 of 8 threads have the same token' || die "threads"
pass
"$build/examples/report" | grep -q '"id":"wxdemo0000000001"' || die "report"
pass

# Asks the simulator whether a signature printed by jssdk is right for this URL, as the page would.
page='https://shop.example/页?from=menu&q=1#top'
config='[{]"appId":"w[wx]demo0000000001","timestamp":[0-9]{10},"nonceStr":"[0-9a-f]{32}","signature":"[0-9a-f]{40}"[}]'
verdict() {
  python3 -c '
import json, os, sys, urllib.request
config = json.loads(sys.argv[1])
asked = {"appid": config["appId"], "url": sys.argv[2], "noncestr": config["nonceStr"],
         "timestamp": config["timestamp"], "signature": config["signature"]}
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
print(direct.open(os.environ["WXSIM_CONTROL"] + "/js_config", json.dumps(asked).encode()).read().decode())' "$1" "$page"
}
# The store has the account. Another one, of WeCom, is registered during the run.
first=$(WXTOKEN_ID=wxdemo0000000001 "$build/examples/jssdk" "$page") || die "jssdk"
second=$(WXTOKEN_ID=wxdemo0000000001 "$build/examples/jssdk" "$page") || die "jssdk, again"
wecom=$(WXTOKEN_STORE="$work/wecom.db" WXTOKEN_WORK_BASE_URL="$WXSIM_HTTP" WXTOKEN_KIND=work WXTOKEN_ID=wwdemo0000000001 \
  WXTOKEN_SECRET=demo-corpsecret-000000000000000000000000001 "$build/examples/jssdk" "$page") || die "jssdk in WeCom"
for printed in "$first" "$second" "$wecom"; do
  echo "$printed" | grep -Eqx "$config" || die "jssdk printed: $printed"
  answer=$(verdict "$printed")
  [ "$answer" = '{"ok":true}' ] || die "jssdk printed $printed, and the page would be told $answer"
  pass
done
nonce() { echo "$1" | grep -o '"nonceStr":"[^"]*"'; }
[ "$(nonce "$first")" != "$(nonce "$second")" ] || die "jssdk: a nonce came twice"
pass
if usage=$("$build/examples/jssdk" 2>&1); then die "jssdk without a URL exits with 0"; fi
case $usage in usage:*) pass ;; *) die "jssdk without a URL: $usage" ;; esac
unset WXTOKEN_STORE WXTOKEN_API_BASE_URL LD_LIBRARY_PATH

# shellcheck disable=SC2086
{
  echo '#include <wxtoken.h>' | "$CC" -x c -std=c99 $warnings -fsyntax-only -I"$include" - ||
    die "the header alone as C99"
  pass
  echo '#include <wxtoken.h>' | "$CXX" -x c++ -std=c++11 $warnings -fsyntax-only -I"$include" - ||
    die "the header alone as C++"
  pass
}

# In the header without comments, each name followed by a parenthesis is a declared function.
"$CC" -E -P "$include/wxtoken.h" | grep -o 'wxtoken_[a-z_]*(' | tr -d '(' | sort > "$work/declared"
# GNU ld adds an absolute symbol for each version.
nm -D --defined-only "$library" | awk '$2 != "A" { sub("@.*", "", $NF); print $NF }' | sort > "$work/exported"
diff "$work/declared" "$work/exported" >&2 || die "declared (<) and exported (>) functions differ"
[ -s "$work/declared" ] || die "the header declares nothing"
pass

readelf -d "$library" > "$work/dynamic"
grep -q 'SONAME.*\[libwxtoken\.so\.0\]' "$work/dynamic" || die "the SONAME is not libwxtoken.so.0"
pass
grep -q 'FLAGS_1.*NODELETE' "$work/dynamic" || die "the library is not linked with -z nodelete"
pass

version=$("$PKG_CONFIG" --modversion wxtoken)
grep -q "^#define WXTOKEN_VERSION \"$version\"\$" "$include/wxtoken.h" ||
  die "header and pkg-config tell different versions"
pass

echo "$passed passed, 0 failed"

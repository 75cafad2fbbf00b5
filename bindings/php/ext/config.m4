dnl phpize && ./configure && make. It finds libwxtoken by pkg-config, or else takes the one in this package's archive.

PHP_ARG_ENABLE([wxtoken],
  [whether to enable wxtoken],
  [AS_HELP_STRING([--enable-wxtoken], [Enable WeChat access tokens by libwxtoken])],
  [yes])

if test "$PHP_WXTOKEN" != "no"; then
  AC_PATH_PROG([PKG_CONFIG], [pkg-config], [no])
  AC_CANONICAL_HOST
  wxtoken_root=`cd "$abs_srcdir/.." && pwd`
  case $host_os in
    *musl*) wxtoken_native=$wxtoken_root/native/$host_cpu-musl ;;
    *)      wxtoken_native=$wxtoken_root/native/$host_cpu-gnu ;;
  esac

  AC_MSG_CHECKING([for libwxtoken])
  if test "$PKG_CONFIG" != "no" && $PKG_CONFIG --exists wxtoken; then
    AC_MSG_RESULT([`$PKG_CONFIG --modversion wxtoken`, by pkg-config])
    WXTOKEN_CFLAGS=`$PKG_CONFIG --cflags wxtoken`
    WXTOKEN_LIBS=`$PKG_CONFIG --libs wxtoken`
    PHP_EVAL_INCLINE($WXTOKEN_CFLAGS)
    PHP_EVAL_LIBLINE($WXTOKEN_LIBS, WXTOKEN_SHARED_LIBADD)
  elif test -f "$wxtoken_native/libwxtoken.so.0" && test -f "$wxtoken_root/include/wxtoken.h"; then
    AC_MSG_RESULT([$wxtoken_native])
    PHP_ADD_INCLUDE([$wxtoken_root/include])
    WXTOKEN_SHARED_LIBADD="-L$wxtoken_native -l:libwxtoken.so.0 -Wl,-rpath,$wxtoken_native"
  else
    AC_MSG_RESULT([no])
    AC_MSG_ERROR([libwxtoken not found: install it, and add the directory of its wxtoken.pc to PKG_CONFIG_PATH])
  fi

  PHP_SUBST([WXTOKEN_SHARED_LIBADD])
  PHP_NEW_EXTENSION([wxtoken], [wxtoken.c store.c handles.c token.c failures.c], [$ext_shared],,
    [-std=gnu11 -Wall -Wextra -Wno-unused-parameter -DZEND_ENABLE_STATIC_TSRMLS_CACHE=1])
  PHP_ADD_EXTENSION_DEP([wxtoken], [date])
  PHP_ADD_EXTENSION_DEP([wxtoken], [json])
  PHP_ADD_EXTENSION_DEP([wxtoken], [spl])
fi
